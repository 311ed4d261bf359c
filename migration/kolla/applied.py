"""What was last applied to each controller, as the new cloud's ledger keeps it.

The ledger is the metadata of an aggregate without hosts (docs/adr/0004); it survives the loss of any state file and of
the rendered directory. One entry says whether a change is complete, further ones which files it was made of::

    visa-migration-controller:ctl1          applied 2026-11-23T06:28:10Z
    visa-migration-controller:ctl1:nova     8d5f0c2b91aa
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migration.facts import Aggregate
from migration.names import LEDGER_AGGREGATE

KEY = "visa-migration-controller:"


class Stage(StrEnum):
    """Whether a change of a controller is complete."""

    CHANGING = "changing"
    """Kolla was started on it, and it has not been proved since: it may have anything of old and new."""

    APPLIED = "applied"
    """Kolla ended well on it, and it was healthy afterwards."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What is recorded of one controller.

    Attributes:
        stage: whether its last change is complete.
        at: when that was written (ISO 8601, UTC).
        parts: the digest of each part of the configuration that was last proved on it.
    """

    stage: Stage
    at: str
    parts: Mapping[str, str] = field(default_factory=dict)


def read(metadata: Mapping[str, str]) -> dict[str, Applied]:
    """Read the ledger.

    Arguments:
        metadata: the ledger aggregate's metadata.

    Returns:
        What is recorded, by controller; entries that are none of ours are left out.
    """
    found: dict[str, Applied] = {}
    for key, value in metadata.items():
        name, _, part = key.removeprefix(KEY).partition(":")
        words = value.split()
        if key.startswith(KEY) and not part and len(words) == 2 and words[0] in set(Stage):
            found[name] = Applied(Stage(words[0]), words[1], _parts(metadata, name))
    return found


def recorded_in(aggregates: Iterable[Aggregate]) -> dict[str, Applied]:
    """Return what the ledger among a cloud's aggregates says, by controller; empty where there is no ledger yet."""
    ledger = next((aggregate for aggregate in aggregates if aggregate.name == LEDGER_AGGREGATE), None)
    return read(dict(ledger.metadata)) if ledger is not None else {}


def changing(controller: str, at: str) -> dict[str, str | None]:
    """Return the metadata to set before Kolla is started on a controller."""
    return {f"{KEY}{controller}": f"{Stage.CHANGING} {at}"}


def parts(controller: str, wanted: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str | None]:
    """Return the metadata to set once a controller is proved: its parts, which must be on record before ``applied``.

    Arguments:
        controller: the controller.
        wanted: the digest of each part that it has now.
        before: the digests on record.
    """
    gone = dict.fromkeys(f"{KEY}{controller}:{part}" for part in before if part not in wanted)
    return {**gone, **{f"{KEY}{controller}:{part}": digest for part, digest in wanted.items()}}


def applied(controller: str, at: str) -> dict[str, str | None]:
    """Return the metadata to set last."""
    return {f"{KEY}{controller}": f"{Stage.APPLIED} {at}"}


def _parts(metadata: Mapping[str, str], controller: str) -> dict[str, str]:
    begin = f"{KEY}{controller}:"
    return {key.removeprefix(begin): value for key, value in metadata.items() if key.startswith(begin)}
