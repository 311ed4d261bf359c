"""Where nodes stand in the new cloud: availability zones, and probation."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_openstack import compute

from components.adoption import options
from migration import settings
from migration.names import COUNTERPROBE_FLAVOR, LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBE_FLAVOR, REQUIRED_TRAIT


class Zones(pulumi.ComponentResource):
    """An aggregate with its availability zone per datacenter, and what probation and the ledger need.

    Which hosts are in an aggregate is left to the steps: they move one node at a time and look before they act.

    Attributes:
        aggregates: the aggregates of the datacenters, by the datacenter's name.
    """

    def __init__(
        self, name: str, datacenters: Mapping[str, settings.Datacenter], *, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("visa:cloud:Zones", name, None, opts)
        self.aggregates = {
            key: compute.AggregateV2(key, name=key, zone=datacenter.zone, opts=_without(self, "hosts"))
            for key, datacenter in datacenters.items()
        }
        compute.AggregateV2(
            PROBATION_AGGREGATE,
            name=PROBATION_AGGREGATE,
            metadata={REQUIRED_TRAIT: "required"},
            opts=_without(self, "hosts"),
        )
        compute.AggregateV2(LEDGER_AGGREGATE, name=LEDGER_AGGREGATE, opts=_without(self, "hosts", "metadata"))
        for flavor, specs in ((PROBE_FLAVOR, {REQUIRED_TRAIT: "required"}), (COUNTERPROBE_FLAVOR, {})):
            compute.Flavor(
                flavor,
                name=flavor,
                vcpus=1,
                ram=128,
                disk=0,
                is_public=False,  # users could boot the one onto nodes in probation
                extra_specs=specs,
                opts=options(self, protect=True),
            )
        self.register_outputs({})


def _without(parent: pulumi.Resource, *ignored: str) -> pulumi.ResourceOptions:
    kept = pulumi.ResourceOptions(ignore_changes=list(ignored))
    return pulumi.ResourceOptions.merge(options(parent, protect=True), kept)
