"""The old cloud, as ``Pulumi.stein.yaml`` found it: adopted, protected, never changed."""

from __future__ import annotations

import pulumi
import pulumi_openstack

from components.flavors import Flavors
from components.networks import Networks
from components.security_groups import SecurityGroups
from migration.settings import SteinSettings


def declare_old_cloud(settings: SteinSettings, provider: pulumi_openstack.Provider) -> None:
    """Declare everything of the old cloud that was adopted.

    Every entry carries its id, so each resource is imported, and stays when the stack goes.

    Arguments:
        settings: what the stack file says.
        provider: the old cloud's provider.
    """
    opts = pulumi.ResourceOptions(provider=provider)
    Flavors("flavors", settings.flavors, {}, opts=opts)
    Networks("networks", settings.networks, settings.routers, {}, opts=opts)
    SecurityGroups("security-groups", settings.security_groups, {}, opts=opts)
