"""How instances go: what VISA's rules say, and what owners are used to do, learned from what has ended.

An owner uses an instance for a while and stops; VISA ends it when nobody was seen for the inactivity limit. Some delete
theirs by hand. Whatever lives to its termination date ends there, unless its owner, still at work, gets more time.

A rate that is learned stays uncertain, the more so the less was seen: it is a gamma distribution, not a number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from migration.visa.instances import VisaInstance

Draws = NDArray[np.float32]

DAY: Final = timedelta(days=1)
TICK: Final = 1 / 48
"""Days within which VISA ends what it has to: a job every five minutes, and the time it takes to stop a server."""

AGES: Final = (1 / 8, 1 / 4, 1 / 2)
"""Where the habit of stopping may change: parts of the longest lifetime, so there are four ages with a rate each."""

USUAL: Final = 3
"""How many living instances have to have a lifetime before it counts as one that owners choose."""


class Owner(StrEnum):
    """Whose limits an instance has."""

    USER = "user"
    """A visiting scientist."""
    STAFF = "staff"
    """A member of staff."""


@dataclass(frozen=True, slots=True)
class Limits:
    """VISA's limits for one kind of owner, in days: the lifetime, and how long nobody need be seen."""

    lifetime: float
    inactivity: float


DEFAULT_LIMITS: Final[Mapping[Owner, Limits]] = {Owner.USER: Limits(14, 4), Owner.STAFF: Limits(60, 8)}
"""VISA's own defaults: 336 h and 96 h, 1440 h and 192 h."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happens a day: so many events were seen in so many days of instances' lives."""

    events: float
    days: float

    @property
    def mean(self) -> float:
        """Expected number a day."""
        return self.events / self.days

    def seen(self, events: float, days: float) -> Rate:
        """Return the rate after more was seen."""
        return Rate(self.events + events, self.days + days)


@dataclass(frozen=True, slots=True)
class Habits:
    """What one kind of owner does.

    Attributes:
        stops: how often an owner stops using an instance, by how long it was used (``AGES``).
        deletes: how often one is deleted by hand.
        returns: how often somebody is seen on an instance that is in use, a day.
        extended: of those in use at their termination date that may have more time: how many got it, how many not.
        extensions: how many times at most.
        learned: from how many ended instances.
    """

    stops: tuple[Rate, ...]
    deletes: Rate
    returns: float
    extended: tuple[float, float]
    extensions: int
    learned: int = 0


DEFAULT_HABITS: Final[Mapping[Owner, Habits]] = {
    Owner.USER: Habits((Rate(2, 10),) * 4, Rate(1, 60), returns=1.5, extended=(1, 2), extensions=1),
    Owner.STAFF: Habits((Rate(2, 40),) * 4, Rate(1, 240), returns=1.0, extended=(2, 2), extensions=1),
}
"""What is taken for granted where nothing was seen: users work on one for 5 days, staff for 20, and few delete theirs.
It counts as much as two ended instances do, so that a little history outweighs it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An instance that ended.

    Attributes:
        created: when it began.
        ended: when it ended.
        owner: whose it was, or None where nobody knows any more.
    """

    created: datetime
    ended: datetime
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class History:
    """Everything that ended in a time.

    Attributes:
        since: from when on nothing that ended is left out.
        ended: what ended since.
    """

    since: datetime
    ended: tuple[Ended, ...]


def owner_of(instance: VisaInstance) -> Owner:
    """Return whose limits an instance has."""
    return Owner.STAFF if instance.staff else Owner.USER


def days(span: timedelta) -> float:
    """Return a span in days."""
    return span / DAY


def learn(
    living: Iterable[VisaInstance],
    history: History | None,
    now: datetime,
    limits: Mapping[Owner, Limits] = DEFAULT_LIMITS,
) -> Mapping[Owner, Habits]:
    """Learn what owners do.

    Arguments:
        living: the instances that VISA has; booked and immortal ones follow other rules and are left out.
        history: what ended, where it is known; without it, only how often people are seen is learned.
        now: when ``living`` was read.
        limits: VISA's limits.

    Returns:
        The habits by kind of owner: the defaults, outweighed by what was seen. The input's order has no part in it.
    """
    usual = [one for one in living if not one.booked and one.termination is not None]
    learned = {}
    for owner in Owner:
        mine = [one for one in usual if owner_of(one) is owner]
        habits = DEFAULT_HABITS[owner]
        if history is not None:
            chosen = _lifetimes(usual, history)
            habits = _from_ends(habits, mine, history, owner, now, limits[owner], chosen)
        learned[owner] = _with_returns(habits, mine, now, limits[owner])
    return learned


def _from_ends(
    before: Habits,
    living: Sequence[VisaInstance],
    history: History,
    owner: Owner,
    now: datetime,
    limits: Limits,
    chosen: Sequence[float],
) -> Habits:
    """Count ends by their cause, against the time that instances were exposed to it.

    What ended younger than the inactivity limit was deleted by hand; nothing else can end it. What ended later, but
    at no lifetime that owners choose, was left alone for the inactivity limit, but for those that were deleted by hand.
    """
    ends = [one for one in history.ended if one.owner is owner]
    ages = np.array(sorted(days(one.ended - one.created) for one in ends))
    at_lifetime = np.zeros(len(ages), dtype=bool)
    for lifetime in {limits.lifetime, *chosen}:
        at_lifetime |= (ages >= lifetime) & (ages < lifetime + TICK)
    watched = [(max(0.0, days(history.since - one.created)), days(one.ended - one.created)) for one in ends]
    watched += [(max(0.0, days(history.since - one.created)), days(now - one.created)) for one in living]
    begin, end = np.array(sorted(watched)).reshape(-1, 2).T
    young = _overlap(begin, end, 0, limits.inactivity)
    deletes = before.deletes.seen(int(np.sum(~at_lifetime & (ages < limits.inactivity))), young)
    # who was left alone had been used for as long as it lived, but for the inactivity limit
    used, begin, end = ages[~at_lifetime] - limits.inactivity, begin - limits.inactivity, end - limits.inactivity
    stopped = []
    for low, high in _ages(limits):
        lived = _overlap(begin, end, low, high)
        stopped.append((max(0.0, int(np.sum((used >= low) & (used < high))) - deletes.mean * lived), lived))
    # an age at which little was seen takes after the others
    prior = before.stops[0].seen(*(sum(part) for part in zip(*stopped, strict=True)))
    weak = Rate(before.stops[0].events, before.stops[0].events / prior.mean)
    stops = tuple(weak.seen(events, lived) for events, lived in stopped)
    past = limits.lifetime + TICK
    got_more = int(np.sum(ages > past)) + sum(days(now - one.created) > past for one in living)
    reached = got_more + int(np.sum((ages >= limits.lifetime) & (ages <= past)))
    asked = reached * math.exp(-stops[-1].mean * limits.inactivity)  # the others had stopped using theirs before
    more, no_more = before.extended
    return Habits(
        stops,
        deletes,
        before.returns,
        extended=(more + got_more, no_more + max(0.0, asked - got_more)),
        extensions=max(before.extensions, _extensions([*ages, *_promised(living)], limits)),
        learned=len(ends),
    )


def _ages(limits: Limits) -> Iterable[tuple[float, float]]:
    bounds = [0.0, *(part * limits.lifetime for part in AGES), math.inf]
    return pairwise(bounds)


def _overlap(begin: NDArray[np.float64], end: NDArray[np.float64], low: float, high: float) -> float:
    """Return how many days of these spans lie between two ages."""
    return float(np.sum(np.clip(np.minimum(end, high) - np.maximum(begin, low), 0, None)))


def _promised(living: Iterable[VisaInstance]) -> list[float]:
    return [days(one.termination - one.created) for one in living if one.termination is not None]


def _lifetimes(living: Iterable[VisaInstance], history: History) -> list[float]:
    """Return the lifetimes, of whole hours, that owners choose.

    What several living instances were promised; and where much more ends in the half hour after a whole hour of its
    life than in the one after that, which nothing but a termination date does.
    """
    promised = Counter(round(lifetime * 24, 2) for lifetime in _promised(living))
    halves = Counter(int(days(one.ended - one.created) / TICK) for one in history.ended)
    hours = {int(hour) for hour, count in promised.items() if count >= USUAL and hour.is_integer()}
    hours |= {half // 2 for half, count in halves.items() if half % 2 == 0 and count >= USUAL + 3 * halves[half + 1]}
    return sorted(hour / 24 for hour in hours if hour)


def _extensions(lived: Iterable[float], limits: Limits) -> int:
    """Return how often more time was had, by several: a single one may have been immortal once."""
    oldest = sorted(lived)[-USUAL:]
    return math.ceil((oldest[0] - TICK) / limits.lifetime) - 1 if len(oldest) == USUAL else 0


def _with_returns(habits: Habits, living: Iterable[VisaInstance], now: datetime, limits: Limits) -> Habits:
    """Fit how often people are seen to how long ago they were.

    Of the instances that live, some are in use, and of those the last visit is exponentially long ago; the others have
    stopped, and of those it is anything up to the inactivity limit, evenly.
    """
    idle = np.array(sorted(days(now - one.last_seen) for one in living if one.last_seen is not None))
    idle = idle[(idle >= 0) & (idle < limits.inactivity)]
    in_use = 1 / float(np.mean([rate.mean for rate in habits.stops]))
    rates = habits.returns * np.geomspace(1 / 8, 8, 61)
    likelihood = np.log(
        (in_use * rates[:, None] * np.exp(-rates[:, None] * idle) + 1) / (in_use + limits.inactivity)
    ).sum(axis=1)
    prior = -(np.log(rates / habits.returns) ** 2) / 2  # somewhere near the default, within a factor of three or so
    return replace(habits, returns=float(rates[np.argmax(likelihood + prior)]))


@dataclass(frozen=True, slots=True)
class Going:
    """What may still happen to one instance, seen from now.

    Attributes:
        owner: whose it is.
        age: days since it began.
        idle: days since somebody was seen; None where that ends nothing (booked).
        left: days to its termination date.
        extensible: whether it may get more time then.
    """

    owner: Owner
    age: float
    idle: float | None
    left: float
    extensible: bool


@dataclass(frozen=True, slots=True)
class Chances:
    """Habits as one set of draws has them: every draw is a world of its own, with rates of its own.

    Attributes:
        stops: per age and draw, how often an owner stops using an instance, a day: shape (ages, draws).
        deletes: per draw, how often one is deleted by hand, a day.
        extended: per draw, the chance of more time.
        returns: how often somebody is seen on an instance in use, a day.
        extensions: how many times more time is had at most.
        limits: VISA's limits.
    """

    stops: Draws
    deletes: Draws
    extended: Draws
    returns: float
    extensions: int
    limits: Limits


def chances(habits: Habits, limits: Limits, draws: int, rng: np.random.Generator) -> Chances:
    """Draw how much of the habits is true.

    Arguments:
        habits: what was learned.
        limits: VISA's limits.
        draws: how many worlds.
        rng: where chance comes from.

    Returns:
        The habits of each of these worlds.
    """
    return Chances(
        stops=np.array([rng.gamma(rate.events, 1 / rate.days, draws) for rate in habits.stops], dtype=np.float32),
        deletes=rng.gamma(habits.deletes.events, 1 / habits.deletes.days, draws).astype(np.float32),
        extended=np.minimum(rng.beta(*habits.extended, draws), 0.9999).astype(np.float32),
        returns=habits.returns,
        extensions=habits.extensions,
        limits=limits,
    )


def ends(going: Sequence[Going], chance: Chances, uniform: Draws) -> Draws:
    """Draw when instances of one kind of owner end.

    Somebody at work comes back again and again, at random; each visit may have been the last. How long ago the last one
    was says how likely it is that there will be no other.

    Arguments:
        going: the instances.
        chance: what each world is like; as many as there are draws.
        uniform: three random numbers above 0 and up to 1 for each draw of each instance: shape (instances, 3, draws).

    Returns:
        Days from now, shape (instances, draws); nothing ends in the past.
    """
    limit, returns = np.float32(chance.limits.inactivity), np.float32(chance.returns)
    left = np.array([[one.left] for one in going], dtype=np.float32)
    age = np.array([[one.age] for one in going], dtype=np.float32)
    seen = np.array([[0 if one.idle is None else one.idle] for one in going], dtype=np.float32)
    booked = np.array([[one.idle is None] for one in going])
    extensible = np.array([[one.extensible] for one in going])
    missed = np.float32(math.exp(-chance.returns * chance.limits.inactivity))  # comes back too late
    with np.errstate(divide="ignore", over="ignore"):  # what is impossible has odds of 0 to infinity
        # the visit that was seen was not the last, though nobody has come since; and the next one comes in time
        used_for = np.clip(age - seen, 0, None)
        stay = 1 / (1 + _rate_at(chance, used_for) / returns * np.exp(returns * seen))
        stay *= -np.expm1(-returns * np.clip(limit - seen, 0, None))
        used = _uses(chance, age, -np.log(np.minimum(uniform[:, 0] / stay, 1)), returns * missed)
        used = np.where(uniform[:, 0] < stay, used, -seen)
        by_hand = np.log(uniform[:, 1]) / -chance.deletes
        granted = np.minimum(np.floor(np.log(uniform[:, 2]) / np.log(chance.extended)), chance.extensions)
    wanted = np.ceil(np.clip(used - left, 0, None) / np.float32(chance.limits.lifetime))
    more = np.where(extensible, np.minimum(granted, wanted), 0)
    end = np.minimum(left + more * np.float32(chance.limits.lifetime), by_hand)
    end = np.where(booked, end, np.minimum(end, used + limit))
    return np.maximum(end, 0, dtype=np.float32)


def _rate_at(chance: Chances, age: Draws) -> Draws:
    """Return how often owners stop at these ages, per draw."""
    at = np.searchsorted(np.array(AGES) * chance.limits.lifetime, age[:, 0], side="right")
    return chance.stops[at]


def _uses(chance: Chances, age: Draws, hazard: Draws, more: np.float32) -> Draws:
    """Return how many days an instance of this age is used until so much hazard has been met.

    Arguments:
        chance: the rates of stopping, by age.
        age: days that it was used before, shape (instances, 1).
        hazard: exponential, shape (instances, draws).
        more: a rate at every age: of a visit that comes too late.

    Returns:
        Days from now, shape (instances, draws).
    """
    used = np.zeros_like(hazard)
    for rate, (low, high) in zip(chance.stops + more, _ages(chance.limits), strict=True):
        lasts = np.clip(np.float32(high) - np.maximum(age, np.float32(low)), 0, None)
        spent = np.minimum(hazard / rate, lasts)
        used += spent
        hazard = hazard - spent * rate
    return used
