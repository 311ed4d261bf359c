"""What must not be so on a node before it is deployed, and how to mend it. Kolla's own prechecks look at none of it.

Source: nova-compute 29.4 on real hosts that came from another cloud: which state it starts with, and which it refuses
(docs/hooks.md has the table); nova/compute/manager.py, ``_ensure_existing_node_identity``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from migration.facts import Hypervisor, Service

CLOCK: Final = 5.0
"""Seconds that a node's clock may be off: far less than what tokens and Ceph's tickets forgive, far more than a
machine that asks a time server."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a node brings along, as read on it.

    Attributes:
        name: what it calls itself.
        offset: seconds that its clock is ahead of ours (negative: behind), as little as what was seen allows.
        compute_ids: the identities that a nova-compute has written there.
        domains: files in which libvirt defines instances.
        emulators: how many instances run.
    """

    name: str
    offset: float = 0.0
    compute_ids: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ()
    emulators: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What the new cloud has recorded: every nova-compute and every compute node.

    Attributes:
        cloud: its name in clouds.yaml.
        services: the nova-compute services.
        hypervisors: the compute nodes.
    """

    cloud: str
    services: tuple[Service, ...] = ()
    hypervisors: tuple[Hypervisor, ...] = ()


def brought(report: Mapping[str, Any]) -> Brought:
    """Read what the playbook reports of a node.

    Arguments:
        report: the ``visa_report`` of ansible/before.yml.

    Returns:
        What the node brings along.

    Raises:
        KeyError, ValueError: the report is not one.
    """
    asked, there, answered = (float(report[key]) for key in ("asked", "time", "answered"))
    # it was read at some moment between the question and the answer
    offset = there - asked if there < asked else max(0.0, there - answered)
    return Brought(
        name=str(report["name"]),
        offset=offset,
        compute_ids=frozenset(map(str, report["compute_ids"])),
        domains=tuple(sorted(map(str, report["domains"]))),
        emulators=int(report["emulators"]),
    )


def reasons_against(node: str, found: Brought, known: Known) -> Sequence[str]:
    """Say why a node must not be deployed as it is.

    Arguments:
        node: its name in the settings and the inventory.
        found: what it brings along.
        known: what the new cloud has recorded.

    Returns:
        A sentence for each, with its mend; none where it may be deployed.
    """
    return (*_name(node, found), *_clock(found), *_identity(node, found, known), *_instances(node, found, known))


def remarks(node: str, found: Brought, known: Known) -> Sequence[str]:
    """Say what is worth knowing of a node that may be deployed."""
    if _service(node, known) is None:
        for identity in sorted(found.compute_ids):
            yours = f"it brings compute_id {identity} from another cloud or an earlier time; nova-compute keeps it"
            return (f"{yours}, so its resource provider in {known.cloud} gets that UUID",)
    return ()


def _name(node: str, found: Brought) -> Iterable[str]:
    if found.name != node:
        yield (
            f"it calls itself {found.name!r}; expected {node!r}, the name under nodes, because nova-compute registers"
            f" under what the host calls itself. On the node: hostnamectl set-hostname {node}"
        )


def _clock(found: Brought) -> Iterable[str]:
    if abs(found.offset) > CLOCK:
        way = "ahead of" if found.offset > 0 else "behind"
        yield (
            f"its clock is {abs(found.offset):.0f} s {way} that of the host that runs this; expected at most"
            f" {CLOCK:g} s. Let both ask the same time server (chronyc makestep), then run it again"
        )


def _identity(node: str, found: Brought, known: Known) -> Iterable[str]:
    remove = "docker volume rm nova_compute (or reinstall the node)"
    if len(found.compute_ids) > 1:
        yield (
            f"it has {len(found.compute_ids)} compute_ids ({', '.join(sorted(found.compute_ids))}); expected one at"
            f" most. Remove those of earlier clouds: {remove}, /var/lib/nova/compute_id"
        )
        return
    identity = next(iter(found.compute_ids), None)
    owner = next((h.host for h in known.hypervisors if h.id == identity and h.host != node), None)
    if owner is not None:
        yield (
            f"its compute_id {identity} is that of {owner} in {known.cloud}: nova-compute would refuse (possible rename"
            f" detected). If it is a copy of {owner}'s disk: {remove}; if it was {owner}, let it be called so again"
        )
        return
    service = _service(node, known)
    if service is None:
        return
    delete = f"openstack --os-cloud {known.cloud} compute service delete {service.id}"
    if identity is None:
        yield (
            f"{known.cloud} has a service record of it, but it has no compute_id (reinstalled?): nova-compute would"
            f" refuse (no local node identity found). Delete the record: {delete}"
        )
        return
    others = [h.id for h in known.hypervisors if h.host == node and h.id != identity]
    if others:
        yield (
            f"{known.cloud} knows it as compute node {others[0]}, but its compute_id is {identity}: nova-compute would"
            f" refuse (duplicate compute node record). Delete the old record: {delete}"
        )


def _instances(node: str, found: Brought, known: Known) -> Iterable[str]:
    if _service(node, known) is not None or not (found.domains or found.emulators):
        return
    files = f"{', '.join(found.domains[:3])}{' …' if len(found.domains) > 3 else ''}" or "none defined"
    yield (
        f"instances are left on its hypervisor ({len(found.domains)} defined: {files}; {found.emulators} running):"
        " nova-compute would refuse (my hypervisor has existing instances). Find out whose they are (virsh list --all);"
        " if they are nobody's any more: virsh undefine each, or reinstall the node"
    )


def _service(node: str, known: Known) -> Service | None:
    return next((service for service in known.services if service.host == node), None)
