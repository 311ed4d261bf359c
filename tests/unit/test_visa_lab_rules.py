"""The lab's VISA without any server: its clock, its hours, its people."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.visa import habits
from lab.visa.clock import Clock
from lab.visa.habits import Act, Seen, Way
from lab.visa.pasts import Kind, pasts
from lab.visa.people import PEOPLE
from lab.visa.population import Population
from lab.visa.rules import Limits, struck
from lab.visa.tables import STAFF

NOW = datetime(2026, 11, 23, 9)
OWNERS = [(number, list(PEOPLE)[number % 6]) for number in range(1, 61)]


def test_clock_runs_fast_stands_still_and_is_set_forward() -> None:
    ours = 100.0
    clock = Clock(NOW, 3600, lambda: ours)
    ours += 2
    assert clock.now() == NOW + timedelta(hours=2)
    clock.run(0)
    ours += 1000
    assert clock.now() == NOW + timedelta(hours=2)
    clock.advance(timedelta(days=1))
    assert clock.now() == NOW + timedelta(hours=26)
    clock.run(1)
    ours += 60
    assert clock.now() == NOW + timedelta(hours=26, minutes=1)


FIVE, DAY = timedelta(minutes=5), timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "now", "every", "at", "expected"),
    [
        ("09:00:00", "09:04:59", FIVE, 0, False),
        ("09:04:59", "09:05:00", FIVE, 0, True),
        ("09:05:00", "09:05:01", FIVE, 0, False),
        ("09:00:00", "23:00:00", FIVE, 0, True),
        ("01:59:59", "02:00:00", DAY, 2, True),
        ("02:00:00", "23:59:59", DAY, 2, False),
        ("00:30:00", "01:30:00", DAY, 2, False),
    ],
)
def test_hour_of_a_job(last: str, now: str, every: timedelta, at: int, expected: bool) -> None:
    moments = [datetime.fromisoformat(f"2026-11-23T{each}") for each in (last, now)]
    assert struck(moments[0], moments[1], every, timedelta(hours=at)) is expected


def test_nightly_hour_strikes_over_midnight_once() -> None:
    late = datetime(2026, 11, 23, 23)
    assert not struck(late, late + timedelta(hours=2.9), DAY, timedelta(hours=2))
    assert struck(late, late + timedelta(hours=3), DAY, timedelta(hours=2))
    assert struck(late, late + timedelta(days=14), DAY, timedelta(hours=2))


@given(st.lists(st.integers(1, 100_000), max_size=30))
def test_hours_strike_as_often_however_often_one_looks(steps: list[int]) -> None:
    last, heard = NOW, 0
    for step in steps:
        now = last + timedelta(milliseconds=step)
        heard += struck(last, now, timedelta(minutes=2))
        last = now
    assert heard == (last - NOW) // timedelta(minutes=2)  # no step is longer than two minutes


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10), st.integers())
def test_pasts(immortal: int, booked: int, unknown: int, seed: int) -> None:
    population, limits = Population(immortal, booked, unknown, seed=seed), Limits()
    found = list(pasts(OWNERS, population, NOW, limits))
    assert [found.count(each) for each in found] == [1] * 60
    kinds = [each.kind for each in found]
    assert [kinds.count(kind) for kind in (Kind.IMMORTAL, Kind.BOOKED, Kind.UNKNOWN)] == [immortal, booked, unknown]
    for (_, owner), past in zip(OWNERS, found, strict=True):
        idle = limits.staff_inactivity if PEOPLE[owner] == STAFF else limits.user_inactivity
        assert past.created <= past.seen <= NOW
        assert (past.ends is None) == (past.kind is Kind.IMMORTAL)
        if past.ends is not None:
            assert min(past.ends, past.seen + timedelta(hours=idle)) >= NOW + timedelta(hours=1.99)
    assert found == list(pasts(OWNERS, population, NOW, limits))


def test_more_kinds_than_instances() -> None:
    kinds = [each.kind for each in pasts(OWNERS[:2], Population(1, 1, 1), NOW, Limits())]
    assert sorted(kinds) == [Kind.BOOKED, Kind.IMMORTAL]


def test_people_come_by_day_and_hour() -> None:
    week = habits.expected(NOW, NOW + timedelta(days=7), 4)
    assert week == pytest.approx(28)
    monday, night, sunday = (
        habits.expected(start, start + timedelta(hours=4), 4)
        for start in (NOW, datetime(2026, 11, 23, 1), datetime(2026, 11, 29, 9))
    )
    assert monday > 4 * sunday > 4 * night


def instance(number: int, **changed: object) -> Seen:
    usual = {"created": NOW, "seen": NOW, "ends": NOW + timedelta(days=14), "extended": False}
    return Seen(number, **{**usual, **changed})  # type: ignore[arg-type]


def of_way(wanted: Way) -> int:
    return next(number for number in range(1, 1000) if habits.way(number, 1)[0] is wanted)


LATE = NOW + timedelta(days=13, hours=2)  # a Sunday
WORK = NOW + timedelta(days=14, hours=1)


@pytest.mark.parametrize(
    ("way", "now", "changed", "expected"),
    [
        (Way.ENDS, LATE, {}, Act.END),
        (Way.ENDS, NOW, {}, None),
        (Way.ENDS, WORK, {"ends": None}, Act.LOOK),
        (Way.FORGETS, LATE, {}, None),
        (Way.EXTENDS, LATE, {}, Act.EXTEND),
        (Way.EXTENDS, LATE, {"extended": True}, None),
        (Way.STAYS, LATE, {}, None),
        (Way.STAYS, WORK, {}, Act.LOOK),
        (Way.STAYS, WORK, {"seen": WORK}, None),
    ],
)
def test_what_owners_do(way: Way, now: datetime, changed: dict[str, object], expected: Act | None) -> None:
    assert habits.act(instance(of_way(way), **changed), now, 1) is expected


def test_used_instances_are_never_idle_for_long() -> None:
    """Who uses an instance looks often enough that a weekend does not end it."""
    number, now = of_way(Way.STAYS), NOW
    seen = NOW
    while now < NOW + timedelta(days=14):
        now += timedelta(minutes=30)
        if habits.act(instance(number, seen=seen, ends=NOW + timedelta(days=60)), now, 1) is Act.LOOK:
            seen = now
        assert now - seen < timedelta(hours=90)
