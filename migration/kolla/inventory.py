"""The inventory: which host is what, and what differs between hosts.

Kolla's own variables are group variables of ``all`` beside its playbooks. They win over variables in an INI inventory;
what wins over them are files of other groups beside the inventory, files of hosts, and a host's own line.
Source: Ansible, "Variable precedence".
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

import yaml  # type: ignore[import-untyped]

from migration.kolla.groups import CHILDREN
from migration.kolla.layout import layout
from migration.kolla.settings import Host, Hosts, Kolla
from migration.settings import CaracalSettings

HEAD = "# Rendered by visa-migration from Pulumi.caracal.yaml. What is changed here is undone by the next pulumi up.\n"
ARBITER_GROUP = "arbiter"
_AT_ARBITER = ("baremetal", "common", "prometheus-cadvisor", "prometheus-node-exporter")
"""Kolla's groups of every host that are of use to one that runs a database and a message broker only."""
_LOCALHOST = "localhost ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
"""As Ansible itself would have it; a localhost that an inventory names gets whichever Python comes first."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:,/-]+")


def group_of(kind: str, datacenter: str) -> str:
    """Return our group of a datacenter's hosts, as in ``controllers_dc1``.

    Arguments:
        kind: ``controllers`` or ``nodes``.
        datacenter: the datacenter's name.
    """
    return f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', datacenter)}"


def hosts_file(settings: CaracalSettings, computes: Sequence[str]) -> str:
    """Render the inventory with all sections that Kolla knows.

    Arguments:
        settings: the stack's settings, with ``kolla``.
        computes: the nodes that are in the new cloud or join it, and no others: Kolla reaches for all that it lists.

    Returns:
        An INI inventory.
    """
    controllers = sorted(settings.controllers)
    lines = {name: _line(name, host) for name, host in settings.controllers.items()}
    lines |= {name: _line(name, settings.nodes[name]) for name in computes}
    sections: dict[str, Sequence[str]] = {
        "control": [lines[name] for name in controllers],
        "network": controllers,
        "compute": [lines[name] for name in sorted(computes)],
        "monitoring": controllers,
        "storage": controllers,
        "deployment": [_LOCALHOST],
    }
    sections |= dict(_sites(settings, computes))
    children: dict[str, Sequence[str]] = {f"{group}:children": names for group, names in CHILDREN.items()}
    if settings.arbiter is not None:
        sections[ARBITER_GROUP] = [_line(settings.arbiter.name, settings.arbiter)]
        for group in _AT_ARBITER:
            children[f"{group}:children"] = [*CHILDREN[group], ARBITER_GROUP]
        for group in ("mariadb", "rabbitmq"):
            del children[f"{group}:children"]
            sections[group] = layout(settings).voters
    return HEAD + "".join(
        "\n".join([f"\n[{section}]", *names, ""]) for section, names in {**sections, **children}.items()
    )


def variable_files(settings: CaracalSettings, computes: Sequence[str]) -> Mapping[str, str]:
    """Render what differs between hosts and has no room on a line.

    Arguments:
        settings: the stack's settings, with ``kolla``.
        computes: as for the inventory.

    Returns:
        YAML by path, relative to the inventory's directory: a file for each of our groups, and one for each host that
        has variables of its own.
    """
    kolla, now = _kolla(settings), layout(settings)
    files: dict[str, Mapping[str, object]] = {}
    segments = {site: number for number, site in enumerate(now.votes)}
    for site in sorted({one.datacenter for one in settings.controllers.values()}):
        own = _merged(kolla.hosts, kolla.datacenters.get(site, Hosts()))
        files[f"group_vars/{group_of('controllers', site)}.yml"] = {**own, **_segment(segments[site])}
    for site in sorted({settings.nodes[name].datacenter for name in computes}):
        own = _merged(kolla.hosts, kolla.nodes, kolla.datacenters.get(site, Hosts()))
        files[f"group_vars/{group_of('nodes', site)}.yml"] = own
    hosts: dict[str, Host] = {**settings.controllers, **{name: settings.nodes[name] for name in computes}}
    if settings.arbiter is not None:
        hosts[settings.arbiter.name] = settings.arbiter
        segment = _segment(segments[settings.arbiter.datacenter])
        files[f"group_vars/{ARBITER_GROUP}.yml"] = {**_merged(kolla.hosts), **segment}
    for name, host in sorted(hosts.items()):
        if host.vars:
            files[f"host_vars/{name}.yml"] = host.vars
    return {path: to_yaml(variables) for path, variables in files.items() if variables}


def to_yaml(variables: Mapping[str, object]) -> str:
    """Write variables as Ansible reads them back, sorted by name."""
    body: str = yaml.safe_dump(_plain(variables), sort_keys=True, width=float("inf"))
    return f"---\n{HEAD}{body}"


def _kolla(settings: CaracalSettings) -> Kolla:
    assert settings.kolla is not None  # noqa: S101 - without it nothing is rendered
    return settings.kolla


def _sites(settings: CaracalSettings, computes: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    placed = {
        "controllers": {name: host.datacenter for name, host in settings.controllers.items()},
        "nodes": {name: settings.nodes[name].datacenter for name in computes},
    }
    for kind, where in placed.items():
        for site in sorted(set(where.values())):
            yield group_of(kind, site), sorted(name for name, at in where.items() if at == site)


def _segment(number: int) -> Mapping[str, object]:
    """Tell Galera which members are near each other, so that a write crosses to another site once."""
    return {"mariadb_wsrep_extra_provider_options": [f"gmcast.segment={number}"]}


def _merged(*levels: Hosts) -> dict[str, object]:
    """Merge variables; of two levels the later, more specific one wins."""
    return {name: value for level in levels for name, value in {**level.interfaces.variables, **level.vars}.items()}


def _line(name: str, host: Host) -> str:
    own = {**({"ansible_host": host.address} if host.address else {}), **host.interfaces.variables}
    return " ".join([name, *(f"{key}={_quoted(value)}" for key, value in own.items())])


def _quoted(value: str) -> str:
    """Write text so that Ansible, which reads a value as a Python literal where it can, reads the same text."""
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError):
        if _PLAIN.fullmatch(value):
            return value
    return shlex.quote(repr(value))


def _plain(value: object) -> object:
    """Turn what pydantic froze into what YAML writes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
