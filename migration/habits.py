"""How instances go: what VISA's rules say, and what owners are used to do.

An owner uses an instance for a while and stops; VISA ends it when nobody was seen for the inactivity limit. Some delete
theirs by hand. Whatever lives to its termination date ends there, unless its owner, still at work, gets more time.

A rate that is learned stays uncertain, the more so the less was seen: it is a gamma distribution, not a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from migration.visa.instances import VisaInstance

DAY: Final = timedelta(days=1)
AGES: Final = (1 / 8, 1 / 4, 1 / 2)
"""Where the habit of stopping may change: parts of the longest lifetime, so there are four ages with a rate each."""


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


def owner_of(instance: VisaInstance) -> Owner:
    """Return whose limits an instance has."""
    return Owner.STAFF if instance.staff else Owner.USER


def days(span: timedelta) -> float:
    """Return a span in days."""
    return span / DAY


def ages(limits: Limits) -> Iterable[tuple[float, float]]:
    """Return the ages, as days from and to, at which the habit of stopping has a rate of its own."""
    bounds = [0.0, *(part * limits.lifetime for part in AGES), math.inf]
    return pairwise(bounds)
