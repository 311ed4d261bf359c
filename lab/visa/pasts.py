"""What a VISA has been through before anybody looks: how old its instances are, and how they will end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lab.visa.people import PEOPLE
from lab.visa.population import Population
from lab.visa.rules import Limits
from lab.visa.tables import STAFF


class Kind(StrEnum):
    """What becomes of a server that is there at the beginning."""

    USUAL = "usual"
    IMMORTAL = "immortal"
    BOOKED = "booked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Past:
    """An instance's past.

    Attributes:
        number: its id.
        kind: what becomes of it.
        created: when it began.
        seen: when its owner last looked at it.
        ends: its termination date; None: it never ends.
        lifetime: how long it was to live.
    """

    number: int
    kind: Kind
    created: datetime
    seen: datetime
    ends: datetime | None
    lifetime: timedelta


def pasts(owners: Sequence[tuple[int, str]], population: Population, now: datetime, limits: Limits) -> Iterator[Past]:
    """Make up the past of instances that are there already.

    Arguments:
        owners: number and owner of each instance.
        population: how many are of which kind; if there are too few instances, the last kinds have none.
        now: VISA's time.
        limits: VISA's.

    Returns:
        Each one's past: nothing ends within the next 2 hours of VISA's time, so that there is a beginning to look at.
    """
    counts = (
        (Kind.IMMORTAL, population.immortal),
        (Kind.BOOKED, population.booked),
        (Kind.UNKNOWN, population.unknown),
    )
    special = [kind for kind, count in counts for _ in range(count)]
    first = random.Random(population.seed).sample(range(len(owners)), min(len(special), len(owners)))  # noqa: S311
    kinds = dict(zip(first, special, strict=False))
    for index, (number, owner) in enumerate(owners):
        chance = random.Random(f"{population.seed}/{number}")  # noqa: S311 - no secret
        staff = PEOPLE[owner] == STAFF
        hours = limits.staff_lifetime if staff else limits.user_lifetime
        idle = limits.staff_inactivity if staff else limits.user_inactivity
        age = timedelta(hours=chance.uniform(4, hours - 2))
        seen = now - min(age, timedelta(hours=min(chance.expovariate(1 / 24), idle - 2)))
        kind = kinds.get(index, Kind.USUAL)
        lifetime = timedelta(hours=hours)
        ends = None if kind is Kind.IMMORTAL else now - age + lifetime
        yield Past(number, kind, now - age, seen, ends, lifetime)


def course_end(now: datetime) -> datetime:
    """Return the midnight at which the instances of a course end that goes on for another week."""
    return datetime(now.year, now.month, now.day) + timedelta(days=8)
