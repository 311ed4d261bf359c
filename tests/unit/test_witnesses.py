"""Witnesses: the most cautious reading of several independent sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.facts import CloudFacts, Hypervisor, Migration, Server, Service
from migration.witnesses import looks_empty, occupancy

EMPTY = CloudFacts(
    "stein",
    services=(Service("s1", "cmp01", enabled=False, up=True),),
    hypervisors=(Hypervisor("h1", "cmp01", "cmp01", 0), Hypervisor("h2", "cmp02", "cmp02", 5, frozenset("abcde"))),
    servers=(Server("a", "visa-1", "cmp02", "ACTIVE"), Server("z", "offloaded", None, "SHELVED_OFFLOADED")),
    migrations=(Migration("b", "cmp02", "cmp03", "running"),),
    allocations={"h1": frozenset(), "h2": frozenset("abcde")},
)
ALL = {"servers of all projects", "hypervisor's own count", "cell database", "migrations", "placement allocations"}


def server(status: str) -> Server:
    return Server("x", "visa-9", "cmp01", status)


def hypervisor(vms: int | None = 0, servers: str = "") -> dict[str, Any]:
    return {"hypervisors": (Hypervisor("h1", "cmp01", "cmp01", vms, frozenset(servers)),)}


def test_empty_is_when_every_witness_answers_and_counts_nothing() -> None:
    held = occupancy(EMPTY, "cmp01")
    assert held.empty
    assert not held.unknown
    assert (held.count, held.silent, dict(held.counts)) == (0, (), dict.fromkeys(ALL, 0))
    assert looks_empty(EMPTY, "cmp01")


@pytest.mark.parametrize(
    ("change", "count", "pages_show_it"),
    [
        *(
            ({"servers": (server(status),)}, 1, True)
            for status in ("ACTIVE", "SHUTOFF", "PAUSED", "SHELVED", "ERROR", "BUILD", "VERIFY_RESIZE", "UNKNOWN")
        ),
        ({"migrations": (Migration("x", "cmp02", "cmp01", "migrating"),)}, 1, True),
        ({"migrations": (Migration("x", "cmp01", "cmp02", "finished"),)}, 1, True),
        ({"migrations": (Migration("x", "cmp01", None, "accepted"),)}, 1, True),
        (hypervisor(vms=3), 3, True),
        (hypervisor(servers="xy"), 2, True),
        ({"allocations": {"h1": frozenset("xyz")}}, 3, False),
        ({"servers": (server("ACTIVE"),), "migrations": (Migration("y", "a", "cmp01", "queued"),)}, 2, True),
        ({"servers": (server("ACTIVE"),), **hypervisor(vms=1, servers="x")}, 1, True),
    ],
)
def test_one_witness_is_enough(change: dict[str, Any], count: int, pages_show_it: bool) -> None:
    facts = replace(EMPTY, **change)
    held = occupancy(facts, "cmp01")
    assert held.count == count
    assert not held.empty
    assert not held.unknown
    if pages_show_it:
        assert not looks_empty(facts, "cmp01")


@pytest.mark.parametrize(
    ("change", "silent"),
    [
        ({"hidden": 3}, ["servers of all projects (a cell is down, Nova does not say where 3 servers are)"]),
        (hypervisor(vms=None), ["hypervisor's own count (it does not say)"]),
        ({"allocations": {}}, ["placement allocations (no resource provider with the hypervisor's UUID)"]),
        (
            {"hypervisors": ()},
            [
                "hypervisor's own count (Nova lists no hypervisor for it)",
                "cell database (Nova lists no hypervisor for it)",
                "placement allocations (Nova lists no hypervisor for it)",
            ],
        ),
    ],
)
def test_silence_is_not_emptiness(change: dict[str, Any], silent: list[str]) -> None:
    held = occupancy(replace(EMPTY, **change), "cmp01")
    assert held.unknown
    assert not held.empty
    assert list(held.silent) == silent
    assert set(held.counts) == ALL - {who.partition(" (")[0] for who in silent}
    assert str(held) == f"cannot be proved empty: no answer from {'; '.join(silent)}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "empty"),
        ({"servers": (server("ACTIVE"),)}, "1 instance left"),
        ({"servers": (server("ACTIVE"),), **hypervisor(vms=3, servers="xyz")}, "3 instances left"),
        (
            hypervisor(vms=2, servers="x"),
            (
                "2 instances left by hypervisor's own count 2, cell database 1; Nova's server list shows none. If that"
                " stays so, look for leftovers there"
            ),
        ),
        (
            {"allocations": {"h1": frozenset("x")}},
            (
                "1 instance left by placement allocations 1; Nova's server list shows none. If that stays so, look for"
                " leftovers there"
            ),
        ),
        (
            {"migrations": (Migration("x", "cmp02", "cmp01", "migrating"),)},
            (
                "1 instance left by migrations 1; Nova's server list shows none. If that stays so, look for"
                " leftovers there"
            ),
        ),
        # the list itself is silent: it does not show none
        ({"hidden": 1, **hypervisor(vms=2)}, "2 instances left"),
    ],
)
def test_who_counts_is_named_where_novas_server_list_shows_none(change: dict[str, Any], says: str) -> None:
    assert str(occupancy(replace(EMPTY, **change), "cmp01")) == says


def test_something_counted_is_known_though_another_is_silent() -> None:
    held = occupancy(replace(EMPTY, hidden=1, **hypervisor(vms=2)), "cmp01")
    assert (held.count, held.unknown, held.empty) == (2, False, False)


uuids = st.frozensets(st.sampled_from("abcdef"), max_size=4)


@given(
    on=uuids,
    cell=uuids,
    moving=uuids,
    held=st.none() | uuids,
    vms=st.none() | st.integers(0, 4),
    hidden=st.integers(0, 1),
)
def test_a_node_is_empty_only_if_nobody_counts_and_nobody_is_silent(
    on: frozenset[str],
    cell: frozenset[str],
    moving: frozenset[str],
    held: frozenset[str] | None,
    vms: int | None,
    hidden: int,
) -> None:
    facts = CloudFacts(
        "stein",
        hypervisors=(Hypervisor("h1", "cmp01", "cmp01", vms, cell),),
        servers=tuple(Server(id_, id_, "cmp01", "ACTIVE") for id_ in on),
        migrations=tuple(Migration(id_, "cmp09", "cmp01", "running") for id_ in moving),
        allocations={} if held is None else {"h1": held},
        hidden=hidden,
    )
    seen = occupancy(facts, "cmp01")
    named = on | cell | moving | (held or frozenset())
    assert seen.count == max(len(named), vms or 0)
    assert seen.empty is (not named and vms == 0 and held is not None and not hidden)
    assert not (seen.empty and seen.unknown)
