"""The parts of the benchmarks that compute: turns, medians, and what a request is for."""

from __future__ import annotations

import pytest
import requests
import requests_mock

from benchmarks.measure import interleaved, kind, medians, per_node, requests_counted


def test_acts_take_turns() -> None:
    done: list[str] = []
    acts = {name: lambda name=name: done.append(name) for name in ("a", "b")}

    seconds = interleaved(acts, 3)

    assert done == ["a", "b"] * 3
    assert {name: len(each) for name, each in seconds.items()} == {"a": 3, "b": 3}


def test_one_slow_repetition_does_not_move_the_median() -> None:
    assert medians({"a": [1.0, 60.0, 2.0], "b": [5.0]}) == {"a": 2.0, "b": 5.0}


def test_what_one_more_node_costs() -> None:
    assert per_node((6, 3.0), (206, 13.0)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("GET", "http://cloud:5000/v3", "log-in"),
        ("POST", "http://cloud:5000/v3/auth/tokens", "log-in"),
        ("GET", "http://cloud:8778", "log-in"),
        ("GET", "https://cloud/compute/v2.1/", "log-in"),
        ("GET", "http://cloud:8774/v2.1/os-services?binary=nova-compute", "list"),
        ("GET", "http://cloud:8774/v2.1/servers/detail?all_tenants=1&limit=1000", "list"),
        ("GET", "http://cloud:9696/v2.0/agents", "list"),
        ("GET", "http://cloud:8778/resource_providers", "list"),
        ("GET", "http://cloud:8778/resource_providers/4a1c/allocations", "node"),
    ],
)
def test_what_a_request_is_for(method: str, url: str, expected: str) -> None:
    assert kind(method, url) == expected


def test_every_request_is_counted() -> None:
    with requests_mock.Mocker() as mocker, requests_counted() as counter:
        mocker.get("http://cloud:8774/v2.1/os-aggregates", text="{}")
        for _ in range(2):
            requests.Session().get("http://cloud:8774/v2.1/os-aggregates")

    assert counter == {"list": 2}
