"""Adoption of a real Stein that has everything the provider reads back in its own way, with the real engine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import openstack
import pytest

from lab import Lab
from lab.project import PROGRAM, Project

pytestmark = pytest.mark.lab


def grow(cloud: Any) -> None:
    """Give the old cloud what old clouds have: same names, no names, descriptions, IPv6, odd flavors and rules."""
    network, compute, identity = cloud.network, cloud.compute, cloud.identity
    visa = identity.find_project("visa")
    beam = identity.create_project(name="beam", domain_id="default", description='Übung: # "quoted"')
    odd = compute.create_flavor(
        name="odd one", vcpus=1, ram=512, disk=0, swap=64, ephemeral=5, is_public=False, id="17"
    )
    compute.flavor_add_tenant_access(odd, beam.id)
    compute.create_flavor_extra_specs(odd, {"hw:cpu_policy": "dedicated", "quota:cpu": "010", "x": "1e3"})
    twin = network.create_network(
        name="visa", description="second of this name", project_id=beam.id, provider_network_type="vxlan"
    )
    network.set_tags(twin, ["a", "b"])
    network.create_network(
        name="", project_id=visa.id, provider_network_type="flat", provider_physical_network="physnet1"
    )
    network.create_rbac_policy(
        object_type="network", object_id=twin.id, action="access_as_shared", target_project_id=visa.id
    )
    common = {"network_id": twin.id, "project_id": beam.id}
    network.create_subnet(
        name="visa", ip_version=6, cidr="fd00:1::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac", **common
    )
    network.create_subnet(
        name="", ip_version=4, cidr="10.99.0.0/24", gateway_ip=None, description="no gateway",
        host_routes=[{"destination": "10.5.0.0/16", "nexthop": "10.99.0.9"}], **common,
    )  # fmt: skip
    pools = [{"start": "10.98.0.10", "end": "10.98.0.20"}, {"start": "10.98.0.100", "end": "10.98.0.120"}]
    two = network.create_subnet(
        name="two pools", ip_version=4, cidr="10.98.0.0/24", gateway_ip="10.98.0.254", allocation_pools=pools,
        dns_nameservers=["10.2.0.9", "10.1.0.1"], **common,
    )  # fmt: skip
    inner = network.create_router(name="inner", description="r", project_id=beam.id, is_admin_state_up=False)
    network.add_interface_to_router(inner, subnet_id=two.id)
    default = next(iter(network.security_groups(project_id=beam.id, name="default")))
    ping = network.create_security_group(name="ping", project_id=beam.id, description="")
    four, six = {"direction": "ingress", "ether_type": "IPv4"}, {"direction": "ingress", "ether_type": "IPv6"}
    for group, rule in (
        (default, six | {"protocol": "tcp", "port_range_min": 80, "port_range_max": 90, "remote_ip_prefix": "::/0",
                         "description": "web"}),
        (ping, four | {"protocol": "icmp", "port_range_min": 8}),
        (ping, four | {"protocol": "icmp", "port_range_min": 3, "port_range_max": 4}),
        (ping, four | {"protocol": "112"}),
        (ping, four | {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535, "remote_group_id": default.id}),
        (ping, four | {"protocol": "udp", "port_range_min": 53, "port_range_max": 53, "remote_ip_prefix": "0.0.0.0/0"}),
        (ping, six | {"protocol": "ipv6-icmp", "remote_ip_prefix": "FD00:1::/64"}),
    ):  # fmt: skip
        network.create_security_group_rule(security_group_id=group.id, **rule)


@pytest.fixture(scope="module")
def adopted(own_lab: Lab) -> Project:
    """A project with nothing but what adoption wrote."""
    project = Project(own_lab)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", project.environment["OS_CLIENT_CONFIG_FILE"])
        with openstack.connect(cloud="stein") as cloud:
            grow(cloud)
    project.directory.mkdir(exist_ok=True)
    options = {"name": "python", "options": {"virtualenv": str(Path(sys.executable).parents[1])}}
    text = json.dumps({"name": "visa-migration", "main": str(PROGRAM), "runtime": options})
    (project.directory / "Pulumi.yaml").write_text(text)
    project.visa_migration("adopt", "--cloud", "stein")
    return project


def files(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in project.directory.glob("Pulumi.*.yaml")}


def test_the_second_run_changes_nothing(adopted: Project) -> None:
    before = files(adopted)
    said = adopted.visa_migration("adopt", "--cloud", "stein").stdout
    assert files(adopted) == before
    assert "Pulumi.stein.yaml: unchanged" in said
    assert "Pulumi.caracal.yaml: unchanged" in said


@pytest.mark.parametrize("stack", ["stein", "caracal"])
def test_both_stacks_go_up_from_what_was_written_and_settle(adopted: Project, stack: str) -> None:
    adopted.pulumi("stack", "init", stack)
    said = adopted.up(stack).stdout
    if stack == "stein":
        assert " imported" in said
        made = [line for line in said.splitlines() if "+  openstack:" in line]
        assert made == []
    adopted.preview(stack, "--expect-no-changes")
    adopted.pulumi("refresh", "--yes", "--stack", stack)
    adopted.preview(stack, "--expect-no-changes")
    before = files(adopted)
    adopted.visa_migration("adopt", "--cloud", "stein")
    assert files(adopted) == before


def test_one_value_by_pulumi_config_keeps_the_file(adopted: Project) -> None:
    before = (adopted.directory / "Pulumi.caracal.yaml").read_text().splitlines()
    adopted.member("draining", "cmp02")
    after = (adopted.directory / "Pulumi.caracal.yaml").read_text().splitlines()
    changed = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ("cmp02: {membership: stein, datacenter: dc1}", "cmp02: {membership: draining, datacenter: dc1}")
    ]
    adopted.member("stein", "cmp02")
