"""Time things beside each other, and count the requests that go out: nothing in here knows what is measured."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import requests


def interleaved(acts: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    """Time several acts in turns, so that what else the machine does meets all of them alike.

    Arguments:
        acts: what to do, by name.
        repetitions: how often each is done.

    Returns:
        The seconds of each repetition, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(repetitions):
        for name, act in acts.items():
            seconds[name].append(timed(act))
    return seconds


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds an act takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each act's seconds."""
    return {name: median(each) for name, each in seconds.items()}


def per_node(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return what one more node costs, from the costs of two fleets, each as (nodes, cost)."""
    return (large[1] - small[1]) / (large[0] - small[0])


def machine() -> dict[str, Any]:
    """Return how many cores there are and how busy they were in the last minute."""
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}


@contextmanager
def requests_counted() -> Iterator[Counter[str]]:
    """Count every HTTP request of this process, redirects and repetitions too, by :func:`kind`."""
    counter: Counter[str] = Counter()
    real = requests.Session.request

    def counting(self: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        counter[kind(method, url)] += 1
        return real(self, method, url, **options)

    with patch.object(requests.Session, "request", counting):
        yield counter


def kind(method: str, url: str) -> str:
    """Say what a request of a look is for.

    Arguments:
        method: HTTP method.
        url: where to.

    Returns:
        ``log-in`` (with what finds out a service's versions), ``node`` (Placement, asked about one node) or ``list``.
    """
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    if method == "POST" or re.fullmatch(r"(v\d[\d.]*)?", last):
        return "log-in"
    return "node" if last == "allocations" else "list"
