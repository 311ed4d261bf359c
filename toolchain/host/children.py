"""The processes that the host has started, so that none of them outlives it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

_GRACE = 2.0  # seconds for a program to end by itself once it has been interrupted

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends at the latest when this block, or the host, does.

    Arguments:
        command: program and arguments.
        options: for ``subprocess.Popen``.

    Yields:
        The process.
    """
    with _lock:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        _running.add(process)
    try:
        yield process
    finally:
        end(process)
        with _lock:
            _running.discard(process)


def end(process: subprocess.Popen[bytes], grace: float = _GRACE) -> None:
    """End a process: ask it first, do not take no for an answer.

    Arguments:
        process: one of ours; it may have ended already.
        grace: seconds to wait for it to end by itself.
    """
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(2)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_all() -> None:
    """End every process that still runs."""
    for process in list(_running):
        end(process)
