"""From what the old cloud listed to entries of the stack files: pure, the same for the same lists.

The old cloud's file mirrors what is there, with ids. The new cloud's file gets a start of the same shape, without ids,
for a person to edit.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from migration.checks import EVERY_PORT
from scripts.survey import Row, Survey

Entry = dict[str, Any]
Section = dict[str, Entry]

ADOPTED: Final = ("flavors", "networks", "routers", "security_groups")
"""The sections of the old cloud's file."""

BOOTSTRAP: Final = frozenset({"admin", "service"})
"""Projects that every cloud has before anybody uses it."""

_QUOTAS: Final = ("cores", "ram", "instances")


@dataclass(frozen=True, slots=True)
class Entries:
    """What the stack files are to say.

    Attributes:
        projects: projects that own something in the old cloud, without ids.
        flavors: flavors, with ids.
        networks: networks with subnets, with ids.
        routers: routers with interfaces, with ids.
        security_groups: security groups with rules, with ids.
        hosts: the nodes' names.
        notes: what was left out and why, a sentence each.
    """

    projects: Section = field(default_factory=dict)
    flavors: Section = field(default_factory=dict)
    networks: Section = field(default_factory=dict)
    routers: Section = field(default_factory=dict)
    security_groups: Section = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def adopted(self) -> dict[str, Section]:
        """The sections of the old cloud's file."""
        return {key: getattr(self, key) for key in ADOPTED}


def describe(survey: Survey, adopted: Mapping[str, Any] | None = None) -> Entries:
    """Turn what the old cloud listed into entries.

    Arguments:
        survey: what was read.
        adopted: the sections that the old cloud's file has already; what is in them keeps its name there.

    Returns:
        The entries, in the order of their names.
    """
    return _Describer(survey, adopted or {}).entries()


class _Describer:
    """Names things, and keeps their names for what refers to them."""

    def __init__(self, survey: Survey, adopted: Mapping[str, Any]) -> None:
        self._survey = survey
        self._keys = {kind: _Keys(_ids(adopted.get(kind))) for kind in ("networks", "routers", "security_groups")}
        networks = adopted.get("networks")
        parts = networks.values() if isinstance(networks, Mapping) else ()
        subnets = [_ids(network.get("subnets")) for network in parts if isinstance(network, Mapping)]
        self._keys["subnets"] = _Keys({identity: key for ids in subnets for identity, key in ids.items()})
        self._notes: list[str] = []
        self._projects: dict[str, str] = {}
        self._networks: dict[str, str] = {}
        self._subnets: dict[str, str] = {}
        self._groups: dict[str, str] = {}

    def entries(self) -> Entries:
        groups = self._wanted_groups()
        self._name_projects(groups)
        return Entries(
            projects=self._project_entries(),
            flavors=self._flavor_entries(),
            networks=self._network_entries(),
            routers=self._router_entries(),
            security_groups=self._group_entries(groups),
            hosts=self._survey.hosts,
            notes=tuple(self._notes),
        )

    def _own_projects(self) -> Iterator[Row]:
        for row in self._survey.projects.values():
            if row["name"] not in BOOTSTRAP:
                yield row

    def _wanted_groups(self) -> list[Row]:
        """Groups that somebody made or changed, and the groups that their rules name."""
        groups = {row["id"]: row for row in self._survey.groups}
        wanted = [row["id"] for row in self._survey.groups if row["project_id"] and not _untouched(row)]
        for group in wanted:
            for rule in groups[group]["security_group_rules"]:
                other = rule["remote_group_id"]
                if other in groups and other not in wanted:
                    wanted.append(other)
        return [row for row in self._survey.groups if row["id"] in set(wanted)]

    def _name_projects(self, groups: Iterable[Row]) -> None:
        concerned = set(self._survey.owners)
        concerned |= {row["project_id"] for row in (*self._survey.networks, *self._survey.routers, *groups)}
        concerned |= {project for projects in self._survey.access.values() for project in projects}
        keys = _Keys({})
        for row in sorted(self._own_projects(), key=lambda row: (row["name"], row["id"])):
            if row["id"] in concerned:
                self._projects[row["id"]] = keys.take(row["id"], row["name"])

    def _project_entries(self) -> Section:
        section: Section = {}
        for project, key in self._projects.items():
            row, quota = self._survey.projects[project], self._survey.quotas.get(project)
            section[key] = {"description": row.get("description") or ""}
            if quota is not None:
                section[key]["quota"] = {name: quota[name] for name in _QUOTAS}
        return section

    def _flavor_entries(self) -> Section:
        section: Section = {}
        for row in self._survey.flavors:
            public = row["os-flavor-access:is_public"]
            entry: Entry = {
                "id": row["id"],
                "vcpus": row["vcpus"],
                "ram": row["ram"],
                "disk": row["disk"],
                "public": public,
            }
            if specs := row.get("extra_specs"):
                entry["extra_specs"] = dict(sorted(specs.items()))
            allowed = [self._projects[it] for it in self._survey.access.get(row["id"], ()) if it in self._projects]
            if not public and allowed:
                entry["projects"] = allowed
            section[row["name"]] = entry
            more = [name for name in ("swap", "OS-FLV-EXT-DATA:ephemeral") if row.get(name)]
            if more or row.get("rxtx_factor", 1.0) != 1.0:
                self._notes.append(
                    f"flavor {row['name']}: has swap, an ephemeral disk or an rxtx factor, which the new cloud's"
                    " flavor will not have"
                )
        return section

    def _network_entries(self) -> Section:
        section: Section = {}
        for row in self._survey.networks:
            if not row["project_id"]:
                continue  # Neutron made it for itself, such as a network between highly available routers
            if not row.get("provider:network_type"):
                self._notes.append(
                    f"network {row['name']} ({row['id']}): has several segments, or hides them; left out"
                )
                continue
            key = self._networks[row["id"]] = self._keys["networks"].take(row["id"], row["name"] or "network")
            entry = _identity(row, key)
            entry["type"] = row["provider:network_type"]
            if row.get("provider:physical_network"):
                entry["physical_network"] = row["provider:physical_network"]
            if row.get("provider:segmentation_id"):
                entry["segmentation_id"] = row["provider:segmentation_id"]
            entry |= {"external": bool(row.get("router:external")), "shared": row["shared"], "mtu": row["mtu"]}
            if users := self._users(row):
                entry["projects"] = users
            entry["subnets"] = dict(self._subnets_of(row["id"], key))
            section[key] = entry
        return section

    def _users(self, network: Row) -> list[str]:
        """Projects other than everybody that may put instances on a network."""
        if network["shared"] or network.get("router:external"):
            return []
        allowed = {network["project_id"]} | {
            row["target_tenant"]
            for row in self._survey.rbac
            if row["object_id"] == network["id"] and row["action"] == "access_as_shared"
        }
        return [key for project, key in self._projects.items() if project in allowed]

    def _subnets_of(self, network: str, network_key: str) -> Iterator[tuple[str, Entry]]:
        for row in self._survey.subnets:
            if row["network_id"] != network:
                continue
            name = row["name"] or network_key
            key = self._subnets[row["id"]] = self._keys["subnets"].take(row["id"], name, f"{name}-{network_key}")
            entry = _identity(row, key)
            entry |= {
                "cidr": row["cidr"],
                "gateway": row["gateway_ip"] or "none",
                "pools": [{"start": pool["start"], "end": pool["end"]} for pool in row["allocation_pools"]],
                "dns": list(row["dns_nameservers"]),
                "dhcp": row["enable_dhcp"],
            }
            if row.get("host_routes") or row.get("ipv6_ra_mode") or row.get("ipv6_address_mode"):
                self._notes.append(
                    f"subnet {key}: has host routes or an IPv6 mode, which the new cloud's subnet will not have"
                )
            yield key, entry

    def _router_entries(self) -> Section:
        section: Section = {}
        for row in self._survey.routers:
            outside = (row.get("external_gateway_info") or {}).get("network_id")
            if outside is not None and outside not in self._networks:
                self._notes.append(
                    f"router {row['name']} ({row['id']}): its external network was left out, so it is too"
                )
                continue
            key = self._keys["routers"].take(row["id"], row["name"] or "router")
            entry = _identity(row, key)
            if outside is not None:
                entry["external_network"] = self._networks[outside]
            if row["project_id"] in self._projects:
                entry["project"] = self._projects[row["project_id"]]
            ports = dict(self._ports_of(row))
            entry |= {"subnets": list(ports), "interface_ids": ports}
            section[key] = entry
        return section

    def _ports_of(self, router: Row) -> Iterator[tuple[str, str]]:
        for port in self._survey.interfaces:
            if port["device_id"] != router["id"]:
                continue
            subnets = [address["subnet_id"] for address in port["fixed_ips"]]
            if len(subnets) != 1 or subnets[0] not in self._subnets:
                self._notes.append(
                    f"router {router['name']}: its port {port['id']} is on {len(subnets)} subnets or on one that was"
                    " left out, so it is too"
                )
                continue
            yield self._subnets[subnets[0]], port["id"]

    def _group_entries(self, groups: list[Row]) -> Section:
        section: Section = {}
        for row in groups:
            owner = self._projects.get(row["project_id"]) or self._owner_name(row)
            name = row["name"] or "group"
            # every project has a group default, and the new cloud makes its own
            names = [f"{name}-{owner}"] if name == "default" else [name, f"{name}-{owner}"]
            self._groups[row["id"]] = self._keys["security_groups"].take(row["id"], *names)
        for row in groups:
            key = self._groups[row["id"]]
            entry = _identity(row, key)
            entry["description"] = row["description"] or ""
            if row["project_id"] in self._projects:
                entry["project"] = self._projects[row["project_id"]]
            entry["rules"] = sorted(
                (self._rule(rule) for rule in row["security_group_rules"]),
                key=lambda rule: [str(rule.get(name, "")) for name in (*_RULE_ORDER, "id")],
            )
            section[key] = entry
        return section

    def _owner_name(self, group: Row) -> str:
        project = self._survey.projects.get(group["project_id"])
        return str(project["name"] if project else group["project_id"][:8])

    def _rule(self, row: Row) -> Entry:
        rule: Entry = {"id": row["id"], "direction": row["direction"], "ethertype": row["ethertype"]}
        if row["protocol"] is not None:
            rule["protocol"] = str(row["protocol"])
        if row["port_range_min"] is not None:
            # an ICMP type may have no code
            rule["port_min"] = row["port_range_min"]
            if row["port_range_max"] is not None:
                rule["port_max"] = row["port_range_max"]
        if row["remote_ip_prefix"]:
            rule["remote"] = row["remote_ip_prefix"]
        if row["remote_group_id"]:
            rule["remote_group"] = self._groups[row["remote_group_id"]]
        if row.get("description"):
            rule["description"] = row["description"]
        return rule


_RULE_ORDER: Final = ("direction", "ethertype", "protocol", "port_min", "remote", "remote_group")
_EVERYWHERE: Final = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix")


def _untouched(group: Row) -> bool:
    """Whether a group is ``default`` with just the rules that Neutron gives it."""
    rules = group["security_group_rules"]
    if group["name"] != "default" or any(rule[key] is not None for rule in rules for key in _EVERYWHERE):
        return False
    found = sorted((rule["direction"], rule["ethertype"], rule["remote_group_id"] or "") for rule in rules)
    inside = group["id"]
    return found == [
        ("egress", "IPv4", ""),
        ("egress", "IPv6", ""),
        ("ingress", "IPv4", inside),
        ("ingress", "IPv6", inside),
    ]


def _identity(row: Row, key: str) -> Entry:
    return {"id": row["id"]} if row["name"] == key else {"id": row["id"], "name": row["name"]}


class _Keys:
    """Keys of one section, no two alike.

    Arguments:
        known: keys that the file has given already, by id.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._taken = set(known.values())

    def take(self, identity: str, *names: str) -> str:
        """Return the key of what has this id: the first name that is free, or the last with a part of the id."""
        if identity in self._known:
            return self._known[identity]
        free = (name for name in names if name not in self._taken)
        key = next(free, f"{names[-1]}-{identity[:8]}")
        self._taken.add(key)
        return key


def _ids(section: object) -> dict[str, str]:
    if not isinstance(section, Mapping):
        return {}
    return {
        str(entry["id"]): str(key) for key, entry in section.items() if isinstance(entry, Mapping) and "id" in entry
    }


def without_ids(entry: Mapping[str, Any]) -> Entry:
    """Strip from an entry what belongs to the old cloud.

    Arguments:
        entry: an entry of the old cloud's file.

    Returns:
        The same for the new cloud.
    """
    stripped: Entry = {}
    for key, value in entry.items():
        if key in {"id", "name", "interface_ids"}:
            continue
        if key == "subnets" and isinstance(value, dict):
            stripped[key] = {name: without_ids(subnet) for name, subnet in value.items()}
        elif key == "rules":
            stripped[key] = _new_rules(value)
        else:
            stripped[key] = value
    return stripped


def _new_rules(rules: list[Entry]) -> list[Entry]:
    """Rules for the new cloud, where Neutron lets everything out of a group that says nothing about it."""
    own = [{key: rule[key] for key in rule if key not in _unneeded(rule)} for rule in rules]
    out = [rule for rule in own if rule["direction"] == "egress"]
    everything = [{"direction": "egress", "ethertype": kind} for kind in ("IPv4", "IPv6")]
    if sorted(out, key=str) == sorted(everything, key=str):
        return [rule for rule in own if rule["direction"] == "ingress"]
    return own


def _unneeded(rule: Entry) -> set[str]:
    tcp_or_udp = rule.get("protocol") in {"tcp", "udp"}
    every_port = tcp_or_udp and (rule.get("port_min"), rule.get("port_max")) in EVERY_PORT
    return {"id", "port_min", "port_max"} if every_port else {"id"}


def resolvable(
    section: str, entry: Entry, *, projects: Container[str], networks: Container[str], subnets: Container[str],
    groups: Container[str],
) -> str | None:  # fmt: skip
    """Say what an entry for the new cloud names that its file does not declare.

    Arguments:
        section: the section it is for.
        entry: the entry.
        projects: the declared projects.
        networks: the declared networks.
        subnets: the declared subnets.
        groups: the security groups that are declared, or about to be.

    Returns:
        The first such name with its kind, or None.
    """
    names: list[tuple[str, str, Container[str]]] = []
    names += [("project", name, projects) for name in entry.get("projects", ())]
    names += [("project", entry[key], projects) for key in ("project",) if key in entry]
    names += [("network", entry[key], networks) for key in ("external_network",) if key in entry]
    if section == "routers":
        names += [("subnet", name, subnets) for name in entry["subnets"]]
    names += [
        ("security group", rule["remote_group"], groups) for rule in entry.get("rules", ()) if "remote_group" in rule
    ]
    return next((f"{kind} {name}" for kind, name, declared in names if name not in declared), None)
