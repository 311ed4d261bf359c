"""The steps into the new cloud: deployed, up, isolated, probed, and only then open to users.

Source: Nova's "filtering hosts by isolating aggregates", seen on Caracal: with the trait on the node's provider and on
the aggregate, users' servers cannot land there, not even forced; the probe lands only there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import tenacity

from migration import audit
from migration.actor import PATIENCE, Actor
from migration.adapters.hooks import HookResult
from migration.errors import CloudRefused, HookError, MigrationError, ProbeError, StepError
from migration.facts import Hypervisor, Service
from migration.marks import REGISTERED_DISABLED, Mark, Record, Stage, is_ours
from migration.names import COUNTERPROBE_FLAVOR, PROBATION_AGGREGATE, PROBATION_TRAIT, PROBE_FLAVOR, probe_names
from migration.plan import Step
from migration.settings import Probe
from migration.steps import DONE, NOTHING, Act, Outcome, stays

PROBE_MARK = {"visa-migration": "probe"}


def host_hook(actor: Actor, nodes: Sequence[str]) -> dict[str, HookResult]:
    """Deploy all joining nodes in one run of the host hook.

    Arguments:
        actor: with what.
        nodes: the nodes that the plan says; those that did not leave after all are left out.

    Returns:
        One result for each node; not ok for those left out.

    Raises:
        EngineGone: the engine is gone; the hook was not started.
    """
    hook = actor.orders.hooks.join
    if hook is None:
        raise HookError(",".join(nodes), Step.HOST_HOOK, "there is no hooks.join; set it in the stack config")
    with actor.engine.step():
        held = {node: why for node in nodes if (why := _not_ready(actor, node))}
        ready = [node for node in nodes if node not in held]
        results = {node: HookResult(ok=False, message=why) for node, why in held.items()}
        if not ready:
            return results
        for node in ready:
            actor.tell(actor.orders.new, node, Step.HOST_HOOK, audit.BEGINS)
        results |= actor.hook(hook, "join", ready)
        for node in ready:
            result = results[node]
            if result.ok:
                result = results[node] = _deployed(actor, node)
            actor.tell(
                actor.orders.new, node, Step.HOST_HOOK, audit.DONE if result.ok else audit.FAILED, result.message
            )
        return results


def _deployed(actor: Actor, node: str) -> HookResult:
    """Record that the host hook succeeded for a node; where that is not possible, only this node does not go on."""
    try:
        _write_stage(actor, node, Stage.DEPLOYED)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return HookResult(ok=False, message=f"deployed, but that could not be recorded: {error}")
    return HookResult(ok=True)


def _not_ready(actor: Actor, node: str) -> str:
    """Return "" if the node has left the old cloud, else why the host hook must not touch it."""
    try:
        if why := _still_in_old(actor, node):
            return why
        if actor.orders.old is not None:
            servers, hidden = actor.old.nova.servers(node)
            if servers or hidden:
                return f"{actor.old.name} lists {len(servers)} servers on it" + (
                    ", and a cell is down" if hidden else ""
                )
        if why := _serves_already(actor, node):
            return why
        if actor.record(node) is None and not actor.new.nova.services(node):
            return "there is no record that it left"
    except Exception as error:  # noqa: BLE001 - one node that cannot be looked at must not stop the others
        return f"could not be looked at: {error}"
    return ""


def wait_up(actor: Actor, node: str) -> Outcome:
    """Wait until nova-compute is up in the new cloud and a cell has the host."""
    seconds = _probe(actor, node, Step.WAIT_UP).timeout
    if why := _still_in_old(actor, node):
        return stays(why)

    def up() -> bool | None:
        services = actor.new.nova.services(node)
        # Nova lists a hypervisor only when its host is mapped to a cell.
        return True if services and services[0].up and actor.new.nova.hypervisors_of(node) else None

    if actor.until(up, seconds=seconds):
        return DONE
    services = actor.new.nova.services(node)
    if services and services[0].up:
        found, mend = (
            "is up but mapped to no cell",
            "run nova-manage cell_v2 discover_hosts --by-service on a controller",
        )
    elif services:
        found, mend = "is registered but down", "see nova-compute.log on the node"
    else:
        found, mend = "never registered", "see nova-compute.log on the node and the log of the host hook"
    raise StepError(
        node, Step.WAIT_UP, f"nova-compute {found} in {actor.new.name} after {seconds:g} s; expected it up. {mend}"
    )


def place_in(datacenter: str) -> Act:
    """Return the step that isolates a node, then puts it into the aggregate of its datacenter, and so into its zone.

    Arguments:
        datacenter: its datacenter, which is the aggregate's name.
    """

    def place(actor: Actor, node: str) -> Outcome:
        if why := _serves_already(actor, node):
            return stays(why)
        hypervisor, changed = _hypervisor(actor, node, Step.PLACE), False
        changed |= _set_trait(actor, hypervisor.id, present=True)
        probation = actor.aggregate(node, PROBATION_AGGREGATE)
        if node not in probation.hosts:
            actor.new.nova.add_host(probation.id, node)
            changed = True
        # Nova mirrors the aggregate into Placement, where the scheduler reads it.
        mirrored = actor.until(
            lambda: True if probation.uuid in actor.new.placement.aggregates(hypervisor.id) else None, seconds=PATIENCE
        )
        if not mirrored:
            raise StepError(
                node,
                Step.PLACE,
                f"Placement does not have the node in {PROBATION_AGGREGATE}; expected Nova to mirror it. Run"
                f" nova-manage"
                " placement sync_aggregates on a controller, then pulumi up again",
            )
        site = actor.aggregate(node, datacenter)
        others = [a for a in actor.new.nova.aggregates() if node in a.hosts]
        wrong = sorted({a.zone for a in others if a.zone and a.zone != site.zone})
        if wrong:
            raise StepError(
                node,
                Step.PLACE,
                f"it is in zone {', '.join(wrong)}, expected {site.zone}; take it out, then run pulumi up again",
            )
        if node not in site.hosts:
            actor.new.nova.add_host(site.id, node)
            changed = True
        return DONE if changed else NOTHING

    return place


def probe(actor: Actor, node: str) -> Outcome:
    """Open the isolated node to the scheduler, see that only the probe can boot there, and let it boot, and go."""
    service = _service(actor, node, Step.PROBE)
    if why := _still_in_old(actor, node) or _serves_already(actor, node):
        return stays(why)
    if node not in actor.aggregate(node, PROBATION_AGGREGATE).hosts:
        return stays(f"somebody took it out of {PROBATION_AGGREGATE} meanwhile")
    if not service.enabled:
        if service.reason != REGISTERED_DISABLED and not is_ours(service.reason):
            return stays(f"somebody else disabled it ({service.reason or 'no reason given'})")
        actor.new.nova.enable(service.id)
    _prove_isolated(actor, node, service)
    with _server(actor, node, probe_names(node)[0], PROBE_FLAVOR) as server:
        _prove_alive(actor, node, server)
    # Only now: on a node where nothing boots the counter-probe's ERROR says nothing of the isolation.
    actor.isolates = True
    _write_stage(actor, node, Stage.PROVED)
    return DONE


def open_to_users(actor: Actor, node: str) -> Outcome:
    """Lift the isolation of a node whose probe succeeded, and record that it was accepted."""
    service = _service(actor, node, Step.ENABLE)
    if why := _still_in_old(actor, node):
        return stays(why)
    record = actor.record(node)
    if record is None or record.stage not in {Stage.PROVED, Stage.ACCEPTED}:
        return stays("no probe has succeeded on it")
    if not service.enabled:
        return stays("somebody disabled it meanwhile")
    probation = actor.aggregate(node, PROBATION_AGGREGATE)
    if node in probation.hosts:
        actor.new.nova.remove_host(probation.id, node)
    _set_trait(actor, _hypervisor(actor, node, Step.ENABLE).id, present=False)
    _write_stage(actor, node, Stage.ACCEPTED)
    return DONE


def acts_in(datacenter: str) -> Mapping[Step, Act]:
    """Return what each step of an arrival does, for a node of one datacenter."""
    return MappingProxyType(
        {Step.WAIT_UP: wait_up, Step.PLACE: place_in(datacenter), Step.PROBE: probe, Step.ENABLE: open_to_users}
    )


# ------------------------------------------------------------------------------------------------------- the probe


@contextmanager
def _server(actor: Actor, node: str, name: str, flavor: str) -> Iterator[str]:
    """Boot a server of ours on the node; whatever happens, it goes, and so does one that a killed run left."""
    wanted = _probe(actor, node, Step.PROBE)
    things = {
        f"flavor {flavor}": actor.new.nova.flavor_id(flavor),
        f"image {wanted.image}": actor.new.glance.image_id(wanted.image),
        f"network {wanted.network}": actor.new.neutron.network_id(wanted.network),
    }
    missing = [thing for thing, found in things.items() if found is None]
    if missing:
        raise ProbeError(
            node,
            Step.PROBE,
            f"{actor.new.name} has no {' and no '.join(missing)}, or more than one; mend probe in the config",
        )
    for leftover in actor.new.nova.servers_named(name):
        if leftover["metadata"] == PROBE_MARK:
            _end(actor, node, leftover["id"])
    flavor_id, image, network = (found or "" for found in things.values())
    server = actor.new.nova.boot(
        name=name, host=node, flavor=flavor_id, image=image, network=network, metadata=PROBE_MARK
    )
    try:
        yield server
    except MigrationError as error:
        try:
            _end(actor, node, server)
        except MigrationError as another:
            raise ProbeError(node, Step.PROBE, f"{error}; and then: {another}") from error
        raise
    _end(actor, node, server)


def _prove_isolated(actor: Actor, node: str, service: Service) -> None:
    """See, until one probe has succeeded in this run, that a server without the trait cannot boot there."""
    if actor.isolates:
        return
    with _server(actor, node, probe_names(node)[1], COUNTERPROBE_FLAVOR) as server:
        found = _settled(actor, node, server)
        if found["status"] == "ACTIVE":
            actor.new.nova.disable(service.id, Mark.NOT_ISOLATED)
            raise ProbeError(
                node,
                Step.PROBE,
                "a server without the trait could boot there; expected Nova to refuse. The node was disabled again. Set"
                " [scheduler] enable_isolated_aggregate_filtering = true in nova.conf of the schedulers, then"
                " run pulumi"
                " up again",
            )


def _settled(actor: Actor, node: str, server: str) -> dict[str, Any]:
    """Wait until a server of ours is ACTIVE or in ERROR, and return it."""
    seconds = _probe(actor, node, Step.PROBE).timeout

    def ended() -> dict[str, Any] | None:
        found = actor.new.nova.server(server)
        return found if found is None or found["status"] in {"ACTIVE", "ERROR"} else None

    found = actor.until(ended, seconds=seconds)
    if found is None:
        raise ProbeError(
            node,
            Step.PROBE,
            f"the probe server was neither ACTIVE nor ERROR after {seconds:g} s; see nova-compute.log on the node",
        )
    return found


def _prove_alive(actor: Actor, node: str, server: str) -> None:
    """Wait until the probe is ACTIVE on the node with an ACTIVE port."""
    found = _settled(actor, node, server)
    if found["status"] == "ERROR":
        fault = found.get("fault", {}).get("message", "no fault given")
        raise ProbeError(
            node, Step.PROBE, f"the probe server ended in ERROR: {fault}. The node stays in probation, closed to users"
        )
    if found["OS-EXT-SRV-ATTR:host"] != node:
        raise ProbeError(
            node,
            Step.PROBE,
            f"the probe server landed on {found['OS-EXT-SRV-ATTR:host']}; expected it on the node that was asked for."
            " See nova-scheduler.log",
        )
    seconds = _probe(actor, node, Step.PROBE).timeout

    def ports_up() -> bool | None:
        states = actor.new.neutron.port_states(server)
        return True if states and set(states) == {"ACTIVE"} else None

    if not actor.until(ports_up, seconds=seconds):
        raise ProbeError(
            node,
            Step.PROBE,
            f"the probe server's port is {actor.new.neutron.port_states(server) or 'missing'} after {seconds:g}"
            f" s, expected"
            " ACTIVE; see the network agent on the node. The node stays in probation, closed to users",
        )


def _end(actor: Actor, node: str, server: str) -> None:
    actor.new.nova.delete_server(server)
    if not actor.until(lambda: True if actor.new.nova.server(server) is None else None, seconds=PATIENCE):
        raise ProbeError(
            node, Step.PROBE, f"the probe server {server} does not go; delete it by hand, then run pulumi up again"
        )


def _probe(actor: Actor, node: str, step: Step) -> Probe:
    if actor.orders.probe is None:
        raise StepError(node, step, "probe is not configured; see docs/config.md")
    return actor.orders.probe


# ------------------------------------------------------------------------------------------------------ looking again


def _still_in_old(actor: Actor, node: str) -> str:
    """Return "" if the old cloud has no nova-compute for the node: it must never be enabled in two clouds."""
    if actor.orders.old is not None and actor.old.nova.services(node):
        return f"{actor.old.name} has a nova-compute for it"
    return ""


def _serves_already(actor: Actor, node: str) -> str:
    """Return "" if nobody uses the node yet, else why it must not be isolated: a plan may be older than the world."""
    record = actor.record(node)
    if record is not None and record.stage is Stage.ACCEPTED:
        return f"it was accepted at {record.at}"
    servers, hidden = actor.new.nova.servers(node)
    users = [server for server in servers if server.name not in probe_names(node)]
    if users or hidden:
        return f"{actor.new.name} lists {len(users)} servers on it" + (", and a cell is down" if hidden else "")
    return ""


def _write_stage(actor: Actor, node: str, stage: Stage) -> None:
    record = actor.record(node)
    actor.write_record(node, Record(stage, audit.now(), record.provider if record else ""))


def _service(actor: Actor, node: str, step: Step) -> Service:
    services = actor.new.nova.services(node)
    if not services or not services[0].up:
        raise StepError(
            node,
            step,
            f"nova-compute in {actor.new.name} is {'down' if services else 'gone'}; expected it up. See its log"
            f" on the node",
        )
    return services[0]


def _hypervisor(actor: Actor, node: str, step: Step) -> Hypervisor:
    hypervisors = actor.new.nova.hypervisors_of(node)
    if len(hypervisors) != 1:
        raise StepError(
            node,
            step,
            f"{actor.new.name} lists {len(hypervisors)} hypervisors for it; expected one. Mend the records in Nova",
        )
    return hypervisors[0]


def _set_trait(actor: Actor, provider: str, *, present: bool) -> bool:
    """Set our trait; nova-compute writes to the same provider, so a conflict is tried again."""
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, CloudRefused) and e.status == 409),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_fixed(actor.pause),
        reraise=True,
    )
    return again(actor.new.placement.set_trait, provider, PROBATION_TRAIT, present=present)
