"""When each node of the old cloud is empty: bounds by VISA's rules, and between them what is likely.

Pure, and reproducible: every instance has random numbers of its own, drawn from the seed and its UUID. So neither the
order of the input nor an instance more changes what is drawn for the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from migration.habits import DAY, Habits, Owner, owner_of
from migration.learning import learn
from migration.lifetimes import Chances, Draws, chances, ends
from migration.placed import ForecastInput, Never, NodeState, Placed, bounds, going
from migration.visa.instances import VisaInstance

DRAWS: Final = 1000
SEED: Final = 1
TOGETHER: Final = 64
"""Instances that are drawn at once: enough to spare calls, few enough to stay in the processor's cache."""
HOLDERS: Final = 3
"""How many of those that hold a node longest are named."""


Worlds = Mapping[Owner, Chances]
"""What owners do, in each draw."""


@dataclass(frozen=True, slots=True)
class Span:
    """When something is empty.

    Attributes:
        earliest: VISA's rules free it no sooner.
        low: with a probability of 5 % it is empty by then.
        median: as likely before as after.
        p90: with a probability of 90 % it is empty by then.
        high: with a probability of 95 % it is empty by then.
        latest: VISA's rules keep it no longer.
    """

    earliest: datetime
    low: datetime
    median: datetime
    p90: datetime
    high: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """An instance that keeps a node from being empty.

    Attributes:
        placed: the instance.
        earliest: when VISA may end it, or None where nothing does.
        latest: when VISA has ended it, or None where nothing does.
        last: how likely it is to be the last one on its node, 0 to 1.
    """

    placed: Placed
    earliest: datetime | None
    latest: datetime | None
    last: float


@dataclass(frozen=True, slots=True)
class NodeForecast:
    """When one node is empty.

    Attributes:
        state: the node.
        instances: how many are on it.
        span: when those that end have ended.
        never: those that do not end by themselves; while there are any, the node does not become empty.
        holders: who is likely to be last, the likeliest first.
    """

    state: NodeState
    instances: int
    span: Span
    never: tuple[Holder, ...] = ()
    holders: tuple[Holder, ...] = ()

    @property
    def known(self) -> bool:
        """Whether somebody could say what is on it, and when each of it ends."""
        return self.state.unclear is None and all(one.placed.never is not Never.UNASKED for one in self.never)

    @property
    def ends(self) -> bool:
        """Whether it becomes empty by itself, as far as anybody knows."""
        return not self.never and self.state.unclear is None


@dataclass(frozen=True)
class Forecast:
    """When the nodes of the old cloud are empty.

    Attributes:
        now: when the world was as this says.
        seed: what the random numbers came from.
        habits: what owners do, by kind.
        nodes: every node that is in the old cloud, by name.
        fleet: when all nodes that become empty by themselves are; None where there is none.
        days: days from now until each of those is empty, in each draw: shape (nodes, draws).
        names: whose rows these are.
        notes: what is not known.
    """

    now: datetime
    seed: int
    habits: Mapping[Owner, Habits]
    nodes: Mapping[str, NodeForecast]
    fleet: Span | None
    days: Draws
    names: tuple[str, ...]
    notes: tuple[str, ...]

    def chance(self, node: str, at: datetime) -> float | None:
        """Return how likely a node is to be empty at a time, or None where nobody can say."""
        if node not in self.names:
            return None
        return float(np.mean(self.days[self.names.index(node)] <= (at - self.now) / DAY))

    def empty(self, at: datetime) -> tuple[int, int, int]:
        """Return how many nodes are empty at a time: at least so many in nine of ten draws, in half, in one of ten."""
        ordered = np.sort((self.days <= (at - self.now) / DAY).sum(axis=0))
        shares = (math.ceil(share * len(ordered)) - 1 for share in (0.1, 0.5, 0.9))
        low, median, high = (int(ordered[at]) for at in shares)
        return low, median, high


def forecast(
    given: ForecastInput,
    *,
    habits: Mapping[Owner, Habits] | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Forecast:
    """Forecast when each node of the old cloud is empty.

    Arguments:
        given: what is known.
        habits: what owners do (default: learned from what is given).
        draws: how many worlds are drawn.
        seed: where chance comes from; the same seed, the same forecast.

    Returns:
        The forecast.
    """
    if habits is None:
        habits = learn(given.visa, given.history, given.now, given.limits)
    worlds = draw_worlds(given, habits, draws, seed)
    on: dict[str, list[Placed]] = {one.node: [] for one in given.nodes}
    for one in sorted(given.placed, key=lambda each: each.server):
        on[one.node].append(one)
    drawn = draw_ends(given, given.placed, worlds, draws, seed)
    found = [_node(given, state, on[state.node], habits, drawn, draws) for state in given.nodes]
    whole = [(one, drawn) for one, drawn in found if one.ends]
    matrix = np.array([drawn for _, drawn in whole], dtype=np.float32).reshape(len(whole), draws)
    fleet = None
    if whole:
        spans = [one.span for one, _ in whole]
        earliest, latest = max(span.earliest for span in spans), max(span.latest for span in spans)
        fleet = _span(matrix.max(axis=0), given.now, earliest, latest)
    return Forecast(
        now=given.now,
        seed=seed,
        habits=habits,
        nodes={one.state.node: one for one, _ in found},
        fleet=fleet,
        days=matrix,
        names=tuple(one.state.node for one, _ in whole),
        notes=given.notes,
    )


def draw_worlds(given: ForecastInput, habits: Mapping[Owner, Habits], draws: int, seed: int) -> Worlds:
    """Draw what owners do; arguments as for ``forecast``."""
    return {
        owner: chances(habits[owner], given.limits[owner], draws, _generator(seed, f"habits of {owner}"))
        for owner in Owner
    }


def draw_ends(
    given: ForecastInput, placed: Sequence[Placed], worlds: Worlds, draws: int, seed: int
) -> Mapping[str, Draws]:
    """Draw when instances end, wherever they are.

    Arguments:
        given: when it is, and VISA's limits.
        placed: the instances.
        worlds: what owners do.
        draws: how many draws.
        seed: where chance comes from.

    Returns:
        Days from now by the server's UUID, in each draw; infinite for what does not end by itself.
    """
    stream = _Stream(seed, draws)
    found: dict[str, Draws] = {}
    mine: dict[Owner, list[tuple[str, VisaInstance]]] = {owner: [] for owner in Owner}
    for one in placed:
        if one.never is None and one.visa is not None:
            mine[owner_of(one.visa)].append((one.server, one.visa))
        else:
            found[one.server] = np.full(draws, np.inf, dtype=np.float32)
    for owner, world in worlds.items():
        for begin in range(0, len(mine[owner]), TOGETHER):
            some = mine[owner][begin : begin + TOGETHER]
            what = [going(visa, given.now, given.limits[owner]) for _, visa in some]
            servers = [server for server, _ in some]
            found |= zip(servers, ends(what, world, stream.of(servers)), strict=True)
    return found


class _Stream:
    """Random numbers of each instance's own; one generator for all of them, because making one is slow."""

    def __init__(self, seed: int, draws: int) -> None:
        self._seed = seed
        self._draws = draws
        self._bits = np.random.Philox(key=0)
        self._rng = np.random.Generator(self._bits)

    def of(self, servers: Sequence[str]) -> Draws:
        """Return numbers above 0 and up to 1, shape (servers, 3, draws)."""
        found = np.empty((len(servers), 3, self._draws), dtype=np.float32)
        state = self._bits.state
        for row, server in zip(found, servers, strict=True):
            state["state"] = {"counter": np.zeros(4, np.uint64), "key": _key(self._seed, server)}
            self._bits.state = state
            self._rng.random(out=row, dtype=np.float32)
        return np.subtract(1, found, out=found)


def _key(seed: int, name: str) -> NDArray[np.uint64]:
    return np.frombuffer(blake2b(f"{seed} {name}".encode(), digest_size=16).digest(), np.uint64)


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=_key(seed, name)))


def _node(
    given: ForecastInput,
    state: NodeState,
    placed: Sequence[Placed],
    habits: Mapping[Owner, Habits],
    drawn: Mapping[str, Draws],
    draws: int,
) -> tuple[NodeForecast, Draws]:
    """Forecast one node; also when it is empty in each draw, but for those that never end."""
    never = tuple(Holder(one, None, None, 1.0) for one in placed if one.never is not None)
    ending = [one for one in placed if one.never is None]
    empty = np.zeros(draws, dtype=np.float32)
    earliest = latest = given.now
    holders: list[Holder] = []
    if ending:
        rows = np.array([drawn[one.server] for one in ending])
        empty = rows.max(axis=0)
        last = (rows == empty).mean(axis=1)
        holders = [_holder(given, one, habits, float(share)) for one, share in zip(ending, last, strict=True)]
        earliest = max(one.earliest for one in holders if one.earliest is not None)
        latest = max(one.latest for one in holders if one.latest is not None)
        holders.sort(key=lambda one: (-one.last, one.placed.server))
    span = _span(empty, given.now, earliest, latest)
    return NodeForecast(state, len(placed), span, never, tuple(holders[:HOLDERS])), empty


def _holder(given: ForecastInput, one: Placed, habits: Mapping[Owner, Habits], last: float) -> Holder:
    if one.visa is None:
        return Holder(one, None, None, last)
    owner = owner_of(one.visa)
    limits = given.limits[owner]
    return Holder(one, *bounds(going(one.visa, given.now, limits), given.now, limits, habits[owner]), last)


def _span(drawn: Draws, now: datetime, earliest: datetime, latest: datetime) -> Span:
    """Sum up draws; an owner who deletes an instance by hand is a gift that no forecast promises."""
    ordered = np.sort(drawn)

    def quantile(share: float) -> datetime:
        at = now + timedelta(float(ordered[math.ceil(share * len(ordered)) - 1]))
        return min(max(at, earliest), latest)

    return Span(earliest, quantile(0.05), quantile(0.5), quantile(0.9), quantile(0.95), latest)


def forecast_line(node: NodeForecast) -> str:
    """Say in one line when a node is empty.

    Arguments:
        node: its forecast.

    Returns:
        A sentence for the preview; it names no owner.
    """
    state, span = node.state, node.span
    if state.unclear is not None:
        return f"{state.node}: nobody can say when it is empty: {state.unclear}"
    if not node.instances:
        return f"{state.node}: empty"
    count = f"{node.instances} instance{'s' if node.instances > 1 else ''}"
    if any(one.placed.never is Never.UNASKED for one in node.never):
        return f"{state.node}: {count}; {Never.UNASKED} when they end"
    if node.never:
        names = ", ".join(f"{one.placed.name} ({one.placed.never})" for one in node.never[:HOLDERS])
        more = f" and {len(node.never) - HOLDERS} more" if len(node.never) > HOLDERS else ""
        rest = f"; the others by {span.p90:%Y-%m-%d} (90 %)" if node.holders else ""
        return f"{state.node}: {count}; never empty by itself: {names}{more}{rest}"
    when = f"{span.median:%Y-%m-%d} likely, {span.p90:%Y-%m-%d} with 90 %, {span.latest:%Y-%m-%d} at the latest"
    arrivals = "; still takes new ones" if state.open else ""
    return f"{state.node}: {count}; empty {when}, last probably {node.holders[0].placed.name}{arrivals}"
