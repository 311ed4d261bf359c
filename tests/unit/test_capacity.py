"""Whether there is room: who joins when, what is refused, and what would avoid it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given as each
from hypothesis import settings as effort
from hypothesis import strategies as st

from migration.capacity import Coming, Host, Room, RoomForecast, RoomInput, Used, nodes_needed, room_forecast
from migration.demand import WEEKDAYS, Arrival, Demand, demand_of_living, learn_demand, life_times
from migration.facts import FlavorFacts
from migration.habits import DEFAULT_HABITS, DEFAULT_LIMITS, Owner
from migration.lifetimes import chances
from migration.room import advise
from migration.settings import Budget

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
WORLDS = 20
SMALL, LARGE = FlavorFacts(2, 8192, 20), FlavorFacts(16, 131072, 20)
SIZES = {"small": SMALL, "large": LARGE}
EVERY_DAY = (1.0,) * 7


def demand(rates: Mapping[str, float], *, lives: float = 5) -> Demand:
    return Demand(rates, EVERY_DAY, SIZES, np.full((1, WORLDS), lives, dtype=np.float32), 0)


def coming(name: str, empty: float, *, datacenter: str = "dc1", room: Room | None = None) -> Coming:
    return Coming(name, datacenter, room or Room(64, 524288), np.full(WORLDS, empty, dtype=np.float32))


def start(
    hosts: Sequence[Host] = (), nodes: Sequence[Coming] = (), rates: Mapping[str, float] | None = None, **more: Any
) -> RoomInput:
    return RoomInput(
        now=NOW,
        hosts=tuple(hosts),
        coming=tuple(nodes),
        demand=demand(rates or {}, lives=more.pop("lives", 5)),
        budget=more.pop("budget", Budget(moving=2, per_datacenter=2)),
        accepted=more.pop("accepted", True),
    )


def run(given: RoomInput, **more: Any) -> RoomForecast:
    return room_forecast(given, draws=WORLDS, **more)


def day(number: int) -> date:
    return (NOW + number * DAY).date()


# ----------------------------------------------------------------------------------------------------- who joins when


@pytest.mark.parametrize(
    ("nodes", "changes", "days"),
    [
        pytest.param([coming("a", 3.5)], {}, {"a": 5}, id="a day after the one on which it was empty"),
        pytest.param(
            [coming("a", 0), coming("b", 0), coming("c", 0)], {}, {"a": 1, "b": 1, "c": 2}, id="two at once, in order"
        ),
        pytest.param(
            [coming("a", 0), coming("b", 0), coming("c", 0)],
            {"accepted": False},
            {"a": 1, "b": 2, "c": 2},
            id="the first one alone",
        ),
        pytest.param(
            [coming("a", 0), coming("b", 0), coming("c", 0, datacenter="dc2")],
            {"budget": Budget(moving=2, per_datacenter=1)},
            {"a": 1, "b": 2, "c": 1},
            id="one in each datacenter",
        ),
        pytest.param(
            [coming("a", 9), coming("b", 0)], {"budget": Budget(moving=1, per_datacenter=1)}, {"a": 10, "b": 1},
            id="one that is not empty keeps nobody waiting",
        ),
    ],
)  # fmt: skip
def test_when_nodes_serve_in_the_new_cloud(nodes: list[Coming], changes: dict[str, Any], days: dict[str, int]) -> None:
    found = run(start(nodes=nodes, **changes))
    assert found.moved == {name: (day(number), day(number)) for name, number in days.items()}
    assert found.last == (day(max(days.values())),) * 2


def test_the_soonest_first_is_another_order() -> None:
    given = start(nodes=[coming("a", 0.5), coming("b", 0.2)], budget=Budget())
    assert run(given).order == ("a", "b")
    soonest = run(given, soonest=True)
    assert soonest.order == ("b", "a")
    assert soonest.moved["b"] == (day(2), day(2))


def test_the_last_date_has_the_uncertainty_of_the_nodes() -> None:
    spread = Coming("a", "dc1", Room(1, 1), np.arange(WORLDS, dtype=np.float32))
    found = run(start(nodes=[spread]))
    assert found.last == (day(10), day(18))


def test_without_nodes_nothing_moves() -> None:
    assert run(start()).last is None


# ------------------------------------------------------------------------------------------------------ what is refused


def test_a_cloud_without_nodes_refuses_everything_until_one_comes() -> None:
    found = run(start(nodes=[coming("a", 4)], rates={"small": 5}))
    short = found.short["small"]
    assert (short.first, short.likely, short.largest) == (day(0), 1.0, None)
    assert 5 * 5 * 0.7 < short.refused < 5 * 5 * 1.3, "on the five days before it serves, five a day"


def test_enough_room_refuses_nothing() -> None:
    found = run(start([Host("new01", Room(64, 524288))], rates={"small": 1}))
    assert (found.fits, found.risk, found.short) == (True, 0, {})
    assert 0 < max(high for _, high in found.use) < 0.5


@pytest.mark.parametrize(
    ("room", "short"),
    [
        (Room(16, 524288), {"small"}),
        (Room(640, 40960), {"small"}),
        (Room(640, 524288, 100), {"small"}),
        (Room(640, 524288, math.inf), set()),
    ],
)
def test_each_of_cpu_memory_and_disk_can_run_out(room: Room, short: set[str]) -> None:
    assert set(run(start([Host("new01", room)], rates={"small": 4})).short) == short


def test_the_largest_flavor_runs_out_first_and_the_smaller_one_still_fits() -> None:
    found = run(start([Host("new01", Room(64, 140000))], rates={"small": 0.5, "large": 1}))
    assert found.short["large"].largest == "small"
    assert found.short["large"].likely == 1


def test_two_halves_are_no_whole() -> None:
    """Room on two nodes is not room for what needs one."""
    half = Room(64, 100000)
    found = run(start([Host("new01", half), Host("new02", half)], rates={"large": 1}))
    assert found.short["large"].first == day(0)
    assert found.use[0] == (0, 0)


def test_what_is_there_makes_room_when_it_ends() -> None:
    def found(ends: float) -> RoomForecast:
        used = Used(LARGE, np.full(WORLDS, ends, dtype=np.float32))
        return run(start([Host("new01", Room(16, 131072), (used,))], rates={"large": 0.2}, lives=0.5))

    assert found(math.inf).risk > found(2).risk
    assert found(math.inf).use[-1] == (1, 1)


def test_new_instances_are_spread_and_not_stacked() -> None:
    """As Nova does it: on two nodes, eight small instances leave room for a large one on neither."""
    hosts = [Host(name, Room(64, 131072 + 16384)) for name in ("new01", "new02")]
    spread = run(start(hosts, rates={"small": 8, "large": 0.3}, lives=400))
    assert spread.short["large"].largest == "small"


def test_instances_live_as_long_as_they_live() -> None:
    room = [Host("new01", Room(1000, 10 * 8192))]
    assert run(start(room, rates={"small": 2}, lives=1)).risk < 0.3
    assert run(start(room, rates={"small": 2}, lives=30)).risk == 1


def test_the_same_seed_meets_the_same_arrivals() -> None:
    given = start([Host("new01", Room(32, 100000))], [coming("a", 3)], {"small": 3})
    assert run(given, seed=4) == run(given, seed=4)
    assert run(given, seed=4) != run(given, seed=5)


@each(st.integers(0, 3), st.floats(0.2, 6), st.integers(0, 2**30))
@effort(max_examples=15, deadline=None)
def test_more_nodes_from_the_beginning_refuse_no_more_small_ones(ahead: int, rate: float, seed: int) -> None:
    nodes = [coming(name, 6, room=Room(16, 65536)) for name in "abcd"]
    given = start([Host("new01", Room(16, 65536))], nodes, {"small": rate})
    fewer, more = (run(given, soonest=True, ahead=count, seed=seed).short.get("small") for count in (ahead, ahead + 1))
    assert (more.refused if more else 0) <= (fewer.refused if fewer else math.inf)


# ------------------------------------------------------------------------------------------------ what would avoid it


def test_how_few_nodes_from_the_beginning_are_enough() -> None:
    nodes = [coming("a", 20), coming("b", 12), coming("c", 16)]
    given = start([Host("new01", Room(64, 8 * 8192))], nodes, {"small": 3}, lives=3)
    assert not run(given).fits
    needed = nodes_needed(given, draws=WORLDS)
    assert needed is not None
    assert (needed.ahead, needed.order[0], needed.fits) == (1, "b", True)
    assert not run(given, soonest=True, ahead=0).fits


def test_where_all_nodes_are_not_enough_it_says_so() -> None:
    given = start([], [coming("a", 3, room=Room(4, 16384))], {"small": 9})
    assert nodes_needed(given, draws=WORLDS) is None
    advice = advise(given, draws=WORLDS)
    assert advice.better is None
    assert "not even with all of them there from the beginning" in advice.sentences[-1]
    assert advice.sentences[0].startswith("small: from 2026-11-23 on new instances may not fit (100% likely, ")
    assert advice.sentences[0].endswith("; nothing fits")


def test_an_order_that_avoids_it_is_named() -> None:
    """The config's order lets six nodes of no use go first; the room of the seventh is needed sooner."""
    useless = [coming(f"a{number}", 0.5, room=Room(1, 1)) for number in range(6)]
    given = start(
        [Host("new01", Room(64, 8 * 8192))], [*useless, coming("b", 0.4)], {"small": 1.2}, lives=60, budget=Budget()
    )
    advice = advise(given, draws=WORLDS)
    assert advice.better is not None
    assert advice.better.order[0] == "b"
    assert "in this order: b, a0" in advice.sentences[-1]


def test_so_many_more_nodes_are_asked_for() -> None:
    given = start([Host("new01", Room(64, 8 * 8192))], [coming("a", 20), coming("b", 12)], {"small": 3}, lives=3)
    assert (
        "the room of 1 more node is in the new cloud when it becomes the default backend; soonest empty: b"
        in (advise(given, draws=WORLDS).sentences[-1])
    )


def test_no_advice_where_all_fits() -> None:
    advice = advise(start([Host("new01", Room(64, 524288))], rates={"small": 1}), draws=WORLDS)
    assert advice.better is None
    assert advice.sentences == ("new instances fit in the new cloud: none is refused in 100% of the worlds drawn",)


# -------------------------------------------------------------------------------------------------------- what arrives

LIVES = np.full((1, WORLDS), 5, dtype=np.float32)


def test_arrivals_are_learned_by_flavor_and_weekday() -> None:
    since = NOW - 56 * DAY
    seen = [
        Arrival(since + number * DAY + timedelta(hours=hour), "small" if hour else "large")
        for number in range(56)
        for hour in range(10)
        if (since + number * DAY).weekday() < 5
    ]
    found = learn_demand(
        [*seen, Arrival(NOW - DAY, "unheard of"), Arrival(since - DAY, "small")], since, NOW, SIZES, LIVES
    )
    assert found.learned == 40 * 10
    assert found.rates == pytest.approx({"large": 40 / 56, "small": 360 / 56})
    assert sum(found.weekdays) == pytest.approx(7)
    assert found.weekdays[0] == pytest.approx(7 / 5, rel=0.05)
    assert found.weekdays[6] < 0.05


def test_few_arrivals_say_little_of_weekdays() -> None:
    found = learn_demand([Arrival(NOW - 2 * DAY, "small")], NOW - 14 * DAY, NOW, SIZES, LIVES)
    assert found.weekdays == pytest.approx(WEEKDAYS, abs=0.15)


def test_what_lives_says_what_arrives() -> None:
    found = demand_of_living(["small"] * 10 + ["large"] * 5 + ["unheard of"], SIZES, LIVES)
    assert found.rates == {"large": 1, "small": 2}


def test_new_instances_live_as_their_owners_let_them() -> None:
    rng = np.random.default_rng(1)
    worlds = {owner: chances(DEFAULT_HABITS[owner], DEFAULT_LIMITS[owner], WORLDS, rng) for owner in Owner}
    lifetimes = {owner: DEFAULT_LIMITS[owner].lifetime for owner in Owner}
    users, staff = (life_times(worlds, share, lifetimes, 1) for share in (0, 1))
    assert 5 < users.mean() < 14 < staff.mean() < 60
    assert users.shape == staff.shape
    assert life_times(worlds, 0.5, lifetimes, 1).shape == users.shape
