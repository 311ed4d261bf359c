"""What was seen of the control plane, and what that allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migration.kolla.health import (
    MEMBER,
    Look,
    Sign,
    System,
    forbids,
    ills,
    of_ceph,
    of_galera,
    of_haproxy,
    of_rabbitmq,
)
from migration.kolla.roll import Member

CTL1, CTL2, CTL3 = (Member(f"ctl{number}", "dc1", f"10.0.0.{number}") for number in (1, 2, 3))
THREE = [CTL1, CTL2, CTL3]
ARBITER = Member("arb1", "site3", "10.0.9.1", apis=False)
SILENT = replace(CTL2, votes=False)
SYNCED = (200, "Galera cluster node is synced.")


def well(members: list[Member], *, ceph: bool = True) -> list[Sign]:
    voters = [member.name for member in members if member.votes]
    controllers = [member for member in members if member.apis]
    return [
        Sign(System.API, "", "compute", healthy=True),
        *(Sign(System.SERVICE, each.name, "nova-scheduler", healthy=True, beat="12:00") for each in controllers),
        *of_galera(dict.fromkeys(voters, SYNCED)),
        *of_rabbitmq({name: dict.fromkeys(voters, "") for name in voters}),
        *of_haproxy({each.name: {"nova": {each.name: "UP"}} for each in controllers}, members),
        *(of_ceph({"ctl1": True, "ctl3": True, "arb1": True}, members) if ceph else []),
    ]


def broken(signs: list[Sign], system: System, where: str, what: str = MEMBER) -> list[Sign]:
    changed = [
        replace(sign, healthy=False, detail="broken") if sign.about == (system, where, what) else sign for sign in signs
    ]
    assert changed != signs
    return changed


@pytest.mark.parametrize("ceph", [True, False])
@pytest.mark.parametrize("members", [THREE, [CTL1, CTL3, ARBITER], [CTL1, SILENT, CTL3, ARBITER]])
def test_a_well_control_plane_may_change_anywhere(members: list[Member], ceph: bool) -> None:
    for member in members:
        assert forbids(Look(tuple(well(members, ceph=ceph))), members, member.name) == []


@pytest.mark.parametrize(
    ("system", "where", "what", "changes", "says"),
    [
        (System.API, "", "compute", "ctl1", "API compute: broken"),
        (System.SERVICE, "ctl2", "nova-scheduler", "ctl1", "service nova-scheduler on ctl2: broken"),
        (System.HAPROXY, "ctl2", "itself", "ctl1", "HAProxy itself on ctl2: broken"),
        (System.GALERA, "ctl2", MEMBER, "ctl1", "Galera: 1 of 3 members would be left, a majority is 2"),
        (System.RABBITMQ, "ctl2", MEMBER, "ctl1", "RabbitMQ: 1 of 3 members would be left, a majority is 2"),
        (System.CEPH, "ctl3", MEMBER, "ctl1", "Ceph: 1 of 3 members would be left, a majority is 2"),
        # a deploy of a host whose database is down founds a second one
        (System.GALERA, "ctl1", MEMBER, "ctl1", "Galera member on ctl1: broken"),
    ],
)
def test_what_forbids_a_change(system: System, where: str, what: str, changes: str, says: str) -> None:
    assert says in forbids(Look(tuple(broken(well(THREE), system, where, what))), THREE, changes)


@pytest.mark.parametrize(
    ("system", "what"),
    [(System.SERVICE, "nova-scheduler"), (System.HAPROXY, "itself"), (System.RABBITMQ, MEMBER), (System.CEPH, MEMBER)],
)
def test_the_controller_itself_may_be_ill_for_a_change_may_mend_it(system: System, what: str) -> None:
    assert forbids(Look(tuple(broken(well(THREE), system, "ctl1", what))), THREE, "ctl1") == []


@pytest.mark.parametrize("system", [System.GALERA, System.RABBITMQ])
def test_a_member_that_was_not_asked_counts_as_lost(system: System) -> None:
    signs = [sign for sign in well(THREE) if (sign.system, sign.where) != (system, "ctl3")]
    assert forbids(Look(tuple(signs)), THREE, "ctl1") == [f"{system}: 1 of 3 members would be left, a majority is 2"]


@pytest.mark.parametrize("members", [[CTL1], [CTL1, CTL2]])
def test_less_than_three_have_no_majority_to_spare(members: list[Member]) -> None:
    why = forbids(Look(tuple(well(members, ceph=False))), members, "ctl1")
    assert [sentence.partition(":")[0] for sentence in why] == ["Galera", "RabbitMQ"]


def test_nothing_seen_is_not_healthy() -> None:
    assert forbids(Look(()), THREE, "ctl1") == [
        "Galera: 0 of 3 members would be left, a majority is 2",
        "RabbitMQ: 0 of 3 members would be left, a majority is 2",
    ]


def later(signs: list[Sign], beat: str = "12:10") -> list[Sign]:
    return [replace(sign, beat=beat) if sign.beat else sign for sign in signs]


def test_health_after_a_change() -> None:
    known = Look(tuple(well(THREE)))
    fresh = Look(tuple(later(well(THREE))))
    assert ills(fresh, known=known, after=known, controller="ctl1") == []
    # a heartbeat of before the change is no proof of life after it; those of others need not be news
    assert ills(known, known=known, after=known, controller="ctl1") == [
        "service nova-scheduler on ctl1: no heartbeat yet since the change"
    ]
    gone = Look(tuple(sign for sign in fresh.signs if (sign.system, sign.where) != (System.SERVICE, "ctl1")))
    assert ills(gone, known=known, after=known, controller="ctl1") == [
        "service nova-scheduler on ctl1: gone since the change"
    ]
    ill = Look(tuple(broken(list(fresh.signs), System.HAPROXY, "ctl3", "itself")))
    assert ills(ill, known=known, after=known, controller="ctl1") == ["HAProxy itself on ctl3: broken"]


@pytest.mark.parametrize(
    ("answer", "healthy", "detail"),
    [
        (SYNCED, True, "200 Galera cluster node is synced."),
        ((503, "Galera cluster node is not synced."), False, "503 Galera cluster node is not synced."),
        ((0, "http://10.0.0.1:4569/ did not answer (ConnectTimeout)"), False, "http://10.0.0.1:4569/ did not answer"),
        ((404, "nginx"), False, "404 nginx"),
    ],
)
def test_galera(answer: tuple[int, str], healthy: bool, detail: str) -> None:
    (sign,) = of_galera({"ctl1": answer})
    assert (sign.healthy, sign.guards) == (healthy, True)
    assert sign.detail.startswith(detail)


def test_rabbitmq_is_well_where_it_answers_and_all_see_it_well() -> None:
    fine = {"ctl1": "", "ctl2": "", "ctl3": ""}
    one_sees = {**fine, "ctl3": "not running"}
    signs = {sign.where: sign for sign in of_rabbitmq({"ctl1": fine, "ctl2": one_sees, "ctl3": "did not answer"})}
    assert {where: sign.healthy for where, sign in signs.items()} == {"ctl1": True, "ctl2": True, "ctl3": False}
    signs = {sign.where: sign for sign in of_rabbitmq({"ctl1": fine, "ctl2": one_sees, "ctl3": fine})}
    assert signs["ctl3"].detail == "ctl2 says: not running"
    alone = {sign.where: sign for sign in of_rabbitmq({"ctl1": fine, "ctl2": fine, "ctl3": {"ctl3": ""}})}
    assert {where: sign.healthy for where, sign in alone.items()} == {"ctl1": False, "ctl2": False, "ctl3": True}
    assert alone["ctl1"].detail == "ctl3 says: not a member of its cluster"


def test_haproxy_says_whose_services_are_down() -> None:
    views = {
        "ctl1.example.org": {"nova": {"ctl1": "UP", "ctl2": "DOWN"}, "db": {"ctl2": "UP 1/2", "arb1": "MAINT"}},
        "ctl2": "did not answer",
    }
    members = [replace(CTL1, name="ctl1.example.org"), CTL2, ARBITER]
    assert [(str(sign), sign.healthy) for sign in of_haproxy(views, members)] == [
        ("HAProxy itself on ctl1.example.org: well", True),
        ("HAProxy itself on ctl2: did not answer", False),
        ("HAProxy services behind it on ctl1.example.org: well", True),
        ("HAProxy services behind it on ctl2: nova is DOWN", False),
        ("HAProxy services behind it on arb1: db is MAINT", False),
    ]


def test_a_monitor_stands_where_its_name_says() -> None:
    signs = of_ceph({"ctl1": True, "ctl2": False, "mon-x": True}, [replace(CTL1, name="ctl1.example.org"), CTL2])
    assert [(sign.where, sign.healthy) for sign in signs] == [
        ("ctl1.example.org", True), ("ctl2", False), ("mon-x", True),
    ]  # fmt: skip
