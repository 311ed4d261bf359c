"""What the stack file says of Ceph, the storage of the new cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictInt

from migration.model import Count, Model, Name, Text

GIB = 2**30


def _as_ceph_says_it(value: object) -> object:
    """Turn back into a word what YAML made a boolean of."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


class Connection(Model):
    """How Ceph's monitors are reached; keys are read by librados from the keyring, never from the stack file."""

    conf: Name | None = Field(
        default=None, description="path of ceph.conf, relative to the project (default: CEPH_CONF, then Ceph's own)"
    )
    client: Name = Field(default="client.admin", description="the user that changes Ceph, as in client.admin")
    timeout: Count = Field(
        default=30, description="after how many seconds without an answer Ceph counts as unreachable"
    )


class Crush(Model):
    """Where copies may lie: the datacenters below one root, and the hosts that each must have."""

    root: Name = Field(default="default", description="the root of the CRUSH hierarchy")
    datacenters: Mapping[Name, tuple[Name, ...]] = Field(
        description="for each name under datacenters the storage hosts expected in it, as CRUSH names them"
    )


class Rule(Model):
    """The rule that puts the same number of copies into every datacenter."""

    name: Name = Field(description="the rule's name in Ceph")
    copies: Count = Field(default=2, description="how many copies lie in each datacenter, each on another host")


class PoolQuota(Model):
    """The most that a pool may hold. A full one blocks its writers."""

    gib: Count | None = Field(default=None, description="GiB of data, copies not counted (default: no limit)")
    objects: Count | None = Field(default=None, description="the number of objects (default: no limit)")

    @property
    def bytes(self) -> int:
        """The limit in bytes as Ceph keeps it; 0 is no limit."""
        return (self.gib or 0) * GIB


class Pool(Model):
    """A pool of Ceph; its key is its name."""

    size: Count | None = Field(default=None, description="how many copies in all (default: what the rule gives)")
    min_size: StrictInt = Field(default=2, description="how many copies must be there for reads and writes to go on")
    rule: Name | None = Field(default=None, description="the CRUSH rule (default: the one under ceph.rule)")
    application: Name = Field(default="rbd", description="what uses the pool")
    autoscale: Annotated[Literal["on", "off", "warn"], BeforeValidator(_as_ceph_says_it)] = Field(
        default="on", description="whether Ceph decides the number of placement groups: on, off or warn"
    )
    pg_num: Count | None = Field(default=None, description="placement groups, where Ceph does not decide (autoscale)")
    quota: PoolQuota = Field(default=PoolQuota(), description="the most that the pool may hold")


class User(Model):
    """A user of Ceph for a service of OpenStack; its key is the name without ``client.``."""

    caps: Mapping[Literal["mon", "osd", "mgr"], Text] | None = Field(
        default=None, description="what it may do, by kind of daemon (default: what Kolla expects)"
    )
    rotation: Count = Field(default=1, description="raise it by one for a new key")


class Ceph(Model):
    """The storage of the new cloud."""

    connection: Connection = Field(default=Connection(), description="how Ceph's monitors are reached")
    crush: Crush = Field(description="the datacenters and hosts that copies may lie on")
    rule: Rule = Field(description="how many copies lie in each datacenter")
    pools: Mapping[Name, Pool] = Field(default={}, description="pools, by name")
    users: Mapping[Name, User] = Field(default={}, description="users: glance, cinder, cinder-backup, nova")

    @property
    def size(self) -> int:
        """How many copies the rule gives in all."""
        return self.rule.copies * len(self.crush.datacenters)

    @property
    def rule_steps(self) -> tuple[str, ...]:
        """The steps of the rule, in the words of crushtool."""
        return (
            f"take {self.crush.root}",
            f"choose firstn {len(self.crush.datacenters)} type datacenter",
            f"chooseleaf firstn {self.rule.copies} type host",
            "emit",
        )

    def rule_of(self, pool: str) -> str:
        """Return the name of a pool's rule."""
        return self.pools[pool].rule or self.rule.name

    def size_of(self, pool: str) -> int:
        """Return how many copies a pool has."""
        return self.pools[pool].size or self.size
