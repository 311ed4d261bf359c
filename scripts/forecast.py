"""``visa-migration forecast``: gather what Nova, Placement and VISA say, and forecast; changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from migration.adapters.visa import Visa
from migration.errors import CloudError, CloudUnreachable, MigrationError, Problem, SettingsError, VisaUnreachable
from migration.facts import CloudFacts, Facts
from migration.forecast import DRAWS, SEED, Forecast, forecast
from migration.observe import Cloud, look, open_cloud
from migration.placed import ForecastInput, forecast_input
from migration.records import Inventory, ServerRecord
from migration.room import BACK, Advice, Sizes, advise, history_of, room_input
from migration.settings import CaracalSettings, load
from migration.visa.instances import VisaInstance

PATIENCE: Final = 60.0
"""Seconds that VISA may take for all its pages; then the forecast goes on without it."""

AT_ONCE: Final = 8


@dataclass(frozen=True)
class Gathered:
    """Everything that was asked, in one look.

    Attributes:
        settings: the stack's.
        given: what the forecast is made from.
        sizes: what Nova and Placement say of sizes.
    """

    settings: CaracalSettings
    given: ForecastInput
    sizes: Sizes


@dataclass(frozen=True)
class Outlook:
    """What is to be expected: when nodes are empty, and whether there will be room (None where nobody knows)."""

    forecast: Forecast
    advice: Advice | None


def gather(directory: Path, now: datetime | None = None) -> Gathered:
    """Ask both clouds and VISA.

    Arguments:
        directory: the project, with ``Pulumi.caracal.yaml``.
        now: when it is; aware (default: now).

    Returns:
        What they said. A VISA that does not answer is noted in it.

    Raises:
        SettingsError: the stack file has mistakes.
        CloudUnreachable: the old cloud, whose nodes the forecast is about, cannot be asked.
    """
    settings = load(directory / "Pulumi.caracal.yaml")
    if not isinstance(settings, CaracalSettings):
        raise SettingsError("Pulumi.caracal.yaml", [Problem("file", "is not the file of stack caracal")])
    now = now or datetime.now(UTC)
    asked = _Asked(settings)
    opened = cache(open_cloud)
    facts = look(settings, opened)
    if facts.old is None and settings.clouds.old is not None:
        raise CloudUnreachable(settings.clouds.old, (facts.old_error or "").removeprefix(f"{settings.clouds.old}: "))
    sizes, problems = _sizes(facts, opened, now)
    visa, why = asked.answer()
    given = forecast_input(
        settings,
        facts,
        visa,
        history=history_of(sizes.records, settings),
        now=now,
        visa_error=why,
    )
    return Gathered(settings, replace(given, notes=(*given.notes, *problems)), sizes)


def outlook(gathered: Gathered, *, seed: int = SEED, draws: int = DRAWS) -> Outlook:
    """Forecast from what was gathered.

    Arguments:
        gathered: what the clouds and VISA said.
        seed: where chance comes from.
        draws: how many worlds.

    Returns:
        The forecast, and what the room will be like.
    """
    made = forecast(gathered.given, draws=draws, seed=seed)
    given = room_input(gathered.settings, gathered.given, made, gathered.sizes)
    if given is None:
        note = (
            "neither Nova nor VISA says how large nodes are and what arrives: nobody knows whether there will be room"
        )
        return Outlook(replace(made, notes=(*made.notes, note)), None)
    return Outlook(made, advise(given, seed=seed))


class _Asked:
    """VISA, asked beside everything else; the process does not wait for it longer than a person would."""

    def __init__(self, settings: CaracalSettings) -> None:
        self._found: tuple[VisaInstance, ...] | None = None
        self._error = "visa is not configured"
        self._thread: threading.Thread | None = None
        if settings.visa is not None:
            self._error = str(VisaUnreachable(f"{settings.visa.endpoint} has not answered within {PATIENCE:.0f} s"))
            self._thread = threading.Thread(target=self._ask, args=(Visa.of(settings.visa),), daemon=True)
            self._thread.start()

    def _ask(self, visa: Visa) -> None:
        try:
            self._found = visa.instances()
        except MigrationError as error:
            self._error = str(error)

    def answer(self) -> tuple[tuple[VisaInstance, ...] | None, str]:
        """Return VISA's instances, or None and why."""
        if self._thread is not None:
            self._thread.join(PATIENCE)
        return self._found, self._error


def _sizes(facts: Facts, opened: Callable[[str], Cloud], now: datetime) -> tuple[Sizes, tuple[str, ...]]:
    """Ask for sizes and for what has ended; what cannot be had is a sentence, and the forecast does without."""
    records: list[ServerRecord] = []
    inventories: dict[str, Mapping[str, Mapping[str, Inventory]]] = {}
    problems: list[str] = []
    for kind, cloud in (("old", facts.old), ("new", facts.new)):
        if cloud is None:
            continue
        try:
            records += _records(opened(cloud.name), now)
            inventories[kind] = _inventories(opened(cloud.name), cloud)
        except CloudError as error:
            problems.append(f"sizes and history are missing: {error}")
    return Sizes(tuple(records), inventories.get("old"), inventories.get("new")), tuple(problems)


def _records(cloud: Cloud, now: datetime) -> Iterator[ServerRecord]:
    yield from (one for one in cloud.nova.records() if one.ended is None)
    since = now - BACK
    yield from (one for one in cloud.nova.records(since) if one.ended is not None and one.ended >= since)


def _inventories(cloud: Cloud, facts: CloudFacts) -> Mapping[str, Mapping[str, Inventory]]:
    ids = [one.id for one in facts.hypervisors]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(ids, pool.map(cloud.placement.inventories, ids), strict=True))
