"""The Pulumi program of both stacks: parse, observe, plan, declare."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi.runtime import get_config_env, get_config_secret_keys_env

from components.images import declare_images
from components.new_cloud import declare_new_cloud
from components.nodes import Nodes
from components.old_cloud import declare_old_cloud
from components.summary import Summary
from migration.actor import Orders
from migration.errors import GuardError, MigrationError
from migration.flavors import flavor_differences
from migration.images.look import look_at_images
from migration.images.plan import plan_images
from migration.observe import look, look_at_cloud, open_cloud
from migration.plan import make_plan
from migration.reviewed import VARIABLE, bind, read_reviewed
from migration.settings import CaracalSettings, SteinSettings, from_pulumi_config


def caracal(settings: CaracalSettings) -> None:
    """Declare the new cloud and the membership of every node."""
    facts = look(settings)
    plan = make_plan(settings, facts)
    images = plan_images(settings, look_at_images(settings))
    if refusals := [*plan.refusals, *(each.refusal for each in images.values() if each.refusal)]:
        raise GuardError(refusals)
    if saved := os.environ.get(VARIABLE):
        plan = bind(plan, read_reviewed(Path(saved)), settings, facts)
    for difference in flavor_differences(facts.old.flavors if facts.old else {}, settings.flavors):
        pulumi.log.warn(difference)
    provider = openstack.Provider("caracal", cloud=settings.clouds.new)
    declared = declare_new_cloud(settings, provider)
    image_resources, images_account = declare_images(images, settings)
    nodes = Nodes(plan, settings, needs=[*declared, *image_resources])
    Summary([images_account, nodes.account], Orders.of(settings))


def stein(settings: SteinSettings) -> None:
    """Adopt the old cloud, and say what is left of it."""
    facts = look_at_cloud(open_cloud(settings.clouds.old))
    declare_old_cloud(settings, openstack.Provider("stein", cloud=settings.clouds.old))
    nodes = sorted(service.host for service in facts.services)
    pulumi.log.info(
        f"{facts.name}: {len(nodes)} nodes, {len(facts.servers)} instances left"
        if nodes
        else f"{facts.name}: no node is left; the old cloud serves nobody any more"
    )
    pulumi.export("nodes", nodes)


try:
    match from_pulumi_config(pulumi.get_stack(), get_config_env(), secret_keys=get_config_secret_keys_env()):
        case CaracalSettings() as wanted:
            caracal(wanted)
        case SteinSettings() as wanted:
            stein(wanted)
except MigrationError as error:
    raise pulumi.RunError(str(error)) from None
