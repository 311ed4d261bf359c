"""Learn what owners do from what has ended, and from when people were seen on what lives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from migration.habits import DEFAULT_HABITS, DEFAULT_LIMITS, Habits, Limits, Owner, Rate, ages, days, owner_of
from migration.visa.instances import VisaInstance

Vector = NDArray[np.float64]

TICK: Final = 1 / 48
"""Days within which VISA ends what it has to: a job every five minutes, and the time it takes to stop a server."""

USUAL: Final = 3
"""How many instances have to have had something before it counts as usual."""

STAFF_SHARE: Final = (3, 7)
"""Staff's and users' part of what ends, where nobody knows whose it was; counts as much as ten that are known."""

GUESSED_EXTENDED: Final = 0.2
"""Chance that an instance got more time, for that guess."""

ROUNDS: Final = 8
"""How often it is guessed whose the ended instances were; it changes little after three."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An instance that ended; whose it was, nobody knows: VISA shows only what lives, and Nova drops the metadata.

    Attributes:
        created: when it began.
        ended: when it ended.
    """

    created: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class History:
    """Everything that ended in a time.

    Attributes:
        since: from when on nothing that ended is left out.
        ended: what ended since.
    """

    since: datetime
    ended: tuple[Ended, ...]


@dataclass(frozen=True)
class _Spells:
    """Lives of instances of one kind of owner, as far as they were watched.

    Attributes:
        begin: age from which on each was watched.
        end: age at which it ended, or that it has now.
        ended: whether it has ended.
        due: whether that was at a lifetime that owners choose.
        weight: how likely it is to be of this kind.
    """

    begin: Vector
    end: Vector
    ended: NDArray[np.bool_]
    due: NDArray[np.bool_]
    weight: Vector

    def lived(self, low: float, high: float) -> float:
        """Return how many days of these lives lie between two ages."""
        spans = np.clip(np.minimum(self.end, high) - np.maximum(self.begin, low), 0, None)
        return float(np.sum(spans * self.weight))

    def ends(self, low: float, high: float, *, due: bool) -> float:
        """Return how many ended between two ages, at a lifetime that owners choose or at another."""
        here = self.ended & (self.due == due) & (self.end >= low) & (self.end < high)
        return float(np.sum(self.weight[here]))

    def older(self, age: float) -> float:
        """Return how many became older."""
        return float(np.sum(self.weight[self.end > age]))


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
    mine = {owner: [one for one in usual if owner_of(one) is owner] for owner in Owner}
    habits = dict(DEFAULT_HABITS)
    if history is not None:
        habits = _from_ends(mine, history, now, limits, _lifetimes(usual, history, limits))
    return {owner: _with_returns(habits[owner], mine[owner], now, limits[owner]) for owner in Owner}


def _from_ends(
    living: Mapping[Owner, Sequence[VisaInstance]],
    history: History,
    now: datetime,
    limits: Mapping[Owner, Limits],
    chosen: Sequence[float],
) -> dict[Owner, Habits]:
    """Guess by how long something lived whose it was, learn from that, and guess again."""
    rows = sorted(_row(one.created, one.ended, history, ended=True) for one in history.ended)
    lived = np.array([end for end, _, _ in rows])
    mine = {owner: sorted(_row(one.created, now, history, ended=False) for one in living[owner]) for owner in Owner}
    staff, users = STAFF_SHARE
    guess = np.full(len(rows), staff / (staff + users))
    habits: dict[Owner, Habits] = {}
    for _ in range(ROUNDS):
        for owner in Owner:
            weight = guess if owner is Owner.STAFF else 1 - guess
            spells = _spells([*mine[owner], *rows], weight, {limits[owner].lifetime, *chosen})
            habits[owner] = _counted(DEFAULT_HABITS[owner], spells, _promised(living[owner]), limits[owner])
        share = (staff + guess.sum()) / (staff + users + len(guess))
        of_staff = share * _likelihood(lived, habits[Owner.STAFF], limits[Owner.STAFF], chosen)
        of_users = (1 - share) * _likelihood(lived, habits[Owner.USER], limits[Owner.USER], chosen)
        guess = of_staff / (of_staff + of_users)
    return habits


def _row(created: datetime, until: datetime, history: History, *, ended: bool) -> tuple[float, float, bool]:
    """Return a life as its end, its begin as far as it was watched, and whether it has ended."""
    return days(until - created), max(0.0, days(history.since - created)), ended


def _spells(rows: Sequence[tuple[float, float, bool]], guess: Vector, chosen: Iterable[float]) -> _Spells:
    """Return lives; those at the end of the rows, as many as there are guesses, are of this kind only perhaps."""
    end, begin, ended = np.array(rows, dtype=float).reshape(-1, 3).T
    weight = np.concatenate([np.ones(len(rows) - len(guess)), guess])
    return _Spells(begin, end, ended > 0, _at(end, chosen), weight)


def _at(lived: Vector, chosen: Iterable[float]) -> NDArray[np.bool_]:
    """Return which lives ended when a lifetime that owners choose was over."""
    found = np.zeros(len(lived), dtype=bool)
    for lifetime in chosen:
        found |= (lived >= lifetime) & (lived < lifetime + TICK)
    return found


def _counted(before: Habits, spells: _Spells, promised: Iterable[float], limits: Limits) -> Habits:
    """Count ends by their cause, against the time that instances were exposed to it.

    What ended younger than the inactivity limit was deleted by hand; nothing else can end it. What ended later, but
    at no lifetime that owners choose, was left alone for the inactivity limit, but for those that were deleted by hand.
    """
    idle = limits.inactivity
    deletes = before.deletes.seen(spells.ends(0, idle, due=False), spells.lived(0, idle))
    stopped = []
    for low, high in ages(limits):  # who was left alone had been used for as long as it lived, but for the limit
        lived = spells.lived(low + idle, high + idle)
        stopped.append((max(0.0, spells.ends(low + idle, high + idle, due=False) - deletes.mean * lived), lived))
    mean = before.stops[0].seen(sum(events for events, _ in stopped), sum(lived for _, lived in stopped)).mean
    # an age at which little was seen takes after the others
    weak = Rate(before.stops[0].events, before.stops[0].events / mean)
    stops = tuple(weak.seen(events, lived) for events, lived in stopped)
    past = limits.lifetime + TICK
    got_more = spells.older(past)
    reached = got_more + spells.ends(limits.lifetime, past, due=True)
    asked = reached * math.exp(-stops[-1].mean * idle)  # the others had stopped using theirs before
    more, no_more = before.extended
    oldest = sorted([*spells.end[spells.weight > 0.5], *promised])[-USUAL:]  # a single one may have been immortal once
    extensions = math.ceil((oldest[0] - TICK) / limits.lifetime) - 1 if len(oldest) == USUAL else 0
    return Habits(
        stops,
        deletes,
        before.returns,
        extended=(more + got_more, no_more + max(0.0, asked - got_more)),
        extensions=max(before.extensions, extensions),
        learned=round(float(np.sum(spells.weight[spells.ended]))),
    )


def _likelihood(lived: Vector, habits: Habits, limits: Limits, chosen: Sequence[float]) -> Vector:
    """Return how likely an instance of one kind of owner is to end at these ages, within a tick."""
    idle = limits.inactivity
    rate = np.full(len(lived), habits.deletes.mean)
    met = habits.deletes.mean * lived
    for stops, (low, high) in zip(habits.stops, ages(limits), strict=True):
        rate += np.where((lived - idle >= low) & (lived - idle < high), stops.mean, 0)
        met += stops.mean * np.clip(np.minimum(lived - idle, high) - low, 0, None)
    likely = np.where(_at(lived, {limits.lifetime, *chosen}), 1, rate * TICK) * np.exp(-met)
    # what is learned of more time here would be learned from this guess: it would prove itself right
    return likely * np.where(lived > limits.lifetime + TICK, GUESSED_EXTENDED, 1)


def _promised(living: Iterable[VisaInstance]) -> list[float]:
    return [days(one.termination - one.created) for one in living if one.termination is not None]


def _lifetimes(living: Iterable[VisaInstance], history: History, limits: Mapping[Owner, Limits]) -> list[float]:
    """Return the lifetimes, of whole hours, that owners choose who could have more.

    What several living instances were promised; and where much more ends in the half hour after a whole hour of its
    life than in the one after that, which nothing but a termination date does. The longest lifetime of users is not
    taken for a choice of staff: it tells best whose an ended instance was.
    """
    promised = Counter(round(lifetime * 24, 2) for lifetime in _promised(living))
    halves = Counter(int(days(one.ended - one.created) / TICK) for one in history.ended)
    hours = {int(hour) for hour, count in promised.items() if count >= USUAL and hour.is_integer()}
    hours |= {half // 2 for half, count in halves.items() if half % 2 == 0 and count >= USUAL + 3 * halves[half + 1]}
    hours -= {round(one.lifetime * 24) for one in limits.values()}
    return sorted(hour / 24 for hour in hours if hour)


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
