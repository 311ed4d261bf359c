"""Look at Ceph: everything that the plan needs, in a dozen commands of a millisecond each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from migration.adapters.ceph import Cluster
from migration.ceph.access import without_comments
from migration.ceph.crush import CrushMap, Layout, written
from migration.ceph.facts import Bucket, CephFacts, Osd, PoolFacts, RuleFacts, UserFacts
from migration.ceph.guards import refusals
from migration.ceph.marks import rotation_key
from migration.ceph.plan import crush_steps
from migration.ceph.settings import Ceph
from migration.ceph.users import entity
from migration.errors import CephRefused

_REPLICATED = 1


def open_ceph(ceph: Ceph) -> Cluster:
    """Return the connection that the settings describe; it is made on entry."""
    return Cluster(ceph.connection.conf, ceph.connection.client, ceph.connection.timeout)


def look_at_ceph(ceph: Ceph) -> CephFacts:
    """Look once at Ceph.

    Arguments:
        ceph: how it is reached, and what is wanted of it.

    Returns:
        What is there.

    Raises:
        CephError: no binding, no configuration or no key.
        CephUnreachable: no quorum of monitors answers in time.
        CephRefused: the monitors refused a command.
    """
    with open_ceph(ceph) as cluster:
        return look(cluster, ceph)


def look(cluster: Cluster, ceph: Ceph) -> CephFacts:
    """Look once at Ceph through an open connection; as :func:`look_at_ceph`."""
    osds, crush = cluster.ask("osd dump"), cluster.ask("osd crush dump")
    usage, status = cluster.ask("df", detail="detail"), cluster.ask("quorum_status")
    stretch = osds.get("stretch_mode", {})
    buckets = _buckets(crush)
    rules = {rule["rule_name"]: RuleFacts(rule["rule_id"], _steps(rule)) for rule in crush["rules"]}
    facts = CephFacts(
        fsid=osds["fsid"],
        conf=_conf(cluster),
        quorum=tuple(status["quorum_names"]),
        monitors=tuple(monitor["name"] for monitor in status["monmap"]["mons"]),
        buckets=buckets,
        rules=rules,
        pools=_pools(osds, usage, rules),
        users={name: user for name in ceph.users if (user := _user(cluster, name)) is not None},
        osds=tuple(_osd(osd, crush) for osd in osds["osds"]),
        available=usage["stats"]["total_avail_bytes"],
        stretch=bool(stretch.get("stretch_mode_enabled")),
        degraded=bool(stretch.get("degraded_stretch_mode") or stretch.get("recovering_stretch_mode")),
    )
    return _tried(cluster, ceph, facts)


def _tried(cluster: Cluster, ceph: Ceph, facts: CephFacts) -> CephFacts:
    """Add what crushtool says of the CRUSH map as it will be, if any pool would be laid out otherwise."""
    if facts.degraded or any(refusals(ceph, facts)):
        return facts
    changed = bool(crush_steps(ceph, facts))
    wanted = {name: (ceph.rule_of(name), ceph.size_of(name)) for name in ceph.pools}
    there = {name: (pool.rule, pool.size) for name, pool in facts.pools.items()}
    moving = [name for name in facts.pools if changed or wanted.get(name, there[name]) != there[name]]
    trying = [name for name in wanted if changed or name not in there or wanted[name] != there[name]]
    if not (moving or trying or changed):
        return facts
    before = CrushMap(cluster.fetch("osd getcrushmap")[0])
    after = before.wanted(ceph) if changed else before
    numbers = after.rules()
    misfits: dict[str, str] = {}
    for rule, size in sorted({(ceph.rule.name, ceph.size), *(wanted[name] for name in trying)}):
        if said := after.misfit(numbers[rule], size):
            names = [name for name in trying if wanted[name] == (rule, size)]
            misfits |= dict.fromkeys(names or [rule], said)
    moves = {}
    for name in moving:
        pool = facts.pools[name]
        if pool.stored:
            rule, size = wanted.get(name, there[name])
            was = Layout(before.binary, facts.rules[pool.rule].id, pool.size)
            will = Layout(after.binary, numbers[rule], size)
            moves[name] = round(written(was, will, pool.id, pool.pg_num) * pool.stored)
    return replace(facts, misfits=misfits, moves=moves)


def _conf(cluster: Cluster) -> str:
    """Return a minimal ceph.conf; Ceph indents it with tabs, which Kolla's parser of INI files takes for a mistake."""
    return without_comments(cluster.fetch("config generate-minimal-conf")[0].decode())


def _user(cluster: Cluster, name: str) -> UserFacts | None:
    found = cluster.find("auth get", entity=entity(name))
    if found is None:
        return None
    recorded = _recorded(cluster, rotation_key(name))
    return UserFacts(found[0]["caps"], found[0]["key"], int(recorded) if recorded and recorded.isdigit() else None)


def _recorded(cluster: Cluster, key: str) -> str | None:
    # "config-key exists" answers with an error too, and get is one round less
    try:
        return cluster.fetch("config-key get", key=key)[0].decode()
    except CephRefused as refused:
        if refused.missing:
            return None
        raise


def _buckets(crush: Mapping[str, Any]) -> Mapping[str, Bucket]:
    # a shadow bucket shows the OSDs of one class only, as in default~ssd
    real = [bucket for bucket in crush["buckets"] if "~" not in bucket["name"]]
    parents = {item["id"]: bucket["name"] for bucket in real for item in bucket["items"]}
    return {
        bucket["name"]: Bucket(bucket["name"], bucket["type_name"], parents.get(bucket["id"]), bucket["weight"])
        for bucket in real
    }


def _osd(osd: Mapping[str, Any], crush: Mapping[str, Any]) -> Osd:
    hosts = (
        bucket["name"]
        for bucket in crush["buckets"]
        if "~" not in bucket["name"] and any(item["id"] == osd["osd"] for item in bucket["items"])
    )
    return Osd(osd["osd"], next(hosts, None), bool(osd["up"]))


def _steps(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a rule's steps in the words of crushtool."""
    steps = []
    for step in rule["steps"]:
        operation = step["op"]
        if operation == "take":
            bucket, _, device = step["item_name"].partition("~")
            steps.append(f"take {bucket} class {device}" if device else f"take {bucket}")
        elif operation.startswith("choose"):
            act, _, mode = operation.partition("_")
            steps.append(f"{act} {mode} {step['num']} type {step['type']}")
        else:
            steps.append(" ".join([operation, *([str(step["num"])] if "num" in step else [])]))
    return tuple(steps)


def _pools(
    osds: Mapping[str, Any], usage: Mapping[str, Any], rules: Mapping[str, RuleFacts]
) -> Mapping[str, PoolFacts]:
    stats = {pool["name"]: pool["stats"] for pool in usage["pools"]}
    named = {rule.id: name for name, rule in rules.items()}
    return {
        pool["pool_name"]: PoolFacts(
            id=pool["pool"],
            replicated=pool["type"] == _REPLICATED,
            size=pool["size"],
            min_size=pool["min_size"],
            rule=named.get(pool["crush_rule"], f"number {pool['crush_rule']}"),
            autoscale=pool["pg_autoscale_mode"],
            pg_num=pool.get("pg_num_target", pool["pg_num"]),
            quota_bytes=pool["quota_max_bytes"],
            quota_objects=pool["quota_max_objects"],
            applications=pool["application_metadata"],
            nodelete="nodelete" in pool["flags_names"].split(","),
            stored=stats[pool["pool_name"]]["stored"] if pool["pool_name"] in stats else None,
            objects=stats[pool["pool_name"]]["objects"] if pool["pool_name"] in stats else None,
        )
        for pool in osds["pools"]
    }
