"""The stack files, parsed once into frozen values.

``Pulumi.caracal.yaml`` says what the new cloud is and where every node belongs; ``Pulumi.stein.yaml`` says what the old
cloud is made of. Each mistake in them is reported together with all others, before anything is touched.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, ValidationError, field_validator

from migration import checks, complaints, stackfile
from migration.ceph.settings import Ceph
from migration.errors import Problem, SettingsError
from migration.images.settings import Image
from migration.kolla.settings import Arbiter, Controller, Host, Kolla
from migration.model import Count, Limit, Model, Name, Port, Spec, Text
from migration.visa.settings import Visa

NAMESPACE = "visa-migration"


class Membership(StrEnum):
    """What is wanted of a node (what is observed is its phase)."""

    STEIN = "stein"
    """It serves in the old cloud."""
    DRAINING = "draining"
    """It serves in the old cloud until its instances have ended; it takes no new ones and does not move."""
    CARACAL = "caracal"
    """It drains, moves when it is empty, and serves in the new cloud."""


class Clouds(Model):
    """The two clouds, by their names in clouds.yaml."""

    old: Name | None = Field(default=None, description="the old cloud's name in clouds.yaml; without it, it is retired")
    new: Name = Field(description="the new cloud's name in clouds.yaml")


class BothClouds(Clouds):
    """The two clouds where the old one must be there."""

    old: Name = Field(description="the old cloud's name in clouds.yaml")


class Datacenter(Model):
    """A site of the new cloud, with its availability zone."""

    zone: Name = Field(description="the availability zone (default: the datacenter's name)")


class Node(Host):
    """One physical compute host."""

    membership: Membership = Field(description="the node's membership: stein, draining or caracal")
    datacenter: Name = Field(description="the name of a datacenter under datacenters")


class Budget(Model):
    """How many nodes may be between clouds at once."""

    moving: Count = Field(default=1, description="how many nodes may be between clouds at once, in all")
    per_datacenter: Count = Field(default=1, description="how many of them in one datacenter")


class Hook(Model):
    """A command that (re)deploys hosts; never run through a shell."""

    argv: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="the command, as a list of program and arguments with {node} or {nodes} in one of them"
    )
    timeout: Count = Field(default=3600, description="after how many seconds the hook is stopped")


class OldAnsible(Model):
    """How our own leave hook reaches the old cloud's nodes, and what runs on them."""

    inventory: Name = Field(description="path of the old cloud's Ansible inventory, relative to the project")
    compute: Name = Field(default="nova-compute", description="the service that is its nova-compute")
    services: tuple[Name, ...] = Field(
        default=(
            "neutron-openvswitch-agent",
            "neutron-linuxbridge-agent",
            "neutron-sriov-nic-agent",
            "neutron-metadata-agent",
            "ceilometer-agent-compute",
        ),
        description="more services of the old cloud that end on a node that leaves, where it has them",
    )


class Hooks(Model):
    """The commands at both ends of a move."""

    leave: Hook | None = Field(default=None, description="run for each node that leaves the old cloud")
    join: Hook | None = Field(default=None, description="run once for all nodes that join the new cloud")
    join_old: Hook | None = Field(
        default=None, description="starts nova-compute of the old cloud again on a node that stays after all"
    )
    old_ansible: OldAnsible | None = Field(
        default=None, description="how our own leave and join_old hooks reach the old cloud's nodes"
    )


class Probe(Model):
    """The server that proves a node before users may land there."""

    image: Name = Field(description="the name of the image that the probe server boots")
    network: Name = Field(description="the name of the network that the probe server uses")
    timeout: Count = Field(default=300, description="how many seconds the probe server may take")


class Flavor(Model):
    """Size of an instance."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    vcpus: Count = Field(description="the number of virtual CPUs")
    ram: Count = Field(description="the memory in MiB")
    disk: Annotated[StrictInt, Field(ge=0)] = Field(description="the root disk in GiB")
    public: StrictBool = Field(default=True, description="whether every project may use it")
    extra_specs: Mapping[Name, Spec] = Field(default={}, description="Nova's extra specs, text to text")
    projects: tuple[Name, ...] = Field(default=(), description="the projects that may use a flavor that is not public")


class Quota(Model):
    """Compute quota of a project; -1 is no limit."""

    cores: Limit | None = Field(default=None, description="virtual CPUs")
    ram: Limit | None = Field(default=None, description="memory in MiB")
    instances: Limit | None = Field(default=None, description="instances")


class Project(Model):
    """A project of the new cloud."""

    description: Text = Field(default="", description="what the project is for")
    quota: Quota | None = Field(default=None, description="compute quota; without it, the cloud's default holds")


class Pool(Model):
    """A range of addresses that Neutron gives out."""

    start: Name = Field(description="the first address of the pool")
    end: Name = Field(description="the last address of the pool")


class Subnet(Model):
    """Addresses of a network."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    name: Text | None = Field(default=None, description="name in the old cloud where the key differs")
    cidr: Name = Field(description="the addresses, as in 10.10.0.0/16")
    gateway: Name | None = Field(
        default=None, description='the gateway\'s address, or "none" for no gateway (default: the first address)'
    )
    pools: tuple[Pool, ...] = Field(default=(), description="ranges to give out (default: all of the CIDR)")
    dns: tuple[Name, ...] = Field(default=(), description="addresses of DNS servers")
    dhcp: StrictBool = Field(default=True, description="whether Neutron serves DHCP")

    @property
    def ip_version(self) -> int:
        """4 or 6."""
        return ip_network(self.cidr).version


class Network(Model):
    """A network: VLAN, flat (provider or external), or tunnelled."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    name: Text | None = Field(default=None, description="name in the old cloud where the key differs")
    type: Literal["vlan", "flat", "vxlan", "gre", "geneve", "local"] = Field(
        description="the network's type: vlan, flat, vxlan, gre, geneve or local"
    )
    physical_network: Name | None = Field(default=None, description="Neutron's name of the physical network")
    segmentation_id: Annotated[StrictInt, Field(ge=1)] | None = Field(default=None, description="VLAN or tunnel number")
    external: StrictBool = Field(default=False, description="whether routers may use it as their gateway")
    shared: StrictBool = Field(default=False, description="whether every project may use it")
    mtu: Annotated[StrictInt, Field(ge=68)] | None = Field(default=None, description="MTU (default: Neutron decides)")
    projects: tuple[Name, ...] = Field(default=(), description="the projects that may use it, by RBAC")
    subnets: Mapping[Name, Subnet] = Field(default={}, description="its subnets, by name")


class Router(Model):
    """A router between subnets and an external network."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    name: Text | None = Field(default=None, description="name in the old cloud where the key differs")
    external_network: Name | None = Field(default=None, description="the network under networks it leads out to")
    subnets: tuple[Name, ...] = Field(default=(), description="the subnets under networks that it joins")
    project: Name | None = Field(default=None, description="the project that owns it (default: the administrator's)")
    interface_ids: Mapping[Name, Name] = Field(
        default={}, description="subnet to port id in the old cloud (Pulumi.stein.yaml only)"
    )


class SecurityRule(Model):
    """Traffic that a security group lets through."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    direction: Literal["ingress", "egress"] = Field(description="the direction: ingress or egress")
    ethertype: Literal["IPv4", "IPv6"] = Field(default="IPv4", description="IPv4 or IPv6")
    protocol: Name | None = Field(default=None, description="tcp, udp, icmp, … or a number as text (default: any)")
    port_min: Port | None = Field(default=None, description="first port, or ICMP type")
    port_max: Port | None = Field(default=None, description="last port, or ICMP code")
    remote: Name | None = Field(default=None, description="the other side, as a CIDR (default: anywhere)")
    remote_group: Name | None = Field(default=None, description="the other side, as a group under security_groups")
    description: Text = Field(default="", description="why the rule is there")

    @property
    def label(self) -> str:
        """What it lets through, in words; no two rules of a group have the same."""
        ports = "-".join(str(port) for port in (self.port_min, self.port_max) if port is not None)
        parts = (self.direction, self.ethertype, self.protocol, ports, self.remote or self.remote_group)
        return " ".join(part for part in parts if part)


class SecurityGroup(Model):
    """A named set of rules."""

    id: Name | None = Field(default=None, description="id in the old cloud (Pulumi.stein.yaml only)")
    name: Text | None = Field(default=None, description="name in the old cloud where the key differs")
    description: Text = Field(default="", description="what the group is for")
    project: Name | None = Field(default=None, description="the project that owns it (default: the administrator's)")
    rules: tuple[SecurityRule, ...] = Field(default=(), description="what it lets through")


class SteinSettings(Model):
    """Everything that ``Pulumi.stein.yaml`` says: the old cloud, with ids."""

    clouds: BothClouds = Field(description="the clouds' names in clouds.yaml, as in {old: stein, new: caracal}")
    flavors: Mapping[Name, Flavor] = Field(default={}, description="flavors, by name")
    networks: Mapping[Name, Network] = Field(default={}, description="networks, by name")
    routers: Mapping[Name, Router] = Field(default={}, description="routers, by name")
    security_groups: Mapping[Name, SecurityGroup] = Field(default={}, description="security groups, by name")


class CaracalSettings(Model):
    """Everything that ``Pulumi.caracal.yaml`` says: the new cloud, and where every node belongs."""

    clouds: Clouds = Field(description="the clouds' names in clouds.yaml, as in {old: stein, new: caracal}")
    datacenters: Mapping[Name, Datacenter] = Field(default={}, description="sites of the new cloud, by name")
    projects: Mapping[Name, Project] = Field(default={}, description="projects, by name")
    flavors: Mapping[Name, Flavor] = Field(default={}, description="flavors, by name")
    networks: Mapping[Name, Network] = Field(default={}, description="networks, by name")
    routers: Mapping[Name, Router] = Field(default={}, description="routers, by name")
    security_groups: Mapping[Name, SecurityGroup] = Field(default={}, description="security groups, by name")
    nodes: Mapping[Name, Node] = Field(default={}, description="compute hosts, by name")
    budget: Budget = Field(default=Budget(), description="how many nodes may be between clouds at once")
    hooks: Hooks = Field(default=Hooks(), description="the commands at both ends of a move")
    probe: Probe | None = Field(default=None, description="the server that proves a node")
    audit: Name | None = Field(default=None, description="path of the audit log, relative to the project")
    controllers: Mapping[Name, Controller] = Field(default={}, description="controllers of the new cloud, by name")
    arbiter: Arbiter | None = Field(default=None, description="the third site that breaks a tie of two datacenters")
    kolla: Kolla | None = Field(default=None, description="how Kolla-Ansible deploys the new cloud")
    ceph: Ceph | None = Field(default=None, description="the storage of the new cloud")
    images: Mapping[Name, Image] = Field(default={}, description="images of the new cloud, by name")
    visa: Visa | None = Field(default=None, description="VISA, and which cloud is its default backend")

    @field_validator("datacenters", mode="before")
    @classmethod
    def _zone_is_the_name(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {
            name: {"zone": name, **(entry or {})} if entry is None or isinstance(entry, Mapping) else entry
            for name, entry in value.items()
        }


STACKS: Mapping[str, type[SteinSettings | CaracalSettings]] = {"stein": SteinSettings, "caracal": CaracalSettings}


def parse(
    stack: str, raw: Mapping[str, object], *, source: str, lines: Mapping[str, int] | None = None
) -> CaracalSettings | SteinSettings:
    """Parse the settings of a stack.

    Arguments:
        stack: ``stein`` or ``caracal``.
        raw: what stands under ``visa-migration:``, by key, as YAML or JSON gives it.
        source: the file, as the reader would name it.
        lines: the line of each place, where known.

    Returns:
        The settings of that stack, in the file's order.

    Raises:
        SettingsError: for every mistake at once.
    """
    return _settled(stack, raw, (), source=source, lines=lines or {})


def load(path: Path) -> CaracalSettings | SteinSettings:
    """Parse a stack file.

    Arguments:
        path: the file, named ``Pulumi.STACK.yaml``.

    Returns:
        The settings of that stack, in the file's order.

    Raises:
        SettingsError: for every mistake at once, with lines; also when there is no such file or it is no YAML.
    """
    file = stackfile.read(path, NAMESPACE)
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return _settled(stack, file.values, file.problems, source=path.name, lines=file.lines)


def from_pulumi_config(
    stack: str,
    values: Mapping[str, str],
    *,
    secret_keys: Collection[str] = (),
    lines: Mapping[str, int] | None = None,
) -> CaracalSettings | SteinSettings:
    """Parse the settings of a stack from what the Pulumi engine hands to a program.

    The engine keeps numbers and booleans inside objects, gives objects as JSON, and makes text of everything else.

    Arguments:
        stack: ``stein`` or ``caracal``.
        values: the whole flat configuration; other namespaces are left alone.
        secret_keys: the keys that hold a secret, which the engine has decrypted.
        lines: the line of each place, where known.

    Returns:
        The settings of that stack.

    Raises:
        SettingsError: for every mistake at once.
    """
    raw: dict[str, object] = {}
    found: list[Problem] = []
    for full, value in values.items():
        namespace, _, key = full.partition(":")
        if namespace != NAMESPACE:
            continue
        if full in secret_keys:
            # the clear text must not appear in any message, so it goes no further
            found.append(Problem(complaints.path([key]), stackfile.NO_SECRETS))
        else:
            raw[key] = value
    return _settled(stack, raw, found, source=f"Pulumi.{stack}.yaml", lines=lines or {})


def _decoded(key: str, value: object) -> object:
    """Read what ``pulumi config set`` made text of: an object as JSON, or nothing at all."""
    if value == "":
        return None
    if not isinstance(value, str) or key == "audit":
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _settled(
    stack: str, raw: Mapping[str, object], before: Collection[Problem], *, source: str, lines: Mapping[str, int]
) -> CaracalSettings | SteinSettings:
    """Build the settings, or raise with everything that is wrong; ``before`` is what reading has found already."""
    settings, found = _parse(stack, raw)
    # what stands where a secret stood says nothing of its own
    hidden = [problem.place for problem in before if problem.message == stackfile.NO_SECRETS]
    problems = [*before, *(problem for problem in found if not _within(problem.place, hidden))]
    if problems or settings is None:
        raise SettingsError(source, stackfile.placed(problems, lines))
    return settings


def _within(place: str, others: Collection[str]) -> bool:
    return any(place == other or place.startswith((f"{other}.", f"{other}[")) for other in others)


def _parse(stack: str, raw: Mapping[str, object]) -> tuple[CaracalSettings | SteinSettings | None, list[Problem]]:
    model = STACKS.get(stack)
    if model is None:
        expected = complaints.alternatives(STACKS)
        return None, [Problem("stack", f"{complaints.shown(stack)} is not a stack of this project; use {expected}")]
    decoded = {str(key): _decoded(str(key), value) for key, value in raw.items()}
    # a key with nothing behind it says nothing, whatever it is
    given = {key: value for key, value in decoded.items() if value is not None}
    found = list(checks.problems(given, adopted=model is SteinSettings))
    try:
        return model.model_validate(given), found
    except ValidationError as error:
        return None, [*complaints.problems(error, model), *found]
    except RecursionError:
        return None, [Problem("stack", "nested too deep; no key needs that")]
