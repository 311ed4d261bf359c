"""Forecasts made on day 0 of migrations that then happen: bands hold what happens as often as they claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from visa_years import Facility, day_zero

from migration.forecast import forecast
from migration.habits import DEFAULT_HABITS, Habits, Owner, Rate
from migration.placed import ForecastInput
from migration.visa.instances import AutoExtension

MIGRATIONS = 100
DRAWS = 200
TICK = timedelta(minutes=10)
"""VISA ends what is due some minutes late."""

Migrated = list[tuple[ForecastInput, dict[str, datetime]]]


@pytest.fixture(scope="module")
def migrations() -> Migrated:
    """Migrations of facilities where more time is granted as before, and where no more is."""
    kinds = [Facility(nodes=5, arrivals=5, extensions=each) for each in (AutoExtension.ALL, AutoExtension.NONE)]
    return [day_zero(kinds[seed % 2], seed) for seed in range(MIGRATIONS)]


@dataclass(frozen=True)
class Held:
    """Which share of what happened was in the bands: of nodes, and of whole fleets."""

    band: float
    p90: float
    median: float
    fleet_band: float
    fleet_p90: float
    bounds: float


def _held(migrations: Migrated, habits: Mapping[Owner, Habits] | None = None) -> Held:
    rows: list[tuple[bool, bool, bool, bool]] = []
    fleets: list[tuple[bool, bool]] = []
    for given, emptied in migrations:
        made = forecast(given, habits=habits, draws=DRAWS)
        assert made.fleet is not None
        for name, node in made.nodes.items():
            span, then = node.span, emptied[name]
            rows.append(
                (
                    span.low - TICK <= then <= span.high + TICK,
                    then <= span.p90 + TICK,
                    then <= span.median + TICK,
                    then <= span.latest + TICK,
                )
            )
        then = max(emptied.values())
        fleets.append((made.fleet.low - TICK <= then <= made.fleet.high + TICK, then <= made.fleet.p90 + TICK))
    nodes = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    fleet_band, fleet_p90 = (sum(column) / len(fleets) for column in zip(*fleets, strict=True))
    return Held(nodes[0], nodes[1], nodes[2], fleet_band, fleet_p90, nodes[3])


def test_the_bands_hold_what_then_happens_as_often_as_they_claim(migrations: Migrated) -> None:
    held = _held(migrations)
    assert 0.85 <= held.band <= 0.95, held
    assert 0.85 <= held.p90 <= 0.95, held
    assert 0.40 <= held.median <= 0.65, held
    assert 0.80 <= held.fleet_band <= 0.97, held  # fewer fleets than nodes: four standard errors are 11 %
    assert 0.80 <= held.fleet_p90 <= 0.97, held
    assert held.bounds == 1, held


def _wrong(**changes: object) -> Mapping[Owner, Habits]:
    return {owner: replace(habits, **changes) for owner, habits in DEFAULT_HABITS.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "habits",
    [
        pytest.param(_wrong(stops=(Rate(400, 200),) * 4), id="everybody stops tomorrow"),
        pytest.param(_wrong(stops=(Rate(4, 4000),) * 4, deletes=Rate(1, 10000)), id="nobody ever stops"),
        pytest.param(_wrong(returns=0.05), id="hardly anybody comes back"),
    ],
)
def test_a_wrong_model_does_not_pass_for_a_right_one(migrations: Migrated, habits: Mapping[Owner, Habits]) -> None:
    held = _held(migrations, habits)
    assert not (0.85 <= held.band <= 0.95 and 0.85 <= held.p90 <= 0.95 and 0.40 <= held.median <= 0.65), held


def test_wrong_limits_do_not_pass_either(migrations: Migrated) -> None:
    """VISA's inactivity limits are configured: taken to be half, a forecast is sure of what does not happen."""
    halved = [
        (
            replace(
                given,
                limits={owner: replace(one, inactivity=one.inactivity / 2) for owner, one in given.limits.items()},
            ),
            emptied,
        )
        for given, emptied in migrations
    ]
    held = _held(halved)
    assert not (0.85 <= held.band <= 0.95 and 0.85 <= held.p90 <= 0.95), held
