"""What must hold between the values of a stack file, beyond the type of each.

The checks read the values as they were found, before any type was settled, and skip what they cannot read: so one
mistake never hides another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from migration import raw as raws
from migration.ceph import checks as ceph
from migration.complaints import path, shown
from migration.errors import Problem
from migration.images import checks as images
from migration.kolla import checks as kolla
from migration.names import LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBE_FLAVOR
from migration.raw import Raw
from migration.visa import checks as visa

_NODE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]+)\}")
EVERY_PORT: Final = ((0, 65535), (1, 65535))
"""Ranges that Neutron takes for no range at all."""

_LAST_VLAN: Final = 4094
_WITH_SEGMENT: Final = ("vlan", "vxlan", "gre", "geneve")
_WITH_PHYSICAL: Final = ("vlan", "flat")


def problems(raw: Raw, *, adopted: bool) -> Iterator[Problem]:
    """Check the values of a stack file against each other.

    Arguments:
        raw: what stands under ``visa-migration:``, by key.
        adopted: whether this is the old cloud's file, where everything carries an id.

    Yields:
        Every mistake, without lines.
    """
    checks: list[Callable[[Raw], Iterator[Problem]]] = [_clouds, _networks, _routers, _security_groups]
    checks += [_adopted_entries] if adopted else [_own_entries, _flavors, _datacenters, _nodes, _hooks, _probe]
    checks += [] if adopted else [kolla.problems, ceph.problems, images.problems, visa.problems]
    for check in checks:
        yield from check(raw)


def _clouds(raw: Raw) -> Iterator[Problem]:
    clouds = raws.mapping(raw, "clouds")
    if (old := raws.text(clouds, "old")) is not None and old == raws.text(clouds, "new"):
        yield Problem("clouds", f"old and new are both {shown(old)}; name two entries of clouds.yaml")


def _datacenters(raw: Raw) -> Iterator[Problem]:
    for name, entry in raws.mapping(raw, "datacenters").items():
        if name in {PROBATION_AGGREGATE, LEDGER_AGGREGATE}:
            yield Problem(path(["datacenters", name]), "this aggregate is visa-migration's own; use another name")
        zone = raws.text(entry, "zone") if isinstance(entry, Mapping) else None
        if ":" in (zone or name):
            yield Problem(path(["datacenters", name]), f'Nova takes no ":" in a zone such as {shown(zone or name)}')


def _nodes(raw: Raw) -> Iterator[Problem]:
    nodes, datacenters = raws.mapping(raw, "nodes"), raws.mapping(raw, "datacenters")
    spelt: dict[str, str] = {}
    for name in nodes:
        if not _NODE_NAME.fullmatch(name):
            yield Problem(
                path(["nodes", name]),
                f"{shown(name)} is no name of a node; use 1 to 64 letters, digits, dots and hyphens, "
                "starting with a letter or digit",
            )
        if (twin := spelt.setdefault(name.lower(), name)) != name:
            message = f"differs from node {shown(twin)} only by case; keep one, as Nova spells it"
            yield Problem(path(["nodes", name]), message)
    for name, entry in raws.entries(raw, "nodes"):
        place = ["nodes", name, "datacenter"]
        yield from raws.unknown(raws.text(entry, "datacenter"), datacenters, "datacenters", place)


def _hooks(raw: Raw) -> Iterator[Problem]:
    for kind, hook in raws.entries(raw, "hooks"):
        place = path(["hooks", kind, "argv"])
        words = [word for word in raws.listed(hook, "argv") if isinstance(word, str)]
        used = {name for word in words for name in _PLACEHOLDER.findall(word)}
        for name in sorted(used - {"node", "nodes"}):
            yield Problem(place, f"{{{name}}} is no placeholder; use {{node}} or {{nodes}}")
        if kind == "join" and "node" in used:
            yield Problem(place, "the join hook runs once for all nodes; use {nodes} instead of {node}")
        elif words and not used & {"node", "nodes"}:
            wanted = "{nodes}" if kind == "join" else "{node} or {nodes}"
            yield Problem(place, f"no argument says which node; put {wanted} into one")


def _probe(raw: Raw) -> Iterator[Problem]:
    yield from raws.unknown(
        raws.text(raws.mapping(raw, "probe"), "network"),
        raws.mapping(raw, "networks"),
        "networks",
        ["probe", "network"],
    )


def _flavors(raw: Raw) -> Iterator[Problem]:
    projects = raws.mapping(raw, "projects")
    for name, flavor in raws.entries(raw, "flavors"):
        if name == PROBE_FLAVOR:
            yield Problem(path(["flavors", name]), "this flavor is visa-migration's own; use another name")
        allowed = raws.listed(flavor, "projects")
        if allowed and flavor.get("public", True) is True:
            place = path(["flavors", name, "projects"])
            yield Problem(place, "a public flavor is open to every project; add public: false, or drop the projects")
        yield from _projects(allowed, projects, ["flavors", name, "projects"])


def _projects(names: Sequence[object], known: Raw, place: Sequence[str | int]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if isinstance(name, str):
            yield from raws.unknown(name, known, "projects", [*place, index])
        if name in names[:index]:
            yield Problem(path([*place, index]), f"{shown(name)} is listed twice; keep one")


def _networks(raw: Raw) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, network in raws.entries(raw, "networks"):
        place = ["networks", name]
        yield from _segment(network, place)
        if raws.listed(network, "projects") and network.get("shared") is True:
            message = "a shared network is open to every project; drop shared, or the projects"
            yield Problem(path([*place, "projects"]), message)
        for key, subnet in raws.entries(network, "subnets"):
            if (other := owners.setdefault(key, name)) != name:
                message = f"network {shown(other)} has a subnet of this name too; routers could not tell them apart"
                yield Problem(path([*place, "subnets", key]), f"{message}, so use another name")
            yield from _addresses(subnet, [*place, "subnets", key])


def _segment(network: Raw, place: Sequence[str]) -> Iterator[Problem]:
    kind = raws.text(network, "type")
    if kind in _WITH_SEGMENT and network.get("segmentation_id") is None:
        yield Problem(path([*place, "segmentation_id"]), f"missing; a {kind} network needs its number")
    if kind in _WITH_PHYSICAL and network.get("physical_network") is None:
        message = f"missing; a {kind} network needs Neutron's name of its physical network"
        yield Problem(path([*place, "physical_network"]), message)
    number = raws.number(network, "segmentation_id")
    if kind == "vlan" and number is not None and number > _LAST_VLAN:
        yield Problem(path([*place, "segmentation_id"]), f"{number} is no VLAN; use 1 to {_LAST_VLAN}")
    if kind in {"flat", "local"} and number is not None:
        yield Problem(path([*place, "segmentation_id"]), f"a {kind} network has no number; drop it or use type: vlan")


Address = IPv4Address | IPv6Address


def _addresses(subnet: Raw, place: Sequence[str]) -> Iterator[Problem]:
    network: IPv4Network | IPv6Network | None = None
    if (cidr := raws.text(subnet, "cidr")) is not None:
        network = _network(cidr)
        if network is None or not _is_cidr(cidr):
            yield Problem(path([*place, "cidr"]), _no_cidr(cidr))
    gateway = raws.text(subnet, "gateway")
    if gateway != "none":
        yield from _address(gateway, network, [*place, "gateway"])
    for index, server in enumerate(raws.listed(subnet, "dns")):
        yield from _address(server if isinstance(server, str) else None, None, [*place, "dns", index])
    for index, pool in enumerate(raws.listed(subnet, "pools")):
        if isinstance(pool, Mapping):
            yield from _pool(pool, network, [*place, "pools", index])


def _is_cidr(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the network that was meant, also where host bits are set."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _no_cidr(text: str) -> str:
    meant = _network(text)
    mend = "write an address and a length, as in 10.10.0.0/16" if meant is None else f'its network is "{meant}"'
    return f"{shown(text)} is no CIDR; {mend}"


def _address(
    text: str | None, network: IPv4Network | IPv6Network | None, place: Sequence[str | int]
) -> Iterator[Problem]:
    if text is None:
        return
    address = _parsed(text)
    if address is None:
        yield Problem(path(place), f"{shown(text)} is no IP address; write one as in 10.10.0.1")
    elif network is not None and address not in network:
        yield Problem(path(place), f"{shown(text)} is outside {network}; use an address inside it")


def _pool(pool: Raw, network: IPv4Network | IPv6Network | None, place: Sequence[str | int]) -> Iterator[Problem]:
    ends = [raws.text(pool, "start"), raws.text(pool, "end")]
    for key, end in zip(("start", "end"), ends, strict=True):
        yield from _address(end, network, [*place, key])
    first, last = (_parsed(end) if end is not None else None for end in ends)
    if first is not None and last is not None and (first.version, int(first)) > (last.version, int(last)):
        yield Problem(path(place), f"starts at {first}, after its end {last}; swap them")


def _parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _routers(raw: Raw) -> Iterator[Problem]:
    networks = raws.mapping(raw, "networks")
    subnets = {key: None for _, network in raws.entries(raw, "networks") for key in raws.mapping(network, "subnets")}
    for name, router in raws.entries(raw, "routers"):
        outside = raws.text(router, "external_network")
        place = ["routers", name, "external_network"]
        yield from raws.unknown(outside, networks, "networks", place)
        network = networks.get(outside) if outside is not None else None
        if isinstance(network, Mapping) and network.get("external", False) is False:
            yield Problem(path(place), f"network {shown(outside)} is not external; add external: true to it")
        for index, subnet in enumerate(raws.listed(router, "subnets")):
            if isinstance(subnet, str):
                yield from raws.unknown(subnet, subnets, "a network's subnets", ["routers", name, "subnets", index])


def _security_groups(raw: Raw) -> Iterator[Problem]:
    groups = raws.mapping(raw, "security_groups")
    for name, group in raws.entries(raw, "security_groups"):
        seen: dict[tuple[str, ...], int] = {}
        for index, rule in enumerate(raws.listed(group, "rules")):
            if isinstance(rule, Mapping):
                if (first := seen.setdefault(_meaning(rule), index)) != index:
                    place = path(["security_groups", name, "rules", index])
                    yield Problem(place, f"lets through the same as rules[{first}]; keep one")
                yield from _rule(rule, groups, ["security_groups", name, "rules", index])


def _meaning(rule: Raw) -> tuple[str, ...]:
    keys = ("direction", "protocol", "port_min", "port_max", "remote", "remote_group")
    return str(rule.get("ethertype", "IPv4")), *(str(rule.get(key)) for key in keys)


def _rule(rule: Raw, groups: Raw, place: Sequence[str | int]) -> Iterator[Problem]:
    yield from raws.unknown(raws.text(rule, "remote_group"), groups, "security_groups", [*place, "remote_group"])
    if (remote := raws.text(rule, "remote")) is not None:
        if rule.get("remote_group") is not None:
            yield Problem(path(place), "has remote and remote_group; a rule has one other side, so keep one")
        version = ip_network(remote).version if _is_cidr(remote) else None
        ethertype = rule.get("ethertype", "IPv4")
        if version is None:
            yield Problem(path([*place, "remote"]), _no_cidr(remote))
        elif ethertype in ("IPv4", "IPv6") and ethertype != f"IPv{version}":
            message = f"{shown(remote)} is not {ethertype}; use ethertype: IPv{version}"
            yield Problem(path([*place, "remote"]), message)
    low, high = raws.number(rule, "port_min"), raws.number(rule, "port_max")
    tcp_or_udp = raws.text(rule, "protocol") in {"tcp", "udp"}
    if tcp_or_udp and low is not None and high is not None and low > high:
        yield Problem(path([*place, "port_min"]), f"{low} is above port_max {high}; swap them")
    if tcp_or_udp and (low is None) != (high is None):
        yield Problem(path(place), "has one end of its ports only; give port_min and port_max")
    if raws.text(rule, "protocol") is None and (low is not None or high is not None):
        yield Problem(path(place), "has ports but no protocol; add protocol: tcp or udp")


def _parts(raw: Raw) -> Iterator[tuple[list[str | int], Raw]]:
    """Every part of a cloud that an old cloud's file gives an id."""
    for section in ("flavors", "networks", "routers", "security_groups"):
        for name, entry in raws.entries(raw, section):
            yield [section, name], entry
            for key, subnet in raws.entries(entry, "subnets"):
                yield [section, name, "subnets", key], subnet
            for index, rule in enumerate(raws.listed(entry, "rules")):
                if isinstance(rule, Mapping):
                    yield [section, name, "rules", index], rule


def _adopted_entries(raw: Raw) -> Iterator[Problem]:
    for place, entry in _parts(raw):
        if entry.get("id") is None:
            message = "missing; give its id in the old cloud, or let visa-migration adopt write the entry"
            yield Problem(path([*place, "id"]), message)
    for name, router in raws.entries(raw, "routers"):
        for subnet in raws.listed(router, "subnets"):
            if isinstance(subnet, str) and subnet not in raws.mapping(router, "interface_ids"):
                missing = path(["routers", name, "interface_ids", subnet])
                yield Problem(missing, "missing; give the id of the router's port on that subnet")


def _all_ports(raw: Raw) -> Iterator[Problem]:
    for place, rule in _parts(raw):
        ports = (raws.number(rule, "port_min"), raws.number(rule, "port_max"))
        if raws.text(rule, "protocol") in {"tcp", "udp"} and ports in EVERY_PORT:
            # Neutron forgets such ports, and every preview would want to give them back
            yield Problem(path(place), "lets every port through; say so by leaving out port_min and port_max")


def _own_entries(raw: Raw) -> Iterator[Problem]:
    for place, entry in _parts(raw):
        yield from (
            Problem(path([*place, key]), "belongs to the old cloud; only Pulumi.stein.yaml has it, so drop it here")
            for key in ("id", "name", "interface_ids")
            if key in entry
        )
    yield from _all_ports(raw)
    projects = raws.mapping(raw, "projects")
    for name, network in raws.entries(raw, "networks"):
        yield from _projects(raws.listed(network, "projects"), projects, ["networks", name, "projects"])
    for section in ("routers", "security_groups"):
        for name, entry in raws.entries(raw, section):
            yield from raws.unknown(raws.text(entry, "project"), projects, "projects", [section, name, "project"])
    if (default := raws.mapping(raw, "security_groups").get("default")) is not None:
        owner = raws.text(default, "project") if isinstance(default, Mapping) else None
        message = (
            f"Neutron makes this group itself, for every project; call yours {shown('default-' + (owner or 'visa'))}"
        )
        yield Problem("security_groups.default", message)
