"""What every request has at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLResolveInfo
from sqlalchemy.orm import Session

from lab.visa.clock import Clock
from lab.visa.registry import Client, Registry
from lab.visa.rules import Limits
from lab.visa.store import Store
from lab.visa.tables import ADMIN, User
from lab.visa.work import Work


@dataclass(frozen=True, slots=True)
class Visa:
    """VISA's parts.

    Attributes:
        store: its database.
        registry: its clouds.
        clock: its time.
        work: what it does to servers.
        limits: how long instances live.
    """

    store: Store
    registry: Registry
    clock: Clock
    work: Work
    limits: Limits = field(default_factory=Limits)


class NotAllowed(Exception):
    """Who asks is nobody, or no administrator: told to nobody but as a system error."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request to the admin API.

    Attributes:
        visa: VISA.
        session: the request's.
        user: who asks; None: nobody, or a machine.
    """

    visa: Visa
    session: Session
    user: User | None

    def client(self, identity: int | None) -> Client:
        """Return a cloud.

        Raises:
            Refusal: there is none of this id.
        """
        return self.visa.registry.get(self.session, identity)


def admin(info: GraphQLResolveInfo[Any]) -> Context:
    """Return the request's context.

    Raises:
        NotAllowed: who asks is no administrator.
    """
    context: Any = info.context
    if not isinstance(context, Context) or context.user is None or not context.user.has_role(ADMIN):
        raise NotAllowed
    return context
