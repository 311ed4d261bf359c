"""The steps out of the old cloud, and back.

Source: the order to remove a compute node (Nova administrator guide, kolla-ansible "adding and removing hosts"), with
what was measured on Stein: it boots forced servers onto disabled hosts, so every step looks again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

from migration import audit
from migration.actor import PATIENCE, STOPPED, Actor
from migration.errors import CloudRefused, HookError, StepError
from migration.facts import Agent, CloudFacts, Service
from migration.marks import Mark, Record, Stage, is_moving, is_ours
from migration.observe import look_at_node
from migration.plan import NODE_AGENTS, Step
from migration.steps import DONE, NOTHING, Act, Outcome, stays
from migration.witnesses import occupancy


def disable(actor: Actor, node: str) -> Outcome:
    """Close the node to the old cloud's scheduler, with our mark."""
    services = actor.old.nova.services(node)
    if not services:
        return stays(f"{actor.old.name} has no nova-compute for it any more")
    if services[0].enabled:
        actor.old.nova.disable(services[0].id, Mark.LEAVING)
        actor.closed[node] = time.monotonic()
        return DONE
    if is_ours(services[0].reason):
        return NOTHING
    return stays(f"somebody else disabled it meanwhile ({services[0].reason or 'no reason given'})")


def stop_compute(actor: Actor, node: str) -> Outcome:
    """Stop the old cloud's nova-compute on the node, if every witness says that it is empty; then look again."""
    actor.let_settle(node)
    seen = look_at_node(actor.old, node)
    service = seen.service(node)
    if service is None:
        return NOTHING
    if changed := _changed(service):
        return changed
    if why := _not_empty(seen, node):
        return stays(why)
    hook = actor.orders.hooks.leave
    if hook is None:
        raise HookError(node, Step.STOP_COMPUTE, "there is no hooks.leave; set it in the stack config")
    # From here on the node counts as between the clouds, also for a run that comes after a kill.
    actor.old.nova.disable(service.id, Mark.MOVING)
    result = actor.hook(hook, f"leave-{node}", [node])[node]
    if not result.ok:
        raise HookError(node, Step.STOP_COMPUTE, f"the leave hook failed: {result.message}")
    _prove_stopped(actor, node)
    if why := _not_empty(look_at_node(actor.old, node), node):
        return _stopped_too_soon(actor, node, why)
    return DONE


def delete_service(actor: Actor, node: str) -> Outcome:
    """Record that the node leaves, then delete its service; Nova itself refuses if it counts a server there."""
    seen = look_at_node(actor.old, node)
    service = seen.service(node)
    if service is None:
        return NOTHING
    if changed := _changed(service):
        return changed
    if why := _not_empty(seen, node):
        return _stopped_too_soon(actor, node, why)
    # Written first: a node whose service is gone without this record would be nobody's.
    actor.write_record(node, Record(Stage.LEFT, audit.now(), seen.hypervisors_of(node)[0].id))
    try:
        actor.old.nova.delete_service(service.id)
    except CloudRefused as error:
        if error.status != 409:
            raise
        actor.write_record(node, None)
        return _stopped_too_soon(actor, node, f"{actor.old.name} refuses to let it go: {error}")
    return DONE


def delete_agents(actor: Actor, node: str) -> Outcome:
    """Delete the old cloud's network agents of a node whose service is gone, once they report no more."""
    if actor.old.nova.services(node):
        return stays(f"{actor.old.name} has a nova-compute for it again")

    def stopped() -> list[Agent] | None:
        found = [agent for agent in actor.old.neutron.agents(node) if agent.binary in NODE_AGENTS]
        return None if any(agent.alive for agent in found) else found

    agents = actor.until(stopped, seconds=STOPPED)
    if agents is None:
        raise StepError(
            node,
            Step.DELETE_AGENTS,
            f"a network agent of {actor.old.name} still reports from it after {STOPPED:g} s; expected the leave hook to"
            " stop it. Stop it on the node, then run pulumi up again",
        )
    for agent in agents:
        actor.old.neutron.delete_agent(agent.id)
    return Outcome(audit.DONE, ", ".join(agent.binary for agent in agents)) if agents else NOTHING


def prove_gone(actor: Actor, node: str) -> Outcome:
    """Wait until the old cloud has neither service nor resource provider of the node."""
    record = actor.record(node)
    provider = record.provider if record else ""

    def remains() -> list[str]:
        found = ["nova-compute"] if actor.old.nova.services(node) else []
        if actor.old.placement.providers_named(node) or (provider and actor.old.placement.has_provider(provider)):
            found.append(f"resource provider {provider}")
        return found

    if actor.until(lambda: None if remains() else True, seconds=PATIENCE):
        return DONE
    raise StepError(
        node,
        Step.PROVE_GONE,
        f"{actor.old.name} still has its {' and '.join(remains())}; expected neither. If nova-compute still"
        f" runs on the node,"
        " stop it; then delete what is left (openstack resource provider delete), and run pulumi up again",
    )


def start_compute(actor: Actor, node: str) -> Outcome:
    """Start the old cloud's nova-compute again on a node that stays after all."""
    services = actor.old.nova.services(node)
    if not services:
        return stays(f"{actor.old.name} has no nova-compute for it any more")
    if changed := _changed(services[0]):
        return changed
    _start(actor, node, services[0].id)
    return DONE


def give_back(actor: Actor, node: str) -> Outcome:
    """Open the node to the old cloud's scheduler again, if it was we who closed it."""
    services = actor.old.nova.services(node)
    if not services:
        return stays(f"{actor.old.name} has no nova-compute for it any more")
    if services[0].enabled:
        return NOTHING
    if not is_ours(services[0].reason):
        return stays(f"somebody else disabled it meanwhile ({services[0].reason or 'no reason given'})")
    if is_moving(services[0].reason):
        return stays("its nova-compute was stopped meanwhile")
    if actor.record(node):
        actor.write_record(node, None)
    actor.old.nova.enable(services[0].id)
    return DONE


def _changed(service: Service) -> Outcome | None:
    """Return None if the service is closed with our mark, else that the node stays: it is not ours to touch."""
    if service.enabled or not is_ours(service.reason):
        return stays("somebody changed its service meanwhile; expected it disabled with our mark")
    return None


def _prove_stopped(actor: Actor, node: str) -> None:
    """Wait until Nova sees the node's nova-compute down: a hook's exit code alone proves nothing.

    A service that is deleted while its nova-compute runs comes back, and enabled.
    """

    def down() -> bool | None:
        services = actor.old.nova.services(node)
        return None if services and (services[0].up or services[0].forced_down) else True

    if actor.until(down, seconds=STOPPED) is None:
        raise HookError(
            node,
            Step.STOP_COMPUTE,
            f"the leave hook ended well, but nova-compute in {actor.old.name} is not seen down after {STOPPED:g} s (or"
            " is forced down, which hides whether it runs); expected it stopped. Stop it on the node, then run"
            " pulumi up"
            " again",
        )


def _not_empty(seen: CloudFacts, node: str) -> str:
    """Return "" if every witness counts nothing, else who says what."""
    held = occupancy(seen, node)
    if held.empty:
        return ""
    return f"not empty: {held}"


def _stopped_too_soon(actor: Actor, node: str, why: str) -> Outcome:
    """Bring nova-compute back where something appeared on the node after it was stopped."""
    if actor.orders.hooks.join_old is None:
        raise HookError(
            node,
            Step.START_COMPUTE,
            f"{why} after nova-compute was stopped, and there is no hooks.join_old: start nova-compute on it by hand",
        )
    services = actor.old.nova.services(node)
    if not services:
        return stays(f"{why}, and {actor.old.name} has no nova-compute for it any more")
    _start(actor, node, services[0].id)
    return stays(f"{why}; its nova-compute was started again")


def _start(actor: Actor, node: str, service: str) -> None:
    hook = actor.orders.hooks.join_old
    if hook is None:
        raise HookError(node, Step.START_COMPUTE, "there is no hooks.join_old; set it, or start nova-compute by hand")
    result = actor.hook(hook, f"join-old-{node}", [node])[node]
    if not result.ok:
        raise HookError(node, Step.START_COMPUTE, f"the hook hooks.join_old failed: {result.message}")
    if actor.record(node):
        actor.write_record(node, None)
    actor.old.nova.disable(service, Mark.LEAVING)


ACTS: Mapping[Step, Act] = MappingProxyType(
    {
        Step.DISABLE: disable,
        Step.STOP_COMPUTE: stop_compute,
        Step.DELETE_SERVICE: delete_service,
        Step.DELETE_AGENTS: delete_agents,
        Step.PROVE_GONE: prove_gone,
        Step.START_COMPUTE: start_compute,
        Step.ENABLE: give_back,
    }
)
