"""A facility's VISA as it goes on for months, event by event, to check forecasts against.

Nothing here comes from the forecast: owners work on working days and at working hours, use an instance for a number of
days that is no exponential, and VISA's rules are applied visit by visit. Chance is Python's, not numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from migration.learning import Ended, History
from migration.placed import ForecastInput, NodeState, Placed
from migration.plan import Phase
from migration.settings import Membership
from migration.visa.instances import AutoExtension, VisaInstance
from migration.visa.settings import Backend

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
TICK = timedelta(minutes=5)


@dataclass
class Facility:
    """What people do there.

    Attributes:
        nodes: how many nodes.
        arrivals: instances on a working day; on others a quarter.
        staff: share of instances that are staff's.
        use: median of the days that users and staff use an instance.
        by_hand: share of instances that owners delete when they have finished.
        short: share of owners who choose a shorter lifetime than they may have.
        asks: chance that an owner at work asks for more time, and gets it where that is automatic.
        extensions: whose requests are granted after the switch.
    """

    nodes: int = 6
    arrivals: float = 6
    staff: float = 0.3
    use: tuple[float, float] = (5.0, 12.0)
    by_hand: float = 0.1
    short: float = 0.3
    asks: float = 0.5
    extensions: AutoExtension = AutoExtension.ALL


@dataclass
class Life:
    """One instance from beginning to end."""

    id: int
    node: str
    staff: bool
    created: datetime
    visits: list[datetime] = field(default_factory=list)
    terminations: list[tuple[datetime, datetime]] = field(default_factory=list)
    ended: datetime | None = None

    @property
    def end(self) -> datetime:
        assert self.ended is not None
        return self.ended

    def seen_by(self, now: datetime) -> VisaInstance:
        """Return what VISA says of it at a time when it lives."""
        return VisaInstance(
            id=self.id,
            name=f"instance {self.id}",
            state="ACTIVE",
            server=f"{self.id:08}-0000-4000-8000-000000000000",
            cloud=-1,
            created=self.created,
            termination=max(promised for since, promised in self.terminations if since <= now),
            last_seen=max(visit for visit in self.visits if visit <= now),
            roles=frozenset({"STAFF"} if self.staff else {"USER"}),
        )


def lives(facility: Facility, seed: int, switch: datetime) -> Iterator[Life]:
    """Let people come and go until the switch, and whoever is there then go on to the end."""
    chance = Random(seed)  # noqa: S311 - not for secrets
    number = 0
    day = BEGIN
    while day < switch:
        mean = facility.arrivals * (1 if day.weekday() < 5 else 0.25)
        for _ in range(_poisson(chance, mean)):
            number += 1
            created = day + chance.uniform(8, 19) * HOUR
            if created < switch:
                yield _live(facility, chance, number, created, switch)
        day += DAY


def _poisson(chance: Random, mean: float) -> int:
    count, product = 0, chance.random()
    while product > math.exp(-mean):
        count += 1
        product *= chance.random()
    return count


def _live(facility: Facility, chance: Random, number: int, created: datetime, switch: datetime) -> Life:
    staff = chance.random() < facility.staff
    lifetime, idle_limit = (60 * DAY, 8 * DAY) if staff else (14 * DAY, 4 * DAY)
    chosen = chance.choice([2, 5, 7]) * DAY if chance.random() < facility.short else lifetime
    life = Life(number, f"cmp{chance.randrange(facility.nodes) + 1:02}", staff, created, [created])
    termination = created + chosen
    life.terminations.append((created, termination))
    stops = created + DAY * facility.use[staff] * chance.lognormvariate(0, 0.7)
    asked = False
    for visit in _visits(chance, created, stops):
        if visit >= min(termination, life.visits[-1] + idle_limit):
            break
        life.visits.append(visit)
        if termination - visit < 1.5 * DAY and not asked:
            granted = facility.extensions if visit >= switch else AutoExtension.ALL
            asked = True
            if chance.random() < facility.asks and granted is AutoExtension.ALL:
                termination += lifetime
                life.terminations.append((visit, termination))
                asked = False
    if chance.random() < facility.by_hand and stops < termination:
        life.ended = life.visits[-1] + chance.uniform(0.1, 3) * HOUR
    else:
        due = min(termination, life.visits[-1] + idle_limit)
        life.ended = BEGIN + math.ceil((due - BEGIN) / TICK) * TICK
    return life


def _visits(chance: Random, created: datetime, stops: datetime) -> Iterator[datetime]:
    day = created.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < stops:
        if chance.random() < (0.85 if day.weekday() < 5 else 0.2):
            for hour in sorted(chance.uniform(8, 20) for _ in range(chance.choice([1, 1, 2]))):
                visit = day + hour * HOUR
                if created < visit < stops:
                    yield visit
        day += DAY


def day_zero(facility: Facility, seed: int) -> tuple[ForecastInput, dict[str, datetime]]:
    """Return what is known when the switch has just been made, and when each node then really was empty."""
    chance = Random(f"switch {seed}")  # noqa: S311 - not for secrets
    switch = BEGIN + chance.randint(100, 106) * DAY + chance.uniform(6, 20) * HOUR
    all_ = list(lives(facility, seed, switch))
    living = [life for life in all_ if life.end > switch]
    since = switch - 60 * DAY
    ended = tuple(Ended(life.created, life.end) for life in all_ if since <= life.end <= switch)
    instances = [_with(facility, life.seen_by(switch)) for life in living]
    placed = tuple(
        Placed(one.server or "", f"visa-{one.id}", life.node, one) for one, life in zip(instances, living, strict=True)
    )
    names = [f"cmp{number + 1:02}" for number in range(facility.nodes)]
    given = ForecastInput(
        now=switch,
        nodes=tuple(NodeState(name, Membership.CARACAL, Phase.DRAINING) for name in names),
        placed=placed,
        visa=tuple(instances),
        history=History(since, ended),
        backend=Backend.CARACAL,
    )
    emptied = {name: max((life.end for life in living if life.node == name), default=switch) for name in names}
    return given, emptied


def _with(facility: Facility, one: VisaInstance) -> VisaInstance:
    return VisaInstance(
        **{name: getattr(one, name) for name in one.__slots__} | {"auto_extension": facility.extensions}
    )
