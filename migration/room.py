"""What the simulation of room starts from, and what it advises. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final

import numpy as np

from migration.capacity import (
    DRAWS,
    Coming,
    Host,
    Room,
    RoomForecast,
    RoomInput,
    Shortage,
    Used,
    nodes_needed,
    room_forecast,
)
from migration.demand import Arrival, Demand, demand_of_living, learn_demand, life_times
from migration.facts import FlavorFacts, Hypervisor
from migration.forecast import Forecast, Worlds, draw_ends, draw_worlds
from migration.habits import Owner
from migration.learning import Ended, History
from migration.marks import Stage
from migration.names import probe_names
from migration.placed import ForecastInput, Placed
from migration.plan import Phase, make_plan
from migration.records import Inventory, ServerRecord
from migration.settings import CaracalSettings

BACK: Final = timedelta(days=60)
"""How far back Nova is asked for what has ended."""
ENOUGH: Final = timedelta(days=7)
"""How long arrivals have to have been seen before their number is believed."""
RATIOS: Final[Mapping[str, float]] = {"VCPU": 4.0, "MEMORY_MB": 1.0}
"""How many times Caracal's Nova promises what a new node has, unless configured otherwise (initial_*_allocation_ratio);
Stein's promised 16 and 1.5 times."""
MOVING: Final = frozenset({Phase.ABSENT, Phase.PROBATION})

Inventories = Mapping[str, Mapping[str, Inventory]]
"""What each provider has, by its UUID and by resource class."""


@dataclass(frozen=True)
class Sizes:
    """What Nova and Placement say of sizes.

    Attributes:
        records: the servers of both clouds, with what ended within ``BACK``.
        old: inventories of the old cloud's nodes.
        new: inventories of the new cloud's nodes.
    """

    records: tuple[ServerRecord, ...] = ()
    old: Inventories | None = None
    new: Inventories | None = None


@dataclass(frozen=True)
class Advice:
    """What the room will be like, and what to do about it.

    Attributes:
        configured: how it goes with the nodes in the order of the config.
        better: an order, or so many nodes ahead, with which demand fits; None where none is needed or none helps.
        sentences: the same in words.
    """

    configured: RoomForecast
    better: RoomForecast | None
    sentences: tuple[str, ...]


def history_of(records: Sequence[ServerRecord], settings: CaracalSettings) -> History | None:
    """Return what ended, of VISA's servers.

    Arguments:
        records: the servers of both clouds.
        settings: how the names of VISA's servers begin.

    Returns:
        What ended since the first end that Nova still knows of; None where it knows of none.
    """
    ended = [Ended(one.created, one.ended) for one in records if one.ended is not None and _visas(one, settings)]
    return History(min(one.ended for one in ended), tuple(ended)) if ended else None


def _visas(one: ServerRecord, settings: CaracalSettings) -> bool:
    """Return whether a server is VISA's: its name begins as VISA's do."""
    if settings.visa is None:
        return False
    return one.name.startswith((f"{settings.visa.prefixes.old}-", f"{settings.visa.prefixes.new}-"))


def room_input(
    settings: CaracalSettings, given: ForecastInput, made: Forecast, sizes: Sizes, *, draws: int = DRAWS
) -> RoomInput | None:
    """Put together what the simulation starts from.

    Arguments:
        settings: nodes and their order, the budget, where the disks of instances are.
        given: what the forecast was made from, facts included.
        made: the forecast.
        sizes: what Nova and Placement say of sizes.
        draws: how many of the forecast's draws are used.

    Returns:
        The input, or None where nobody knows how large the nodes are, or what arrives.
    """
    facts = given.facts
    if facts.new is None or sizes.new is None:
        return None
    worlds = draw_worlds(given, made.habits, draws, made.seed)
    on_ceph = settings.ceph is not None
    rooms = {
        service.host: _room(facts.new.hypervisors_of(service.host), sizes.new, on_ceph=on_ceph)
        for service in facts.new.services
        if service.enabled
    }
    new_ratios = {
        kind: next((kinds[kind].ratio for kinds in sizes.new.values() if kind in kinds), usual)
        for kind, usual in RATIOS.items()
    }
    known = {
        node: _room(facts.old.hypervisors_of(node), sizes.old, on_ceph=on_ceph, ratios=new_ratios)
        for node in settings.nodes
        if facts.old is not None and sizes.old is not None
    }
    usual = _usual([room for room in (*known.values(), *rooms.values()) if room is not None])
    if usual is None:
        return None
    demand = _demand(settings, given, sizes, worlds, made.seed)
    if not demand.rates:
        return None
    on = _on_the_new(given, settings, sizes, worlds, draws, made.seed)
    hosts = [Host(node, room, tuple(on.get(node, ()))) for node, room in sorted(rooms.items()) if room is not None]
    empty = {name: made.days[at, :draws] for at, name in enumerate(made.names)}
    for one in make_plan(settings, facts).nodes.values():
        if one.phase in MOVING and one.node not in rooms:
            empty[one.node] = np.zeros(draws, dtype=np.float32)
    coming = [
        Coming(name, node.datacenter, known.get(name) or usual, empty[name])
        for name, node in settings.nodes.items()
        if name in empty
    ]
    return RoomInput(
        now=given.now,
        hosts=tuple(hosts),
        coming=tuple(coming),
        demand=demand,
        budget=settings.budget,
        accepted=any(record.stage is Stage.ACCEPTED for record in facts.new.ledger.values()),
    )


def _room(
    hypervisors: Sequence[Hypervisor],
    inventories: Inventories | None,
    *,
    on_ceph: bool,
    ratios: Mapping[str, float] | None = None,
) -> Room | None:
    """Return a node's room; with other ratios than it has now where it is still in the old cloud."""
    kinds = next((inventories[one.id] for one in hypervisors if inventories and one.id in inventories), {})
    if "VCPU" not in kinds or "MEMORY_MB" not in kinds:
        return None
    kinds = {kind: replace(one, ratio=(ratios or {}).get(kind, one.ratio)) for kind, one in kinds.items()}
    disk = kinds["DISK_GB"].room if "DISK_GB" in kinds and not on_ceph else math.inf
    return Room(kinds["VCPU"].room, kinds["MEMORY_MB"].room, disk)


def _usual(rooms: Sequence[Room]) -> Room | None:
    if not rooms:
        return None
    return Room(median(one.vcpus for one in rooms), median(one.ram for one in rooms), median(one.disk for one in rooms))


def _on_the_new(
    given: ForecastInput, settings: CaracalSettings, sizes: Sizes, worlds: Worlds, draws: int, seed: int
) -> dict[str, list[Used]]:
    """Return what is on each node of the new cloud, and when it ends."""
    if given.facts.new is None:
        return {}
    visa = {one.server: one for one in given.visa if one.server is not None}
    ours = {name for node in settings.nodes for name in probe_names(node)}
    size = {one.id: one.size for one in sizes.records}
    placed = [
        Placed(one.id, one.name, one.host, visa.get(one.id))
        for one in given.facts.new.servers
        if one.host is not None and one.name not in ours and one.id in size
    ]
    ends = draw_ends(given, placed, worlds, draws, seed)
    found: dict[str, list[Used]] = {}
    for one in placed:
        found.setdefault(one.node, []).append(Used(size[one.server], ends[one.server]))
    return found


def _demand(settings: CaracalSettings, given: ForecastInput, sizes: Sizes, worlds: Worlds, seed: int) -> Demand:
    """Return what arrives: as was seen, where it was seen for long enough."""
    flavors: dict[str, FlavorFacts] = {one.flavor: one.size for one in sizes.records}
    if given.facts.new is not None:
        flavors |= given.facts.new.flavors
    mine = [one for one in sizes.records if _visas(one, settings)]
    staff = sum(one.staff for one in given.visa) / len(given.visa) if given.visa else 0.3
    lives = life_times(worlds, staff, {owner: given.limits[owner].lifetime for owner in Owner}, seed)
    since: datetime | None = given.history.since if given.history is not None else None
    if since is not None and given.now - since >= ENOUGH:
        return learn_demand([Arrival(one.created, one.flavor) for one in mine], since, given.now, flavors, lives)
    return demand_of_living([one.flavor for one in mine if one.ended is None], flavors, lives)


def advise(given: RoomInput, *, draws: int = DRAWS, seed: int = 1) -> Advice:
    """Simulate, and look for an order, or for nodes that should be there from the beginning, with which all fits.

    Arguments:
        given: what the simulation starts from.
        draws: how many worlds.
        seed: where chance comes from.

    Returns:
        What happens, and what to do about it.
    """
    configured = room_forecast(given, draws=draws, seed=seed)
    if configured.fits:
        words = f"new instances fit in the new cloud: none is refused in {1 - configured.risk:.0%} of the worlds drawn"
        return Advice(configured, None, (words,))
    sentences = [_short(one) for one in configured.short.values()]
    soonest = room_forecast(given, soonest=True, draws=draws, seed=seed)
    if soonest.fits:
        sentences.append(f"all fits if the nodes come over in this order: {', '.join(soonest.order)}")
        return Advice(configured, soonest, tuple(sentences))
    needed = nodes_needed(given, draws=draws, seed=seed)
    if needed is None:
        sentences.append("no order of these nodes makes it fit, not even with all of them there from the beginning")
        return Advice(configured, None, tuple(sentences))
    first = ", ".join(needed.order[: needed.ahead])
    sentences.append(
        f"all fits if the room of {needed.ahead} more node{'s' if needed.ahead > 1 else ''} is in the new cloud when it"
        f" becomes the default backend; soonest empty: {first}"
    )
    return Advice(configured, needed, tuple(sentences))


def _short(one: Shortage) -> str:
    fits = f"only {one.largest} and smaller still fit" if one.largest else "nothing fits"
    return (
        f"{one.flavor}: from {one.first:%Y-%m-%d} on new instances may not fit ({one.likely:.0%} likely,"
        f" {one.refused:.0f} refused on average); {fits}"
    )
