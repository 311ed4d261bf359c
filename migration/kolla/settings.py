"""What the stack file says of Kolla-Ansible, which deploys the new cloud.

From here the whole configuration directory of Kolla is rendered; nobody edits a file in it. What differs between hosts
is said where it differs, and the more specific wins: ``kolla.hosts``, ``kolla.nodes``, ``kolla.datacenters.NAME``, the
host's own entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StrictBool, StrictInt

from migration.model import Model, Name, Text

Vars = Mapping[Name, JsonValue]
"""Ansible variables, by name."""


class Interfaces(Model):
    """The network interfaces of a host, by what they are for; as Kolla names them, without ``_interface``."""

    network: Name | None = Field(default=None, description="the interface for all that is not named below")
    api: Name | None = Field(default=None, description="the interface that services listen on (default: network)")
    external_vip: Name | None = Field(
        default=None, description="the interface of the external VIP, on controllers (default: network)"
    )
    tunnel: Name | None = Field(default=None, description="the interface of tunnelled networks (default: network)")
    migration: Name | None = Field(default=None, description="the interface of live migrations (default: api)")
    neutron_external: Name | None = Field(
        default=None, description="the interface without address that carries Neutron's physical networks"
    )

    @property
    def variables(self) -> Mapping[str, str]:
        """Kolla's variables, for the interfaces that are given."""
        return {f"{role}_interface": name for role, name in self.model_dump(exclude_none=True).items()}


class Hosts(Model):
    """What several hosts have in common."""

    interfaces: Interfaces = Field(default=Interfaces(), description="network interfaces, by what they are for")
    vars: Vars = Field(default={}, description="Ansible variables of these hosts, as in {ansible_user: kolla}")


class Host(Hosts):
    """A host that Ansible reaches."""

    address: Name | None = Field(default=None, description="the IP address where Ansible reaches it (default: DNS)")


class Controller(Host):
    """A host of the control plane."""

    datacenter: Name = Field(description="the name of a datacenter under datacenters")
    address: Name = Field(description="the IP address where Ansible reaches it")


class Arbiter(Host):
    """A host at a third site that breaks a tie of two datacenters: a third vote for Galera and RabbitMQ, no API."""

    name: Name = Field(description="the arbiter's host name")
    datacenter: Name = Field(description="the name of its site, which is none of the datacenters")
    address: Name = Field(description="the IP address where Ansible reaches it")


class Vip(Model):
    """The addresses that move between the controllers."""

    internal: Name = Field(description="the address of the internal APIs, which no host has for itself")
    external: Name | None = Field(default=None, description="the address of the public APIs (default: the internal)")
    internal_name: Name | None = Field(default=None, description="the internal address's DNS name")
    external_name: Name | None = Field(default=None, description="the external address's DNS name")


class Tls(Model):
    """Where the APIs are encrypted."""

    internal: StrictBool = Field(default=False, description="whether the internal APIs are encrypted")
    external: StrictBool = Field(default=False, description="whether the public APIs are encrypted")
    backend: StrictBool = Field(default=False, description="whether HAProxy speaks TLS with the services too")
    certificates: Name | None = Field(
        default=None, description="the directory of the certificates (default: certificates in Kolla's directory)"
    )


class Kolla(Model):
    """How Kolla-Ansible deploys the new cloud."""

    release: Literal["2024.1"] = Field(default="2024.1", description="the OpenStack release: 2024.1")
    distro: Literal["rocky", "debian", "ubuntu", "centos"] = Field(
        default="rocky", description="what the images are built on: rocky, debian, ubuntu or centos"
    )
    vip: Vip = Field(description="the addresses that move between the controllers, as in {internal: 10.0.0.10}")
    virtual_router_id: Annotated[StrictInt, Field(ge=1, le=255)] = Field(
        description="a VRRP number, 1 to 255, that nobody else has in the network of the VIPs"
    )
    tls: Tls = Field(default=Tls(), description="where the APIs are encrypted")
    registry: Name | None = Field(default=None, description="the registry of the images (default: Kolla's)")
    namespace: Name | None = Field(default=None, description="the images' namespace there (default: Kolla's)")
    tag: Name | None = Field(default=None, description="the tag of the images (default: the release)")
    directory: Name = Field(
        default="kolla", description="the directory that is rendered, relative to the project; ours alone"
    )
    passwords: Name = Field(description="the path of Kolla's passwords.yml, relative to the project")
    hosts: Hosts = Field(default=Hosts(), description="what all hosts have in common")
    nodes: Hosts = Field(default=Hosts(), description="what is different on compute hosts")
    datacenters: Mapping[Name, Hosts] = Field(default={}, description="what is different in a datacenter, by its name")
    vars: Vars = Field(default={}, description="more of globals.yml: what holds for the whole cloud")
    overrides: Mapping[Name, Text] = Field(
        default={}, description="more files below Kolla's directory: path to content, as in config/heat.conf"
    )
    apply: Literal["render", "deploy"] = Field(
        default="render", description="whether only files are written (render), or Kolla rolls them out too (deploy)"
    )
    tools: Name | None = Field(
        default=None, description="a virtual environment with kolla-ansible (default: one of our own, pinned)"
    )

    @property
    def inventory(self) -> Path:
        """The inventory that is rendered, relative to the project."""
        return Path(self.directory) / "inventory" / "multinode"
