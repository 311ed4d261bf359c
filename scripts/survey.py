"""What ``visa-migration adopt`` reads of the old cloud: whole lists, by pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migration.adapters.rest import Rest, connect, translated

Row = Mapping[str, Any]

FLAVORS_WITH_SPECS = "2.61"
"""The microversion from which Nova lists extra specs with the flavors."""

INTERFACE_OWNERS = frozenset(
    {
        "network:router_interface",
        "network:router_interface_distributed",
        "network:ha_router_replicated_interface",
    }
)


@dataclass(frozen=True, slots=True)
class Survey:
    """The old cloud, as its services listed it.

    Attributes:
        projects: every project, by id.
        quotas: compute quota of each project that owns something, by id.
        flavors: every flavor, public and private.
        access: ids of the projects that may use a private flavor, by the flavor's id.
        networks: every network.
        subnets: every subnet.
        routers: every router.
        interfaces: the routers' ports on subnets.
        groups: every security group, with its rules.
        rbac: which project may use which network.
        owners: ids of the projects that own instances.
        hosts: names of the hosts that run nova-compute.
    """

    projects: Mapping[str, Row] = field(default_factory=dict)
    quotas: Mapping[str, Row] = field(default_factory=dict)
    flavors: tuple[Row, ...] = ()
    access: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    networks: tuple[Row, ...] = ()
    subnets: tuple[Row, ...] = ()
    routers: tuple[Row, ...] = ()
    interfaces: tuple[Row, ...] = ()
    groups: tuple[Row, ...] = ()
    rbac: tuple[Row, ...] = ()
    owners: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()


def survey(cloud: str) -> Survey:
    """Read the old cloud; nothing in it is changed.

    Arguments:
        cloud: its name in clouds.yaml.

    Returns:
        What its services listed, in an order that does not change from run to run.

    Raises:
        CloudError: it could not be asked, or refused.
    """
    with translated(cloud):
        connection = connect(cloud)
        identity = Rest(cloud, connection.identity)
        compute = Rest(cloud, connection.compute, FLAVORS_WITH_SPECS)
        network = Rest(cloud, connection.network)
    projects = {row["id"]: row for row in identity.get("/projects", "projects")}
    flavors = _sorted(compute.pages("/flavors/detail?is_public=None", "flavors"))
    owners = frozenset(row["tenant_id"] for row in compute.pages("/servers/detail?all_tenants=1", "servers"))
    networks = _sorted(network.pages("/networks", "networks"))
    routers = _sorted(network.pages("/routers", "routers"))
    groups = _sorted(network.pages("/security-groups", "security_groups"))
    owning = owners | {row["project_id"] for row in (*networks, *routers)}
    services = compute.get("/os-services?binary=nova-compute", "services")
    return Survey(
        projects=projects,
        quotas={
            project: compute.get(f"/os-quota-sets/{project}", "quota_set")
            for project in sorted(owning & projects.keys())
        },
        flavors=flavors,
        access={
            row["id"]: tuple(
                sorted(
                    access["tenant_id"]
                    for access in compute.get(f"/flavors/{row['id']}/os-flavor-access", "flavor_access")
                )
            )
            for row in flavors
            if not row["os-flavor-access:is_public"]
        },
        networks=networks,
        subnets=_sorted(network.pages("/subnets", "subnets")),
        routers=routers,
        interfaces=tuple(
            row
            for owner in sorted(INTERFACE_OWNERS)
            for row in _sorted(network.pages(f"/ports?device_owner={owner}", "ports"))
        ),
        groups=groups,
        rbac=_sorted(network.pages("/rbac-policies?object_type=network", "rbac_policies")),
        owners=owners,
        hosts=tuple(sorted({row["host"] for row in services})),
    )


def _sorted(rows: Any) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (str(row.get("name", "")), str(row["id"]))))
