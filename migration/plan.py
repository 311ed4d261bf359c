"""The plan: which steps each node needs now. A pure function of settings and facts.

A node is assessed alone first (its phase, and what it could do); then the budget decides which of those that could
leave may do so in this run. What a plan does not say, no step does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from migration.facts import CloudFacts, Facts, Service
from migration.kolla.own_hooks import own_hooks
from migration.marks import REGISTERED_DISABLED, Record, Stage, is_moving, is_ours
from migration.names import PROBATION_AGGREGATE, probe_names
from migration.settings import CaracalSettings, Membership
from migration.witnesses import Occupancy, occupancy


class Phase(StrEnum):
    """What is observed of a node."""

    STEIN = "stein"
    """Serves in the old cloud."""

    DRAINING = "draining"
    """Closed by us in the old cloud; instances left."""

    EMPTY = "empty"
    """Closed by us in the old cloud; every witness counts nothing."""

    ABSENT = "absent"
    """In neither cloud."""

    PROBATION = "probation"
    """In the new cloud, but only the probe may land there."""

    CARACAL = "caracal"
    """Serves in the new cloud."""

    CONFLICT = "conflict"
    """Two sources disagree about it; never touched."""

    UNKNOWN = "unknown"
    """Somebody could not answer; never touched."""


class Step(StrEnum):
    """One small idempotent act on one node."""

    DISABLE = "disable"
    START_COMPUTE = "start-compute"
    STOP_COMPUTE = "stop-compute"
    DELETE_SERVICE = "delete-service"
    DELETE_AGENTS = "delete-agents"
    PROVE_GONE = "prove-gone"
    HOST_HOOK = "host-hook"
    WAIT_UP = "wait-up"
    PLACE = "place"
    PROBE = "probe"
    ENABLE = "enable"


NODE_AGENTS = frozenset(
    {
        "neutron-openvswitch-agent",
        "neutron-linuxbridge-agent",
        "neutron-sriov-nic-agent",
        "neutron-macvtap-agent",
        "neutron-metadata-agent",
    }
)
"""Agents that serve their own node only. Deleting another one (L3, DHCP) takes routers and networks off their hosts."""

LEAVE = (Step.STOP_COMPUTE, Step.DELETE_SERVICE, Step.DELETE_AGENTS, Step.PROVE_GONE)
JOIN = (Step.WAIT_UP, Step.PLACE, Step.PROBE, Step.ENABLE)


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What one node is, and what will be done about it now.

    Attributes:
        node: its name.
        membership: what is wanted.
        datacenter: where it stands.
        phase: what is observed.
        message: why it is so and what it waits for, for a person.
        instances: how many instances it holds, as the most cautious witness counts, or None where nobody can say.
        departure: steps on the old cloud.
        deploys: whether the host hook runs for it.
        arrival: steps on the new cloud.
        between: whether it is between the clouds, and so counts against the budget.
        held: whether it could leave, but the budget does not let it.
        attention: whether it needs a person.
    """

    node: str
    membership: Membership
    datacenter: str
    phase: Phase
    message: str
    instances: int | None = None
    departure: tuple[Step, ...] = ()
    deploys: bool = False
    arrival: tuple[Step, ...] = ()
    between: bool = False
    held: bool = False
    attention: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in their order."""
        return (*self.departure, *((Step.HOST_HOOK,) if self.deploys else ()), *self.arrival)

    @property
    def settled(self) -> bool:
        """Whether the node is where it is wanted and nothing is left to do."""
        return self.phase.value == self.membership.value and not self.steps and not self.attention


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done now.

    Attributes:
        nodes: one plan a node, in the order of the settings.
        refusals: why nothing at all may be touched; empty if all guards hold.
        strays: nodes that are between the clouds but not in the settings any more; they count against the budget.
    """

    nodes: Mapping[str, NodePlan]
    refusals: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


def make_plan(settings: CaracalSettings, facts: Facts) -> Plan:
    """Decide the steps of every node.

    Arguments:
        settings: what is wanted.
        facts: what was read, in one look.

    Returns:
        The plan. Where guards refuse, its nodes show their phases but no steps.
    """
    assessed = [_assess(settings, facts, node) for node in settings.nodes]
    assessed = [replace(one, between=one.between or _is_between(facts, one.node)) for one in assessed]
    refusals = _guards(settings, facts, assessed)
    if refusals:
        idle = {one.node: replace(one, departure=(), deploys=False, arrival=()) for one in assessed}
        return Plan(idle, refusals, _strays(settings, facts))
    planned = within_budget(settings, facts, assessed)
    return Plan({one.node: one for one in planned}, strays=_strays(settings, facts))


def _is_between(facts: Facts, node: str) -> bool:
    """Return whether our marks say that a node is between the clouds, whatever else is the matter with it."""
    if facts.old is not None and (service := facts.old.service(node)):
        return is_moving(service.reason)
    record = facts.new.ledger.get(node) if facts.new is not None else None
    return record is not None and record.stage is not Stage.ACCEPTED


# ------------------------------------------------------------------------------------------------ one node by itself


@dataclass(frozen=True, slots=True)
class _View:
    """One node as both clouds show it."""

    node: str
    wanted: Membership
    old: CloudFacts
    new: CloudFacts
    can_start: bool  # a hook can start nova-compute of the old cloud again
    zone: str
    backend: str  # why nothing may begin to drain, or ""
    base: NodePlan

    def says(self, phase: Phase, message: str, **more: object) -> NodePlan:
        return replace(self.base, phase=phase, message=message, **more)  # type: ignore[arg-type]


def _assess(settings: CaracalSettings, facts: Facts, node: str) -> NodePlan:
    wanted = settings.nodes[node].membership
    datacenter = settings.nodes[node].datacenter
    base = NodePlan(node, wanted, datacenter, Phase.UNKNOWN, "")
    if facts.new is None:
        return replace(base, message=f"the new cloud cannot be asked: {facts.new_error}", attention=True)
    old = facts.old
    if old is None and settings.clouds.old is None:
        old = CloudFacts("")
    view = _View(
        node=node,
        wanted=wanted,
        old=old or CloudFacts(""),
        new=facts.new,
        can_start=own_hooks(settings).join_old is not None,
        zone=settings.datacenters[datacenter].zone,
        backend=_not_yet_default(settings, facts),
        base=base,
    )
    record = facts.new.ledger.get(node)
    if old is None:
        if facts.new.service(node) and record is not None and record.stage is Stage.ACCEPTED:
            return _in_new(view, record)
        return replace(base, message=f"the old cloud cannot be asked: {facts.old_error}", attention=True)
    here, there = old.service(node), facts.new.service(node)
    if here and there:
        return view.says(
            Phase.CONFLICT,
            f"has a nova-compute in {old.name} and in {facts.new.name}; expected one. Find out which cloud's"
            f" containers run"
            " on it and delete the other service record",
            attention=True,
        )
    if here:
        return _in_old(view, here)
    if old.servers_on(node):
        return view.says(
            Phase.CONFLICT,
            f"{old.name} has no nova-compute of this name but lists {len(old.servers_on(node))} servers on it;"
            f" expected none."
            " Somebody deleted the service by hand: bring nova-compute back there first",
            instances=len(old.servers_on(node)),
            attention=True,
        )
    if there:
        return _in_new(view, record)
    return _in_neither(view, record)


def _not_yet_default(settings: CaracalSettings, facts: Facts) -> str:
    """Return why no node may begin to drain: where VISA still starts new instances on it, it would never be empty."""
    if facts.backend is None or facts.backend.cloud == settings.clouds.new:
        return ""
    return f"nothing drains before {settings.clouds.new} is VISA's default backend; {facts.backend.why}"


def _in_old(view: _View, service: Service) -> NodePlan:
    held = occupancy(view.old, view.node)
    hypervisors = view.old.hypervisors_of(view.node)
    view = replace(view, base=replace(view.base, instances=held.count))
    if why := _unclear(view, service, len(hypervisors)):
        return view.says(
            Phase.UNKNOWN, why, instances=held.count or None, attention=view.wanted is not Membership.STEIN
        )
    if not service.enabled and not is_ours(service.reason):
        return _closed_by_others(view, service)
    if view.wanted is Membership.STEIN:
        return _stays(view, service, held)
    if is_moving(service.reason) and (view.wanted is Membership.DRAINING or held.count):
        return _stopped_too_soon(view, held)
    if service.enabled and view.backend:
        return view.says(Phase.STEIN, f"waits: {view.backend}")
    disable = (Step.DISABLE,) if service.enabled else ()
    phase = Phase.STEIN if service.enabled else _emptiness(held)
    if view.wanted is Membership.DRAINING:
        note = "empty, stays until its membership is caracal" if held.empty else str(held)
        return view.says(phase, note, departure=disable)
    if not held.empty:
        return view.says(phase, str(held), departure=disable, attention=held.unknown)
    return _leaves(view, service, disable)


def _closed_by_others(view: _View, service: Service) -> NodePlan:
    why = f"nova-compute in {view.old.name} was disabled by somebody else ({service.reason or 'no reason given'})"
    if view.wanted is Membership.STEIN:
        return view.says(Phase.STEIN, why)
    return view.says(
        Phase.CONFLICT, f"{why}; not ours to touch. Talk to them, and enable it when it may go", attention=True
    )


def _leaves(view: _View, service: Service, disable: tuple[Step, ...]) -> NodePlan:
    """Plan a node that is empty and wanted in the new cloud."""
    phase = Phase.STEIN if service.enabled else Phase.EMPTY
    if others := sorted(a.binary for a in view.old.agents_of(view.node) if a.binary not in NODE_AGENTS):
        return view.says(
            Phase.CONFLICT,
            f"runs {', '.join(others)}, which serves other nodes too; expected only agents of the node itself. Move its"
            " routers and DHCP elsewhere and delete that agent first",
            attention=True,
        )
    return view.says(
        phase,
        "empty, leaves now",
        departure=(*disable, *LEAVE),
        deploys=True,
        arrival=JOIN,
        between=is_moving(service.reason),
    )


def _unclear(view: _View, service: Service, hypervisors: int) -> str:
    """Return "" if Nova shows the node as one service with one hypervisor, else what is wrong."""
    if not service.answers:
        return f"its cell in {view.old.name} does not answer; see the log of nova-api"
    if hypervisors != 1:
        return (
            f"{view.old.name} has a nova-compute of this name but {hypervisors} hypervisors under it; expected one."
            " Was it renamed? Mend the records in Nova first"
        )
    return ""


def _stays(view: _View, service: Service, held: Occupancy) -> NodePlan:
    """Plan a node that is wanted in the old cloud: give back what we disabled."""
    if service.enabled:
        return view.says(Phase.STEIN, "serves")
    phase = _emptiness(held)
    if not is_moving(service.reason):
        return view.says(phase, "given back: we had disabled it", departure=(Step.ENABLE,))
    if view.can_start:
        return view.says(
            phase,
            "given back: we had stopped its nova-compute",
            departure=(Step.START_COMPUTE, Step.ENABLE),
            between=True,
        )
    return _must_be_started(view, phase)


def _stopped_too_soon(view: _View, held: Occupancy) -> NodePlan:
    """Plan a node whose nova-compute we stopped, and that must not go (any more)."""
    phase = _emptiness(held)
    if view.can_start:
        return view.says(
            phase, f"stays, {held}; nova-compute starts again", departure=(Step.START_COMPUTE,), between=True
        )
    return _must_be_started(view, phase)


def _must_be_started(view: _View, phase: Phase) -> NodePlan:
    return view.says(
        phase,
        f"its nova-compute in {view.old.name} was stopped by us and there is no hooks.join_old: start it on the"
        f" node, give"
        ' the service the disabled reason "visa-migration: leaving for the new cloud", then run again',
        between=True,
        attention=True,
    )


def _in_new(view: _View, record: Record | None) -> NodePlan:
    service = view.new.service(view.node)
    assert service is not None  # noqa: S101 - the caller looked
    if not service.answers:
        return view.says(
            Phase.UNKNOWN, f"its cell in {view.new.name} does not answer; see the log of nova-api", attention=True
        )
    aggregate = view.new.aggregate(PROBATION_AGGREGATE)
    isolated = aggregate is not None and view.node in aggregate.hosts
    accepted = record is not None and record.stage is Stage.ACCEPTED
    view = replace(view, base=replace(view.base, instances=len(view.new.servers_on(view.node))))
    if accepted and isolated:
        return view.says(
            Phase.CONFLICT,
            f"was accepted, but somebody put it into the aggregate {PROBATION_AGGREGATE} again; take it out"
            f" when it may serve",
            attention=True,
        )
    if not service.enabled and service.reason != REGISTERED_DISABLED and not is_ours(service.reason):
        why = f"nova-compute in {view.new.name} was disabled by somebody else ({service.reason or 'no reason given'})"
        if accepted and view.wanted is Membership.CARACAL:
            return view.says(Phase.CARACAL, why)
        return view.says(
            Phase.CONFLICT, f"{why}; not ours to touch. Talk to them, and enable it when it may go on", attention=True
        )
    unproved = record is not None and record.stage in {Stage.LEFT, Stage.DEPLOYED}
    opened = service.enabled and not isolated
    users = [server for server in view.new.servers_on(view.node) if server.name not in probe_names(view.node)]
    if unproved and users:
        return view.says(
            Phase.CONFLICT,
            f"has {len(users)} servers of users in {view.new.name}, but no probe has proved it. Is [DEFAULT]"
            " enable_new_services = false in nova.conf? When they have ended, run pulumi up again",
            attention=True,
        )
    serves = accepted or (opened and not unproved)
    phase = Phase.CARACAL if serves else Phase.PROBATION
    if view.wanted is not Membership.CARACAL:
        return view.says(
            phase,
            f"is in {view.new.name}, but its membership is {view.wanted}; going back is a move in the other"
            f" direction that this"
            " version does not make. Set its membership to caracal",
            between=not serves,
            attention=True,
        )
    if serves:
        return _serves(view, service, record)
    deploys = not service.up or (record is not None and record.stage is Stage.LEFT)
    return view.says(
        phase,
        "joins: " + ("host hook, then probe" if deploys else "probe"),
        deploys=deploys,
        arrival=JOIN,
        between=True,
    )


def _serves(view: _View, service: Service, record: Record | None) -> NodePlan:
    """Plan a node that is open to users in the new cloud."""
    unfinished = record is not None and record.stage is not Stage.ACCEPTED
    steps = (Step.ENABLE,) if unfinished else ()
    if view.zone not in view.new.zones_of(view.node):
        return view.says(
            Phase.CARACAL,
            f"serves, but is in {_zones(view)}, expected zone {view.zone}; put it there while it has no instances",
            attention=True,
        )
    if not service.enabled:
        return view.says(
            Phase.CARACAL, "was accepted, but its service registered anew and is disabled; enable it", attention=True
        )
    if not service.up:
        return view.says(Phase.CARACAL, "nova-compute is down", arrival=steps)
    return view.says(Phase.CARACAL, "serves", arrival=steps)


def _in_neither(view: _View, record: Record | None) -> NodePlan:
    if record is None:
        return _nowhere(view)
    if record.stage is Stage.ACCEPTED:
        return view.says(
            Phase.ABSENT,
            f"was accepted at {record.at}, but {view.new.name} has no nova-compute of this name now; find out"
            f" who removed it",
            attention=True,
        )
    if view.wanted is not Membership.CARACAL:
        return view.says(
            Phase.ABSENT,
            f"left {view.old.name} at {record.at} and is in neither cloud, but its membership is {view.wanted};"
            f" going back is a"
            " move in the other direction that this version does not make. Set its membership to caracal",
            between=True,
            attention=True,
        )
    leftovers = (Step.DELETE_AGENTS,) if view.old.agents_of(view.node) else ()
    proof = (Step.PROVE_GONE,) if record.stage is Stage.LEFT and view.old.name else ()
    return view.says(
        Phase.ABSENT,
        f"left {view.old.name} at {record.at}, joins now",
        instances=0,
        departure=(*leftovers, *proof),
        deploys=True,
        arrival=JOIN,
        between=True,
    )


def _nowhere(view: _View) -> NodePlan:
    similar = sorted(
        {
            hypervisor.host
            for cloud in (view.old, view.new)
            for hypervisor in cloud.hypervisors
            for name in (hypervisor.host, hypervisor.name)
            if name.split(".")[0].lower() == view.node.split(".")[0].lower() and hypervisor.host != view.node
        }
    )
    if similar:
        return view.says(
            Phase.UNKNOWN,
            f"Nova knows no {view.node}, but {', '.join(similar)}; use the name that Nova uses, or mend the records",
            attention=True,
        )
    return view.says(
        Phase.ABSENT,
        "in neither cloud, and there is no record that it left; check the name, or remove it from the config",
        attention=True,
    )


def _emptiness(held: Occupancy) -> Phase:
    if held.unknown:
        return Phase.UNKNOWN
    return Phase.EMPTY if held.empty else Phase.DRAINING


def _zones(view: _View) -> str:
    zones = view.new.zones_of(view.node)
    return f"zone {', '.join(zones)}" if zones else "no zone"


# -------------------------------------------------------------------------------------------------- all nodes together


def _guards(settings: CaracalSettings, facts: Facts, assessed: list[NodePlan]) -> tuple[str, ...]:
    """Return why nothing may be touched, a sentence each."""
    refusals: list[str] = []
    moving = [one.node for one in assessed if one.membership is not Membership.STEIN]
    if facts.new is None and moving:
        refusals.append(f"the new cloud cannot be asked, but is needed for {', '.join(moving)}: {facts.new_error}")
    if facts.new is None:
        return tuple(refusals)
    unsettled = [one for one in assessed if one.membership is not Membership.STEIN and one.phase is not Phase.CARACAL]
    if facts.old is None and settings.clouds.old is not None and unsettled:
        names = ", ".join(one.node for one in unsettled)
        refusals.append(f"the old cloud cannot be asked, but is needed for {names}: {facts.old_error}")
        return tuple(refusals)
    refusals += [
        f"{one.node}: {one.message}"
        for one in unsettled
        if one.node not in facts.new.ledger and not _known(facts, one.node)
    ]
    going = [one.node for one in unsettled if one.membership is Membership.CARACAL]
    hooks = own_hooks(settings)
    for key, present in (
        ("hooks.leave", hooks.leave),
        ("hooks.join", hooks.join),
        ("probe", settings.probe),
    ):
        if going and present is None:
            refusals.append(f"{key} is not configured, but is needed for {', '.join(going)}; see docs/config.md")
    return tuple(refusals)


def _known(facts: Facts, node: str) -> bool:
    return any(cloud is not None and cloud.knows(node) for cloud in (facts.old, facts.new))


def _strays(settings: CaracalSettings, facts: Facts) -> tuple[str, ...]:
    """Return the nodes that were taken out of the config halfway: they still are between the clouds."""
    services = facts.old.services if facts.old is not None else ()
    ledger = facts.new.ledger if facts.new is not None else {}
    marked = {*ledger, *(service.host for service in services)}
    return tuple(sorted(node for node in marked if node not in settings.nodes and _is_between(facts, node)))


def within_budget(settings: CaracalSettings, facts: Facts, assessed: Sequence[NodePlan]) -> list[NodePlan]:
    """Let leave only as many nodes as the budget allows, counting those already between the clouds.

    Arguments:
        settings: the budget.
        facts: what was read.
        assessed: what each node could do by itself, in the order of the settings.

    Returns:
        The same nodes; those that must wait only close.
    """
    ledger = facts.new.ledger if facts.new is not None else {}
    between = [one for one in assessed if one.between]
    names = [*(one.node for one in between), *_strays(settings, facts)]
    total = len(names)
    per_datacenter = {name: sum(one.datacenter == name for one in between) for name in settings.datacenters}
    first = not any(record.stage is Stage.ACCEPTED for record in ledger.values())
    limit = 1 if first else settings.budget.moving
    planned = []
    for one in assessed:
        wants = Step.STOP_COMPUTE in one.departure and not one.between
        if wants and total >= limit:
            why = "until the first node has been accepted one moves alone" if first else f"budget.moving is {limit}"
            planned.append(_waits(one, f"{why}, {', '.join(names)} on the way"))
        elif wants and per_datacenter[one.datacenter] >= settings.budget.per_datacenter:
            planned.append(
                _waits(one, f"budget.per_datacenter is {settings.budget.per_datacenter} in {one.datacenter}")
            )
        else:
            if wants:
                total += 1
                per_datacenter[one.datacenter] += 1
                names.append(one.node)
            planned.append(one)
    return planned


def _waits(one: NodePlan, why: str) -> NodePlan:
    """Return the same node draining: it closes, and leaves when there is room."""
    kept = tuple(step for step in one.departure if step is Step.DISABLE)
    return replace(
        one,
        message=f"{one.message if one.instances else 'empty'}, waits: {why}",
        departure=kept,
        deploys=False,
        arrival=(),
        held=True,
    )
