"""The clouds that VISA knows: the default one of its environment, and those that were registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.visa.clock import Clock
from lab.visa.clouds import DEFAULT, Access, CloudFlavour, Clouds, Provider
from lab.visa.errors import Refusal
from lab.visa.tables import CloudProvider

T = TypeVar("T")
GROUPS_KEPT = timedelta(minutes=10)
FLAVOURS_KEPT = timedelta(minutes=5)


class Client:
    """One cloud, as VISA sees it.

    Arguments:
        identity: -1, or the id of its row.
        name: what administrators see.
        prefix: what the names of its servers begin with.
        visible: whether users are offered it.
        provider: how it is reached.
        access: the way to it.
        clock: how old what is remembered may get is counted in VISA's time.
    """

    type = "openstack"

    def __init__(
        self, identity: int, name: str, prefix: str, *, visible: bool, provider: Provider, access: Access, clock: Clock
    ) -> None:
        self.id, self.name, self.server_name_prefix, self.visible = identity, name, prefix, visible
        self.open_stack_provider_configuration = provider
        self.access = access
        self._clock = clock
        self._kept: dict[str, tuple[datetime, Any]] = {}

    @property
    def cloud_id(self) -> int | None:
        """What rows that belong to this cloud have as their cloud's id."""
        return None if self.id == DEFAULT else self.id

    def security_groups(self) -> list[str]:
        """Return the names of its security groups, up to 10 minutes old."""
        return self._remembered("groups", GROUPS_KEPT, self.access.security_groups)

    def flavours(self) -> list[CloudFlavour]:
        """Return its flavors, up to 5 minutes old.

        Raises:
            CloudDown: it cannot be asked.
        """
        return self._remembered("flavours", FLAVOURS_KEPT, self.access.flavours)

    def _remembered(self, what: str, kept: timedelta, ask: Callable[[], list[T]]) -> list[T]:
        at, value = self._kept.get(what, (datetime.min, None))
        if value is None or self._clock.now() - at > kept:
            value = ask()
            self._kept[what] = (self._clock.now(), value)
        return list(value)


class Registry:
    """All clouds.

    Arguments:
        clouds: where access to them comes from, and which is the default one.
        clock: VISA's.
    """

    def __init__(self, clouds: Clouds, clock: Clock) -> None:
        self._clouds, self._clock = clouds, clock
        default = clouds.default
        self._default = Client(
            DEFAULT, default.name, default.prefix, visible=True, provider=default.provider,
            access=clouds.access(default.provider), clock=clock,
        )  # fmt: skip
        self._clients: dict[int, Client] = {}

    def all(self, session: Session) -> list[Client]:
        """Return all of them, the default one first."""
        there = select(CloudProvider).where(CloudProvider.deleted_at.is_(None)).order_by(CloudProvider.id)
        return [self._default, *(self._client(row) for row in session.scalars(there))]

    def find(self, session: Session, identity: int | None) -> Client | None:
        """Return one of them; the default one is asked for by -1 or by nothing."""
        wanted = DEFAULT if identity is None else identity
        return next((each for each in self.all(session) if each.id == wanted), None)

    def get(self, session: Session, identity: int | None) -> Client:
        """Return one of them.

        Raises:
            Refusal: there is none of this id.
        """
        found = self.find(session, identity)
        if found is None:
            raise Refusal(f"Cloud Client with ID {identity} does not exist")
        return found

    def forget(self, identity: int) -> None:
        """Make a cloud's client anew at its next use: its configuration has changed."""
        self._clients.pop(identity, None)

    def _client(self, row: CloudProvider) -> Client:
        if row.id not in self._clients:
            provider = Provider(**row.parameters)
            self._clients[row.id] = Client(
                row.id, row.name, row.server_name_prefix, visible=row.visible, provider=provider,
                access=self._clouds.access(provider), clock=self._clock,
            )  # fmt: skip
        return self._clients[row.id]


def provider_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a provider configuration as they are stored."""
    return asdict(Provider(**given))
