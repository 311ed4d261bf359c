"""The provider of VISA's parts: when it is a change, and when a part takes no step."""

from __future__ import annotations

from typing import Any

import pytest
from fleet import make_orders, make_settings

from components import visa_backend
from components.visa_backend import VisaProvider
from migration.steps import Report
from tests.unit.test_visa_settings import GOOD

SETTINGS = make_settings({"cmp01": "stein"}, visa=GOOD)


def provider() -> VisaProvider:
    return VisaProvider(make_orders(SETTINGS), SETTINGS)


def props(**changes: Any) -> dict[str, Any]:
    return {"part": "offer", "steps": [], "held": "", "offer": "users", **changes}


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (props(), props(), False),
        (props(), props(held="something else failed"), False),
        (props(), props(steps=["show Caracal"]), True),
        (props(steps=["show Caracal"]), props(), False),
        (props(offer="admins"), props(), True),
    ],
)
def test_what_is_a_change(before: dict[str, Any], now: dict[str, Any], changes: bool) -> None:
    assert provider().diff("offer", before, now).changes is changes


@pytest.mark.parametrize(
    ("given", "ran", "report"),
    [
        (props(), [], {"done": (), "stays": "", "failed": ""}),
        (
            props(steps=["show Caracal"], held="visa cloud: no"),
            [],
            {"done": (), "stays": "visa cloud: no", "failed": ""},
        ),
        (props(steps=["show Caracal"]), [["show Caracal"]], {"done": ("show Caracal",), "stays": "", "failed": ""}),
    ],
)
def test_a_part_whose_forerunner_failed_takes_no_step(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], ran: list[list[str]], report: dict[str, Any]
) -> None:
    taken: list[list[str]] = []

    class Work:
        def __init__(self, *_: object) -> None: ...

        def run(self, _part: object, steps: list[str]) -> Report:
            taken.append(steps)
            return Report(tuple(steps))

    monkeypatch.setattr(visa_backend, "Work", Work)
    monkeypatch.setattr(visa_backend, "open_hands", lambda settings: settings)
    monkeypatch.setattr(VisaProvider, "actor", lambda _self: None)
    outs = provider().create(given).outs
    assert outs is not None
    assert outs["report"] == report
    assert taken == ran


def test_what_travels_with_the_provider_is_no_secret() -> None:
    assert "VISA_TOKEN" in provider()._settings
    assert "force_back" in provider()._settings
