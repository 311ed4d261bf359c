"""The new cloud, as ``Pulumi.caracal.yaml`` declares it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_openstack

from components.flavors import Flavors
from components.networks import Networks
from components.projects import Projects
from components.security_groups import SecurityGroups
from components.zones import Zones
from migration.settings import CaracalSettings


def declare_new_cloud(settings: CaracalSettings, provider: pulumi_openstack.Provider) -> Sequence[pulumi.Resource]:
    """Declare everything of the new cloud except its nodes.

    Arguments:
        settings: what the stack file says.
        provider: the new cloud's provider.

    Returns:
        What was declared; a node joins when all of it is there.
    """
    opts = pulumi.ResourceOptions(provider=provider)
    projects = Projects("projects", settings.projects, opts=opts)
    return [
        projects,
        Flavors("flavors", settings.flavors, projects.ids, opts=opts),
        Networks("networks", settings.networks, settings.routers, projects.ids, opts=opts),
        SecurityGroups("security-groups", settings.security_groups, projects.ids, opts=opts),
        Zones("zones", settings.datacenters, opts=opts),
    ]
