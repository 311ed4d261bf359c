"""The plan of Ceph: which steps the CRUSH map, each pool and each user need. A pure function of settings and facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from migration.ceph.facts import CephFacts, PoolFacts, UserFacts, sized
from migration.ceph.guards import refusals
from migration.ceph.marks import DECLARED, MARK, rotation_key
from migration.ceph.notices import warnings
from migration.ceph.settings import Ceph, Pool
from migration.ceph.users import caps_of, entity

LAYOUT = ("rule", "size", "min_size")
"""What degraded stretch mode changes by itself and gives back."""

CREATE, CAPS, ROTATE, RULE = "create", "caps", "rotate", "rule"


@dataclass(frozen=True, slots=True)
class Command:
    """A command to the monitors that changes something."""

    prefix: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CephStep:
    """One small idempotent act on the CRUSH map, a pool or a user.

    Attributes:
        word: what is changed, as in ``size``; unique for its subject.
        detail: from what to what; it holds no number that ticks.
        commands: what is sent; empty where the act is more than commands (the CRUSH map, a key).
    """

    word: str
    detail: str
    commands: tuple[Command, ...] = ()


Steps = tuple[CephStep, ...]


@dataclass(frozen=True, slots=True)
class CephPlan:
    """What will be done to Ceph now.

    Attributes:
        crush: steps on the CRUSH map; they are one act, all or none.
        pools: steps on each pool of the settings, by name.
        users: steps on each user of the settings, by name.
        keys: the key of each user that is there: secrets.
        conf: a minimal ceph.conf, or "" where Ceph could not be asked.
        refusals: why nothing at all may be touched, a sentence each.
        warnings: what a person should know, a sentence each.
        unasked: why Ceph could not be asked, or "". Then there are no steps, and nothing of Ceph is changed.
    """

    crush: Steps = ()
    pools: Mapping[str, Steps] = field(default_factory=dict)
    users: Mapping[str, Steps] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    conf: str = ""
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unasked: str = ""

    @property
    def subjects(self) -> Mapping[str, Steps]:
        """The steps by subject, as ``crush``, ``pool images`` and ``user glance``."""
        return {
            "crush": self.crush,
            **{f"pool {name}": steps for name, steps in self.pools.items()},
            **{f"user {name}": steps for name, steps in self.users.items()},
        }

    @property
    def settled(self) -> bool:
        """Whether Ceph is as it is wanted."""
        return not (any(self.subjects.values()) or self.refusals or self.unasked)


def plan_ceph(ceph: Ceph, facts: CephFacts) -> CephPlan:
    """Decide the steps of Ceph.

    Arguments:
        ceph: what is wanted.
        facts: what one look saw.

    Returns:
        The plan. Where anything is refused it has no steps at all.
    """
    refused = tuple(refusals(ceph, facts))
    plan = CephPlan(
        pools=dict.fromkeys(ceph.pools, ()),
        users=dict.fromkeys(ceph.users, ()),
        keys={name: user.key for name, user in facts.users.items()},
        conf=facts.conf,
        refusals=refused,
        warnings=tuple(warnings(ceph, facts)),
    )
    if refused:
        return plan
    return replace(
        plan,
        crush=crush_steps(ceph, facts),
        pools={name: pool_steps(ceph, facts, name) for name in ceph.pools},
        users={name: user_steps(ceph, facts.users.get(name), name) for name in ceph.users},
    )


def unasked(ceph: Ceph, error: Exception) -> CephPlan:
    """Return the plan for a Ceph that cannot be asked: nothing of it is changed.

    Arguments:
        ceph: what is wanted.
        error: why it cannot be asked.

    Returns:
        A plan without steps.
    """
    sentence = f"{error}. Nothing of Ceph is changed in this run"
    return CephPlan(
        pools=dict.fromkeys(ceph.pools, ()),
        users=dict.fromkeys(ceph.users, ()),
        warnings=(sentence,),
        unasked=sentence,
    )


def crush_steps(ceph: Ceph, facts: CephFacts) -> Steps:
    """Return what the CRUSH map needs; nothing while stretch mode is degraded.

    Arguments:
        ceph: what is wanted.
        facts: what one look saw; its places have been found good.

    Returns:
        The steps ``datacenter NAME``, ``host NAME`` and ``rule``.
    """
    if facts.degraded:
        return ()
    steps = [
        CephStep(f"datacenter {name}", f"new, in root {ceph.crush.root}")
        for name in ceph.crush.datacenters
        if name not in facts.buckets
    ]
    steps += [
        CephStep(f"host {host}", f"{facts.buckets[host].parent or 'nowhere'} -> {name}")
        for name, hosts in ceph.crush.datacenters.items()
        for host in hosts
        if host in facts.buckets and all(above.name != name for above in facts.ancestors(host))
    ]
    there = facts.rules.get(ceph.rule.name)
    wanted = ", ".join(ceph.rule_steps)
    if there is None:
        steps.append(CephStep(RULE, f"new, {ceph.rule.name}: {wanted}"))
    elif there.steps != ceph.rule_steps:
        steps.append(CephStep(RULE, f"{ceph.rule.name}: {', '.join(there.steps)} -> {wanted}"))
    return tuple(steps)


def pool_steps(ceph: Ceph, facts: CephFacts, name: str) -> Steps:
    """Return what a pool needs.

    Arguments:
        ceph: what is wanted.
        facts: what one look saw.
        name: the pool.

    Returns:
        ``create`` alone where it is missing (with everything that belongs to it), else a step for each difference.
    """
    there = facts.pools.get(name)
    wanted, rule, size = ceph.pools[name], ceph.rule_of(name), ceph.size_of(name)
    if there is None:
        made = _as_made(wanted, rule, size)
        arguments: dict[str, Any] = {"pool": name, "pool_type": "replicated", "rule": rule, "size": size}
        if wanted.pg_num is not None:
            arguments["pg_num"] = wanted.pg_num
        create = Command("osd pool create", {**arguments, "autoscale_mode": wanted.autoscale})
        rest = [command for step in _drift(ceph, made, name) for command in step.commands]
        quota = f", at most {_quota(wanted.quota.bytes)}" if wanted.quota.bytes else ""
        objects = f", at most {wanted.quota.objects} objects" if wanted.quota.objects else ""
        detail = f"rule {rule}, size {size}, min_size {wanted.min_size}, for {wanted.application}{quota}{objects}"
        return (CephStep(CREATE, detail, (create, *rest)),)
    return tuple(step for step in _drift(ceph, there, name) if not (facts.degraded and step.word in LAYOUT))


def _as_made(wanted: Pool, rule: str, size: int) -> PoolFacts:
    """Return the pool as Ceph makes it, before the rest is set; its min_size is Ceph's choice, so it is always set."""
    return PoolFacts(
        id=-1,
        replicated=True,
        size=size,
        min_size=0,
        rule=rule,
        autoscale=wanted.autoscale,
        pg_num=wanted.pg_num or 0,
        quota_bytes=0,
        quota_objects=0,
        applications={},
        nodelete=False,
        stored=0,
        objects=0,
    )


def _drift(ceph: Ceph, there: PoolFacts, name: str) -> Iterator[CephStep]:
    """Yield a step for each difference of a pool, in the order in which they are safe."""
    wanted = ceph.pools[name]

    def put(word: str, was: object, is_: object, variable: str | None = None) -> Iterator[CephStep]:
        if was != is_:
            # the monitors take nothing but text here
            arguments = {"pool": name, "var": variable or word, "val": str(is_)}
            yield CephStep(word, f"{was} -> {is_}", (Command("osd pool set", arguments),))

    yield from put(RULE, there.rule, ceph.rule_of(name), "crush_rule")
    size = list(put("size", there.size, ceph.size_of(name)))
    least = list(put("min_size", there.min_size, wanted.min_size))
    # never below the other: a size that shrinks under min_size would stop the pool in between
    yield from (*least, *size) if wanted.min_size < there.min_size else (*size, *least)
    yield from put("autoscale", there.autoscale, wanted.autoscale, "pg_autoscale_mode")
    if wanted.pg_num is not None:  # refused in the settings where Ceph decides it
        yield from put("pg_num", there.pg_num, wanted.pg_num)
    if wanted.application not in there.applications:
        enable = Command("osd pool application enable", {"pool": name, "app": wanted.application})
        yield CephStep("application", f"none -> {wanted.application}", (enable,))
    if there.applications.get(wanted.application, {}).get(MARK) != DECLARED:
        mark = {"pool": name, "app": wanted.application, "key": MARK, "value": DECLARED}
        yield CephStep("mark", f"{MARK} = {DECLARED}", (Command("osd pool application set", mark),))
    for word, kind, was, is_, shown in (
        ("quota", "max_bytes", there.quota_bytes, wanted.quota.bytes, _quota),
        ("quota of objects", "max_objects", there.quota_objects, wanted.quota.objects or 0, _objects),
    ):
        if was != is_:
            command = Command("osd pool set-quota", {"pool": name, "field": kind, "val": str(is_)})
            yield CephStep(word, f"{shown(was)} -> {shown(is_)}", (command,))
    if not there.nodelete:
        guard = Command("osd pool set", {"pool": name, "var": "nodelete", "val": "true"})
        yield CephStep("nodelete", "off -> on", (guard,))


def _quota(size: int) -> str:
    return sized(size) if size else "no limit"


def _objects(count: int) -> str:
    return str(count or "no limit")


def user_steps(ceph: Ceph, there: UserFacts | None, name: str) -> Steps:
    """Return what a user needs.

    Arguments:
        ceph: what is wanted.
        there: the user as it is, or None.
        name: its name without ``client.``.

    Returns:
        ``create``, or ``caps`` and ``rotate`` where they differ.
    """
    caps, rotation = caps_of(ceph, name), ceph.users[name].rotation
    listed = [part for daemon, text in caps.items() for part in (daemon, text)]
    shown = "; ".join(f"{daemon} {text}" for daemon, text in caps.items())
    turn = Command("config-key set", {"key": rotation_key(name), "val": str(rotation)})
    if there is None:
        make = Command("auth get-or-create", {"entity": entity(name), "caps": listed})
        return (CephStep(CREATE, shown, (make, turn) if rotation > 1 else (make,)),)
    steps = []
    if dict(there.caps) != dict(caps):
        was = "; ".join(f"{daemon} {text}" for daemon, text in sorted(there.caps.items())) or "none"
        change = Command("auth caps", {"entity": entity(name), "caps": listed})
        steps.append(CephStep(CAPS, f"{was} -> {shown}", (change,)))
    if rotation > (there.rotation or 1):
        # The key itself is made when the step is taken: a plan can be printed.
        steps.append(CephStep(ROTATE, f"{there.rotation or 1} -> {rotation}", (turn,)))
    return tuple(steps)
