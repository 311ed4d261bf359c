"""The sizes that instances come in."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_openstack import compute

from components.adoption import options
from migration import settings


class Flavors(pulumi.ComponentResource):
    """Flavors of a cloud, and who may use those that are not public.

    Nova cannot change a flavor: another size is another flavor. So flavors are protected, and a preview that would
    replace one fails and says which.

    Attributes:
        flavors: the declared flavors, by name.
    """

    def __init__(
        self,
        name: str,
        flavors: Mapping[str, settings.Flavor],
        projects: Mapping[str, pulumi.Input[str]],
        *,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("visa:cloud:Flavors", name, None, opts)
        self.flavors = {key: self._flavor(key, flavor) for key, flavor in flavors.items()}
        for key, flavor in flavors.items():
            # who may use an adopted flavor is the old cloud's business
            for project in () if flavor.id else flavor.projects:
                compute.FlavorAccess(
                    f"{key} for {project}",
                    flavor_id=self.flavors[key].id,
                    tenant_id=projects[project],
                    opts=options(self),
                )
        self.register_outputs({})

    def _flavor(self, key: str, flavor: settings.Flavor) -> compute.Flavor:
        return compute.Flavor(
            key,
            name=key,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            disk=flavor.disk,
            is_public=flavor.public,
            extra_specs=dict(flavor.extra_specs),
            opts=options(
                self,
                adopt=flavor.id,
                undeclared=["description", "ephemeral", "flavorId", "rxTxFactor", "swap"],
                protect=True,
            ),
        )
