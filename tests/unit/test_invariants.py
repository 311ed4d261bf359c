"""The invariants of the design, attacked: kills at every call, troubles at every call, and whole migrations at random.

``checker.py`` looks after every change. What is random comes from hypothesis, the same on every run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import pytest
from checker import Checker
from fleet import make_settings, make_world, up
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from world import WITNESSES, Killed, World

from migration.errors import CloudRefused, CloudUnreachable
from migration.marks import Mark, is_ours
from migration.settings import CaracalSettings

QUIET = 12
"""As many ``up`` as any fleet here may take to come to rest."""


def until_quiet(world: World, wanted: CaracalSettings) -> None:
    """Run ``up`` until one does nothing; then the next does nothing either (invariant 7)."""
    for _ in range(QUIET):
        if up(world, wanted, checker=world.checker).changes == 0:
            break
        world.checker.after_up()
    assert up(world, wanted, checker=world.checker).changes == 0, "up after up, and no rest"


def watched(world: World, wanted: CaracalSettings) -> Checker:
    world.checker = Checker(world, wanted)
    return world.checker


# ----------------------------------------------------------------------------------------------- every call, one by one

JOURNEYS = {
    "two nodes, the second after the first": {"cmp01": "caracal", "cmp02": "caracal"},
    "one drains, the other moves": {"cmp01": "draining", "cmp02": "caracal"},
}
ONE = {"cmp01": "caracal", "cmp02": "stein"}


def fresh(journey: Mapping[str, str]) -> tuple[World, CaracalSettings]:
    world, wanted = make_world("cmp01", "cmp02"), make_settings(journey)
    watched(world, wanted)
    return world, wanted


def calls_of(journey: Mapping[str, str]) -> int:
    world, wanted = fresh(journey)
    up(world, wanted, checker=world.checker)
    return world.tick


def revive(world: World) -> None:
    """Begin anew after a kill: the audit lines of the killed run have no end."""
    world.dead = False
    world.before.clear()
    world.after.clear()
    world.checker.audit.clear()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_killed_at_any_call_the_next_up_ends_where_an_undisturbed_one_would(
    journey: Mapping[str, str], moment: str
) -> None:
    undisturbed, wanted = fresh(journey)
    until_quiet(undisturbed, wanted)
    for call in range(1, calls_of(journey) + 1):
        world, _ = fresh(journey)
        getattr(world, moment)[call] = world.kill
        with contextlib.suppress(Killed):
            up(world, wanted, checker=world.checker)
        revive(world)
        until_quiet(world, wanted)
        assert world.summary() == undisturbed.summary(), f"killed {moment} call {call}: {world.calls[call - 1]}"


@pytest.mark.parametrize(
    "error",
    [
        lambda: CloudUnreachable("stein", "no answer"),
        lambda: CloudRefused("stein", "error", 500),
        lambda: CloudRefused("stein", "not found", 404),
    ],
    ids=["no answer", "500", "404"],
)
def test_an_error_at_any_call_stops_nothing_for_good(error: Callable[[], Exception]) -> None:
    journey = JOURNEYS["two nodes, the second after the first"]
    undisturbed, wanted = fresh(journey)
    until_quiet(undisturbed, wanted)

    def fail() -> None:
        raise error()

    for call in range(1, calls_of(journey) + 1):
        world, _ = fresh(journey)
        world.before[call] = fail
        up(world, wanted, checker=world.checker)
        world.checker.after_up()
        until_quiet(world, wanted)
        assert world.summary() == undisturbed.summary(), f"failed at call {call}: {world.calls[call - 1]}"


SHAPES = [frozenset({seen}) for seen in sorted(WITNESSES)] + [WITNESSES]


def in_the_last_gap(world: World, call: int, shape: frozenset[str]) -> bool:
    """Between the last look and the deletion only Nova's own 409 guards, and it counts what Nova itself knows."""
    step = next((line.step for line in reversed(world.checker.audit) if line.tick < call), "")
    return step == "delete-service" and not shape & {"servers", "cell"}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: ",".join(sorted(shape)))
def test_an_instance_that_appears_at_any_call_keeps_its_node_or_is_not_let_in(shape: frozenset[str]) -> None:
    journey = ONE
    for call in range(1, calls_of(journey) + 1):
        world, wanted = fresh(journey)
        guests: list[object] = []
        world.before[call] = lambda world=world, guests=guests: guests.append(world.boot("stein", "cmp01", shape))
        up(world, wanted, checker=world.checker)
        until_quiet(world, wanted)
        guest = guests[0] if guests else None
        if guest is not None and not in_the_last_gap(world, call, shape):
            assert guest in world.old.guests.values()
            assert "cmp01" in world.old.services, f"appeared at call {call}, yet its node left"
            assert "cmp01" in world.old.running, f"appeared at call {call}, and nova-compute was left stopped"
        world.end_guests()
        until_quiet(world, wanted)
        assert world.open_to_users("cmp01")


def by_hand(cloud: str, *, enabled: bool, reason: str | None = "broken fan") -> Callable[[World], None]:
    return lambda world: world.by_hand(cloud, "cmp01", enabled=enabled, reason=reason)


@pytest.mark.parametrize(
    "meddle",
    [
        by_hand("stein", enabled=False),
        by_hand("stein", enabled=False, reason=None),
        by_hand("stein", enabled=True),
        by_hand("caracal", enabled=False),
        by_hand("caracal", enabled=True),
    ],
    ids=["disabled in stein", "without a reason", "enabled in stein", "disabled in caracal", "enabled in caracal"],
)
def test_an_operator_who_meddles_at_any_call_is_not_overruled(meddle: Callable[[World], None]) -> None:
    journey = JOURNEYS["two nodes, the second after the first"]
    for call in range(1, calls_of(journey) + 1):
        world, wanted = fresh(journey)
        world.before[call] = lambda world=world: meddle(world)
        for _ in range(4):
            up(world, wanted, checker=world.checker)
            world.checker.after_up()


@pytest.mark.parametrize("back", ["stein", "draining"])
def test_a_change_of_mind_after_a_kill_at_any_call_leads_back_or_onward_but_never_nowhere(back: str) -> None:
    journey = ONE
    for call in range(1, calls_of(journey) + 1):
        world, wanted = fresh(journey)
        world.before[call] = world.kill
        with contextlib.suppress(Killed):
            up(world, wanted, checker=world.checker)
        revive(world)
        turned = make_settings({"cmp01": back, "cmp02": "stein"})
        until_quiet(world, turned)
        if "cmp01" in world.old.services:
            assert "cmp01" in world.old.running, f"killed at call {call}: {world.calls[call - 1]}"
            assert world.old.services["cmp01"].enabled is (back == "stein")
        until_quiet(world, wanted)
        assert world.open_to_users("cmp01")


def stopped_meanwhile(world: World) -> None:
    """What a killed ``up`` leaves behind ends its step while the next one has looked already."""
    world.mark("cmp01", Mark.MOVING)
    world.old.running.discard("cmp01")


@pytest.mark.parametrize("membership", ["stein", "draining", "caracal"])
@pytest.mark.parametrize(
    "happens",
    [
        lambda world: world.boot("stein", "cmp01"),
        lambda world: world.by_hand("stein", "cmp01", enabled=False),
        lambda world: world.by_hand("stein", "cmp01", enabled=True),
        lambda world: world.mark("cmp01", Mark.LEAVING),
        stopped_meanwhile,
    ],
    ids=["an instance appears", "disabled", "enabled", "marked", "stopped"],
)
def test_a_plan_that_the_world_has_overtaken_does_no_harm(membership: str, happens: Callable[[World], object]) -> None:
    for mark in (None, Mark.LEAVING):
        world, _ = fresh(ONE)
        if mark is not None:
            world.mark("cmp01", mark)
        wanted = make_settings({"cmp01": membership, "cmp02": "stein"})
        up(world, wanted, checker=world.checker, between=lambda world=world: happens(world))
        world.checker.after_up()
        until_quiet(world, wanted)
        assert "cmp01" in world.old.running or world.open_to_users("cmp01")


# ------------------------------------------------------------------------------------------------------ whole fleets

HOSTS = ["cmp01", "cmp02", "cmp03", "cmp04", "cmp05"]
SITES = {host: "dc2" if int(host[-1]) % 2 == 0 else "dc1" for host in HOSTS}
BREAKS = [
    "leave",
    "join",
    "join-old",
    "never_up",
    "stays_unmapped",
    "probe_fails",
    "port_down",
    "probe_stuck",
    "hook_lies",
]
memberships = st.sampled_from(["stein", "draining", "caracal", "caracal"])
hosts = st.sampled_from(HOSTS)


class Fleet(RuleBasedStateMachine):
    """Operators, users and bad luck against the migration."""

    @initialize(
        moving=st.integers(1, 3),
        per_datacenter=st.integers(1, 2),
        can_start=st.booleans(),
        scheduled=st.sampled_from([True, True, False]),
        wanted=st.lists(memberships, min_size=len(HOSTS), max_size=len(HOSTS)),
        broken=st.lists(st.tuples(hosts, st.sampled_from(BREAKS)), max_size=2),
    )
    def begin(
        self,
        moving: int,
        per_datacenter: int,
        wanted: list[str],
        broken: list[tuple[str, str]],
        *,
        can_start: bool,
        scheduled: bool,
    ) -> None:
        self.world = make_world(*HOSTS)
        self.more = {"budget": {"moving": moving, "per_datacenter": per_datacenter}}
        if not can_start:
            hook = {"argv": ["hook", "{nodes}"], "timeout": 60}
            self.more["hooks"] = {"leave": hook, "join": hook}
        self.wanted = dict(zip(HOSTS, wanted, strict=True))
        for host, what in broken:
            self.node_breaks(host, what)
        watched(self.world, self.settings())
        self.scheduled = scheduled

    def settings(self) -> CaracalSettings:
        return make_settings({f"{h}@{SITES[h]}": m for h, m in self.wanted.items()}, **self.more)

    @rule(host=hosts, membership=memberships)
    def edit(self, host: str, membership: str) -> None:
        self.wanted[host] = membership

    @rule()
    def edit_all(self) -> None:
        self.wanted = dict.fromkeys(HOSTS, "caracal")

    @rule(host=hosts)
    def remove_from_the_config(self, host: str) -> None:
        if len(self.wanted) > 1:
            self.wanted.pop(host, None)

    @rule(host=hosts, seen_by=st.sets(st.sampled_from(sorted(WITNESSES)), min_size=1))
    def user_starts(self, host: str, seen_by: set[str]) -> None:
        self.world.boot("stein", host, frozenset(seen_by))
        self.world.boot("caracal", host)

    @rule(host=hosts)
    def users_end(self, host: str) -> None:
        self.world.end_guests("stein", host)

    @rule(host=hosts, cloud=st.sampled_from(["stein", "caracal"]))
    def operator_disables(self, host: str, cloud: str) -> None:
        self.world.by_hand(cloud, host, enabled=False)

    @rule(host=hosts)
    def operator_gives_back(self, host: str) -> None:
        service = self.world.old.services.get(host)
        if service and not service.enabled and not is_ours(service.reason):
            self.world.by_hand("stein", host, enabled=True)

    @rule(host=hosts, what=st.sampled_from(BREAKS))
    def node_breaks(self, host: str, what: str) -> None:
        if what in {"leave", "join", "join-old"}:
            self.world.hook_fails[f"{what} {host}"] = "task X: no"
        else:
            getattr(self.world, what).add(host)

    @rule(who=st.sampled_from(["cell", "vms", "placement"]))
    def witness_falls_silent(self, who: str) -> None:
        if who == "cell":
            self.world.old.cell_down = True
        else:
            self.world.old.mute.add(who)
        self.world.checker.silent = self.world.tick

    @rule()
    def isolation_is_off(self) -> None:
        self.world.isolates = False

    @rule()
    def all_is_mended(self) -> None:
        self.mend()

    @rule(
        troubles=st.lists(
            st.tuples(
                st.integers(1, 150), st.sampled_from(["appears", "killed", "lost", "refused", "disabled"]), hosts
            ),
            max_size=3,
        )
    )
    def up(self, troubles: list[tuple[int, str, str]]) -> None:
        world = self.world
        wanted = self.settings()
        world.checker.settings = wanted
        for at, trouble, host in troubles:
            world.before[world.tick + at] = lambda trouble=trouble, host=host: self.happens(trouble, host)
        try:
            up(world, wanted, checker=world.checker)
            world.checker.after_up()
        except Killed:
            pass
        revive(world)

    def happens(self, trouble: str, host: str) -> None:
        match trouble:
            case "appears":
                self.world.boot("stein", host)
            case "killed":
                self.world.kill()
            case "lost":
                raise CloudUnreachable("stein", "no answer")
            case "refused":
                raise CloudRefused("stein", "conflict", 409)
            case "disabled":
                self.world.by_hand("stein", host, enabled=False)

    def mend(self) -> None:
        world = self.world
        for what in BREAKS:
            if what not in {"leave", "join", "join-old"}:
                getattr(world, what).clear()
        world.isolates = True
        world.new.unmapped.clear()
        world.hook_fails.clear()
        world.old.cell_down = False
        world.old.mute.clear()
        world.checker.silent = None

    @invariant()
    def a_scheduled_job_runs_up_again(self) -> None:
        if self.scheduled:
            self.up([])

    def teardown(self) -> None:
        """Mended, emptied, and with everybody wanting the same, the fleet comes to rest in the new cloud."""
        if not hasattr(self, "wanted"):
            return
        self.mend()
        world = self.world
        self.more["hooks"] = None
        del self.more["hooks"]
        for host in HOSTS:
            for cloud in ("stein", "caracal"):
                service = world.state(cloud).services.get(host)
                # What an operator took, the operator gives back.
                if service and not service.enabled and service.reason == "broken fan, do not use -- jane":
                    mark = host in world.checker.between and cloud == "stein"
                    world.by_hand(cloud, host, enabled=not mark, reason="visa-migration: leaving for the new cloud")
        world.end_guests("stein")
        self.wanted = dict.fromkeys(HOSTS, "caracal")
        wanted = self.settings()
        world.checker.settings = wanted
        for _ in range(3 * len(HOSTS)):
            if up(world, wanted, checker=world.checker).changes == 0:
                break
            world.checker.after_up()
        assert [host for host in HOSTS if not world.open_to_users(host)] == []
        assert up(world, wanted, checker=world.checker).changes == 0
        probes = [guest for guest in world.new.guests.values() if guest.metadata]
        assert probes == []


Fleet.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestFleet = Fleet.TestCase
