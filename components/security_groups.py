"""Which traffic reaches an instance."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_openstack import networking

from components.adoption import options
from migration import settings


class SecurityGroups(pulumi.ComponentResource):
    """Security groups and their rules.

    Neutron lets everything out of a new group. A group that has rules for egress lets out only what they say.

    Attributes:
        groups: the declared groups, by name.
    """

    def __init__(
        self,
        name: str,
        groups: Mapping[str, settings.SecurityGroup],
        projects: Mapping[str, pulumi.Input[str]],
        *,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("visa:cloud:SecurityGroups", name, None, opts)
        self._projects = projects
        self.groups = {key: self._group(key, group) for key, group in groups.items()}
        for key, group in groups.items():
            for rule in group.rules:
                self._rule(key, group, rule)
        self.register_outputs({})

    def _owner(self, group: settings.SecurityGroup) -> pulumi.Input[str] | None:
        return self._projects[group.project] if group.project and not group.id else None

    def _group(self, key: str, group: settings.SecurityGroup) -> networking.SecGroup:
        closed = not group.id and any(rule.direction == "egress" for rule in group.rules)
        return networking.SecGroup(
            key,
            name=key if group.name is None else group.name,
            description=group.description,
            tenant_id=self._owner(group),
            delete_default_rules=True if closed else None,
            opts=options(self, adopt=group.id, undeclared=["tags"]),
        )

    def _rule(self, key: str, group: settings.SecurityGroup, rule: settings.SecurityRule) -> None:
        last = rule.port_max
        if last is None and rule.port_min is not None:
            # an ICMP type without a code: the provider wants both, and leaves out a 0 when it asks Neutron
            last = 0
        networking.SecGroupRule(
            f"{key} {rule.label}",
            security_group_id=self.groups[key].id,
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_min,
            port_range_max=last,
            remote_ip_prefix=rule.remote,
            remote_group_id=None if rule.remote_group is None else self.groups[rule.remote_group].id,
            description=rule.description or None,
            tenant_id=self._owner(group),
            # Neutron refuses a second rule that lets the same through, as a new description would make it
            opts=pulumi.ResourceOptions.merge(
                options(self, adopt=rule.id), pulumi.ResourceOptions(delete_before_replace=True)
            ),
        )
