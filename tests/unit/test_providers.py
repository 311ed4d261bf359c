"""The dynamic providers: none of them fails but the summary, which tells all that failed at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fleet import FakeLock, make_orders, make_settings, make_world, process, up
from world import World

from components import providers
from migration import join
from migration.errors import CloudUnreachable, EngineGone, LockError
from migration.marks import Record, Stage
from migration.settings import CaracalSettings

LEFT = Record(Stage.LEFT, "2026-11-23T10:00:00Z")


@pytest.fixture
def world() -> World:
    world = make_world("cmp01", "cmp02")
    for node in ("cmp01", "cmp02"):
        del world.old.services[node], world.old.hypervisors[node]
        world.old.running.discard(node)
        world.record(node, LEFT)
    world.old.agents.clear()
    return world


@pytest.fixture
def settings() -> CaracalSettings:
    more = {"budget": {"moving": 9, "per_datacenter": 9}}
    return make_settings({"cmp01": "caracal", "cmp02": "caracal"}, **more)


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*_args: object, **_more: object) -> Any:
        raise error

    return act


# -------------------------------------------------------------------------------------------------------- the host hook


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("a mistake of ours"), "RuntimeError: a mistake of ours"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (CloudUnreachable("caracal", "no answer"), "CloudUnreachable: caracal: no answer"),
    ],
)
def test_whatever_happens_in_the_host_hook_is_a_result_of_each_node(
    world: World, settings: CaracalSettings, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    monkeypatch.setattr(join, "host_hook", raising(error))
    orders = make_orders(settings)
    props = {"nodes": ["cmp01", "cmp02", "cmp03"], "held": {"cmp01": "", "cmp02": "", "cmp03": "not empty"}}
    with process(world, orders, None):
        made = providers.HostHookProvider(orders).create(props)
    assert made.outs is not None
    assert made.outs["results"] == {
        "cmp01": {"ok": False, "message": says},
        "cmp02": {"ok": False, "message": says},
        "cmp03": {"ok": False, "message": "not empty"},
    }
    ran = up(world, settings)
    assert ran.failed() == {node: f"{node}: host-hook: {says}" for node in ("cmp01", "cmp02")}


def test_a_host_hook_whose_engine_is_gone_gives_no_results(
    world: World, settings: CaracalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "host_hook", raising(EngineGone("gone")))
    orders = make_orders(settings)
    with process(world, orders, None), pytest.raises(EngineGone):
        providers.HostHookProvider(orders).create({"nodes": ["cmp01"], "held": {"cmp01": ""}})


def test_who_does_not_have_the_lock_does_not_act(
    world: World, settings: CaracalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = make_orders(settings)
    monkeypatch.setattr(FakeLock, "take", raising(LockError("jane is still acting")))
    with process(world, orders, None), pytest.raises(LockError, match="jane"):
        providers.HostHookProvider(orders).create({"nodes": ["cmp01"], "held": {"cmp01": ""}})
    assert world.changes == []


# ---------------------------------------------------------------------------------------------------------- the summary


def summary(**inputs: Any) -> tuple[bool, str]:
    """Return whether the summary is a change, and what it raises."""
    props = {"steps": {}, "failed": {}, "alarms": [], **inputs}
    provider = providers.SummaryProvider(make_orders(make_settings({"cmp01": "caracal"})))
    changes = provider.diff("summary", {}, props).changes
    try:
        provider.update("summary", {}, props)
    except RuntimeError as error:
        return bool(changes), str(error)
    return bool(changes), ""


MEND = "Mend what is said here, then run pulumi up again:"


@pytest.mark.parametrize(
    ("inputs", "changes", "says"),
    [
        ({}, False, ""),
        ({"steps": {"cmp01": ["disable"]}, "failed": {"cmp01": ""}}, True, ""),
        (
            {"steps": {"cmp01": ["disable"]}, "failed": {"cmp01": "cmp01: disable: no"}},
            True,
            f"1 failed; everything else went on. {MEND}\ncmp01: disable: no",
        ),
        ({"alarms": ["cmp01: stuck"]}, True, f"1 failed; everything else went on. {MEND}\ncmp01: stuck"),
        (
            {"alarms": ["cmp09: stuck"], "steps": {"a": [], "b": []}, "failed": {"b": "b: no", "a": "a: no"}},
            True,
            f"3 failed; everything else went on. {MEND}\ncmp09: stuck\na: no\nb: no",
        ),
    ],
)
def test_the_summary_tells_all_that_failed_and_all_that_is_stuck(
    inputs: dict[str, Any], changes: bool, says: str
) -> None:
    assert summary(**inputs) == (changes, says)


def test_an_alarm_fails_every_up_and_not_only_the_first() -> None:
    provider = providers.SummaryProvider(make_orders(make_settings({"cmp01": "caracal"})))
    props = {"steps": {}, "failed": {}, "alarms": ["cmp01: stuck"]}
    assert provider.diff("summary", props, props).changes
