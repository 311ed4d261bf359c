"""An instance as VISA knows it.

Source: ``instances``, ``images`` and ``instanceExtensionRequests`` of VISA's GraphQL admin API (3.8). VISA shows only
what lives: an instance that ended is in none of its lists, nor is an extension request that was answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

DEFAULT_CLOUD: Final = -1
"""VISA's id of the cloud that its environment configures; its rows say null."""

STAFF: Final = "STAFF"
"""The role that has the longer limits."""


class AutoExtension(StrEnum):
    """Whose requests for more time VISA grants without asking anybody; a property of the image."""

    ALL = "ALL"
    """Everybody's."""
    STAFF = "STAFF"
    """Those of members of staff."""
    NONE = "NONE"
    """Nobody's: an administrator decides."""


@dataclass(frozen=True, slots=True)
class VisaInstance:
    """An instance that VISA has and that has not ended.

    Attributes:
        id: VISA's number of it.
        name: the name that its owner gave it.
        state: VISA's state word (``ACTIVE``, ``STOPPED``, ``ERROR`` …).
        server: Nova's UUID of its server (``computeId``), or None while it has none.
        cloud: VISA's id of the cloud it is on; ``DEFAULT_CLOUD`` for the default one.
        created: when it was asked for. All dates are aware, in UTC: VISA's own carry no zone and are its server's local
            time, so whoever reads them from VISA has to know that zone.
        termination: when VISA ends it at the latest, or None if never.
        last_seen: when somebody was connected last, or None where VISA does not say.
        roles: the roles of its owner.
        flavor: VISA's name of its flavor, or None where VISA does not say.
        booked: whether it came from a booking voucher: it has no inactivity limit.
        auto_extension: whose requests for more time are granted on its image.
        extension_requested: whether a request for more time waits for an administrator.
        username: the account on its server; a person's.
        owner_name: the owner's full name; only for who asks for it.
    """

    id: int
    name: str
    state: str
    server: str | None
    cloud: int
    created: datetime
    termination: datetime | None
    last_seen: datetime | None
    roles: frozenset[str] = frozenset()
    flavor: str | None = None
    booked: bool = False
    auto_extension: AutoExtension = AutoExtension.NONE
    extension_requested: bool = False
    username: str = field(default="", repr=False)
    owner_name: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse a date without a zone: it would be hours wrong and nobody would see it."""
        for name in ("created", "termination", "last_seen"):
            date = getattr(self, name)
            if date is not None and date.tzinfo is None:
                raise ValueError(f"{name} of VISA's instance {self.id} has no zone: {date}; it has to be aware")

    @property
    def staff(self) -> bool:
        """Whether its owner has the limits of staff."""
        return STAFF in self.roles

    @property
    def extensible(self) -> bool:
        """Whether more time may be had: VISA grants it without asking, or an administrator has been asked."""
        granted = self.auto_extension is AutoExtension.ALL or (
            self.auto_extension is AutoExtension.STAFF and self.staff
        )
        return granted or self.extension_requested
