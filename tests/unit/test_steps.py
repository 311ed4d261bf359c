"""Each step by itself: it looks again, then acts, stays, finds nothing to do, or fails with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleet import HOOK, FakeEngine, FakeLock, SwiftActor, make_actor, make_orders, make_settings, make_world, up
from world import Guest, World

from migration import audit, join, leave
from migration.actor import Actor
from migration.errors import CloudRefused, CloudUnreachable, EngineGone, StepError
from migration.marks import Mark, Record, Stage
from migration.names import LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBATION_TRAIT
from migration.plan import Step
from migration.steps import Report, run_steps

Prepare = Callable[[World], object]


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
        ("stop-compute", all_of(leaving, appears), "stays", "1 instance appeared on it", []),
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
        ("delete-agents", gone, "done", "", ["delete_agent"]),
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
        act(world, step)
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
    ("join_old", "says", "running"),
    [(True, "its nova-compute was started again", True), (False, "start nova-compute on it by hand", False)],
)
def test_an_instance_that_appears_while_nova_compute_stops(join_old: bool, says: str, running: bool) -> None:
    world = make_world("cmp01")
    leaving(world)
    hook = {"leave": HOOK, "join": HOOK, **({"join_old": HOOK} if join_old else {})}
    probe_call = next(n for n in range(1, 99) if hook_call(n))
    world.before[probe_call] = lambda: appears(world)
    result, said, _ = act(world, Step.STOP_COMPUTE, hooks=hook)
    assert result == "stays"
    assert says in said
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


def back_in_old(world: World) -> None:
    world.start("stein", "cmp01")


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
            "has no aggregate with zone dc1",
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
        ("probe", placed, "done", "", ["enable", "boot", "delete_server"]),
        ("probe", opened, "done", "", ["boot", "delete_server"]),
        ("probe", deployed, "stays", "somebody took it out of visa-probation", []),
        ("probe", all_of(placed, closed_by_hand), "stays", "somebody else disabled it (broken fan", []),
        ("probe", all_of(placed, down), "failed", "is down; expected it up", []),
        ("probe", gone, "failed", "is gone; expected it up", []),
        ("probe", all_of(placed, back_in_old), "stays", "stein has a nova-compute for it", []),
        ("enable", opened, "stays", "no probe has succeeded in this run", []),
        ("enable", all_of(opened, out_of_probation), "done", "", ["set_trait", "set_metadata"]),
        ("enable", placed, "stays", "somebody disabled it meanwhile", []),
        ("enable", all_of(opened, out_of_probation, back_in_old), "stays", "stein has a nova-compute for it", []),
    ],
)
def test_a_step_into_the_new_cloud(step: str, prepare: Prepare, result: str, says: str, changes: list[str]) -> None:
    world = make_world("cmp01")
    prepare(world)
    found, said, made = act(world, Step(step), new=True)
    assert (found, made) == (result, changes), said
    assert says in said


def test_a_probe_opens_the_node_only_in_the_run_in_which_it_succeeded() -> None:
    world = make_world("cmp01")
    placed(world)
    actor = actor_in(world)
    report = run_steps(actor, "caracal", "cmp01", [Step.PROBE, Step.ENABLE], acts(new=True))
    assert report.complete
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
    assert "landed on new01; is the isolation of aggregates on" in said
    assert world.new.guests == {}


@pytest.mark.parametrize(
    ("metadata", "goes"),
    [({"visa-migration": "probe"}, True), ({}, False), ({"visa-migration": "probe", "owner": "jane"}, False)],
)
def test_leftovers_of_a_killed_probe_go_but_never_a_users_server_of_that_name(
    metadata: dict[str, str], goes: bool
) -> None:
    world = make_world("cmp01")
    placed(world)
    world.new.guests["g1"] = Guest("g1", "visa-probe-cmp01", "cmp01", 0, metadata=metadata)
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
    assert report == Report(("disable",), stays="1 instance appeared on it")
    world.faults["stein", "services"] = CloudUnreachable("stein", "no answer")
    report = run_steps(actor_in(world), "stein", "cmp01", steps, leave.ACTS)
    assert report == Report((), failed="cmp01: disable: stein: no answer")


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
    return Actor(orders, FakeEngine(), FakeLock(), world.open, pause=0)  # type: ignore[arg-type]


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
    assert lines[-1]["detail"] == "1 instance appeared on it"


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
