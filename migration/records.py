"""What the forecast wants to know of servers and nodes beyond what the steps need: sizes, and what was before.

Source: the Compute API reference (``changes-since`` lists deleted servers too, as long as Nova's database keeps them)
and the Placement API reference (inventories). Seen on Stein and Caracal: a deleted server has lost its metadata, so
nobody can say any more whose it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from migration.facts import FlavorFacts


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A server, alive or deleted.

    Attributes:
        id: UUID.
        name: its name.
        host: the node it is or was on, or None where it never came to one.
        flavor: the name its flavor had when it was created.
        size: the flavor's size then.
        created: when it was created; aware, UTC.
        ended: when it was deleted, or None while it lives; aware, UTC.
    """

    id: str
    name: str
    host: str | None
    flavor: str
    size: FlavorFacts
    created: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """How much of something a node has for servers: in all, kept back, and how many times what is left is promised."""

    total: int
    reserved: int
    ratio: float

    @property
    def room(self) -> float:
        """How much may be placed on the node."""
        return (self.total - self.reserved) * self.ratio
