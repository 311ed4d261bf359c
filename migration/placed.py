"""What a forecast is made from: Nova says where an instance is, VISA when it may end, joined by Nova's UUID."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from migration.facts import Facts, Server
from migration.habits import DEFAULT_LIMITS, Habits, Limits, Owner, days, owner_of
from migration.learning import History
from migration.lifetimes import Going
from migration.plan import NodePlan, Phase, make_plan
from migration.settings import CaracalSettings, Membership
from migration.visa.instances import VisaInstance
from migration.visa.settings import Backend

ON_THE_OLD_CLOUD: Final = frozenset({Phase.STEIN, Phase.DRAINING, Phase.EMPTY})


class Never(StrEnum):
    """Why nobody can say when an instance ends."""

    IMMORTAL = "never ends: VISA has no termination date for it"
    UNKNOWN = "unknown to VISA, so nothing ends it"
    UNASKED = "VISA did not say"


@dataclass(frozen=True, slots=True)
class Placed:
    """An instance where Nova has it, with what VISA knows of it.

    Attributes:
        server: Nova's UUID.
        name: its name in Nova.
        node: the node it is on.
        visa: what VISA knows, or None.
        asked: whether VISA answered at all.
    """

    server: str
    name: str
    node: str
    visa: VisaInstance | None = None
    asked: bool = True

    @property
    def never(self) -> Never | None:
        """Why it does not end by itself, or None where it does."""
        if self.visa is None:
            return Never.UNKNOWN if self.asked else Never.UNASKED
        return Never.IMMORTAL if self.visa.termination is None else None


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of the old cloud.

    Attributes:
        node: its name.
        membership: what is wanted of it.
        phase: what is observed.
        open: whether new instances may still land there.
        unclear: why nobody knows what is on it, or None.
    """

    node: str
    membership: Membership
    phase: Phase
    open: bool = False
    unclear: str | None = None


@dataclass(frozen=True)
class ForecastInput:
    """Everything that a forecast is made from.

    Attributes:
        now: when it was read; aware.
        nodes: the nodes that are in the old cloud.
        placed: what is on them.
        visa: all instances that VISA has, wherever they are; empty where it did not answer.
        history: what ended before, where it is known.
        facts: the look at both clouds.
        limits: VISA's limits.
        backend: where VISA starts new instances, or None where nobody knows.
        notes: what is not known, a sentence each.
    """

    now: datetime
    nodes: tuple[NodeState, ...]
    placed: tuple[Placed, ...]
    visa: tuple[VisaInstance, ...] = ()
    history: History | None = None
    facts: Facts = field(default_factory=lambda: Facts(None, None))
    limits: Mapping[Owner, Limits] = field(default_factory=lambda: DEFAULT_LIMITS)
    backend: Backend | None = None
    notes: tuple[str, ...] = ()


def forecast_input(
    settings: CaracalSettings,
    facts: Facts,
    visa: Sequence[VisaInstance] | None,
    *,
    history: History | None = None,
    now: datetime,
    visa_error: str = "",
) -> ForecastInput:
    """Join what Nova and VISA say.

    Arguments:
        settings: which nodes there are and what is wanted of them.
        facts: one look at both clouds.
        visa: VISA's instances, or None where it is not configured or did not answer.
        history: what ended before, where it is known.
        now: when all this was read; aware.
        visa_error: why VISA did not answer.

    Returns:
        What is known of every node that is in the old cloud, and in ``notes`` what is not.
    """
    plans = make_plan(settings, facts).nodes.values()
    backend = Backend(settings.visa.default_backend) if settings.visa is not None else None
    nodes = tuple(_state(one, facts, backend) for one in plans if _is_old(one, facts))
    names = {one.node for one in nodes}
    servers = [] if facts.old is None else [server for server in facts.old.servers if server.host in names]
    known = {one.server: one for one in visa or () if one.server is not None}
    placed = tuple(
        Placed(server.id, server.name, server.host, known.get(server.id), asked=visa is not None)
        for server in servers
        if server.host is not None
    )
    return ForecastInput(
        now=now,
        nodes=nodes,
        placed=placed,
        visa=tuple(visa or ()),
        history=history,
        facts=facts,
        limits=limits_of(settings),
        backend=backend,
        notes=tuple(_notes(settings, facts, visa, visa_error, history)),
    )


def limits_of(settings: CaracalSettings) -> Mapping[Owner, Limits]:
    """Return VISA's limits as they are configured, in days."""
    if settings.visa is None:
        return DEFAULT_LIMITS
    hours = settings.visa.limits
    return {
        Owner.USER: Limits(hours.lifetime_users / 24, hours.inactivity_users / 24),
        Owner.STAFF: Limits(hours.lifetime_staff / 24, hours.inactivity_staff / 24),
    }


def _is_old(one: NodePlan, facts: Facts) -> bool:
    if one.phase in ON_THE_OLD_CLOUD:
        return True
    return one.phase in {Phase.UNKNOWN, Phase.CONFLICT} and (facts.old is None or facts.old.knows(one.node))


def _state(one: NodePlan, facts: Facts, backend: Backend | None) -> NodeState:
    service = facts.old.service(one.node) if facts.old is not None else None
    listed = len(facts.old.servers_on(one.node)) if facts.old is not None else 0
    unclear = None
    if one.phase not in ON_THE_OLD_CLOUD:
        unclear = one.message
    elif one.instances is None or one.instances > listed:
        unclear = f"{one.instances or 'nobody knows how many'} instances by one witness, {listed} on Nova's list"
    return NodeState(
        one.node,
        one.membership,
        one.phase,
        open=service is not None and service.enabled and backend is not Backend.CARACAL,
        unclear=unclear,
    )


def _notes(
    settings: CaracalSettings,
    facts: Facts,
    visa: Sequence[VisaInstance] | None,
    visa_error: str,
    history: History | None,
) -> Iterable[str]:
    if settings.visa is None:
        yield "visa is not configured: nobody can say when an instance ends; see docs/config.md"
    elif visa is None:
        yield f"VISA did not answer, so nobody can say when an instance ends: {visa_error}"
    if facts.old is None and settings.clouds.old is not None:
        yield f"the old cloud did not answer, so nobody knows what is on its nodes: {facts.old_error}"
    if facts.new is None:
        yield f"the new cloud did not answer, so nobody knows its room: {facts.new_error}"
    if facts.old is None:
        return
    if facts.old.hidden:
        yield f"{facts.old.hidden} servers of {facts.old.name} are in a cell that does not answer: on which nodes?"
    if elsewhere := _elsewhere(facts.old.servers, settings):
        yield f"{elsewhere} servers of {facts.old.name} are on nodes that are not in the config, or on none"
    if visa is not None and history is None:
        yield "no history of ended instances: what owners do is taken from defaults (docs/forecast.md)"


def _elsewhere(servers: Iterable[Server], settings: CaracalSettings) -> int:
    return sum(server.host not in settings.nodes for server in servers)


# ------------------------------------------------------------------------------------------- the rules for an instance


def going(one: VisaInstance, now: datetime, limits: Limits) -> Going:
    """Return what may still happen to an instance that has a termination date.

    Arguments:
        one: the instance.
        now: when that was read.
        limits: VISA's limits for its owner.

    Returns:
        Its idle time and what is left of its life, in days.
    """
    if one.termination is None:
        raise ValueError(f"VISA's instance {one.id} has no termination date; expected one that ends")
    seen = one.last_seen or one.created
    return Going(
        owner=owner_of(one),
        age=max(days(now - one.created), 0.0),
        idle=None if one.booked else min(max(days(now - seen), 0.0), limits.inactivity),
        left=max(days(one.termination - now), 0.0),
        extensible=one.extensible,
    )


def bounds(what: Going, now: datetime, limits: Limits, habits: Habits) -> tuple[datetime, datetime]:
    """Return the earliest and the latest time at which VISA ends an instance by its own rules.

    Arguments:
        what: what may still happen to the instance.
        now: from when on; nothing ends before.
        limits: VISA's limits for its owner.
        habits: how often more time may be had.

    Returns:
        Earliest: its termination date, or earlier where nobody comes back. Latest: its termination date, or later where
        more time is granted.
    """
    idle_out = what.left if what.idle is None else limits.inactivity - what.idle
    more = habits.extensions * limits.lifetime if what.extensible else 0.0
    return now + timedelta(min(what.left, idle_out)), now + timedelta(what.left + more)
