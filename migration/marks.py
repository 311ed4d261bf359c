"""What we write into the clouds about our own acts, so that undo touches only them.

On the old cloud it is the reason of a disabled service. On the new cloud it is the ledger: the metadata of an aggregate
without hosts, one entry a node. Both survive the loss of any state file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OURS = "visa-migration: "
# Nova writes this itself where [DEFAULT] enable_new_services is false (nova/db/main/api.py, service_create).
REGISTERED_DISABLED = "New compute service disabled due to config option."
LEDGER_KEY = "visa-migration:"


class Mark(StrEnum):
    """Why we disabled a service of the old cloud."""

    LEAVING = OURS + "leaving for the new cloud"
    """Disabled by us; nova-compute still runs."""

    MOVING = OURS + "between the clouds, nova-compute is being stopped"
    """Past the point where nova-compute is stopped: counts against the budget."""

    NOT_ISOLATED = OURS + "closed again, the isolation of aggregates is off"
    """On the new cloud: a server without the trait could boot on a node in probation."""


def is_ours(reason: str | None) -> bool:
    """Return whether a disabled reason was written by us."""
    return reason is not None and reason.startswith(OURS)


def is_moving(reason: str | None) -> bool:
    """Return whether a disabled reason says that we stopped nova-compute."""
    return reason == Mark.MOVING


class Stage(StrEnum):
    """How far a node has come since it left the old cloud."""

    LEFT = "left"
    """Its service in the old cloud is deleted, or about to be."""

    DEPLOYED = "deployed"
    """The host hook succeeded for it."""

    PROVED = "proved"
    """The probe server booted there and went."""

    ACCEPTED = "accepted"
    """It serves in the new cloud."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the ledger.

    Attributes:
        stage: how far the node has come.
        at: when that was written (ISO 8601, UTC).
        provider: UUID of the resource provider that it had in the old cloud, or "" where there was none.
    """

    stage: Stage
    at: str
    provider: str = ""

    def __str__(self) -> str:
        """Return the entry as it stands in the ledger."""
        return f"{self.stage} {self.at} {self.provider}".rstrip()


def parse_record(value: str) -> Record | None:
    """Read one entry of the ledger.

    Arguments:
        value: the metadata value.

    Returns:
        The record, or None where the value is none of ours.
    """
    words = value.split()
    if len(words) not in {2, 3} or words[0] not in set(Stage):
        return None
    return Record(Stage(words[0]), *words[1:])


def parse_ledger(metadata: dict[str, str]) -> dict[str, Record]:
    """Read the whole ledger.

    Arguments:
        metadata: the ledger aggregate's metadata.

    Returns:
        Records by node; entries that are none of ours are left out.
    """
    found = {
        key.removeprefix(LEDGER_KEY): parse_record(value)
        for key, value in metadata.items()
        if key.startswith(LEDGER_KEY)
    }
    return {node: record for node, record in found.items() if record is not None}
