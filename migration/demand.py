"""What arrives: how many instances of which flavor on which weekday, and how long they live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from migration.facts import FlavorFacts
from migration.habits import Owner, days
from migration.lifetimes import Chances, Draws, Going, ends

WEEKDAYS: Final = (1.3, 1.3, 1.3, 1.3, 1.3, 0.25, 0.25)
"""Monday to Sunday, where nothing was seen: work is done on working days."""
DOUBT: Final = 50
"""Arrivals that have to be seen before their weekdays count as much as the default does."""
SAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that was created: when, and of which flavor."""

    created: datetime
    flavor: str


@dataclass(frozen=True)
class Demand:
    """What arrives.

    Attributes:
        rates: instances a day, by flavor.
        weekdays: how many times that on each weekday, from Monday; 1 on average.
        sizes: the flavors' sizes.
        lives: days that an instance lives: any of the rows, in each draw.
        learned: from how many arrivals.
    """

    rates: Mapping[str, float]
    weekdays: tuple[float, ...]
    sizes: Mapping[str, FlavorFacts]
    lives: Draws
    learned: int


def learn_demand(
    arrivals: Iterable[Arrival],
    since: datetime,
    now: datetime,
    sizes: Mapping[str, FlavorFacts],
    lives: Draws,
) -> Demand:
    """Learn from what was created in a time.

    Arguments:
        arrivals: every instance that was created since then, whether it has ended or not.
        since: from when on none is missing.
        now: until when.
        sizes: the flavors' sizes; arrivals of others are left out.
        lives: how long instances live (``life_times``).

    Returns:
        The demand. A flavor's rate is the same part of every weekday: few flavors are seen often enough to tell more.
    """
    seen = [one for one in arrivals if since <= one.created <= now and one.flavor in sizes]
    lasted = days(now - since)
    return Demand(
        rates={name: count / lasted for name, count in sorted(Counter(one.flavor for one in seen).items())},
        weekdays=_weekdays([one.created.weekday() for one in seen], since, now),
        sizes=sizes,
        lives=lives,
        learned=len(seen),
    )


def demand_of_living(living: Iterable[str], sizes: Mapping[str, FlavorFacts], lives: Draws) -> Demand:
    """Conclude from what lives now what must be arriving: as many as there are, in the time that one lives.

    Arguments:
        living: the flavor of each instance.
        sizes: the flavors' sizes; instances of others are left out.
        lives: how long instances live.

    Returns:
        The demand that keeps as many of each flavor alive, on the weekdays of the default.
    """
    counts = sorted(Counter(name for name in living if name in sizes).items())
    mean = float(np.mean(lives))
    return Demand({name: count / mean for name, count in counts}, WEEKDAYS, sizes, lives, learned=0)


def life_times(worlds: Mapping[Owner, Chances], staff: float, lifetimes: Mapping[Owner, float], seed: int) -> Draws:
    """Draw how long new instances live.

    Arguments:
        worlds: what owners do, per draw.
        staff: share of instances that are staff's.
        lifetimes: the longest life by kind of owner, in days.
        seed: where chance comes from.

    Returns:
        Days, shape (samples, draws).
    """
    rng = np.random.default_rng(seed)
    of_staff = round(staff * SAMPLES)
    rows: list[Draws] = []
    for owner, count in ((Owner.STAFF, of_staff), (Owner.USER, SAMPLES - of_staff)):
        if count:
            new = Going(owner, age=0, idle=0, left=lifetimes[owner], extensible=True)
            uniform = 1 - rng.random((count, 3, worlds[owner].stops.shape[1]), dtype=np.float32)
            rows.append(ends([new] * count, worlds[owner], uniform))
    return np.concatenate(rows)


def _weekdays(seen: Sequence[int], since: datetime, now: datetime) -> tuple[float, ...]:
    counts = Counter(seen)
    whole = range(int(days(now - since)))
    passed = Counter((now - timedelta(back)).weekday() for back in whole)
    mean = len(seen) / max(len(whole), 1)
    learned = [counts[day] / passed[day] / mean if passed[day] and mean else WEEKDAYS[day] for day in range(7)]
    weight = len(seen) / (len(seen) + DOUBT)
    mixed = [weight * found + (1 - weight) * usual for found, usual in zip(learned, WEEKDAYS, strict=True)]
    return tuple(7 * part / sum(mixed) for part in mixed)
