"""Whether there will be room: both clouds, day by day, while nodes come over as they become empty.

Pure. The new cloud takes every arrival from now on; Nova puts each on the node with the most free memory, as its
scheduler does unless told otherwise. What does not fit is refused and counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from migration.demand import Demand
from migration.facts import FlavorFacts
from migration.lifetimes import Draws
from migration.settings import Budget

DRAWS: Final = 50
RISK: Final = 0.1
"""How likely it has to be that demand does not fit before this warns."""
LONGEST: Final = 365
"""Days after which the simulation stops in any case."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Room:
    """What may be placed on a node: virtual CPUs, memory in MiB, disk in GiB (infinite where it is not the node's)."""

    vcpus: float
    ram: float
    disk: float = math.inf


@dataclass(frozen=True, slots=True)
class Used:
    """An instance that is on the new cloud: its size, and days from now until it ends in each draw."""

    size: FlavorFacts
    ends: Draws


@dataclass(frozen=True, slots=True)
class Host:
    """A node of the new cloud: its name, its room when empty, and what is on it."""

    node: str
    room: Room
    used: tuple[Used, ...] = ()


@dataclass(frozen=True, slots=True)
class Coming:
    """A node of the old cloud: name, datacenter, room in the new cloud, days until it is empty in each draw."""

    node: str
    datacenter: str
    room: Room
    empty: Draws


@dataclass(frozen=True)
class RoomInput:
    """What the simulation starts from.

    Attributes:
        now: when it begins.
        hosts: the nodes of the new cloud.
        coming: the nodes of the old one that become empty, in the order of their membership in the config.
        demand: what arrives, and how long it lives.
        budget: how many nodes may be between the clouds at once.
        accepted: whether a node has been accepted already; until then one moves alone.
    """

    now: datetime
    hosts: tuple[Host, ...]
    coming: tuple[Coming, ...]
    demand: Demand
    budget: Budget
    accepted: bool


@dataclass(frozen=True, slots=True)
class Shortage:
    """That instances of a flavor would be refused.

    Attributes:
        flavor: its name.
        first: the day by which that has happened in one of ten worlds.
        likely: in which share of worlds it ever happens.
        refused: how many instances, on average.
        largest: the largest flavor that still fits that day in half of these worlds, or None.
    """

    flavor: str
    first: date
    likely: float
    refused: float
    largest: str | None


@dataclass(frozen=True)
class RoomForecast:
    """How it goes with one order of the nodes.

    Attributes:
        order: the nodes in this order.
        ahead: how many of them were taken to be in the new cloud from the beginning.
        short: what does not fit, by flavor; empty where all does.
        risk: in which share of worlds anything is refused.
        moved: per node, the day by which it has moved in half and in nine of ten worlds.
        last: the same of the last node, or None where no node comes.
        use: per day, which share of the memory is used: median, and the highest of nine of ten worlds.
    """

    order: tuple[str, ...]
    ahead: int
    short: Mapping[str, Shortage]
    risk: float
    moved: Mapping[str, tuple[date, date]]
    last: tuple[date, date] | None
    use: tuple[tuple[float, float], ...] = field(repr=False)

    @property
    def fits(self) -> bool:
        """Whether demand most likely fits."""
        return self.risk < RISK


def room_forecast(
    given: RoomInput, *, soonest: bool = False, ahead: int = 0, draws: int = DRAWS, seed: int = 1
) -> RoomForecast:
    """Simulate both clouds day by day, until every node has moved that does.

    Arguments:
        given: what it starts from.
        soonest: whether nodes move in the order in which they are likely to become empty, not in that of the config.
        ahead: how many nodes, the first in this order, are in the new cloud from the beginning.
        draws: how many worlds; at most as many as the forecasts that are given have.
        seed: where chance comes from: with the same one, other orders meet the same arrivals.

    Returns:
        When which flavor does not fit, and when nodes move.
    """
    coming = sorted(given.coming, key=lambda one: float(np.median(one.empty))) if soonest else list(given.coming)
    joins = _joins(coming, given.budget, draws, accepted=given.accepted)
    joins[:ahead] = 0
    days = min(LONGEST, int(joins.max(initial=0)) + 14)
    simulated = _Simulation(given, coming, joins, days, np.random.default_rng(seed))
    simulated.run()
    moved = {one.node: _dates(given.now, joins[at]) for at, one in enumerate(coming)}
    return RoomForecast(
        order=tuple(one.node for one in coming),
        ahead=ahead,
        short=simulated.shortages(),
        risk=float((simulated.refused.sum(axis=(0, 2)) > 0).mean()),
        moved=moved,
        last=_dates(given.now, joins.max(axis=0)) if coming else None,
        use=simulated.use(),
    )


def nodes_needed(given: RoomInput, *, draws: int = DRAWS, seed: int = 1) -> RoomForecast | None:
    """Find out with how few nodes in the new cloud from the beginning all demand fits.

    Arguments:
        given: what the simulation starts from.
        draws: how many worlds.
        seed: where chance comes from.

    Returns:
        The forecast with the fewest nodes ahead, those that are empty soonest; None where even all would not do.
    """
    low, high = 0, len(given.coming)
    best = room_forecast(given, soonest=True, ahead=high, draws=draws, seed=seed)
    if not best.fits:
        return None
    while low < high:
        middle = (low + high) // 2
        tried = room_forecast(given, soonest=True, ahead=middle, draws=draws, seed=seed)
        if tried.fits:
            best, high = tried, middle
        else:
            low = middle + 1
    return best


def _joins(coming: Sequence[Coming], budget: Budget, draws: int, *, accepted: bool) -> NDArray[np.int64]:
    """Return on which day each node serves in the new cloud: a day after it was its turn, in each world."""
    joins = np.zeros((len(coming), draws), dtype=np.int64)
    for world in range(draws):
        waiting = list(range(len(coming)))
        first, day = not accepted, 0
        while waiting:
            soonest = min(float(coming[at].empty[world]) for at in waiting)
            day = max(day, math.ceil(soonest))  # whole days in which nothing is empty pass unseen
            room = 1 if first else budget.moving
            taken: list[int] = []
            sites: dict[str, int] = {}
            for at in waiting:
                one = coming[at]
                if one.empty[world] <= day and len(taken) < room:
                    if sites.get(one.datacenter, 0) >= budget.per_datacenter:
                        continue
                    sites[one.datacenter] = sites.get(one.datacenter, 0) + 1
                    taken.append(at)
            day += 1
            first = False
            joins[taken, world] = day
            waiting = [at for at in waiting if at not in taken]
    return joins


class _Simulation:
    """All worlds at once; in each, days pass one after the other."""

    def __init__(
        self, given: RoomInput, coming: Sequence[Coming], joins: NDArray[np.int64], days: int, rng: np.random.Generator
    ) -> None:
        self._given, self._days, self._rng = given, days, rng
        self._worlds = joins.shape[1]
        self._names = list(given.demand.rates)
        self._sizes = np.array([_row(given.demand.sizes[name]) for name in self._names], dtype=np.float32)
        self._sizes = self._sizes.reshape(len(self._names), 3)
        rooms = [*(one.room for one in given.hosts), *(one.room for one in coming)]
        self._rooms = np.array([(one.vcpus, one.ram, one.disk) for one in rooms], dtype=np.float32).reshape(-1, 3)
        here = np.zeros((len(given.hosts), self._worlds), dtype=np.int64)
        self._serves = np.concatenate([here, joins]).T  # from which day on: worlds, hosts
        self._free = np.repeat(self._rooms[None], self._worlds, axis=0)
        self._ends = np.zeros((days + 1, self._worlds, len(rooms), 3), dtype=np.float32)
        for at, host in enumerate(given.hosts):
            for one in host.used:
                size = np.array(_row(one.size), dtype=np.float32)
                self._free[:, at] -= size
                day = np.minimum(np.floor(one.ends[: self._worlds]) + 1, days).astype(np.int64)
                self._ends[day, np.arange(self._worlds), at] += size
        self.refused = np.zeros((days, self._worlds, len(self._names)), dtype=np.int64)
        self._fits = np.zeros((days, self._worlds, len(self._names)), dtype=bool)
        self._use = np.zeros((days, self._worlds))

    def run(self) -> None:
        """Let the days pass."""
        for day in range(self._days):
            self._free += self._ends[day]
            there = self._serves <= day
            for flavors in self._arrivals(day):
                self._place(flavors, there, day)
            for at, size in enumerate(self._sizes):
                self._fits[day, :, at] = ((self._free >= size).all(axis=2) & there).any(axis=1)
            whole = (self._rooms[:, 1] * there).sum(axis=1)
            left = (self._free[:, :, 1] * there).sum(axis=1)
            self._use[day] = np.divide(whole - left, whole, out=np.ones_like(whole), where=whole > 0)

    def _arrivals(self, day: int) -> NDArray[np.int64]:
        """Return who arrives: one row after the other, in each world a flavor's number or -1; in any order."""
        demand = self._given.demand
        weekday = (self._given.now + timedelta(day)).weekday()
        rates = np.array([demand.rates[name] * demand.weekdays[weekday] for name in self._names])
        counts = self._rng.poisson(rates, (self._worlds, len(rates)))
        rows = np.full((int(counts.sum(axis=1).max(initial=0)), self._worlds), -1)
        for world, count in enumerate(counts):
            who = np.repeat(np.arange(len(rates)), count)
            rows[: len(who), world] = self._rng.permutation(who)
        return rows

    def _place(self, flavors: NDArray[np.int64], there: NDArray[np.bool_], day: int) -> None:
        """Place one instance in each world that has one, or count that it was refused."""
        worlds = np.flatnonzero(flavors >= 0)
        flavor = flavors[worlds]
        size = self._sizes[flavor]
        fits = (self._free[worlds] >= size[:, None]).all(axis=2) & there[worlds]
        lives = self._given.demand.lives[self._rng.integers(len(self._given.demand.lives), size=len(worlds)), worlds]
        if fits.shape[1] == 0:
            self.refused[day, worlds, flavor] += 1
            return
        host = np.where(fits, self._free[worlds, :, 1], -np.inf).argmax(axis=1)
        placed = fits[np.arange(len(worlds)), host]
        self.refused[day, worlds[~placed], flavor[~placed]] += 1
        worlds, host, size = worlds[placed], host[placed], size[placed]
        self._free[worlds, host] -= size
        end = np.minimum(day + 1 + np.floor(lives[placed]), self._days).astype(np.int64)
        self._ends[end, worlds, host] += size

    def shortages(self) -> dict[str, Shortage]:
        """Return what was refused in more worlds than one would risk."""
        found = {}
        for at, name in enumerate(self._names):
            by = (self.refused[:, :, at].cumsum(axis=0) > 0).mean(axis=1)
            if by[-1] < RISK:
                continue
            day = int(np.argmax(by >= RISK))
            worlds = self.refused[day, :, at] > 0
            fitting = self._fits[day, worlds].mean(axis=0) >= 0.5
            order = sorted(np.flatnonzero(fitting), key=lambda one: tuple(self._sizes[one, [1, 0, 2]]))
            found[name] = Shortage(
                flavor=name,
                first=(self._given.now + timedelta(day)).date(),
                likely=float(by[-1]),
                refused=float(self.refused[:, :, at].sum(axis=0).mean()),
                largest=self._names[order[-1]] if order else None,
            )
        return found

    def use(self) -> tuple[tuple[float, float], ...]:
        """Return which share of the memory is used on each day."""
        ordered = np.sort(self._use, axis=1)
        high = math.ceil(0.9 * self._worlds) - 1
        return tuple((float(day[(self._worlds - 1) // 2]), float(day[high])) for day in ordered)


def _row(size: FlavorFacts) -> tuple[int, int, int]:
    return size.vcpus, size.ram, size.disk


def _dates(now: datetime, days: NDArray[np.int64]) -> tuple[date, date]:
    ordered = np.sort(days)
    median, high = ordered[(len(ordered) - 1) // 2], ordered[math.ceil(0.9 * len(ordered)) - 1]
    return (now + timedelta(int(median))).date(), (now + timedelta(int(high))).date()
