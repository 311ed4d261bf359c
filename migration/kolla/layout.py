"""Controllers over datacenters: which site may fail, which may not, and what stops then.

Galera, RabbitMQ's quorum queues and Ceph's monitors all go on as long as more than half of their members see each
other. So three controllers in two datacenters bear the loss of the datacenter with one of them, and not of the other.
A host at a third site (the arbiter) mends that, if no datacenter has more votes than the other: then as many
controllers of each datacenter vote as the smaller one has, and the arbiter is the odd one.

Sources: Galera, "Weighted Quorum"; RabbitMQ, "Quorum Queues" and "Clustering and Network Partitions"; Ceph, "Stretch
Clusters".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration.settings import CaracalSettings


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the votes are.

    Attributes:
        votes: the hosts that vote in Galera and RabbitMQ, by site; a site is a datacenter, or the arbiter's.
        silent: controllers without a vote, by datacenter: they serve APIs only.
    """

    votes: Mapping[str, tuple[str, ...]]
    silent: Mapping[str, tuple[str, ...]]

    @property
    def voters(self) -> tuple[str, ...]:
        """All hosts that vote."""
        return tuple(host for hosts in self.votes.values() for host in hosts)

    @property
    def quorum(self) -> int:
        """How many of them must see each other."""
        return len(self.voters) // 2 + 1

    def left_without(self, site: str) -> int:
        """Return how many votes are left when a site has failed."""
        return len(self.voters) - len(self.votes[site])

    def survives(self, site: str) -> bool:
        """Return whether the control plane goes on when a site has failed."""
        return self.left_without(site) >= self.quorum


def layout(settings: CaracalSettings) -> Layout:
    """Say which hosts vote.

    Arguments:
        settings: the stack's settings.

    Returns:
        The votes, sites and hosts by name, the arbiter's site last.
    """
    sites = controllers_by_datacenter(settings)
    if settings.arbiter is None or len(sites) < 2:
        return Layout(sites, {})
    each = min(map(len, sites.values()))
    votes = {site: hosts[:each] for site, hosts in sites.items()}
    silent = {site: hosts[each:] for site, hosts in sites.items() if hosts[each:]}
    return Layout({**votes, settings.arbiter.datacenter: (settings.arbiter.name,)}, silent)


def controllers_by_datacenter(settings: CaracalSettings) -> Mapping[str, tuple[str, ...]]:
    """Return the controllers of each datacenter that has any, both by name."""
    return {
        site: tuple(sorted(name for name, one in settings.controllers.items() if one.datacenter == site))
        for site in sorted({one.datacenter for one in settings.controllers.values()})
    }


def sentences(settings: CaracalSettings) -> Sequence[str]:
    """Say for a preview what may fail.

    Arguments:
        settings: the stack's settings, with controllers.

    Returns:
        A sentence on the votes, one on each site, and one on how to do better where that is possible.
    """
    now = layout(settings)
    told = [f"votes: {_places(now.votes)}; {len(now.voters)} in all, {now.quorum} must see each other"]
    if now.silent:
        told.append(f"{_places(now.silent)}: no vote, or one site would outvote the others; APIs only")
    told += [_on(now, site, settings) for site in now.votes]
    weak = [site for site in now.votes if not now.survives(site)]
    if settings.arbiter is not None:
        told.append(
            f"Ceph's monitors must stand as the votes do, with the tiebreaker on {settings.arbiter.name}:"
            " Kolla does not place them"
        )
    elif weak and len(now.votes) == 2:
        told.append(
            f"an arbiter at a third site mends that: with it {min(map(len, now.votes.values()))} of each datacenter"
            " and the arbiter vote, and any one site may fail. Declare arbiter: {name, datacenter, address}, and give"
            " Ceph a tiebreaker monitor there"
        )
    return told


def guards(settings: CaracalSettings) -> tuple[Sequence[str], Sequence[str]]:
    """Judge the layout.

    Arguments:
        settings: the stack's settings.

    Returns:
        Why it is refused, and what to be warned of, a sentence each.
    """
    if not settings.controllers:
        return (), ()
    now, sites = layout(settings), controllers_by_datacenter(settings)
    refusals, warnings = [], []
    number, count = len(now.voters), len(sites)
    if settings.arbiter is not None and count != 2:
        refusals.append(
            f"arbiter {settings.arbiter.name}: it breaks the tie of two datacenters, but the controllers are in"
            f" {count}; spread them over two, or drop the arbiter"
        )
    if number % 2 == 0:
        refusals.append(
            f"controllers: {number} votes bear the loss of {_hosts((number - 1) // 2)}, as {number - 1} do, and a tie"
            " stops everything; add or take away one, or declare an arbiter at a third site"
        )
    if number == 1:
        warnings.append(f"controllers: {now.voters[0]} is the only one, so nothing may fail; declare three")
    elif count == 1 and len(settings.datacenters) > 1:
        others = ", ".join(sorted(set(settings.datacenters) - set(sites)))
        warnings.append(
            f"controllers: all {number} are in {next(iter(sites))}; if it fails, no copy of the database and no"
            f" API is left. Put one into {others}"
        )
    elif len(settings.datacenters) > 2 and (weak := [site for site in sites if not now.survives(site)]):
        warnings.append(
            f"controllers: {weak[0]} holds {len(now.votes[weak[0]])} of {number} votes; with"
            f" {len(settings.datacenters)} datacenters none needs to hold a majority, so spread them"
        )
    return refusals, warnings


def _on(now: Layout, site: str, settings: CaracalSettings) -> str:
    if now.survives(site):
        votes = ", ".join(host for other, hosts in now.votes.items() if other != site for host in hosts)
        serving = ", ".join(sorted(name for name, one in settings.controllers.items() if one.datacenter != site))
        return f"{site} may fail: {votes} go on, and the APIs on {serving}"
    left = now.left_without(site)
    return (
        f"{site} may not fail: {left} of {len(now.voters)} votes would be left, {now.quorum} are needed. Galera stops"
        " answering, so every API does; RabbitMQ pauses; Ceph's monitors, if they stand on the controllers, lose their"
        " quorum, so instances everywhere wait for their disks. All go on when it is back"
    )


def _places(sites: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{', '.join(hosts)} in {site}" for site, hosts in sites.items())


def _hosts(number: int) -> str:
    return f"{number} host{'s' if number != 1 else ''}" if number else "no host"
