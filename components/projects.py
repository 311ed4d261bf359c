"""The projects of the new cloud."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_openstack import compute, identity

from components.adoption import options
from migration import settings


class Projects(pulumi.ComponentResource):
    """Projects, with their compute quotas.

    Deleting a project would orphan what its users own, so projects are protected.

    Attributes:
        ids: the projects' ids, by name.
    """

    def __init__(self, name: str, projects: Mapping[str, settings.Project], *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("visa:cloud:Projects", name, None, opts)
        self.ids: dict[str, pulumi.Output[str]] = {}
        for key, project in projects.items():
            declared = identity.Project(
                key, name=key, description=project.description, opts=options(self, protect=True)
            )
            self.ids[key] = declared.id
            if project.quota is not None:
                compute.QuotaSetV2(
                    key,
                    project_id=declared.id,
                    cores=project.quota.cores,
                    ram=project.quota.ram,
                    instances=project.quota.instances,
                    opts=options(self),
                )
        self.register_outputs({})
