"""Each step by itself: it looks again, then acts, stays, finds nothing to do, or fails with a sentence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleet import (
    HOOK,
    FakeEngine,
    FakeLock,
    SwiftActor,
    make_actor,
    make_orders,
    make_plan_of,
    make_settings,
    make_world,
    up,
)
from world import FakeNova, Guest, World

from migration import audit, join, leave
from migration.actor import Actor
from migration.errors import CloudRefused, CloudUnreachable, EngineGone, StepError
from migration.facts import Server
from migration.marks import Mark, Record, Stage
from migration.names import COUNTERPROBE_FLAVOR, LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBATION_TRAIT
from migration.plan import NODE_AGENTS, Step
from migration.steps import Report, run_steps

Prepare = Callable[[World], object]


def complete(report: Report) -> bool:
    """Return whether every step was carried out."""
    return not report.stays and not report.failed


def act(world: World, step: Step, *, new: bool = False, **changes: Any) -> tuple[str, str, list[str]]:
    """Run one step on cmp01; return its result, what it says, and the calls that changed something."""
    actor = actor_in(world, **changes)
    before = len(world.changes)
    report = run_steps(actor, "caracal" if new else "stein", "cmp01", [step], acts(new))
    result = audit.FAILED if report.failed else audit.STAYS if report.stays else audit.DONE
    changes_made = world.changes[before:]
    if result == audit.DONE and not changes_made:
        result = audit.NOTHING
    return result, report.failed or report.stays, [change.what for change in changes_made]


def actor_in(world: World, **changes: Any) -> SwiftActor:
    return make_actor(world, make_orders(make_settings({"cmp01": "caracal"}, **changes)))


def acts(new: bool) -> Any:
    return join.acts_in("dc1") if new else leave.ACTS


def marked(mark: Mark, *, stopped: bool = False) -> Prepare:
    def prepare(world: World) -> None:
        world.mark("cmp01", mark)
        if stopped:
            world.old.running.discard("cmp01")

    return prepare


def gone(world: World) -> None:
    del world.old.services["cmp01"]
    del world.old.hypervisors["cmp01"]


def stopped(world: World) -> None:
    world.old.running.discard("cmp01")


def all_of(*prepares: Prepare) -> Prepare:
    return lambda world: [prepare(world) for prepare in prepares]


def appears(world: World) -> None:
    world.boot("stein", "cmp01")


def by_hand(world: World) -> None:
    world.by_hand("stein", "cmp01", enabled=False)


def left(stage: Stage) -> Prepare:
    return lambda world: world.record("cmp01", Record(stage, "2026-11-23T10:00:00Z", "old-provider"))


leaving, moving = marked(Mark.LEAVING), marked(Mark.MOVING, stopped=True)
nothing = all_of()


@pytest.mark.parametrize(
    ("step", "prepare", "result", "says", "changes"),
    [
        ("disable", nothing, "done", "", ["disable"]),
        ("disable", leaving, "nothing to do", "", []),
        ("disable", by_hand, "stays", "somebody else disabled it meanwhile (broken fan", []),
        ("disable", gone, "stays", "has no nova-compute for it any more", []),
        ("stop-compute", leaving, "done", "", ["disable", "leave"]),
        ("stop-compute", moving, "done", "", ["disable", "leave"]),
        ("stop-compute", gone, "nothing to do", "", []),
        ("stop-compute", nothing, "stays", "expected it disabled with our mark", []),
        ("stop-compute", by_hand, "stays", "expected it disabled with our mark", []),
        ("stop-compute", all_of(leaving, appears), "stays", "not empty: 1 instance left", []),
        ("delete-service", moving, "done", "", ["set_metadata", "delete_service"]),
        ("delete-service", gone, "nothing to do", "", []),
        ("delete-service", by_hand, "stays", "expected it disabled with our mark", []),
        ("delete-service", nothing, "stays", "expected it disabled with our mark", []),
        (
            "delete-service",
            all_of(moving, appears),
            "stays",
            "its nova-compute was started again",
            ["join-old", "disable"],
        ),
        ("delete-agents", all_of(gone, stopped), "done", "", ["delete_agent"]),
        (
            "delete-agents",
            gone,
            "failed",
            "a network agent of stein still reports from it after 120 s; expected the leave hook to stop it",
            [],
        ),
        ("delete-agents", nothing, "stays", "has a nova-compute for it again", []),
        ("delete-agents", all_of(gone, lambda w: w.old.agents.clear()), "nothing to do", "", []),
        ("prove-gone", all_of(gone, left(Stage.LEFT)), "nothing to do", "", []),
        ("prove-gone", nothing, "failed", "still has its nova-compute and resource provider", []),
        ("start-compute", moving, "done", "", ["join-old", "disable"]),
        ("start-compute", all_of(moving, left(Stage.LEFT)), "done", "", ["join-old", "set_metadata", "disable"]),
        ("start-compute", gone, "stays", "has no nova-compute for it any more", []),
        ("start-compute", by_hand, "stays", "expected it disabled with our mark", []),
        ("enable", leaving, "done", "", ["enable"]),
        ("enable", all_of(leaving, left(Stage.LEFT)), "done", "", ["set_metadata", "enable"]),
        ("enable", nothing, "nothing to do", "", []),
        ("enable", moving, "stays", "its nova-compute was stopped meanwhile", []),
        ("enable", by_hand, "stays", "somebody else disabled it meanwhile", []),
        ("enable", gone, "stays", "has no nova-compute for it any more", []),
    ],
)
def test_a_step_out_of_the_old_cloud(step: str, prepare: Prepare, result: str, says: str, changes: list[str]) -> None:
    world = make_world("cmp01", "cmp02")
    prepare(world)
    found, said, made = act(world, Step(step))
    assert (found, made) == (result, changes)
    assert says in said


def test_only_the_nodes_own_things_are_touched() -> None:
    world = make_world("cmp01", "cmp02")
    before = world.summary()["stein"]["services"]["cmp02"]
    for step in (Step.DISABLE, Step.STOP_COMPUTE, Step.DELETE_SERVICE, Step.DELETE_AGENTS, Step.PROVE_GONE):
        assert act(world, step)[0] in {"done", "nothing to do"}
    assert world.summary()["stein"]["services"] == {"cmp02": before}
    assert list(world.old.agents.values()) == ["cmp02"]


def test_an_orphan_provider_is_found_by_its_uuid_under_any_name() -> None:
    world = make_world("cmp01")
    moving(world)
    world.orphan.add("cmp01")
    act(world, Step.DELETE_SERVICE)
    result, says, _ = act(world, Step.PROVE_GONE)
    assert result == "failed"
    assert "cmp01: prove-gone: stein still has its resource provider 0000" in says


@pytest.mark.parametrize(
    ("join_old", "expected", "says", "running"),
    [
        (True, "stays", "not empty: 1 instance left; its nova-compute was started again", True),
        (
            False,
            "failed",
            (
                "cmp01: start-compute: not empty: 1 instance left after nova-compute was stopped, and there is no"
                " hooks.join_old: start nova-compute on it by hand"
            ),
            False,
        ),
    ],
)
def test_an_instance_that_appears_while_nova_compute_stops(
    join_old: bool, expected: str, says: str, running: bool
) -> None:
    world = make_world("cmp01")
    leaving(world)
    hook = {"leave": HOOK, "join": HOOK, **({"join_old": HOOK} if join_old else {})}
    probe_call = next(n for n in range(1, 99) if hook_call(n))
    world.before[probe_call] = lambda: appears(world)
    result, said, _ = act(world, Step.STOP_COMPUTE, hooks=hook)
    assert (result, said) == (expected, says)
    assert ("cmp01" in world.old.running) is running
    assert world.old.services["cmp01"].reason == (Mark.LEAVING if join_old else Mark.MOVING)


def hook_call(number: int) -> bool:
    """Say whether that call of an undisturbed stop-compute is the leave hook."""
    world = make_world("cmp01")
    leaving(world)
    act(world, Step.STOP_COMPUTE)
    return any(call.number == number and call.what == "leave" for call in world.calls)


def test_novas_own_refusal_is_the_last_guard() -> None:
    world = make_world("cmp01")
    moving(world)
    refusal = CloudRefused("stein", "DELETE /os-services/1 was answered 409: is hosting instances", 409)
    world.faults["stein", "delete_service"] = refusal
    result, said, changes = act(world, Step.DELETE_SERVICE)
    assert result == "stays"
    assert "refuses to let it go" in said
    assert changes == ["set_metadata", "set_metadata", "join-old", "disable"]
    assert world.summary()["ledger"] == {}


@pytest.mark.parametrize("seen_by", [frozenset({"servers"}), frozenset({"cell"})])
def test_an_instance_before_the_deletion_fails_where_nothing_can_start_nova_compute(seen_by: frozenset[str]) -> None:
    world = make_world("cmp01")
    moving(world)
    world.boot("stein", "cmp01", seen_by)
    result, said, changes = act(world, Step.DELETE_SERVICE, hooks={"leave": HOOK, "join": HOOK})
    assert (result, changes) == ("failed", [])
    assert "there is no hooks.join_old: start nova-compute on it by hand" in said
    assert "cmp01" in world.old.services
    assert world.summary()["ledger"] == {}


# ------------------------------------------------------------------------------- stopped is what Nova sees stopped


def lies(world: World) -> None:
    world.hook_lies.add("cmp01")


def forced_down(world: World) -> None:
    world.forced_down.add("cmp01")


@pytest.mark.parametrize("trouble", [lies, forced_down, all_of(lies, forced_down)], ids=["up", "forced down", "both"])
def test_a_nova_compute_that_is_not_seen_stopped_fails_and_nothing_is_deleted(trouble: Prepare) -> None:
    world = make_world("cmp01")
    leaving(world)
    trouble(world)
    steps = [Step.STOP_COMPUTE, Step.DELETE_SERVICE, Step.DELETE_AGENTS]
    report = run_steps(actor_in(world), "stein", "cmp01", steps, acts(new=False))
    assert report.done == ()
    assert "cmp01: stop-compute: the leave hook ended well, but nova-compute in stein is not seen down" in report.failed
    assert "forced down" in report.failed
    assert [change.what for change in world.changes] == ["disable", "leave"]
    assert world.old.services["cmp01"].reason == Mark.MOVING, "it counts as between the clouds"
    assert world.summary()["ledger"] == {}


def test_a_nova_compute_that_nova_sees_stop_only_later_is_waited_for() -> None:
    world = make_world("cmp01")
    leaving(world)
    lies(world)
    looks = next(n for n in range(1, 99) if hook_call(n)) + 3
    world.before[looks] = lambda: stopped(world)
    assert act(world, Step.STOP_COMPUTE)[0] == "done"


def test_a_real_step_waits_longer_than_nova_and_neutron_need_to_see_a_stop() -> None:
    assert leave.STOPPED > 75, "service_down_time is 60 s, agent_down_time 75 s"


# ------------------------------------------------------------------------------------ closed for a while, then empty


class Arriving(threading.Event):
    """An engine's end that does not come, but a server comes while somebody waits for it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        appears(self.world)
        return False


def test_a_server_that_was_on_its_way_when_the_node_closed_is_seen() -> None:
    world = make_world("cmp01")
    actor = actor_in(world)
    actor.settle = 60
    arriving = actor.engine.gone = Arriving(world)
    report = run_steps(actor, "stein", "cmp01", [Step.DISABLE, Step.STOP_COMPUTE], acts(new=False))
    assert report == Report(("disable",), stays="not empty: 1 instance left")
    (waited,) = arriving.waited
    assert waited is not None
    assert 50 < waited <= 60


@pytest.mark.parametrize("closed", [None, 61], ids=["closed by an earlier run", "closed long ago"])
def test_a_node_that_has_been_closed_for_long_enough_is_not_waited_for(closed: float | None) -> None:
    world = make_world("cmp01")
    leaving(world)
    actor = actor_in(world)
    actor.settle = 60
    if closed is not None:
        actor.closed["cmp01"] = time.monotonic() - closed
    actor.closed["cmp02"] = time.monotonic()
    begun = time.monotonic()
    assert complete(run_steps(actor, "stein", "cmp01", [Step.DISABLE, Step.STOP_COMPUTE], acts(new=False)))
    assert time.monotonic() - begun < 10
    assert ("cmp01" in actor.closed) is (closed is not None), "only who closes a node notes when"


def test_settling_takes_as_long_as_it_says_and_ends_with_the_engine() -> None:
    actor = real_actor(make_world())
    actor.settle = 0.2
    begun = actor.closed["cmp01"] = time.monotonic()
    actor.let_settle("cmp01")
    assert time.monotonic() - begun >= 0.2
    actor.settle = 600
    threading.Timer(0.1, actor.engine.gone.set).start()
    with pytest.raises(EngineGone):
        actor.let_settle("cmp01")
    assert time.monotonic() - begun < 60


# ------------------------------------------------------------------------------------------ agents of the old cloud


def test_only_agents_that_serve_their_own_node_are_deleted() -> None:
    world = make_world("cmp01")
    all_of(gone, stopped)(world)
    world.old.agents.clear()
    others = {"neutron-l3-agent", "neutron-dhcp-agent", "neutron-metering-agent"}
    for binary in (*sorted(NODE_AGENTS), *sorted(others)):
        world.old.agents[binary], world.old.binaries[binary] = "cmp01", binary
    world.old.reporting |= others
    result, _, changes = act(world, Step.DELETE_AGENTS)
    assert (result, changes) == ("done", ["delete_agent"] * len(NODE_AGENTS))
    assert set(world.old.agents) == others


def test_agents_that_still_report_are_waited_for_and_none_is_deleted_before() -> None:
    world = make_world("cmp01")
    all_of(gone, stopped)(world)
    world.old.agents["meta"], world.old.binaries["meta"] = "cmp01", "neutron-metadata-agent"
    world.old.reporting.add("meta")
    result, said, changes = act(world, Step.DELETE_AGENTS)
    assert (result, changes) == ("failed", [])
    assert "Stop it on the node, then run pulumi up again" in said
    world.before[world.tick + 3] = world.old.reporting.clear
    assert act(world, Step.DELETE_AGENTS)[::2] == ("done", ["delete_agent", "delete_agent"])


def test_a_service_that_vanishes_while_nova_compute_stops_is_no_crash() -> None:
    world = make_world("cmp01")
    leaving(world)
    number = next(n for n in range(1, 99) if hook_call(n))
    world.before[number] = lambda: gone(world)
    result, said, _ = act(world, Step.STOP_COMPUTE)
    assert result == "stays"
    assert "has no nova-compute for it any more" in said


@pytest.mark.parametrize(
    ("step", "prepare", "kind", "says"),
    [
        (Step.STOP_COMPUTE, leaving, "leave", "the leave hook failed: task X: no"),
        (Step.START_COMPUTE, moving, "join-old", "the hook hooks.join_old failed: task X: no"),
    ],
)
def test_a_hook_that_fails_fails_its_step(step: Step, prepare: Prepare, kind: str, says: str) -> None:
    world = make_world("cmp01")
    prepare(world)
    world.hook_fails[f"{kind} cmp01"] = "task X: no"
    result, said, _ = act(world, step)
    assert result == "failed"
    assert says in said
    assert world.old.services["cmp01"].reason == Mark.MOVING, "it counts as between the clouds"


@pytest.mark.parametrize(("step", "key"), [(Step.STOP_COMPUTE, "hooks.leave"), (Step.START_COMPUTE, "hooks.join_old")])
def test_a_hook_that_is_not_there_is_named(step: Step, key: str) -> None:
    world = make_world("cmp01")
    leaving(world)
    result, said, changes = act(world, step, hooks={})
    assert (result, changes) == ("failed", [])
    assert f"there is no {key}" in said


# --------------------------------------------------------------------------------------------------- into the new cloud


def deployed(world: World) -> None:
    gone(world)
    world.old.running.clear()
    world.start("caracal", "cmp01")
    left(Stage.DEPLOYED)(world)


def placed(world: World) -> None:
    deployed(world)
    world.new.traits[world.new.hypervisors["cmp01"]].add(PROBATION_TRAIT)
    world.new.group(PROBATION_AGGREGATE).hosts.add("cmp01")
    world.new.group("dc1").hosts.add("cmp01")


def opened(world: World) -> None:
    placed(world)
    world.by_hand("caracal", "cmp01", enabled=True)


def out_of_probation(world: World) -> None:
    world.new.group(PROBATION_AGGREGATE).hosts.discard("cmp01")


def down(world: World) -> None:
    world.new.running.discard("cmp01")


def closed_by_hand(world: World) -> None:
    world.by_hand("caracal", "cmp01", enabled=False)


def closed_by_us(world: World) -> None:
    world.by_hand("caracal", "cmp01", enabled=False, reason=Mark.NOT_ISOLATED)


def back_in_old(world: World) -> None:
    world.start("stein", "cmp01")


def serving(world: World) -> None:
    world.new.guests["u1"] = Guest("u1", "visa-users", "cmp01", 0)


def unrecorded(world: World) -> None:
    world.new.group(LEDGER_AGGREGATE).metadata.clear()


proved, accepted = left(Stage.PROVED), left(Stage.ACCEPTED)
COUNTERPROBE = ["boot", "delete_server"]
PROBE = ["boot", "delete_server", "set_metadata"]


@pytest.mark.parametrize(
    ("step", "prepare", "result", "says", "changes"),
    [
        ("wait-up", deployed, "nothing to do", "", []),
        ("wait-up", all_of(deployed, down), "failed", "is registered but down in caracal", []),
        ("wait-up", gone, "failed", "never registered in caracal", []),
        (
            "wait-up",
            all_of(deployed, lambda w: w.new.unmapped.add("cmp01")),
            "failed",
            "is up but mapped to no cell",
            [],
        ),
        ("wait-up", all_of(deployed, back_in_old), "stays", "stein has a nova-compute for it", []),
        ("place", deployed, "done", "", ["set_trait", "add_host", "add_host"]),
        ("place", placed, "nothing to do", "", []),
        (
            "place",
            all_of(deployed, lambda w: w.new.group("dc2").hosts.add("cmp01")),
            "failed",
            "it is in zone dc2, expected dc1",
            ["set_trait", "add_host"],
        ),
        (
            "place",
            all_of(deployed, lambda w: w.new.groups.remove(w.new.group("dc1"))),
            "failed",
            "has no aggregate dc1; expected the one that stack caracal declares",
            ["set_trait", "add_host"],
        ),
        (
            "place",
            all_of(deployed, lambda w: w.new.groups.remove(w.new.group(PROBATION_AGGREGATE))),
            "failed",
            "has no aggregate visa-probation",
            ["set_trait"],
        ),
        ("place", gone, "failed", "lists 0 hypervisors for it; expected one", []),
        ("place", all_of(deployed, accepted), "stays", "it was accepted at 2026-11-23T10:00:00Z", []),
        ("place", all_of(deployed, serving), "stays", "caracal lists 1 servers on it", []),
        ("probe", placed, "done", "", ["enable", *COUNTERPROBE, *PROBE]),
        ("probe", opened, "done", "", [*COUNTERPROBE, *PROBE]),
        ("probe", all_of(opened, left(Stage.PROVED)), "done", "", [*COUNTERPROBE, *PROBE]),
        ("probe", all_of(placed, closed_by_us), "done", "", ["enable", *COUNTERPROBE, *PROBE]),
        ("probe", all_of(placed, accepted), "stays", "it was accepted at 2026-11-23T10:00:00Z", []),
        ("probe", all_of(placed, serving), "stays", "caracal lists 1 servers on it", []),
        ("probe", deployed, "stays", "somebody took it out of visa-probation", []),
        ("probe", all_of(placed, closed_by_hand), "stays", "somebody else disabled it (broken fan", []),
        ("probe", all_of(placed, down), "failed", "is down; expected it up", []),
        ("probe", gone, "failed", "is gone; expected it up", []),
        ("probe", all_of(placed, back_in_old), "stays", "stein has a nova-compute for it", []),
        ("enable", opened, "stays", "no probe has succeeded on it", []),
        ("enable", all_of(opened, left(Stage.LEFT)), "stays", "no probe has succeeded on it", []),
        ("enable", all_of(opened, unrecorded), "stays", "no probe has succeeded on it", []),
        ("enable", all_of(opened, out_of_probation), "stays", "no probe has succeeded on it", []),
        ("enable", all_of(opened, proved), "done", "", ["remove_host", "set_trait", "set_metadata"]),
        ("enable", all_of(opened, proved, out_of_probation), "done", "", ["set_trait", "set_metadata"]),
        ("enable", all_of(opened, accepted, out_of_probation), "done", "", ["set_trait", "set_metadata"]),
        ("enable", all_of(placed, proved), "stays", "somebody disabled it meanwhile", []),
        ("enable", all_of(opened, proved, closed_by_hand), "stays", "somebody disabled it meanwhile", []),
        ("enable", all_of(opened, proved, back_in_old), "stays", "stein has a nova-compute for it", []),
    ],
)
def test_a_step_into_the_new_cloud(step: str, prepare: Prepare, result: str, says: str, changes: list[str]) -> None:
    world = make_world("cmp01")
    prepare(world)
    found, said, made = act(world, Step(step), new=True)
    assert (found, made) == (result, changes), said
    assert says in said


def test_a_probe_opens_the_node_and_says_so_in_the_ledger_for_a_run_that_comes_after_a_kill() -> None:
    world = make_world("cmp01")
    placed(world)
    assert complete(run_steps(actor_in(world), "caracal", "cmp01", [Step.PROBE], acts(new=True)))
    assert world.summary()["ledger"] == {"cmp01": "proved"}
    assert not world.open_to_users("cmp01")
    record = world.new.group(LEDGER_AGGREGATE).metadata["visa-migration:cmp01"]
    assert record.endswith(" old-provider"), "the provider of the old cloud is kept"
    report = run_steps(actor_in(world), "caracal", "cmp01", [Step.ENABLE], acts(new=True))
    assert complete(report)
    assert world.open_to_users("cmp01")
    assert world.summary()["ledger"] == {"cmp01": "accepted"}
    assert world.new.traits[world.new.hypervisors["cmp01"]] == {"COMPUTE_NODE"}


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("probe_fails", "the probe server ended in ERROR: No valid host was found"),
        ("port_down", "the probe server's port is ['DOWN']"),
        ("probe_stuck", "the probe server was neither ACTIVE nor ERROR after 300 s"),
    ],
)
def test_a_node_whose_probe_fails_stays_in_probation_and_the_probe_goes(trouble: str, says: str) -> None:
    world = make_world("cmp01")
    placed(world)
    getattr(world, trouble).add("cmp01")
    report = run_steps(actor_in(world), "caracal", "cmp01", [Step.PROBE, Step.ENABLE], acts(new=True))
    assert says in report.failed
    assert "cmp01: probe: " in report.failed
    assert world.new.guests == {}
    assert not world.open_to_users("cmp01")
    assert world.isolated("cmp01")
    assert world.summary()["ledger"] == {"cmp01": "deployed"}


def test_a_probe_that_lands_elsewhere_proves_nothing() -> None:
    world = make_world("cmp01")
    placed(world)

    def elsewhere() -> None:
        for guest in world.new.guests.values():
            guest.host = "new01"

    for call in range(1, 30):
        world.after[call] = elsewhere
    result, said, _ = act(world, Step.PROBE, new=True)
    assert result == "failed"
    assert "landed on new01; expected it on the node that was asked for" in said
    assert world.new.guests == {}
    assert world.summary()["ledger"] == {"cmp01": "deployed"}


@pytest.mark.parametrize(
    ("metadata", "goes"),
    [({"visa-migration": "probe"}, True), ({}, False), ({"visa-migration": "probe", "owner": "jane"}, False)],
)
@pytest.mark.parametrize("name", ["visa-probe-cmp01", "visa-counterprobe-cmp01"])
def test_leftovers_of_a_killed_probe_go_but_never_a_users_server_of_that_name(
    name: str, metadata: dict[str, str], goes: bool
) -> None:
    world = make_world("cmp01")
    placed(world)
    world.new.guests["g1"] = Guest("g1", name, "cmp01", 0, metadata=metadata)
    result, _, _ = act(world, Step.PROBE, new=True)
    assert result == "done"
    assert ("g1" not in world.new.guests) is goes


def test_a_probe_that_does_not_go_is_named() -> None:
    world = make_world("cmp01")
    placed(world)
    world.faults["caracal", "delete_server"] = CloudRefused("caracal", "DELETE /servers/x was answered 500", 500)
    result, said, _ = act(world, Step.PROBE, new=True)
    assert result == "failed"
    assert "500" in said
    assert world.summary()["ledger"] == {"cmp01": "deployed"}


def test_a_clean_up_that_fails_does_not_hide_why_the_probe_failed() -> None:
    world = make_world("cmp01")
    placed(world)
    world.probe_fails.add("cmp01")
    actor = actor_in(world)
    actor.isolates = True  # without a counter-probe, whose own clean-up would fail before
    world.faults["caracal", "delete_server"] = CloudRefused("caracal", "DELETE /servers/x was answered 500", 500)
    report = run_steps(actor, "caracal", "cmp01", [Step.PROBE], acts(new=True))
    assert "the probe server ended in ERROR: No valid host was found" in report.failed
    assert "and then: caracal: DELETE /servers/x was answered 500" in report.failed


# ----------------------------------------------------------------------------------------------- the counter-probe


def test_where_the_isolation_is_off_the_node_is_closed_again_and_the_next_run_goes_on_after_mending() -> None:
    world = make_world("cmp01")
    deployed(world)
    world.isolates = False
    settings = make_settings({"cmp01": "caracal"})
    failed = up(world, settings).failed()["cmp01"]
    assert failed.startswith("cmp01: probe: a server without the trait could boot there; expected Nova to refuse")
    assert "[scheduler] enable_isolated_aggregate_filtering = true in nova.conf" in failed
    service = world.new.services["cmp01"]
    assert (service.enabled, service.reason) == (False, Mark.NOT_ISOLATED)
    assert world.new.guests == {}, "the counter-probe has gone"
    assert world.isolated("cmp01")
    assert world.summary()["ledger"] == {"cmp01": "deployed"}
    assert [call.args[0] for call in world.changes if call.what == "boot"] == ["visa-counterprobe-cmp01"]
    world.isolates = True
    assert up(world, settings).failed() == {}
    assert world.open_to_users("cmp01")
    assert world.summary()["ledger"] == {"cmp01": "accepted"}


def booted(world: World) -> list[str]:
    return [call.args[0] for call in world.changes if call.what == "boot"]


def two_placed() -> World:
    world = make_world("cmp01", "cmp02")
    for node in ("cmp01", "cmp02"):
        del world.old.services[node], world.old.hypervisors[node]
        world.old.running.discard(node)
        world.start("caracal", node)
        world.record(node, Record(Stage.DEPLOYED, "2026-11-23T10:00:00Z"))
        world.new.traits[world.new.hypervisors[node]].add(PROBATION_TRAIT)
        world.new.group(PROBATION_AGGREGATE).hosts.add(node)
    return world


def test_the_counter_probe_is_booted_once_in_a_run() -> None:
    world = two_placed()
    actor = actor_in(world)
    for node in ("cmp01", "cmp02"):
        assert complete(run_steps(actor, "caracal", node, [Step.PROBE], acts(new=True)))
    assert booted(world) == ["visa-counterprobe-cmp01", "visa-probe-cmp01", "visa-probe-cmp02"]
    assert complete(run_steps(actor_in(world), "caracal", "cmp02", [Step.PROBE], acts(new=True)))
    assert booted(world)[3:] == ["visa-counterprobe-cmp02", "visa-probe-cmp02"], "another run believes nothing"


@pytest.mark.parametrize("trouble", ["probe_fails", "port_down"])
def test_a_node_on_which_no_probe_succeeds_says_nothing_of_the_isolation(trouble: str) -> None:
    world = two_placed()
    actor = actor_in(world)
    getattr(world, trouble).add("cmp01")
    assert "cmp01: probe: " in run_steps(actor, "caracal", "cmp01", [Step.PROBE], acts(new=True)).failed
    world.isolates = False
    report = run_steps(actor, "caracal", "cmp02", [Step.PROBE], acts(new=True))
    assert "a server without the trait could boot there" in report.failed
    assert not world.new.services["cmp02"].enabled


def test_a_counter_probe_that_hangs_proves_nothing() -> None:
    world = make_world("cmp01")
    placed(world)
    world.probe_stuck.add("cmp01")
    result, said, _ = act(world, Step.PROBE, new=True)
    assert result == "failed"
    assert "neither ACTIVE nor ERROR after 300 s" in said
    assert booted(world) == ["visa-counterprobe-cmp01"]
    assert world.new.guests == {}


def test_a_counter_probe_without_its_flavor_says_what_is_missing() -> None:
    world = make_world("cmp01")
    placed(world)
    del world.new.flavors[COUNTERPROBE_FLAVOR]
    result, said, changes = act(world, Step.PROBE, new=True)
    assert (result, "boot" in changes) == ("failed", False)
    assert "has no flavor visa-counterprobe" in said


def test_place_takes_the_aggregate_of_the_datacenter_and_not_another_of_its_zone() -> None:
    world = make_world("cmp01")
    deployed(world)
    other = world.new.group("dc2")
    other.name, other.zone = "gpu", "dc1"
    world.new.groups.insert(0, world.new.groups.pop(world.new.groups.index(other)))
    assert act(world, Step.PLACE, new=True)[0] == "done"
    assert world.new.group("dc1").hosts == {"cmp01"}
    assert other.hosts == set()


@pytest.mark.parametrize(
    ("probe", "missing"),
    [({"image": "none", "network": "visa"}, "has no image none"), (None, "probe is not configured")],
)
def test_a_probe_that_cannot_be_booted_says_what_is_missing(probe: Any, missing: str) -> None:
    world = make_world("cmp01")
    placed(world)
    result, said, changes = act(world, Step.PROBE, new=True, probe=probe)
    assert result == "failed"
    assert missing in said
    assert "boot" not in changes


@pytest.mark.parametrize(("conflicts", "result"), [(2, "done"), (9, "failed")])
def test_a_trait_is_tried_again_when_nova_compute_writes_at_the_same_time(conflicts: int, result: str) -> None:
    world = make_world("cmp01")
    deployed(world)
    errors = iter([CloudRefused("caracal", "generation conflict", 409)] * conflicts)

    def at_the_trait() -> None:
        if world.calls and world.calls[-1].what == "hypervisors_of" and (error := next(errors, None)):
            raise error

    for call in range(1, 30):
        world.before[call] = at_the_trait
    assert act(world, Step.PLACE, new=True)[0] == result


# ------------------------------------------------------------------------------------------------------- the host hook


def hook(world: World, *nodes: str, **changes: Any) -> dict[str, tuple[bool, str]]:
    results = join.host_hook(actor_in(world, **changes), nodes)
    return {node: (result.ok, result.message) for node, result in results.items()}


def test_the_host_hook_runs_once_for_all_that_left_and_for_no_other() -> None:
    world = make_world("cmp01", "cmp02", "cmp03", "cmp04")
    for node in ("cmp01", "cmp02"):
        del world.old.services[node]
        world.record(node, Record(Stage.LEFT, "2026-11-23T10:00:00Z"))
    del world.old.services["cmp04"]
    world.hook_fails["join cmp02"] = "task X: no"
    results = hook(world, "cmp01", "cmp02", "cmp03", "cmp04")
    assert results == {
        "cmp01": (True, ""),
        "cmp02": (False, "task X: no"),
        "cmp03": (False, "stein has a nova-compute for it"),
        "cmp04": (False, "there is no record that it left"),
    }
    assert [call.args for call in world.changes if call.what == "join"] == [(("cmp01", "cmp02"),)]
    assert world.summary()["ledger"] == {"cmp01": "deployed", "cmp02": "left"}


def test_the_host_hook_never_deploys_over_instances() -> None:
    world = make_world("cmp01")
    appears(world)
    del world.old.services["cmp01"]
    left(Stage.LEFT)(world)
    assert hook(world, "cmp01") == {"cmp01": (False, "stein lists 1 servers on it")}
    assert world.changes == []


@pytest.mark.parametrize("cloud", ["stein", "caracal"])
def test_the_host_hook_never_deploys_while_a_cell_hides_servers(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world("cmp01")
    del world.old.services["cmp01"]
    left(Stage.LEFT)(world)

    def servers(nova: FakeNova, host: str | None = None) -> tuple[list[Server], int]:
        return [], 2 if nova.state.name == cloud else 0

    monkeypatch.setattr(FakeNova, "servers", servers)
    assert hook(world, "cmp01") == {"cmp01": (False, f"{cloud} lists 0 servers on it, and a cell is down")}
    assert world.changes == []


# ----------------------------------------------------------------------------------------- a plan older than the world


def absent(world: World) -> None:
    all_of(gone, stopped, left(Stage.LEFT))(world)
    world.old.agents.clear()


def half_deployed(world: World) -> None:
    absent(world)
    world.start("caracal", "cmp01")


def half_opened(world: World) -> None:
    opened(world)
    world.old.agents.clear()


STALE = [
    pytest.param(absent, ["host-hook", "wait-up", "place", "probe", "enable"], id="host hook and probe"),
    pytest.param(half_deployed, ["host-hook", "wait-up", "place", "probe", "enable"], id="host hook again"),
    pytest.param(half_opened, ["wait-up", "place", "probe", "enable"], id="probe"),
]


@pytest.mark.parametrize(("begins", "steps"), STALE)
@pytest.mark.parametrize(
    ("users", "forgotten"),
    [(False, False), (True, False), (True, True)],
    ids=["accepted", "accepted, with users", "with users, the ledger lost it"],
)
def test_a_saved_plan_that_is_applied_twice_leaves_a_serving_node_alone(
    begins: Prepare, steps: list[str], users: bool, forgotten: bool
) -> None:
    world = make_world("cmp01")
    begins(world)
    settings = make_settings({"cmp01": "caracal"})
    saved = make_plan_of(world, settings)
    assert [s.value for s in saved.nodes["cmp01"].steps if s is not Step.PROVE_GONE] == steps
    assert up(world, settings, saved=saved).failed() == {}
    assert world.open_to_users("cmp01")
    if users:
        world.boot("caracal", "cmp01")
    if forgotten:
        unrecorded(world)
    before = world.summary()
    ran = up(world, settings, saved=saved)
    assert ran.changes == 0, world.changes[-ran.changes :]
    assert world.summary() == before
    why = "caracal lists 1 servers on it" if forgotten else "it was accepted at"
    assert why in (ran.reports["cmp01"].failed or ran.reports["cmp01"].stays)


def test_a_saved_plan_that_is_applied_twice_from_the_first_step_on_leaves_a_serving_node_alone() -> None:
    world = make_world("cmp01")
    settings = make_settings({"cmp01": "caracal"})
    saved = make_plan_of(world, settings)
    assert up(world, settings, saved=saved).failed() == {}
    before = world.summary()
    ran = up(world, settings, saved=saved)
    assert (ran.changes, world.summary()) == (0, before)
    assert ran.reports["cmp01"].stays == "stein has no nova-compute for it any more"


def test_a_record_that_cannot_be_written_stops_only_its_node() -> None:
    world = make_world("cmp01", "cmp02")
    for node in ("cmp01", "cmp02"):
        del world.old.services[node]
        world.record(node, Record(Stage.LEFT, "2026-11-23T10:00:00Z"))
    refused = iter([CloudRefused("caracal", "POST was answered 500", 500)])

    def fail_once() -> None:
        if world.changes and (error := next(refused, None)):
            raise error

    for call in range(1, 40):
        world.before[call] = fail_once
    results = hook(world, "cmp01", "cmp02")
    assert results["cmp01"][0] is False
    assert "that could not be recorded" in results["cmp01"][1]
    assert results["cmp02"] == (True, "")


def test_one_node_that_fails_does_not_stop_the_others_and_the_next_up_goes_on() -> None:
    world = make_world("cmp01", "cmp02", "cmp03")
    world.record("cmp99", Record(Stage.ACCEPTED, "2026-11-23T10:00:00Z"))
    more = {"budget": {"moving": 3, "per_datacenter": 3}}
    settings = make_settings({"cmp01": "caracal", "cmp02": "caracal", "cmp03": "caracal"}, **more)
    world.hook_fails = {"leave cmp01": "task X: no", "join cmp02": "task Y: no"}
    ran = up(world, settings)
    assert ran.failed() == {
        "cmp01": "cmp01: stop-compute: the leave hook failed: task X: no",
        "cmp02": "cmp02: host-hook: task Y: no",
    }
    assert world.open_to_users("cmp03")
    assert not [
        call
        for call in world.calls
        if call.what == "hypervisors_of" and call.cloud == "caracal" and call.args == ("cmp02",)
    ]
    world.hook_fails = {}
    assert up(world, settings).failed() == {}
    assert [world.open_to_users(node) for node in ("cmp01", "cmp02")] == [True, True]


# ---------------------------------------------------------------------------------------------------- a run of steps


def test_steps_end_at_the_first_that_stays_or_fails() -> None:
    world = make_world("cmp01")
    appears(world)
    steps = [Step.DISABLE, Step.STOP_COMPUTE, Step.DELETE_SERVICE]
    report = run_steps(actor_in(world), "stein", "cmp01", steps, leave.ACTS)
    assert report == Report(("disable",), stays="not empty: 1 instance left")
    world.faults["stein", "services"] = CloudUnreachable("stein", "no answer")
    report = run_steps(actor_in(world), "stein", "cmp01", steps, leave.ACTS)
    assert report == Report((), failed="cmp01: disable: stein: no answer")


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (StepError("cmp01", "aggregate", "it is missing"), "cmp01: aggregate: it is missing"),
        (StepError("cmp011", "aggregate", "it is missing"), "cmp01: disable: cmp011: aggregate: it is missing"),
        (StepError("-", "connect", "cmp01 needs it"), "cmp01: disable: -: connect: cmp01 needs it"),
        (CloudRefused("stein", "GET cmp01 said 500", 500), "cmp01: disable: stein: GET cmp01 said 500"),
        (KeyError("x"), "cmp01: disable: unexpected KeyError: 'x'; see the log of this run, and report it"),
    ],
)
def test_every_failure_names_its_node_and_step(error: Exception, failed: str) -> None:
    world = make_world("cmp01")
    world.faults["stein", "services"] = error
    assert run_steps(actor_in(world), "stein", "cmp01", [Step.DISABLE], leave.ACTS) == Report((), failed=failed)


def test_no_step_starts_once_the_engine_is_gone() -> None:
    world = make_world("cmp01")
    actor = actor_in(world)
    actor.engine.gone.set()
    with pytest.raises(EngineGone, match="gone"):
        run_steps(actor, "stein", "cmp01", [Step.DISABLE], leave.ACTS)
    with pytest.raises(EngineGone):
        join.host_hook(actor, ["cmp01"])
    assert world.calls == []


def test_a_step_that_waits_is_cut_off_when_the_engine_goes() -> None:
    world = make_world("cmp01")
    actor = actor_in(world)
    world.before[3] = actor.engine.gone.set
    with pytest.raises(EngineGone):
        run_steps(actor, "stein", "cmp01", [Step.PROVE_GONE], leave.ACTS)


# ------------------------------------------------------------------------------------------------------------ the actor


def real_actor(world: World) -> Actor:
    """An actor with the real ways to wait, to tell and to run hooks."""
    orders = make_orders(make_settings({"cmp01": "stein"}))
    return Actor(orders, FakeEngine(), FakeLock(), world.open, pause=0, settle=0)  # type: ignore[arg-type]


def test_every_step_is_between_two_lines_of_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISA_OPERATOR", "jane")
    world = make_world("cmp01")
    appears(world)
    run_steps(real_actor(world), "stein", "cmp01", [Step.DISABLE, Step.STOP_COMPUTE], leave.ACTS)
    lines = [json.loads(line) for line in Path("audit.jsonl").read_text().splitlines()]
    assert [(line["step"], line["result"]) for line in lines] == [
        ("disable", "begins"),
        ("disable", "done"),
        ("stop-compute", "begins"),
        ("stop-compute", "stays"),
    ]
    assert {(line["who"], line["cloud"], line["node"]) for line in lines} == {("jane", "stein", "cmp01")}
    assert lines[-1]["detail"] == "not empty: 1 instance left"


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audit.jsonl").mkdir()
    world = make_world("cmp01")
    with pytest.raises(IsADirectoryError):
        run_steps(real_actor(world), "stein", "cmp01", [Step.DISABLE], leave.ACTS)
    assert world.changes == []


def test_waiting_ends_with_what_it_saw_or_with_nothing_or_with_the_engine() -> None:
    actor = real_actor(make_world())
    seen = iter([None, None, "there"])
    assert actor.until(lambda: next(seen), seconds=60) == "there"
    assert actor.until(lambda: None, seconds=0) is None
    actor.engine.gone.set()
    with pytest.raises(EngineGone):
        actor.until(lambda: None, seconds=60)


def test_a_hook_is_run_for_real_and_its_output_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = make_settings({"cmp01": "stein"}, hooks={"leave": {"argv": ["echo", "stops {node}"], "timeout": 60}})
    assert settings.hooks.leave is not None
    results = real_actor(make_world()).hook(settings.hooks.leave, "leave-cmp01", ["cmp01"])
    assert results["cmp01"].ok
    (log,) = Path("logs").iterdir()
    assert log.name.endswith("-leave-cmp01.log")
    assert log.read_text() == "stops cmp01\n"


def test_a_step_that_needs_the_retired_cloud_says_so() -> None:
    world = make_world()
    settings = make_settings({"cmp01": "stein"}, clouds={"new": "caracal"})
    actor = make_actor(world, make_orders(settings))
    with pytest.raises(StepError, match="the old cloud is retired"):
        _ = actor.old


def test_a_ledger_that_is_missing_is_named() -> None:
    world = make_world("cmp01")
    world.new.groups.remove(world.new.group(LEDGER_AGGREGATE))
    with pytest.raises(StepError, match=r"caracal has no aggregate visa-migration-ledger.*pulumi refresh"):
        actor_in(world).write_record("cmp01", None)
