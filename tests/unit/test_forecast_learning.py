"""What owners do, learned from what ended: known habits are found again, and little history changes little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from visa_years import Facility, day_zero

from migration.habits import AGES, DEFAULT_HABITS, DEFAULT_LIMITS, Habits, Owner
from migration.learning import Ended, History, learn
from migration.visa.instances import STAFF, VisaInstance

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = NOW - 60 * DAY


def living(age: float, *, idle: float = 0.1, lifetime: float = 14, staff: bool = False, **more: bool) -> VisaInstance:
    return VisaInstance(
        id=1,
        name="work",
        state="ACTIVE",
        server="a",
        cloud=-1,
        created=NOW - age * DAY,
        termination=None if more.pop("immortal", False) else NOW + (lifetime - age) * DAY,
        last_seen=NOW - idle * DAY,
        roles=frozenset({STAFF} if staff else ()),
        **more,
    )


def ended(lived: float, ago: float = 5) -> Ended:
    return Ended(NOW - (ago + lived) * DAY, NOW - ago * DAY)


def users(history: list[Ended], instances: list[VisaInstance] | None = None) -> Habits:
    return learn(instances or [], History(SINCE, tuple(history)), NOW)[Owner.USER]


def mean_use(habits: Habits) -> float:
    return 1 / (sum(rate.events for rate in habits.stops) / sum(rate.days for rate in habits.stops))


def test_without_history_the_defaults_hold() -> None:
    assert learn([], None, NOW) == DEFAULT_HABITS


def test_known_habits_are_found_again_though_nobody_knows_whose_anything_was() -> None:
    """Users of this facility use an instance for 6.4 days in the mean, staff for 15.3, and every tenth is deleted."""
    found: dict[Owner, list[float]] = {owner: [] for owner in Owner}
    for seed in range(12):
        given, _ = day_zero(Facility(arrivals=20), seed)
        for owner, habits in learn(given.visa, given.history, given.now).items():
            found[owner].append(mean_use(habits))
    assert 5 < sum(found[Owner.USER]) / 12 < 9
    assert 11 < sum(found[Owner.STAFF]) / 12 < 22


def test_what_ends_young_was_deleted_by_hand() -> None:
    by_hand = users([ended(1 + number / 40) for number in range(40)])
    left_alone = users([ended(6 + number / 41) for number in range(40)])
    assert by_hand.deletes.mean > 10 * left_alone.deletes.mean
    assert mean_use(left_alone) < mean_use(DEFAULT_HABITS[Owner.USER])


def test_who_deletes_by_hand_does_so_later_too() -> None:
    """Of 60 that end later, as many are taken to be deleted as the young ones show; only the others were left alone."""
    ends = [ended(0.1 + number * 0.017) for number in range(200)] + [ended(5 + number / 11) for number in range(60)]
    learned = learn([], History(SINCE, tuple(ends)), NOW)
    assert sum(rate.events for habits in learned.values() for rate in habits.stops) < 60


def test_lives_that_end_on_their_termination_date_say_nothing_of_stopping() -> None:
    assert mean_use(users([ended(14.001)] * 40)) > 2 * mean_use(users([ended(13.7 - n / 10) for n in range(40)]))


@pytest.mark.parametrize("hours", [48, 120])
def test_lifetimes_that_owners_choose_are_no_deletions(hours: int) -> None:
    """Much ends in the half hour after it, and nothing in the one after that."""
    chosen = users([ended(hours / 24 + minute / 1440) for minute in range(20)])
    scattered = users([ended(hours / 24 + minute / 33) for minute in range(20)])
    assert chosen.deletes.events + sum(rate.events for rate in chosen.stops) < 15
    assert scattered.deletes.events + sum(rate.events for rate in scattered.stops) > 15


def test_several_living_instances_show_a_lifetime_that_owners_choose() -> None:
    instances = [living(1 + number / 10, lifetime=2) for number in range(3)]
    few = [ended(2.001), ended(2.002)]
    assert users(few, instances).deletes.events == DEFAULT_HABITS[Owner.USER].deletes.events
    assert users(few).deletes.events > DEFAULT_HABITS[Owner.USER].deletes.events + 1


def test_the_age_at_which_owners_stop_is_learned() -> None:
    """Everybody here stops after six days of use, nobody before."""
    chance = Random(1)  # noqa: S311 - not for secrets
    habits = users([ended(4 + 6 + chance.uniform(-0.4, 0.4), ago=chance.uniform(0, 30)) for _ in range(200)])
    rates = [rate.mean for rate in habits.stops]
    assert len(rates) == len(AGES) + 1
    assert rates[2] > 5 * max(rates[0], rates[1])


def test_what_lived_before_the_history_began_is_counted_from_then() -> None:
    """Old survivors would else prove that nobody ever stops: those who did are not in the history."""
    recent = learn([living(50, lifetime=90) for _ in range(20)], History(NOW - DAY, ()), NOW)[Owner.USER]
    always = learn([living(50, lifetime=90) for _ in range(20)], History(NOW - 60 * DAY, ()), NOW)[Owner.USER]
    assert mean_use(always) > 5 * mean_use(recent)


def test_more_time_is_learned_and_how_often() -> None:
    usual = users([ended(14.001, ago) for ago in range(40)])
    long = users([ended(14.001, ago) for ago in range(10)], [living(30 + n / 10, lifetime=42) for n in range(20)])
    assert usual.extended[0] == DEFAULT_HABITS[Owner.USER].extended[0]
    assert long.extended[0] > usual.extended[0] + 19
    assert (usual.extensions, long.extensions) == (1, 2)


def test_a_single_old_instance_is_no_habit() -> None:
    assert users([], [living(200, lifetime=210)]).extensions == 1


def test_booked_and_immortal_instances_follow_other_rules() -> None:
    odd = [living(300, booked=True, lifetime=400), living(300, immortal=True)] * 5
    assert users([], odd) == users([])


def test_how_often_people_are_seen_is_learned_from_what_lives() -> None:
    often = learn([living(3, idle=0.02 * number) for number in range(1, 40)], None, NOW)[Owner.USER]
    seldom = learn([living(9, idle=0.09 * number) for number in range(1, 40)], None, NOW)[Owner.USER]
    assert often.returns > 2 * seldom.returns


def test_the_order_of_what_is_seen_changes_nothing() -> None:
    given, _ = day_zero(Facility(), 3)
    assert given.history is not None
    backwards = History(given.history.since, given.history.ended[::-1])
    assert learn(given.visa, given.history, given.now) == learn(given.visa[::-1], backwards, given.now)


def test_more_history_leaves_less_doubt() -> None:
    few, many = (users([ended(6 + n / 50) for n in range(count)]) for count in (5, 100))
    assert sum(rate.events for rate in many.stops) > 5 * sum(rate.events for rate in few.stops)
    assert (few.learned, many.learned) == (pytest.approx(5, abs=2), pytest.approx(100, abs=30))


def test_limits_are_those_that_are_configured() -> None:
    """An end after three days is a deletion where four are allowed, and was left alone where two are."""
    halved = {owner: type(one)(one.lifetime, one.inactivity / 2) for owner, one in DEFAULT_LIMITS.items()}
    history = History(SINCE, tuple(ended(3 + number / 50) for number in range(30)))
    usual = learn([], history, NOW)[Owner.USER]
    shorter = learn([], history, NOW, halved)[Owner.USER]
    assert usual.deletes.mean > 5 * shorter.deletes.mean
