"""What must hold between the settings of Ceph, the storage of the new cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from migration import raw as raws
from migration.ceph.users import KEYRINGS, pools_of
from migration.complaints import did_you_mean, path, shown
from migration.errors import Problem
from migration.raw import Raw

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LEAST_MIN_SIZE = 2
_COPIES = 2  # the default of ceph.rule.copies


def problems(raw: Raw) -> Iterator[Problem]:
    """Check what the stack file says; yields every mistake, without lines."""
    ceph = raws.mapping(raw, "ceph")
    if not ceph:
        return
    yield from _names(ceph)
    yield from _crush(raw, ceph)
    for name, pool in raws.mapping(ceph, "pools").items():
        yield from _pool(ceph, name, pool if isinstance(pool, dict) else {})
    yield from _users(ceph)


def _names(ceph: Raw) -> Iterator[Problem]:
    crush = raws.mapping(ceph, "crush")
    named: list[tuple[Sequence[str | int], str | None]] = [
        (["crush", "root"], raws.text(crush, "root")),
        (["rule", "name"], raws.text(raws.mapping(ceph, "rule"), "name")),
        *((["crush", "datacenters", name], name) for name in raws.mapping(crush, "datacenters")),
        *((["pools", name], name) for name in raws.mapping(ceph, "pools")),
    ]
    for datacenter in raws.mapping(crush, "datacenters"):
        hosts = raws.listed(raws.mapping(crush, "datacenters"), datacenter)
        named += [
            (["crush", "datacenters", datacenter, index], host)
            for index, host in enumerate(hosts)
            if isinstance(host, str)
        ]
    for place, name in named:
        if name is not None and not _NAME.fullmatch(name):
            message = f"{shown(name)} is no name in Ceph; use letters, digits, dots, hyphens and underscores"
            yield Problem(path(["ceph", *place]), message)
    client = raws.text(raws.mapping(ceph, "connection"), "client")
    if client is not None and not client.startswith("client."):
        message = f"{shown(client)} is no user of Ceph; write it as in {shown(f'client.{client}')}"
        yield Problem("ceph.connection.client", message)


def _crush(raw: Raw, ceph: Raw) -> Iterator[Problem]:
    datacenters = raws.mapping(raws.mapping(ceph, "crush"), "datacenters")
    place = ["ceph", "crush", "datacenters"]
    if "datacenters" in raws.mapping(ceph, "crush") and not datacenters:
        yield Problem(path(place), "names no datacenter; copies must lie somewhere")
    copies = _copies(ceph)
    seen: dict[str, str] = {}
    for name in datacenters:
        yield from raws.unknown(name, raws.mapping(raw, "datacenters"), "datacenters", [*place, name])
        hosts = raws.listed(datacenters, name)
        if copies is not None and len(hosts) < copies:
            message = (
                f"names {len(hosts)} hosts, but ceph.rule.copies is {copies} and no two copies lie on one host;"
                f" name {copies} hosts or more"
            )
            yield Problem(path([*place, name]), message)
        for index, host in enumerate(hosts):
            if isinstance(host, str) and (other := seen.setdefault(host, f"{name}[{index}]")) != f"{name}[{index}]":
                message = f"{shown(host)} is under {other} already; a host is in one place"
                yield Problem(path([*place, name, index]), message)


def _copies(ceph: Raw) -> int | None:
    rule = raws.mapping(ceph, "rule")
    return raws.number(rule, "copies") if "copies" in rule else _COPIES


def _pool(ceph: Raw, name: str, pool: Raw) -> Iterator[Problem]:
    place = ["ceph", "pools", name]
    declared = raws.text(raws.mapping(ceph, "rule"), "name")
    datacenters = raws.mapping(raws.mapping(ceph, "crush"), "datacenters")
    own = raws.text(pool, "rule") in {None, declared}
    copies, size = _copies(ceph), raws.number(pool, "size")
    given = copies * len(datacenters) if copies is not None and datacenters else None
    if own and size is not None and given is not None and size != given:
        message = (
            f"{size} copies, but the rule {declared} puts {copies} into each of {len(datacenters)} datacenters;"
            f" leave it out, or use {given}"
        )
        yield Problem(path([*place, "size"]), message)
    if not own and size is None:
        message = f"missing; how many copies rule {shown(pool['rule'])} gives is not known here"
        yield Problem(path([*place, "size"]), message)
    least = raws.number(pool, "min_size")
    size = size or (given if own else None)
    if least is not None and least < _LEAST_MIN_SIZE:
        message = (
            f"{least} would take writes onto a single copy, which one broken disk then loses;"
            f" use {_LEAST_MIN_SIZE} or more"
        )
        yield Problem(path([*place, "min_size"]), message)
    elif size is not None and (least or _LEAST_MIN_SIZE) > size:
        message = f"{least or _LEAST_MIN_SIZE} is above the size {size}, so the pool could never be written to"
        yield Problem(path([*place, "min_size"]), message)
    if pool.get("pg_num") is not None and pool.get("autoscale", "on") in {"on", True}:
        yield Problem(path([*place, "pg_num"]), "Ceph decides it itself; drop it, or add autoscale: off")


def _users(ceph: Raw) -> Iterator[Problem]:
    pools = raws.mapping(ceph, "pools")
    for name, user in raws.mapping(ceph, "users").items():
        place = path(["ceph", "users", name])
        if name not in KEYRINGS:
            message = f"{shown(name)} is no service that Kolla gives a key to; {did_you_mean(name, KEYRINGS)}"
            yield Problem(place, message)
        elif not (isinstance(user, dict) and user.get("caps")):
            missing = [pool for pool in pools_of(name) if pool not in pools]
            if missing:
                message = f"its expected caps name the pools {', '.join(missing)}; declare them, or give it caps"
                yield Problem(place, message)
