"""The old cloud, as ``Pulumi.stein.yaml`` found it: adopted, protected, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack

from components.flavors import Flavors
from components.networks import Networks
from components.security_groups import SecurityGroups
from migration.settings import SteinSettings


@dataclass(frozen=True, slots=True)
class OldCloud:
    """The adopted parts of the old cloud.

    Attributes:
        flavors: flavors.
        networks: networks, subnets, routers.
        security_groups: security groups and rules.
    """

    flavors: Flavors
    networks: Networks
    security_groups: SecurityGroups


def declare_old_cloud(settings: SteinSettings, provider: pulumi_openstack.Provider) -> OldCloud:
    """Declare everything of the old cloud that was adopted.

    Every entry carries its id, so each resource is imported, and stays when the stack goes.

    Arguments:
        settings: what the stack file says.
        provider: the old cloud's provider.

    Returns:
        What was declared.
    """
    opts = pulumi.ResourceOptions(provider=provider)
    return OldCloud(
        flavors=Flavors("flavors", settings.flavors, {}, opts=opts),
        networks=Networks("networks", settings.networks, settings.routers, {}, opts=opts),
        security_groups=SecurityGroups("security-groups", settings.security_groups, {}, opts=opts),
    )
