"""What we wrote down of our own acts on VISA: in the new cloud's ledger, where the nodes' records are too.

It holds what only matters while the new cloud answers: which of its images, plans and banners in VISA are ours to take
back. What the way back to the old cloud needs stands in VISA itself (``marks.py``).
"""

from __future__ import annotations

from typing import Final, Protocol

from migration.errors import CloudRefused
from migration.names import LEDGER_AGGREGATE
from migration.observe import Cloud

KEY: Final = "visa-migration-visa:"
"""How our keys begin; those of the nodes begin otherwise, and neither reads the other's."""


class Ledger(Protocol):
    """A few short texts by key, that survive the loss of any state file."""

    def read(self) -> dict[str, str]:
        """Return everything; raises CloudError."""
        ...

    def write(self, key: str, value: str | None) -> None:
        """Write one text, or take it away; raises CloudError."""
        ...


class AggregateLedger:
    """The metadata of the ledger aggregate in the new cloud.

    Arguments:
        cloud: the new cloud.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def read(self) -> dict[str, str]:
        """Return everything; empty where the aggregate is not declared yet."""
        found = next((one for one in self._cloud.nova.aggregates() if one.name == LEDGER_AGGREGATE), None)
        items = found.metadata.items() if found else ()
        return {key.removeprefix(KEY): value for key, value in items if key.startswith(KEY)}

    def write(self, key: str, value: str | None) -> None:
        """Write one text, or take it away."""
        found = next((one for one in self._cloud.nova.aggregates() if one.name == LEDGER_AGGREGATE), None)
        if found is None:
            message = f"no aggregate {LEDGER_AGGREGATE}; stack caracal declares it. Run pulumi refresh, then pulumi up"
            raise CloudRefused(self._cloud.name, message, 404)
        self._cloud.nova.set_metadata(found.id, {KEY + key: value})
