"""Why nothing of Ceph may be touched: pure. Each guard is a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator

from migration.ceph.facts import CephFacts, sized
from migration.ceph.marks import MARK, is_ours, marked_application
from migration.ceph.settings import Ceph


def refusals(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    """Yield why nothing may be touched.

    Arguments:
        ceph: what is wanted.
        facts: what one look saw.

    Yields:
        A sentence for each guard that refuses.
    """
    yield from _places(ceph, facts)
    yield from _lost(ceph, facts)
    for name in ceph.pools:
        yield from _pool(ceph, facts, name)
    yield from _room(facts)


def _places(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    """Yield why the hierarchy cannot be what the settings say."""
    root = facts.buckets.get(ceph.crush.root)
    if root is None or root.type != "root":
        roots = ", ".join(sorted(one.name for one in facts.buckets.values() if one.type == "root")) or "none"
        found = f"a {root.type} of that name" if root else f"the roots {roots}"
        yield f"ceph.crush.root: CRUSH has no root {ceph.crush.root}, but {found}; name the one that holds the OSDs"
        return
    for name, hosts in ceph.crush.datacenters.items():
        there = facts.buckets.get(name)
        if there is not None and there.type != "datacenter":
            yield f"datacenter {name}: CRUSH has a {there.type} of that name; expected a datacenter. Rename one of them"
            continue
        if there is not None and there.parent != root.name:
            yield (
                f"datacenter {name}: lies in {there.parent or 'no root'}, expected root {root.name}; every copy in it"
                f" would move. If that is meant: ceph osd crush move {name} root={root.name}"
            )
        for host in hosts:
            yield from _misplaced(ceph, facts, name, host)
        standing = set(facts.hosts_in(name)) if there else set()
        able = [host for host in {*standing, *hosts} if host in facts.buckets and facts.buckets[host].weight > 0]
        if len(able) < ceph.rule.copies:
            yield (
                f"datacenter {name}: {len(able)} hosts with OSDs, but rule {ceph.rule.name} puts {ceph.rule.copies}"
                " copies there, each on another host. Bring up more, or lower ceph.rule.copies"
            )
    for name, said in facts.misfits.items():
        rule = ceph.rule_of(name) if name in ceph.pools else ceph.rule.name
        yield (
            f"rule {rule}: crushtool finds no place for every copy with the CRUSH map as it would be: {said}."
            " Mend the hierarchy or the weights (ceph osd tree), or ask for fewer copies"
        )


def _misplaced(ceph: Ceph, facts: CephFacts, datacenter: str, host: str) -> Iterator[str]:
    there = facts.buckets.get(host)
    if there is None or there.type != "host":
        found = f"a {there.type} of that name" if there else "no such host"
        yield (
            f"host {host}: CRUSH has {found}; expected a storage host of datacenter {datacenter}. Deploy its OSDs"
            f" first, or mend ceph.crush.datacenters.{datacenter}"
        )
        return
    above = [one.name for one in facts.ancestors(host)]
    if datacenter in above or above in ([], [ceph.crush.root]):
        return
    yield (
        f"host {host}: lies in {' in '.join(above)}, expected datacenter {datacenter}; which of the two is right is not"
        f" known here. Mend the settings, or: ceph osd crush move {host} datacenter={datacenter}"
    )


def _pool(ceph: Ceph, facts: CephFacts, name: str) -> Iterator[str]:
    """Yield why a pool cannot be what the settings say."""
    wanted, rule, there = ceph.pools[name], ceph.rule_of(name), facts.pools.get(name)
    if rule != ceph.rule.name and rule not in facts.rules:
        yield (
            f"pool {name}: Ceph has no rule {rule}, but {', '.join(sorted(facts.rules))}; use one of them, or leave"
            " ceph.pools."
            f"{name}.rule out"
        )
    if there is None:
        return
    if not there.replicated:
        yield (
            f"pool {name}: is erasure coded, expected whole copies; Ceph cannot change that. Use another name, and copy"
            " what is in it"
        )
    if there.applications and wanted.application not in there.applications:
        yield (
            f"pool {name}: serves {', '.join(sorted(there.applications))}, expected {wanted.application}; it is"
            " somebody else's. Use another name"
        )
    stored, objects = there.stored or 0, there.objects or 0
    if wanted.quota.bytes and stored >= wanted.quota.bytes:
        yield (
            f"pool {name}: holds {sized(stored)}, and a quota of {sized(wanted.quota.bytes)} would block every writer"
            f" at once; raise ceph.pools.{name}.quota.gib"
        )
    if wanted.quota.objects and objects >= wanted.quota.objects:
        yield (
            f"pool {name}: holds {objects} objects, and a quota of {wanted.quota.objects} would block every writer at"
            f" once; raise ceph.pools.{name}.quota.objects"
        )


def _lost(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    """Yield the pools of ours that hold data and are declared no more."""
    for name, pool in facts.pools.items():
        if name in ceph.pools or not is_ours(pool) or pool.empty:
            continue
        held = sized(pool.stored) if pool.stored is not None else "data, how much is not known"
        yield (
            f"pool {name}: holds {held} and stands under ceph.pools no more; it is never deleted. Put it back. Was it"
            f" renamed? Then first: ceph osd pool rename {name} NEW. To give it up for good, take our mark off it:"
            f" ceph osd pool application rm {name} {marked_application(pool)} {MARK}"
        )


def _room(facts: CephFacts) -> Iterator[str]:
    """Yield why what has to be written does not fit."""
    moved = sum(facts.moves.values())
    if moved > facts.available:
        pools = ", ".join(sorted(facts.moves))
        yield (
            f"pools {pools}: Ceph would have to write {sized(moved)}, but {sized(facts.available)} are free; add OSDs"
            " first"
        )
