"""The new cloud, as ``Pulumi.caracal.yaml`` declares it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack

from components.flavors import Flavors
from components.networks import Networks
from components.projects import Projects
from components.security_groups import SecurityGroups
from components.zones import Zones
from migration.settings import CaracalSettings


@dataclass(frozen=True, slots=True)
class NewCloud:
    """The declared parts of the new cloud; nodes depend on them.

    Attributes:
        projects: projects and quotas.
        flavors: flavors and who may use them.
        networks: networks, subnets, routers.
        security_groups: security groups and rules.
        zones: aggregates, availability zones, probation.
    """

    projects: Projects
    flavors: Flavors
    networks: Networks
    security_groups: SecurityGroups
    zones: Zones


def declare_new_cloud(settings: CaracalSettings, provider: pulumi_openstack.Provider) -> NewCloud:
    """Declare everything of the new cloud except its nodes.

    Arguments:
        settings: what the stack file says.
        provider: the new cloud's provider.

    Returns:
        What was declared.
    """
    opts = pulumi.ResourceOptions(provider=provider)
    projects = Projects("projects", settings.projects, opts=opts)
    return NewCloud(
        projects=projects,
        flavors=Flavors("flavors", settings.flavors, projects.ids, opts=opts),
        networks=Networks("networks", settings.networks, settings.routers, projects.ids, opts=opts),
        security_groups=SecurityGroups("security-groups", settings.security_groups, projects.ids, opts=opts),
        zones=Zones("zones", settings.datacenters, opts=opts),
    )
