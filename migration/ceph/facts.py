"""What one look at Ceph saw: frozen, and the only thing that the plan of Ceph is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in the CRUSH hierarchy.

    Attributes:
        name: its name.
        type: ``root``, ``datacenter``, ``rack``, ``host`` …
        parent: the bucket that it lies in, or None.
        weight: the weight of all OSDs below, in 1/65536 (about TiB); 0 means that no data can lie there.
    """

    name: str
    type: str
    parent: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """A CRUSH rule: its number, and its steps in the words of crushtool."""

    id: int
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool as Ceph keeps it.

    Attributes:
        id: its number.
        replicated: whether it keeps whole copies (else it is erasure coded).
        size: copies in all.
        min_size: copies without which it stands still.
        rule: the name of its rule.
        autoscale: ``on``, ``off`` or ``warn``.
        pg_num: placement groups (those that Ceph is on the way to).
        quota_bytes: the most it may hold; 0 is no limit.
        quota_objects: the most objects; 0 is no limit.
        applications: metadata by application.
        nodelete: whether Ceph itself refuses to delete it.
        stored: bytes of data, copies not counted, or None where Ceph does not say.
        objects: how many objects, or None where Ceph does not say.
    """

    id: int
    replicated: bool
    size: int
    min_size: int
    rule: str
    autoscale: str
    pg_num: int
    quota_bytes: int
    quota_objects: int
    applications: Mapping[str, Mapping[str, str]]
    nodelete: bool
    stored: int | None
    objects: int | None

    @property
    def empty(self) -> bool:
        """Whether it is known that nothing is in it."""
        return self.objects == 0 and self.stored == 0


@dataclass(frozen=True, slots=True)
class UserFacts:
    """A user of Ceph: what it may do, its key (a secret), and the rotation that we recorded, if any."""

    caps: Mapping[str, str]
    key: str = field(repr=False)
    rotation: int | None = None


@dataclass(frozen=True, slots=True)
class Osd:
    """A daemon that keeps data: the host bucket that it lies in, and whether it is up."""

    id: int
    host: str | None
    up: bool


@dataclass(frozen=True, slots=True)
class CephFacts:
    """One look at Ceph.

    Attributes:
        fsid: the cluster's id.
        conf: a minimal ceph.conf, without leading tabs.
        quorum: the monitors that answer, by name.
        monitors: all monitors, by name.
        buckets: the CRUSH hierarchy, by name; shadow buckets of device classes left out.
        rules: CRUSH rules, by name.
        pools: all pools, by name.
        users: the users of the settings that are there, by their name without ``client.``.
        osds: the OSDs.
        available: raw bytes that are free.
        stretch: whether stretch mode is on.
        degraded: whether stretch mode is degraded or recovers: then Ceph has lowered ``min_size`` itself.
        misfits: for each pool whose rule cannot be met by the CRUSH map as it would become, what crushtool said.
        moves: for each pool that would be laid out otherwise, the bytes that Ceph would have to write.
    """

    fsid: str
    conf: str
    quorum: tuple[str, ...]
    monitors: tuple[str, ...]
    buckets: Mapping[str, Bucket]
    rules: Mapping[str, RuleFacts]
    pools: Mapping[str, PoolFacts]
    users: Mapping[str, UserFacts]
    osds: tuple[Osd, ...] = ()
    available: int = 0
    stretch: bool = False
    degraded: bool = False
    misfits: Mapping[str, str] = field(default_factory=dict)
    moves: Mapping[str, int] = field(default_factory=dict)

    def ancestors(self, bucket: str) -> tuple[Bucket, ...]:
        """Return what a bucket lies in, the nearest first."""
        found: list[Bucket] = []
        parent = self.buckets[bucket].parent
        while parent is not None:
            found.append(self.buckets[parent])
            parent = found[-1].parent
        return tuple(found)

    def hosts_in(self, bucket: str) -> tuple[str, ...]:
        """Return the hosts anywhere below a bucket that data can lie on, sorted."""
        return tuple(
            sorted(
                one.name
                for one in self.buckets.values()
                if one.type == "host"
                and one.weight > 0
                and any(above.name == bucket for above in self.ancestors(one.name))
            )
        )


def sized(size: float) -> str:
    """Write a number of bytes for a person.

    Arguments:
        size: bytes.

    Returns:
        As in ``1.5 GiB``.
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB" if size < 1024 else f"{size / 1024:.4g} TiB"
