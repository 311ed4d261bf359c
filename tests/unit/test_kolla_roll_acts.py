"""Rolls in a world in memory that fails, lies and is cut off anywhere: one at a time, never below quorum, no more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migration.audit import BEGINS, DONE, FAILED
from migration.errors import AnsibleError, CloudRefused, EngineGone
from migration.kolla import applied
from migration.kolla.health import Look, Sign, System, of_galera, of_rabbitmq
from migration.kolla.roll import Member, RollPlan, plan_roll, quorum
from migration.kolla.rolling import Report, Roll

MEMBERS = [Member("ctl1", "dc1", "1"), Member("ctl2", "dc1", "2"), Member("ctl3", "dc2", "3")]
NAMES = [member.name for member in MEMBERS]
OLD, NEW = ({name: {"nova": digest, "globals.yml": digest} for name in NAMES} for digest in ("old", "new"))


class Cut(BaseException):
    """The process is killed."""


@dataclass
class Engine:
    """An engine that is there until it is gone."""

    gone: Event = field(default_factory=Event)

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        self.check()
        yield

    def check(self) -> None:
        if self.gone.is_set():
            raise EngineGone("gone")


@dataclass
class World:
    """Three controllers, a ledger, and a clock of heartbeats. Its invariants are asserted wherever it changes."""

    runs: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "old"))
    up: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(NAMES, True))
    ledger: dict[str, str] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)
    told: list[tuple[str, str]] = field(default_factory=list)
    acts: list[tuple[str, str]] = field(default_factory=list)
    heals: bool = True
    fails: set[tuple[str, str]] = field(default_factory=set)
    cut: int = -1
    time: int = 0
    busy: str = ""

    def tick(self) -> None:
        self.time += 1
        if self.time == self.cut:
            self.busy = ""
            raise Cut

    def tell(self, _cloud: str, controller: str, _step: str, result: str, _detail: str = "") -> None:
        self.tick()
        self.told.append((controller, result))

    def look(self, _controller: str | None) -> Look:
        self.tick()
        answers = {name: (200, "synced") if self.up[name] else (0, "no answer") for name in NAMES}
        views: dict[str, Mapping[str, str] | str] = {
            name: {other: "" if up else "not running" for other, up in self.up.items()} if self.up[name] else "silent"
            for name in NAMES
        }
        beats = [
            Sign(System.SERVICE, name, "nova-scheduler", up, "", beat=str(self.time)) for name, up in self.up.items()
        ]
        return Look((*of_galera(answers), *of_rabbitmq(views), *beats))

    @contextlib.contextmanager
    def kolla(self, controller: str) -> Iterator[Callable[[str], str]]:
        def act(action: str) -> str:
            self.tick()
            self.acts.append((controller, action))
            if action != "deploy":
                return "task x: no" if (controller, action) in self.fails else ""
            assert not self.busy, f"{controller} changes while {self.busy} does"
            assert sum(up for name, up in self.up.items() if name != controller) >= quorum(len(NAMES))
            records = applied.read(self.ledger)
            begun = [name for name in NAMES if name in records and records[name].stage == "changing"]
            assert begun == [controller], "a change that is not on record first would be forgotten"
            self.busy = controller
            self.runs[controller] = "half"
            self.tick()
            failed = (controller, action) in self.fails
            if not failed:
                self.runs[controller] = "new"
            self.up[controller] = self.heals
            self.busy = ""
            return "task x: no" if failed else ""

        yield act

    def record(self, metadata: Mapping[str, str | None]) -> None:
        for key, value in metadata.items():  # the server writes key by key
            self.tick()
            self.ledger.pop(key, None)
            if value is not None:
                self.ledger[key] = value

    def plan(self, wanted: Mapping[str, Mapping[str, str]] = NEW) -> RollPlan:
        return plan_roll(MEMBERS, wanted, applied.read(self.ledger), holder="ctl2", deploys=True)

    def roll(self, **changed: object) -> Roll:
        roll = Roll(
            actor=self,  # type: ignore[arg-type] - as much of an actor as a roll needs
            cloud="caracal",
            members=MEMBERS,
            look=self.look,
            kolla=self.kolla,
            recorded=lambda: applied.read(self.ledger),
            record=self.record,
            patience=0.0 if not self.heals else 60.0,
            pause=0.0,
        )
        return replace(roll, **changed)  # type: ignore[arg-type]

    def go(self) -> Report:
        return self.roll().run(self.plan().controllers, NEW)

    @property
    def proved(self) -> set[str]:
        records = applied.read(self.ledger)
        return {name for name in NAMES if name in records and records[name].stage == "applied"}


@pytest.fixture
def world() -> World:
    return World()


def test_one_after_the_other(world: World) -> None:
    assert world.go() == Report(("ctl3", "ctl1", "ctl2"))
    each = ["prechecks", "pull", "deploy"]
    assert world.acts == [(name, action) for name in ("ctl3", "ctl1", "ctl2") for action in each]
    assert world.told == [(name, result) for name in ("ctl3", "ctl1", "ctl2") for result in (BEGINS, DONE)]
    assert world.plan().steps == ()


@pytest.mark.parametrize("action", ["prechecks", "pull", "deploy"])
def test_one_that_fails_stops_all_after_it(world: World, action: str) -> None:
    world.fails = {("ctl1", action)}
    report = world.go()
    assert report.done == ("ctl3",)
    assert report.failed.startswith("ctl1: roll: kolla-ansible failed: task x: no; ")
    assert report.failed.endswith("; not changed, because it failed: ctl2")
    assert ("nothing that runs was changed" in report.failed) is (action != "deploy")
    assert {name for name, _ in world.acts} == {"ctl3", "ctl1"}
    assert world.told[-1] == ("ctl1", FAILED)
    assert world.runs["ctl2"] == "old"
    assert list(world.plan().controllers) == ["ctl1", "ctl2"]


def test_one_that_is_ill_afterwards_stops_all_after_it(world: World) -> None:
    world.heals = False
    report = world.go()
    assert report.done == ()
    assert "ctl3: roll: deployed, but after 0 s not healthy: Galera member on ctl3: no answer" in report.failed
    assert world.runs == {"ctl1": "old", "ctl2": "old", "ctl3": "new"}
    # its database is down: a deploy limited to it would found a second one
    assert "not changed, the control plane is not healthy: Galera member on ctl3" in world.go().failed
    assert [act for act in world.acts if act[1] == "deploy"] == [("ctl3", "deploy")]


def test_nothing_begins_while_another_is_ill(world: World) -> None:
    world.up["ctl1"] = False
    report = world.go()
    assert (report.done, world.acts) == ((), [])
    assert (
        "ctl3: roll: not changed, the control plane is not healthy: Galera member on ctl1: no answer" in report.failed
    )


def test_nothing_begins_while_a_change_of_another_is_not_complete(world: World) -> None:
    world.ledger.update({"visa-migration-controller:ctl1": "changing 2026-11-23T06:28:10Z"})
    assert "a change of ctl1 is not complete" in world.roll().run(["ctl3"], NEW).failed
    assert world.acts == []


def test_a_change_that_is_taken_back_half_way_is_made_whole(world: World) -> None:
    assert world.go().failed == ""
    world.fails = {("ctl3", "deploy")}
    wanted = {name: {"nova": "third"} for name in NAMES}
    world.roll().run(world.plan(wanted).controllers, wanted)
    world.fails = set()
    assert list(world.plan().controllers) == ["ctl3"]  # the files are as they were, and ctl3 is not


def test_a_controller_that_left_does_not_hold_up_the_others(world: World) -> None:
    world.ledger.update({"visa-migration-controller:old9": "changing 2026-11-23T06:28:10Z"})
    assert world.go() == Report(("ctl3", "ctl1", "ctl2"))


@pytest.mark.parametrize(
    "error", [CloudRefused("caracal", "409", 409), AnsibleError("no such command"), OSError(28, "no space left")]
)
def test_whatever_happens_is_reported(world: World, error: Exception) -> None:
    def broken(_: object) -> None:
        raise error

    report = world.roll(record=broken).run(["ctl3"], NEW)
    assert report.done == ()
    assert report.failed.startswith("ctl3: roll: ")
    assert str(error) in report.failed
    assert world.told == [("ctl3", BEGINS), ("ctl3", FAILED)]


def test_an_engine_that_is_gone_starts_nothing_more(world: World) -> None:
    world.engine.gone.set()
    with pytest.raises(EngineGone):
        world.go()
    assert world.acts == []


def test_an_engine_that_goes_while_health_is_awaited_is_told(world: World) -> None:
    looks = iter(range(100))

    def look(controller: str | None) -> Look:
        if next(looks) == 2:
            world.engine.gone.set()
            world.up["ctl3"] = False
        return world.look(controller)

    with pytest.raises(EngineGone):
        world.roll(look=look).run(["ctl3", "ctl1"], NEW)
    assert world.told == [("ctl3", BEGINS), ("ctl3", FAILED)]
    assert list(world.plan().controllers) == ["ctl3", "ctl1", "ctl2"]


faults = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(["prechecks", "pull", "deploy"])), max_size=2)


@settings(max_examples=300, deadline=None)
@given(cuts=st.lists(st.integers(1, 70), max_size=4), fails=st.lists(faults, max_size=3))
def test_cut_off_and_failing_anywhere_it_ends_where_an_undisturbed_one_would(
    cuts: list[int], fails: list[set[tuple[str, str]]]
) -> None:
    world = World()
    for number in range(max(len(cuts), len(fails))):
        world.cut = world.time + cuts[number] if number < len(cuts) else -1
        world.fails = fails[number] if number < len(fails) else set()
        with contextlib.suppress(Cut):
            world.go()
        assert list(world.runs.values()).count("half") <= 1, "one is finished before the next begins"
        assert all(world.runs[name] == "new" for name in world.proved)
    world.cut, world.fails = -1, set()
    assert world.go().failed == ""
    assert world.runs == dict.fromkeys(NAMES, "new")
    assert applied.read(world.ledger).keys() == set(NAMES)
    assert {name: record.parts for name, record in applied.read(world.ledger).items()} == NEW
    done = len(world.acts)
    assert world.plan() == RollPlan()  # the second run does nothing
    assert world.go() == Report()
    assert len(world.acts) == done
