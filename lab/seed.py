"""What the two clouds hold before anything is migrated: the old one a facility's VISA, the new one next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from openstack.connection import Connection

from lab.clouds import identity
from lab.layout import OLD, REGION, Cloud

SERVICE_TYPES = (
    ("nova", "compute", "/v2.1"),
    ("neutron", "network", ""),
    ("glance", "image", ""),
    ("placement", "placement", ""),
)
PROJECT = "visa"
PREFIX = "visa"
USERS = ("visa-api", "visa-jobs")
NETWORK = "visa"
FLAVORS = {  # name: vCPU, MiB, GiB
    "visa.tiny": (1, 2048, 10),
    "visa.small": (2, 8192, 20),
    "visa.medium": (4, 16384, 40),
    "visa.large": (16, 131072, 80),
}
IMAGES = {OLD: ("visa-desktop", "visa-jupyter"), "caracal": ("probe", "visa-desktop", "visa-jupyter")}
OWNERS = ("ada", "bohr", "curie", "dirac", "einstein", "fermi")


def catalog(cloud: Cloud, connection: Connection) -> None:
    """Tell keystone about the other services and their accounts.

    Arguments:
        cloud: the cloud; only its keystone needs to run.
        connection: as its administrator.
    """
    keystone = identity(connection)
    service_project = keystone.create_project(name="service", domain_id="default")
    roles = {role.name: role for role in keystone.roles()}
    if "service" not in roles:
        roles["service"] = keystone.create_role(name="service")
    for name, kind, path in SERVICE_TYPES:
        user = keystone.create_user(name=name, password=cloud.password, domain_id="default")
        for role in ("admin", "service"):
            keystone.assign_project_role_to_user(service_project, user, roles[role])
        service = keystone.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            keystone.create_endpoint(
                service_id=service.id, interface=interface, region_id=REGION, url=cloud.url(name, path)
            )


def images(cloud: Cloud, connection: Connection) -> None:
    """Upload the images: tiny, for nothing boots them in earnest."""
    for name in IMAGES[cloud.name]:
        connection.image.create_image(
            name=name, data=b"\0" * 1024, disk_format="raw", container_format="bare", visibility="public"
        )


def old_cloud(cloud: Cloud, connection: Connection) -> None:
    """Make what VISA uses in the old cloud: project, users, flavors, networks, router, security group.

    Arguments:
        cloud: the old cloud.
        connection: as its administrator.
    """
    keystone, compute, network = identity(connection), connection.compute, connection.network
    project = keystone.create_project(name=PROJECT, description="Virtual machines of VISA", domain_id="default")
    roles = {role.name: role for role in keystone.roles()}
    for name in USERS:
        user = keystone.create_user(name=name, password=cloud.password, domain_id="default")
        keystone.assign_project_role_to_user(project, user, roles["member"])
    keystone.assign_project_role_to_user(project, keystone.find_user("admin", ignore_missing=False), roles["admin"])
    for name, (vcpus, ram, disk) in FLAVORS.items():
        compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk, is_public=True)
    visa = network.create_network(
        name=NETWORK, project_id=project.id, is_shared=True, provider_network_type="vlan",
        provider_physical_network="physnet1", provider_segmentation_id=101,
    )  # fmt: skip
    subnet = network.create_subnet(
        name=NETWORK, network_id=visa.id, project_id=project.id, ip_version=4, cidr="10.10.0.0/16",
        gateway_ip="10.10.0.1", allocation_pools=[{"start": "10.10.1.0", "end": "10.10.250.254"}],
        dns_nameservers=["10.1.0.53", "10.1.1.53"], is_dhcp_enabled=True,
    )  # fmt: skip
    external = network.create_network(
        name="ext", is_router_external=True, provider_network_type="vlan", provider_physical_network="physnet1",
        provider_segmentation_id=102,
    )  # fmt: skip
    network.create_subnet(
        name="ext", network_id=external.id, ip_version=4, cidr="192.0.2.0/24", gateway_ip="192.0.2.1",
        allocation_pools=[{"start": "192.0.2.10", "end": "192.0.2.200"}], is_dhcp_enabled=False,
    )  # fmt: skip
    router = network.create_router(
        name=PROJECT, project_id=project.id, external_gateway_info={"network_id": external.id}
    )
    network.add_interface_to_router(router, subnet=subnet.id)
    group = network.create_security_group(name="visa-default", description="What VISA needs", project_id=project.id)
    for protocol, port, remote in (("tcp", 22, "10.0.0.0/8"), ("tcp", 443, "10.0.0.0/8"), ("icmp", None, "0.0.0.0/0")):
        network.create_security_group_rule(
            security_group_id=group.id, project_id=project.id, direction="ingress", ether_type="IPv4",
            protocol=protocol, port_range_min=port, port_range_max=port, remote_ip_prefix=remote,
        )  # fmt: skip


def metadata(number: int) -> dict[str, str]:
    """Return the metadata that VISA gives the instance with this number."""
    owner = OWNERS[number % len(OWNERS)]
    return {"id": str(number), "uid": f"{owner}-{number:04d}", "owner": owner}


def instances(nodes: Sequence[str], count: int) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Say which instances the old cloud runs.

    Arguments:
        nodes: its nodes.
        count: how many instances, in all.

    Returns:
        For each its name, node, flavor and metadata.
    """
    small = [name for name in FLAVORS if name != "visa.large"]
    for number in range(1, count + 1):
        yield f"{PREFIX}-{number}", nodes[(number - 1) % len(nodes)], small[number % len(small)], metadata(number)
