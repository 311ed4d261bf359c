"""Controllers over datacenters: what may fail, what may not, and what is refused."""
# ruff: noqa: E501, ISC004 - a sentence reads better on a line of its own

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from migration.kolla.layout import guards, layout, sentences
from migration.settings import CaracalSettings
from tests.unit.kolla_stack import ARBITER, changed, parse


def settings(sites: Mapping[str, int], *, arbiter: bool = False, more: tuple[str, ...] = ()) -> CaracalSettings:
    numbers = itertools.count(1)
    controllers = {
        f"c{number}": {"datacenter": site, "address": f"10.0.0.{number + 100}"}
        for site, count in sites.items()
        for number in itertools.islice(numbers, count)
    }
    raw = changed(
        controllers=controllers, datacenters={name: {} for name in (*sites, *more)}, nodes=None,
        kolla__datacenters=None, arbiter=ARBITER if arbiter else None,
    )  # fmt: skip
    return parse(raw)


CASES = [
    # controllers, arbiter, sites that may fail, sites that may not
    ({"dc1": 2, "dc2": 1}, False, ["dc2"], ["dc1"]),
    ({"dc1": 2, "dc2": 1}, True, ["dc1", "dc2", "site3"], []),
    ({"dc1": 1, "dc2": 1}, True, ["dc1", "dc2", "site3"], []),
    ({"dc1": 2, "dc2": 2}, True, ["dc1", "dc2", "site3"], []),
    ({"dc1": 3, "dc2": 2}, False, ["dc2"], ["dc1"]),
    ({"dc1": 1, "dc2": 1, "dc3": 1}, False, ["dc1", "dc2", "dc3"], []),
    ({"dc1": 3}, False, [], ["dc1"]),
]


@pytest.mark.parametrize(("sites", "arbiter", "may", "may_not"), CASES)
def test_which_site_may_fail(sites: dict[str, int], arbiter: bool, may: list[str], may_not: list[str]) -> None:
    wanted = settings(sites, arbiter=arbiter)
    now = layout(wanted)
    assert [site for site in now.votes if now.survives(site)] == may
    assert [site for site in now.votes if not now.survives(site)] == may_not
    told = sentences(wanted)
    assert [line.split()[0] for line in told if " may fail: " in line] == may
    assert [line.split()[0] for line in told if " may not fail: " in line] == may_not
    assert guards(wanted)[0] == []


@checked(deadline=None)
@given(st.integers(1, 4), st.integers(1, 4))
def test_an_arbiter_bears_the_loss_of_any_one_site(first: int, second: int) -> None:
    wanted = settings({"dc1": first, "dc2": second}, arbiter=True)
    now = layout(wanted)
    assert all(now.survives(site) for site in now.votes)
    assert len(now.voters) % 2 == 1
    assert sorted([*now.voters, *itertools.chain(*now.silent.values())]) == sorted([*wanted.controllers, "arb1"])
    assert guards(wanted)[0] == []


@checked(deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_at_most_one_site_may_not_fail_unless_the_votes_are_even(counts: list[int]) -> None:
    now = layout(settings({f"dc{number}": count for number, count in enumerate(counts)}))
    stops = [site for site in now.votes if not now.survives(site)]
    if len(now.voters) % 2:
        assert len(stops) <= 1


def test_the_sentences_of_two_and_one() -> None:
    assert sentences(settings({"dc1": 2, "dc2": 1})) == [
        "votes: c1, c2 in dc1; c3 in dc2; 3 in all, 2 must see each other",
        "dc1 may not fail: 1 of 3 votes would be left, 2 are needed. Galera stops answering, so every API does; RabbitMQ"
        " pauses; Ceph's monitors, if they stand on the controllers, lose their quorum, so instances everywhere wait for"
        " their disks. All go on when it is back",
        "dc2 may fail: c1, c2 go on, and the APIs on c1, c2",
        "an arbiter at a third site mends that: with it 1 of each datacenter and the arbiter vote, and any one site may"
        " fail. Declare arbiter: {name, datacenter, address}, and give Ceph a tiebreaker monitor there",
    ]
    assert sentences(settings({"dc1": 2, "dc2": 1}, arbiter=True)) == [
        "votes: c1 in dc1; c3 in dc2; arb1 in site3; 3 in all, 2 must see each other",
        "c2 in dc1: no vote, or one site would outvote the others; APIs only",
        "dc1 may fail: c3, arb1 go on, and the APIs on c3",
        "dc2 may fail: c1, arb1 go on, and the APIs on c1, c2",
        "site3 may fail: c1, c3 go on, and the APIs on c1, c2, c3",
        "Ceph's monitors must stand as the votes do, with the tiebreaker on arb1: Kolla does not place them",
    ]


REFUSED = [
    (
        {"dc1": 1, "dc2": 1},
        False,
        "controllers: 2 votes bear the loss of no host, as 1 do, and a tie stops everything; ",
    ),
    (
        {"dc1": 2, "dc2": 2},
        False,
        "controllers: 4 votes bear the loss of 1 host, as 3 do, and a tie stops everything; ",
    ),
    ({"dc1": 3}, True, "arbiter arb1: it breaks the tie of two datacenters, but the controllers are in 1; "),
    ({"dc1": 1, "dc2": 1, "dc3": 1}, True, "arbiter arb1: it breaks the tie of two datacenters, but the controllers "),
]


@pytest.mark.parametrize(("sites", "arbiter", "says"), REFUSED)
def test_what_is_refused(sites: dict[str, int], arbiter: bool, says: str) -> None:
    refusals, _ = guards(settings(sites, arbiter=arbiter))
    assert any(refusal.startswith(says) for refusal in refusals), refusals


WARNED = [
    ({"dc1": 1}, (), "controllers: c1 is the only one, so nothing may fail; declare three"),
    ({"dc1": 3}, ("dc2",), "controllers: all 3 are in dc1; if it fails, no copy of the database and no API is left. "
     "Put one into dc2"),
    ({"dc1": 2, "dc2": 1}, ("dc3",), "controllers: dc1 holds 2 of 3 votes; with 3 datacenters none needs to hold a "
     "majority, so spread them"),
]  # fmt: skip


@pytest.mark.parametrize(("sites", "more", "says"), WARNED)
def test_what_is_warned_of(sites: dict[str, int], more: tuple[str, ...], says: str) -> None:
    assert guards(settings(sites, more=more)) == ([], [says])


def test_a_good_layout_is_not_spoken_of() -> None:
    assert guards(settings({"dc1": 2, "dc2": 1})) == ([], [])
    assert guards(settings({"dc1": 3})) == ([], [])
    assert guards(parse(changed(controllers=None, kolla=None))) == ((), ())
