"""How many instances are on a node of the old cloud: several independent sources, and the most cautious reading.

No single list tells it (docs/adr/0003-witnesses.md): Nova's server list leaves out what it cannot see, the hypervisor's
own count lags, a migration is on two nodes. Unknown is not empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migration.facts import CloudFacts

SERVERS = "servers of all projects"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What the witnesses say of one node.

    Attributes:
        count: the most instances that any witness counts.
        silent: the witnesses that could not answer, each with why.
        counts: what each witness that answered counts.
    """

    count: int
    silent: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def empty(self) -> bool:
        """Whether every witness answered, and every one counts nothing."""
        return self.count == 0 and not self.silent

    @property
    def unknown(self) -> bool:
        """Whether nothing was counted, but not everybody answered."""
        return self.count == 0 and bool(self.silent)

    def __str__(self) -> str:
        """Return for a person how many are left, and who says so where Nova's server list shows none."""
        if self.unknown:
            return f"cannot be proved empty: no answer from {'; '.join(self.silent)}"
        if self.empty:
            return "empty"
        left = f"{self.count} instance{'s' if self.count != 1 else ''} left"
        if self.counts.get(SERVERS) != 0:
            return left
        others = ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
        return f"{left} by {others}; Nova's server list shows none. If that stays so, look for leftovers there"


def occupancy(cloud: CloudFacts, node: str) -> Occupancy:
    """Hear every witness for one node.

    Arguments:
        cloud: facts of the cloud that the node is in.
        node: the node.

    Returns:
        What they say together.
    """
    witnesses = {
        SERVERS: _servers(cloud, node),
        "hypervisor's own count": _hypervisor(cloud, node),
        "cell database": _cell(cloud, node),
        "migrations": len(cloud.migrations_of(node)),
        "placement allocations": _allocations(cloud, node),
    }
    counts = {name: answer for name, answer in witnesses.items() if isinstance(answer, int)}
    silent = tuple(f"{name} ({answer})" for name, answer in witnesses.items() if isinstance(answer, str))
    return Occupancy(max([len(_named(cloud, node)), *counts.values()]), silent, counts)


def looks_empty(cloud: CloudFacts, node: str) -> bool:
    """Return whether the witnesses that come in pages count nothing: only then Placement is asked, a call a node."""
    return not _named(cloud, node) and not any(hypervisor.vms for hypervisor in cloud.hypervisors_of(node))


def _servers(cloud: CloudFacts, node: str) -> int | str:
    if cloud.hidden:
        return f"a cell is down, Nova does not say where {cloud.hidden} servers are"
    return len(cloud.servers_on(node))


def _hypervisor(cloud: CloudFacts, node: str) -> int | str:
    hypervisors = cloud.hypervisors_of(node)
    if not hypervisors:
        return "Nova lists no hypervisor for it"
    if any(hypervisor.vms is None for hypervisor in hypervisors):
        return "it does not say"
    return sum(hypervisor.vms or 0 for hypervisor in hypervisors)


def _cell(cloud: CloudFacts, node: str) -> int | str:
    hypervisors = cloud.hypervisors_of(node)
    return len(_on(cloud, node)) if hypervisors else "Nova lists no hypervisor for it"


def _allocations(cloud: CloudFacts, node: str) -> int | str:
    hypervisors = cloud.hypervisors_of(node)
    if not hypervisors:
        return "Nova lists no hypervisor for it"
    if any(hypervisor.id not in cloud.allocations for hypervisor in hypervisors):
        return "no resource provider with the hypervisor's UUID"
    return len(_union(cloud.allocations[hypervisor.id] for hypervisor in hypervisors))


def _named(cloud: CloudFacts, node: str) -> frozenset[str]:
    """Return the UUIDs of all instances that any witness names."""
    return _union(
        [
            {server.id for server in cloud.servers_on(node)},
            {migration.server for migration in cloud.migrations_of(node)},
            _on(cloud, node),
            *(cloud.allocations.get(hypervisor.id, frozenset()) for hypervisor in cloud.hypervisors_of(node)),
        ]
    )


def _on(cloud: CloudFacts, node: str) -> frozenset[str]:
    return _union(hypervisor.servers for hypervisor in cloud.hypervisors_of(node))


def _union(sets: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
