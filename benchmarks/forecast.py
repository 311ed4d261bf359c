"""``python -m benchmarks.forecast``: how the forecast's cost grows, on fleets that are made up; asks no cloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import interleaved, machine
from migration.capacity import Coming, Host, Room, RoomInput, room_forecast
from migration.demand import demand_of_living, life_times
from migration.facts import FlavorFacts
from migration.forecast import draw_worlds, forecast
from migration.habits import DEFAULT_HABITS, DEFAULT_LIMITS, Owner
from migration.learning import Ended, History, learn
from migration.placed import ForecastInput, NodeState, Placed
from migration.plan import Phase
from migration.settings import Budget, Membership
from migration.visa.instances import STAFF, AutoExtension, VisaInstance

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
GOAL = (1000, 20_000, 1000)
"""Nodes, instances and draws that are to take less than two seconds."""
FORECASTS = (GOAL, (1000, 20_000, 500), (1000, 10_000, 1000), (500, 20_000, 1000))
ROOM_NODES = (10, 50, 100)
SIZES = {"small": FlavorFacts(2, 8192, 0), "medium": FlavorFacts(4, 16384, 0), "large": FlavorFacts(16, 131072, 0)}
console = Console(highlight=False)


def fleet(nodes: int, instances: int, seed: int = 1) -> ForecastInput:
    """Make up a fleet in the middle of its work, with as much history as it has instances."""
    rng = np.random.default_rng(seed)
    visa = []
    for number in range(instances):
        owner = Owner.STAFF if rng.random() < 0.3 else Owner.USER
        limits = DEFAULT_LIMITS[owner]
        age = float(rng.uniform(0, limits.lifetime))
        visa.append(
            VisaInstance(
                id=number,
                name="work",
                state="ACTIVE",
                server=f"{number:08}-0000-4000-8000-000000000000",
                cloud=-1,
                created=NOW - timedelta(age),
                termination=NOW + timedelta(limits.lifetime - age),
                last_seen=NOW - timedelta(min(age, float(rng.uniform(0, limits.inactivity)))),
                roles=frozenset({STAFF}) if owner is Owner.STAFF else frozenset(),
                auto_extension=AutoExtension.ALL if rng.random() < 0.5 else AutoExtension.NONE,
            )
        )
    placed = tuple(Placed(one.server or "", f"visa-{one.id}", f"cmp{one.id % nodes:04}", one) for one in visa)
    ago, lived = rng.uniform(0, 60, instances), rng.uniform(0, 30, instances)
    ended = tuple(
        Ended(NOW - timedelta(float(a + b)), NOW - timedelta(float(a))) for a, b in zip(ago, lived, strict=True)
    )
    states = tuple(NodeState(f"cmp{at:04}", Membership.CARACAL, Phase.DRAINING) for at in range(nodes))
    return ForecastInput(NOW, states, placed, tuple(visa), History(NOW - timedelta(60), ended))


def room(nodes: int, draws: int = 50) -> RoomInput:
    """Make up as many nodes that come over, a tenth of them in the new cloud already, and 20 instances for each."""
    given = fleet(nodes, 20 * nodes)
    made = forecast(given, habits=DEFAULT_HABITS, draws=draws)
    worlds = draw_worlds(given, DEFAULT_HABITS, draws, 1)
    lives = life_times(worlds, 0.3, {owner: one.lifetime for owner, one in DEFAULT_LIMITS.items()}, 1)
    size = Room(256, 524288)
    return RoomInput(
        now=NOW,
        hosts=tuple(Host(f"new{at:03}", size) for at in range(max(1, nodes // 10))),
        coming=tuple(Coming(name, "dc1", size, made.days[at]) for at, name in enumerate(made.names)),
        demand=demand_of_living(["small", "medium", "small", "large"] * (5 * nodes), SIZES, lives),
        budget=Budget(moving=4, per_datacenter=4),
        accepted=True,
    )


@click.command()
@click.option("--repetitions", default=5, show_default=True, type=click.IntRange(1))
def main(repetitions: int) -> None:
    """Measure in turns, and show medians and ratios."""
    before = machine()
    fleets = {sizes[:2]: fleet(*sizes[:2]) for sizes in FORECASTS}
    habits = {sizes: learn(one.visa, one.history, one.now) for sizes, one in fleets.items()}

    def forecasting(sizes: tuple[int, int, int]) -> Callable[[], object]:
        return lambda: forecast(fleets[sizes[:2]], habits=habits[sizes[:2]], draws=sizes[2])

    acts: dict[str, Callable[[], object]] = {str(sizes): forecasting(sizes) for sizes in FORECASTS}
    whole = fleets[GOAL[:2]]
    acts["learn"] = lambda: learn(whole.visa, whole.history, whole.now)
    rooms = {nodes: room(nodes) for nodes in ROOM_NODES}
    acts |= {f"room {nodes}": lambda given=given: room_forecast(given) for nodes, given in rooms.items()}  # type: ignore[misc]
    seconds = interleaved(acts, repetitions)
    base = median(seconds[str(GOAL)])
    table = Table(title=f"Seconds, medians of {repetitions}", title_justify="left", box=None, header_style="bold")
    for column in ("what", "seconds", "ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    for sizes in FORECASTS:
        nodes, instances, draws = sizes
        _row(table, f"{nodes} nodes, {instances} instances, {draws} draws", seconds[str(sizes)], base)
    _row(table, f"learning from {GOAL[1]} that live and {GOAL[1]} that ended", seconds["learn"], base)
    for nodes in ROOM_NODES:
        _row(table, f"room, {nodes} nodes, {20 * nodes} instances, 50 draws", seconds[f"room {nodes}"], base)
    console.print(table)
    console.print(f"\n{before['cores']} cores; load before and after: {before['load']}, {machine()['load']}")


def _row(table: Table, what: str, seconds: list[float], base: float) -> None:
    table.add_row(what, f"{median(seconds):.2f}", f"{median(seconds) / base:.2f}")


if __name__ == "__main__":
    main()
