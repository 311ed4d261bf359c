"""What must hold between the settings of Kolla-Ansible, which deploys the new cloud."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from migration import raw as raws
from migration.complaints import path, shown
from migration.errors import Problem
from migration.kolla import variables
from migration.kolla.groups import CHILDREN, HOLDERS
from migration.raw import Raw

Place = Sequence[str]

_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,15}")  # Linux knows 15 characters
_RENDERED: Final = (
    "globals.yml",
    "passwords.yml",
    "config/cinder/ceph.conf",
    "config/glance/ceph.conf",
    "config/nova/ceph.conf",
    "config/nova/nova-conductor.conf",
    "config/nova/nova-scheduler.conf",
)


def problems(raw: Raw) -> Iterator[Problem]:
    """Check what the stack file says; yields every mistake, without lines."""
    yield from _whole(raw)
    yield from _names(raw)
    yield from _sites(raw)
    yield from _addresses(raw)
    yield from _interfaces(raw)
    yield from _variables(raw)
    yield from _paths(raw)
    yield from _overrides(raw)


def _whole(raw: Raw) -> Iterator[Problem]:
    kolla = isinstance(raw.get("kolla"), Mapping)
    if kolla and not raws.mapping(raw, "controllers"):
        yield Problem("controllers", "missing; kolla deploys controllers, so declare them, three over two datacenters")
    for key in ("controllers", "arbiter"):
        if raws.mapping(raw, key) and raw.get("kolla") is None:
            yield Problem("kolla", f"missing; {key} are deployed by Kolla, so say how")


def _hosts(raw: Raw) -> Iterator[tuple[Place, str, Raw]]:
    """Every host that may stand in the inventory: its place, its name, its entry."""
    for name, entry in raws.entries(raw, "controllers"):
        yield ["controllers", name], name, entry
    arbiter = raws.mapping(raw, "arbiter")
    if (called := raws.text(arbiter, "name")) is not None:
        yield ["arbiter"], called, arbiter
    for name, entry in raws.entries(raw, "nodes"):
        yield ["nodes", name], name, entry


def _names(raw: Raw) -> Iterator[Problem]:
    taken: dict[str, Place] = {}
    for place, name, _ in _hosts(raw):
        if place[0] != "nodes" and not _HOST.fullmatch(name):
            yield Problem(path(place), f"{shown(name)} is no host name; use 1 to 64 letters, digits, dots and hyphens")
        if raw.get("kolla") is not None and (name in CHILDREN or name in {*HOLDERS, "all", "localhost", "arbiter"}):
            yield Problem(path(place), f"{shown(name)} is a group of Kolla's inventory; no host can have that name")
        other = taken.setdefault(name.lower(), place)
        if other != place and (place[0], other[0]) != ("nodes", "nodes"):
            yield Problem(path(place), f"{shown(name)} is {path(other)} too; a host is one or the other")


def _sites(raw: Raw) -> Iterator[Problem]:
    datacenters, kolla = raws.mapping(raw, "datacenters"), raws.mapping(raw, "kolla")
    for name, entry in raws.entries(raw, "controllers"):
        place = ["controllers", name, "datacenter"]
        yield from raws.unknown(raws.text(entry, "datacenter"), datacenters, "datacenters", place)
    for name in raws.mapping(kolla, "datacenters"):
        yield from raws.unknown(name, datacenters, "datacenters", ["kolla", "datacenters", name])
    if (site := raws.text(raws.mapping(raw, "arbiter"), "datacenter")) in datacenters:
        message = f"{shown(site)} is one of the datacenters; an arbiter helps only at a site of its own"
        yield Problem("arbiter.datacenter", message)
    spelt: dict[str, str] = {}
    for name in datacenters if kolla else ():
        if (twin := spelt.setdefault(re.sub(r"[^A-Za-z0-9_]", "_", name), name)) != name:
            message = f"Ansible cannot tell it from {shown(twin)}: it knows only letters, digits and _ in a group"
            yield Problem(path(["datacenters", name]), f"{message}, so rename one")


def _addresses(raw: Raw) -> Iterator[Problem]:
    vip = raws.mapping(raws.mapping(raw, "kolla"), "vip")
    found: list[tuple[Place, str | None]] = [(["kolla", "vip", "internal"], raws.text(vip, "internal"))]
    if vip.get("external") != vip.get("internal"):
        found.append((["kolla", "vip", "external"], raws.text(vip, "external")))
    found += [([*place, "address"], raws.text(entry, "address")) for place, _, entry in _hosts(raw)]
    owners: dict[object, Place] = {}
    for place, text in found:
        if text is None:
            continue
        try:
            address = ip_address(text)
        except ValueError:
            yield Problem(path(place), f"{shown(text)} is no IP address; write one as in 10.10.0.1")
            continue
        if (owner := owners.setdefault(address, place)) != place:
            yield Problem(path(place), f"{shown(text)} is {path(owner)} too; every host and VIP has its own")


def _levels(raw: Raw) -> Iterator[tuple[Place, Raw]]:
    """Every place that says something of hosts."""
    kolla = raws.mapping(raw, "kolla")
    for key in ("hosts", "nodes"):
        yield ["kolla", key], raws.mapping(kolla, key)
    for name, entry in raws.entries(kolla, "datacenters"):
        yield ["kolla", "datacenters", name], entry
    for place, _, entry in _hosts(raw):
        yield place, entry


def _interfaces(raw: Raw) -> Iterator[Problem]:
    for place, entry in _levels(raw):
        for role, name in raws.mapping(entry, "interfaces").items():
            several = role == "neutron_external"
            for one in name.split(",") if isinstance(name, str) and several else [name]:
                if isinstance(one, str) and not _INTERFACE.fullmatch(one):
                    message = f"{shown(one)} is no network interface; give a name of at most 15 characters, as in bond0"
                    yield Problem(path([*place, "interfaces", role]), message)
    if isinstance(raw.get("kolla"), Mapping):
        for role in ("network", "neutron_external"):
            yield from _given(raw, role)


def _given(raw: Raw, role: str) -> Iterator[Problem]:
    """Kolla's own default is a name such as eth0: a host without it fails late, or worse, has it."""
    kolla = raws.mapping(raw, "kolla")
    if _has(raws.mapping(kolla, "hosts"), role):
        return
    sites, nodes = raws.mapping(kolla, "datacenters"), _has(raws.mapping(kolla, "nodes"), role)
    without = [
        name
        for place, name, entry in _hosts(raw)
        if not _has(entry, role)
        and not (nodes and place[0] == "nodes")
        and not _has(raws.mapping(sites, str(entry.get("datacenter"))), role)
        and not (role == "neutron_external" and place[0] != "controllers")
    ]
    if without:
        others = f" and {len(without) - 3} more" if len(without) > 3 else ""
        message = f"missing, and {', '.join(without[:3])}{others} do not say it either; give the interface's name"
        yield Problem(f"kolla.hosts.interfaces.{role}", message)


def _has(entry: Raw, role: str) -> bool:
    return raws.text(raws.mapping(entry, "interfaces"), role) is not None


def _variables(raw: Raw) -> Iterator[Problem]:
    above = raws.mapping(raws.mapping(raw, "kolla"), "vars")
    yield from variables.in_globals(above, ["kolla", "vars"], ceph=raw.get("ceph") is not None)
    for place, entry in _levels(raw):
        yield from variables.of_hosts(raws.mapping(entry, "vars"), above, [*place, "vars"])


def _paths(raw: Raw) -> Iterator[Problem]:
    kolla = raws.mapping(raw, "kolla")
    directory = raws.text(kolla, "directory") or "kolla"
    if posixpath.isabs(directory) or posixpath.normpath(directory).split("/")[0] in {".", ".."}:
        message = f"{shown(directory)} is no directory below the project; name one, as in kolla"
        yield Problem("kolla.directory", message)
    if (passwords := raws.text(kolla, "passwords")) is not None:
        inside = posixpath.relpath(posixpath.normpath(passwords), posixpath.normpath(directory))
        if inside.startswith("inventory/") or (inside in _RENDERED and inside != "passwords.yml"):
            yield Problem("kolla.passwords", f"{shown(passwords)} is a file that is rendered; keep passwords elsewhere")


def _overrides(raw: Raw) -> Iterator[Problem]:
    overrides = raws.mapping(raws.mapping(raw, "kolla"), "overrides")
    for name, content in overrides.items():
        place = path(["kolla", "overrides", name])
        parents = {parent for parent in overrides if name.startswith(f"{parent}/")}
        if posixpath.isabs(name) or posixpath.normpath(name) != name or name.split("/")[0] in {".", ".."}:
            yield Problem(place, f"{shown(name)} is no path below Kolla's directory; write one as in config/heat.conf")
        elif name in _RENDERED or name.split("/")[0] == "inventory":
            yield Problem(place, _RENDERED_ALREADY)
        elif parents or any(other.startswith(f"{name}/") for other in _RENDERED):
            yield Problem(place, "is a file and a directory at once; rename it")
        elif name.endswith(".keyring"):
            yield Problem(place, "a key of Ceph is a secret; declare its user under ceph.users")
        elif isinstance(content, str) and variables.secret_in(content):
            message = "holds a secret; put it into Kolla's passwords.yml and write {{ its_name }} here"
            yield Problem(place, message)


_RENDERED_ALREADY: Final = (
    "is rendered from other keys; add to nova in config/nova.conf, to hosts in kolla.hosts, to globals in kolla.vars"
)
