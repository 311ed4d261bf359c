"""The Pulumi program of both stacks: parse, observe, plan, declare."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi.runtime import get_config_env, get_config_secret_keys_env

from components.old_cloud import declare_old_cloud
from components.stack import declare_stack
from migration.errors import GuardError, MigrationError
from migration.observe import look_at_cloud, open_cloud
from migration.reviewed import VARIABLE, bind, read_reviewed
from migration.settings import CaracalSettings, SteinSettings, from_pulumi_config
from migration.whole import look_at_everything


def caracal(settings: CaracalSettings) -> None:
    """Declare the new cloud, VISA's default backend, and the membership of every node."""
    whole = look_at_everything(settings)
    if whole.refusals:
        raise GuardError(whole.refusals)
    if saved := os.environ.get(VARIABLE):
        plan = bind(whole.plan, read_reviewed(Path(saved)), settings, whole.facts)
        whole = replace(whole, plan=plan)
    for warning in whole.warnings:
        pulumi.log.warn(warning)
    declare_stack(whole, settings, openstack.Provider("caracal", cloud=settings.clouds.new))


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
