"""How scientists use VISA: when they come, how long they care for an instance, how they leave it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOURS = (
    *[0.1] * 7, 0.6, 1.6, 3.0, 3.2, 2.6, 1.4, 2.2, 3.0, 2.8, 2.2, 1.4, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1
)  # fmt: skip
DAYS = (1.3, 1.3, 1.3, 1.3, 1.1, 0.4, 0.3)
WEEK = sum(HOURS) * sum(DAYS)


class Act(StrEnum):
    """What an owner does to an instance."""

    LOOK = "look"
    EXTEND = "extend"
    END = "end"


class Way(StrEnum):
    """How an owner leaves an instance."""

    FORGETS = "forgets"
    """One day nobody looks any more, and VISA ends it for inactivity."""
    ENDS = "ends"
    """The owner ends it when the work is done."""
    STAYS = "stays"
    """It is used until VISA ends it."""
    EXTENDS = "extends"
    """The same, but the owner asks once for more time."""


WAYS = {Way.FORGETS: 35, Way.ENDS: 25, Way.STAYS: 28, Way.EXTENDS: 12}


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance, as its owner sees it.

    Attributes:
        number: its id.
        created: when it began.
        seen: when its owner last looked at it.
        ends: its termination date; None: it never ends.
        extended: whether more time was asked for already.
    """

    number: int
    created: datetime
    seen: datetime
    ends: datetime | None
    extended: bool


def expected(since: datetime, until: datetime, per_day: float) -> float:
    """Return how many scientists want a new instance in a time, on average.

    Arguments:
        since: its beginning.
        until: its end.
        per_day: how many on a day, over the week.
    """
    total, at = 0.0, since
    while at < until:
        after = min(until, at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
        total += HOURS[at.hour] * DAYS[at.weekday()] * ((after - at) / timedelta(hours=1))
        at = after
    return per_day * 7 * total / WEEK


def at_work(moment: datetime) -> bool:
    """Say whether people look at their instances at this time."""
    return HOURS[moment.hour] * DAYS[moment.weekday()] > 1


def way(number: int, seed: int) -> tuple[Way, float]:
    """Return how the owner leaves an instance, and after which part of its life."""
    chance = random.Random(f"{seed}/way/{number}")  # noqa: S311 - no secret
    chosen = chance.choices(list(WAYS), list(WAYS.values()))[0]
    return chosen, chance.uniform(0.1, 0.9)


def act(instance: Seen, now: datetime, seed: int) -> Act | None:
    """Return what the owner does to an instance now, if anything.

    Arguments:
        instance: it.
        now: VISA's time.
        seed: the same habits for the same number.
    """
    leaves, part = way(instance.number, seed)
    if instance.ends is None:
        leaves = Way.STAYS
    done = instance.ends is not None and now > instance.created + (instance.ends - instance.created) * part
    if leaves is Way.ENDS and done:
        return Act.END
    if leaves is Way.FORGETS and done:
        return None
    if leaves is Way.EXTENDS and not instance.extended and instance.ends and instance.ends - now < timedelta(days=2):
        return Act.EXTEND
    gap = timedelta(hours=random.Random(f"{seed}/gap/{instance.number}").uniform(1, 12))  # noqa: S311 - no secret
    return Act.LOOK if at_work(now) and now - instance.seen > gap else None
