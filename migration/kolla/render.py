"""Kolla-Ansible's configuration directory, rendered whole: the same settings give the same bytes."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration.ceph.access import CephAccess
from migration.ceph.settings import Ceph
from migration.facts import Facts
from migration.kolla.inventory import HEAD, hosts_file, to_yaml, variable_files
from migration.kolla.settings import Kolla
from migration.marks import Stage
from migration.plan import Plan
from migration.settings import CaracalSettings

INVENTORY = "inventory"
CEPH_CONF = ("config/cinder/ceph.conf", "config/glance/ceph.conf", "config/nova/ceph.conf")
SCHEDULER, CONDUCTOR = "config/nova/nova-scheduler.conf", "config/nova/nova-conductor.conf"

_MODE = 0o644
_JOINED = frozenset({Stage.DEPLOYED, Stage.PROVED, Stage.ACCEPTED})


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written.

    Attributes:
        content: its text.
        mode: its permissions.
    """

    content: str
    mode: int = _MODE


def computes_of(plan: Plan, facts: Facts) -> Sequence[str]:
    """Say which nodes the inventory lists as compute hosts.

    One that is not there yet would fail every run of Kolla, so only those count that are in the new cloud, by its own
    word or by our ledger, and those that join in this ``up``.

    Arguments:
        plan: the plan of all nodes.
        facts: what was read. Where the new cloud cannot be asked it has no nodes: a plan with a node that wants to be
            there is refused as a whole then.

    Returns:
        Their names, sorted.
    """
    there = {service.host for service in facts.new.services} if facts.new else set()
    ledger = facts.new.ledger if facts.new else {}
    there |= {node for node, record in ledger.items() if record.stage in _JOINED}
    return sorted(name for name, node in plan.nodes.items() if node.deploys or name in there)


def render(settings: CaracalSettings, computes: Sequence[str], ceph: CephAccess | None) -> Mapping[str, File]:
    """Render the directory. No secret is in it: passwords.yml and Ceph's keys come from elsewhere.

    Arguments:
        settings: the stack's settings.
        computes: the nodes that are compute hosts (:func:`computes_of`).
        ceph: how hosts find Ceph, or None where it is not configured, or has never answered.

    Returns:
        Files by path, relative to Kolla's directory; none where Kolla is not configured.
    """
    kolla = settings.kolla
    if kolla is None:
        return {}
    files = {
        "globals.yml": to_yaml(_globals(settings, kolla)),
        f"{INVENTORY}/multinode": hosts_file(settings, computes),
        **{f"{INVENTORY}/{path}": content for path, content in variable_files(settings, computes).items()},
        **_nova(),
        **({path: f"{HEAD}{ceph.conf.strip()}\n" for path in CEPH_CONF} if ceph else {}),
        **{path: content if content.endswith("\n") else f"{content}\n" for path, content in kolla.overrides.items()},
    }
    return {path: File(content) for path, content in sorted(files.items())}


def _nova() -> Mapping[str, str]:
    """Render what probation stands on.

    They are files of one service each, which win over the ``nova.conf`` that operators add to. The scheduler isolates
    aggregates; a service that registers does so through the conductor, which writes it disabled.
    """
    return {
        SCHEDULER: f"{HEAD}[scheduler]\nenable_isolated_aggregate_filtering = true\n",
        CONDUCTOR: f"{HEAD}[DEFAULT]\nenable_new_services = false\n",
    }


def _globals(settings: CaracalSettings, kolla: Kolla) -> Mapping[str, object]:
    """Collect what is global. Kolla passes it as extra variables: nothing said for a host wins over it."""
    vip, tls = kolla.vip, kolla.tls
    # Nodes need the bridges of a network that instances are plugged into directly.
    provider = any(one.physical_network and not one.external for one in settings.networks.values())
    said = {
        "openstack_release": kolla.release,
        "openstack_tag": kolla.tag,
        "kolla_base_distro": kolla.distro,
        "docker_registry": kolla.registry,
        "docker_namespace": kolla.namespace,
        "kolla_internal_vip_address": vip.internal,
        "kolla_internal_fqdn": vip.internal_name,
        "kolla_external_vip_address": vip.external,
        "kolla_external_fqdn": vip.external_name,
        "keepalived_virtual_router_id": str(kolla.virtual_router_id),
        # Between datacenters nobody forwards multicast.
        "keepalived_traffic_mode": "unicast",
        "kolla_enable_tls_internal": tls.internal,
        "kolla_enable_tls_external": tls.external,
        "kolla_enable_tls_backend": tls.backend,
        "kolla_certificates_dir": _beside(kolla, tls.certificates) if tls.certificates else None,
        **(_ceph(settings.ceph) if settings.ceph is not None else {}),
    }
    defaults: Mapping[str, object] = {"enable_neutron_provider_networks": True} if provider else {}
    return {**defaults, **kolla.vars, **{name: value for name, value in said.items() if value is not None}}


def _ceph(ceph: Ceph) -> Mapping[str, object]:
    """Tell Kolla which services keep their data in the Ceph that is there: those whose users are declared.

    Pools have the names that Kolla expects.
    """
    cinder, own = "cinder" in ceph.users, "nova" in ceph.users
    return {
        "glance_backend_ceph": "glance" in ceph.users,
        "enable_cinder": cinder,
        "cinder_backend_ceph": cinder,
        "enable_cinder_backup": "cinder-backup" in ceph.users,
        "nova_backend_ceph": own or cinder,
        # Otherwise nova uses cinder's user; the keyring's name does not follow the user's by itself.
        **({"ceph_nova_user": "nova", "ceph_nova_keyring": "client.nova.keyring"} if own else {}),
    }


def _beside(kolla: Kolla, path: str) -> str:
    """Name a path below the project as Kolla finds it, which knows only where its own directory is."""
    if posixpath.isabs(path):
        return path
    return "{{ node_config }}/" + posixpath.relpath(path, kolla.directory)
