"""What a person should know of Ceph before and while it is changed: pure."""

from __future__ import annotations

from collections.abc import Iterator

from migration.ceph.facts import CephFacts, sized
from migration.ceph.marks import is_ours
from migration.ceph.settings import Ceph


def warnings(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    """Yield what a person should know.

    Arguments:
        ceph: what is wanted.
        facts: what one look saw.

    Yields:
        A sentence each.
    """
    if facts.degraded:
        yield (
            "ceph: stretch mode is degraded: one datacenter is gone, and Ceph itself has lowered min_size so that the"
            " other goes on. Rules, sizes and min_size are left alone until it has recovered"
        )
    yield from _down(ceph, facts)
    yield from _layout(ceph, facts)
    yield from _pools(ceph, facts)
    yield from _keys(ceph, facts)


def _layout(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    for name, moved in sorted(facts.moves.items()):
        if moved:
            yield f"pool {name}: its new layout makes Ceph write about {sized(moved)} in the background"
    for name, hosts in ceph.crush.datacenters.items():
        if name in facts.buckets and (more := sorted({*facts.hosts_in(name)} - {*hosts})):
            yield f"datacenter {name}: also has {', '.join(more)}, not under ceph.crush.datacenters.{name}; add them"


def _pools(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    left = ceph.size - ceph.rule.copies
    for name, pool in ceph.pools.items():
        if ceph.rule_of(name) == ceph.rule.name and pool.min_size > left:
            yield (
                f"pool {name}: stands still when one datacenter goes: {left} copies are left then, and min_size is"
                f" {pool.min_size}"
            )
    for name, there in facts.pools.items():
        if name not in ceph.pools and is_ours(there) and there.empty:
            yield f"pool {name}: is empty and stands under ceph.pools no more; it stays until somebody deletes it"


def _keys(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    for name, user in ceph.users.items():
        known = facts.users.get(name)
        turn = (known.rotation or 1) if known is not None else user.rotation
        if user.rotation < turn:
            yield (
                f"user {name}: its key has had rotation {turn}, and ceph.users.{name}.rotation is {user.rotation}; an"
                f" old key does not come back. Write {turn}, or more for a new key"
            )
        elif user.rotation > turn:
            yield (
                f"user {name}: gets a new key. Who logs in with the old one is refused from then on; who is connected"
                " goes on until its tickets end (auth_mon_ticket_ttl, 72 hours by default). Deploy the new keyring at"
                " once, and restart what uses it: for cinder and nova every running instance too (docs/ceph.md)"
            )


def _down(ceph: Ceph, facts: CephFacts) -> Iterator[str]:
    silent = sorted({*facts.monitors} - {*facts.quorum})
    if silent:
        yield f"ceph: monitors {', '.join(silent)} of {', '.join(facts.monitors)} are not in the quorum"
    down = [osd for osd in facts.osds if not osd.up]
    if not down:
        return
    gone = [name for name in ceph.crush.datacenters if _all_down(facts, name)]
    where = f": all of {' and '.join(gone)}" if gone else ""
    count = f"{len(down)} of {len(facts.osds)} OSDs are down"
    yield f"ceph: {count}{where}; what is changed reaches them when they are back"


def _all_down(facts: CephFacts, datacenter: str) -> bool:
    inside = [
        osd.up
        for osd in facts.osds
        if osd.host in facts.buckets and any(above.name == datacenter for above in facts.ancestors(str(osd.host)))
    ]
    return bool(inside) and not any(inside)
