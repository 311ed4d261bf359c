"""Networks, their subnets, and the routers between them."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_openstack import networking

from components.adoption import options
from migration import settings

NO_GATEWAY = "none"


class Networks(pulumi.ComponentResource):
    """Networks with subnets, routers with interfaces, and which projects may use them.

    Attributes:
        networks: the declared networks, by name.
        subnets: the declared subnets, by name.
        routers: the declared routers, by name.
    """

    def __init__(
        self,
        name: str,
        networks: Mapping[str, settings.Network],
        routers: Mapping[str, settings.Router],
        projects: Mapping[str, pulumi.Input[str]],
        *,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("visa:cloud:Networks", name, None, opts)
        self.networks = {key: self._network(key, network) for key, network in networks.items()}
        self.subnets = {
            key: self._subnet(key, subnet, self.networks[owner])
            for owner, network in networks.items()
            for key, subnet in network.subnets.items()
        }
        self._behind = {owner: [self.subnets[key] for key in network.subnets] for owner, network in networks.items()}
        for key, network in networks.items():
            # who may use an adopted network is the old cloud's business
            for project in () if network.id else network.projects:
                networking.RbacPolicyV2(
                    f"{key} for {project}",
                    action="access_as_shared",
                    object_type="network",
                    object_id=self.networks[key].id,
                    target_tenant=projects[project],
                    opts=options(self),
                )
        self.routers = {key: self._router(key, router, projects) for key, router in routers.items()}
        self.register_outputs({})

    def _network(self, key: str, network: settings.Network) -> networking.Network:
        return networking.Network(
            key,
            name=key if network.name is None else network.name,
            external=network.external,
            shared=network.shared,
            mtu=network.mtu,
            segments=[
                networking.NetworkSegmentArgs(
                    network_type=network.type,
                    physical_network=network.physical_network,
                    segmentation_id=network.segmentation_id,
                )
            ],
            opts=options(self, adopt=network.id, undeclared=["description", "tags"], protect=True),
        )

    def _subnet(self, key: str, subnet: settings.Subnet, network: networking.Network) -> networking.Subnet:
        return networking.Subnet(
            key,
            name=key if subnet.name is None else subnet.name,
            network_id=network.id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=None if subnet.gateway == NO_GATEWAY else subnet.gateway,
            no_gateway=True if subnet.gateway == NO_GATEWAY else None,
            allocation_pools=[
                networking.SubnetAllocationPoolArgs(start=pool.start, end=pool.end) for pool in subnet.pools
            ]
            or None,
            dns_nameservers=list(subnet.dns) or None,
            enable_dhcp=subnet.dhcp,
            opts=options(
                self,
                adopt=subnet.id,
                undeclared=["description", "dnsPublishFixedIp", "segmentId", "subnetpoolId", "tags"],
                protect=True,
            ),
        )

    def _router(
        self, key: str, router: settings.Router, projects: Mapping[str, pulumi.Input[str]]
    ) -> networking.Router:
        outside = router.external_network
        declared = networking.Router(
            key,
            name=key if router.name is None else router.name,
            external_network_id=None if outside is None else self.networks[outside].id,
            tenant_id=projects[router.project] if router.project and not router.id else None,
            opts=options(
                self,
                adopt=router.id,
                undeclared=["description", "tags"],
                # Neutron takes the gateway's address from a subnet that must be there first
                after=[] if outside is None else self._behind[outside],
            ),
        )
        for subnet in router.subnets:
            networking.RouterInterface(
                f"{key} to {subnet}",
                router_id=declared.id,
                subnet_id=self.subnets[subnet].id,
                opts=options(self, adopt=router.interface_ids.get(subnet)),
            )
        return declared
