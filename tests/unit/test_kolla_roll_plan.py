"""Who must change, in which order, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.kolla import applied
from migration.kolla.applied import Applied, Stage
from migration.kolla.roll import Member, parts_of, plan_roll, quorum, told

CTL1, CTL2, CTL3 = (Member(f"ctl{number}", f"dc{1 + number // 3}", f"10.0.0.{number}") for number in (1, 2, 3))
THREE = [CTL1, CTL2, CTL3]  # dc1 has two of them
ARBITER = Member("arbiter", "dc3", "10.0.0.9", apis=False)
AT = "2026-11-23T06:28:10Z"
FILES = {
    "globals.yml": "a: 1\n",
    "inventory/multinode": "[control]\nctl1\nctl2\nctl3\n",
    "inventory/host_vars/ctl1.yml": "api_interface: bond0\n",
    "config/nova.conf": "[DEFAULT]\n",
    "config/nova/nova-api.conf": "[api]\n",
    "config/mariadb/ctl2/galera.cnf": "[mysqld]\n",
}


ALL = ("ctl1", "ctl2", "ctl3")


def on_record(parts: dict[str, str], stage: Stage = Stage.APPLIED) -> Applied:
    return Applied(stage, AT, parts)


def each(part: str) -> dict[str, set[str]]:
    return {name: {part} for name in ALL}


WANTED = {member.name: {"globals.yml": "aa", "nova": "bb"} for member in THREE}
SETTLED = {member.name: on_record({"globals.yml": "aa", "nova": "bb"}) for member in THREE}
OLD = {member.name: on_record({"globals.yml": "aa", "nova": "b0"}) for member in THREE}


@pytest.mark.parametrize(
    ("changed", "rolls"),
    [
        ({}, {}),
        ({"globals.yml": "a: 2\n"}, each("globals.yml")),
        ({"config/nova/nova-api.conf": "[api]\nx = 1\n"}, each("nova")),
        ({"config/nova.conf": "[DEFAULT]\nx = 1\n"}, each("nova")),
        # the addresses of one are in the configuration of the others
        ({"inventory/host_vars/ctl1.yml": "x: 1\n"}, each("inventory")),
        # what Kolla gives to one host alone
        ({"config/mariadb/ctl2/galera.cnf": "[mysqld]\nx = 1\n"}, {"ctl2": {"mariadb"}}),
        # what only compute hosts get
        ({"config/nova/nova-compute.conf": "[libvirt]\n"}, {}),
        ({"config/nova/cmp01/nova.conf": "[libvirt]\n"}, {}),
        ({"config/neutron/cmp01/ml2_conf.ini": "[ovs]\n"}, {}),
        ({"inventory/group_vars/nodes_dc1.yml": "x: 1\n"}, {}),
    ],
)
def test_which_files_concern_which_controller(changed: dict[str, str], rolls: dict[str, set[str]]) -> None:
    before, after = (parts_of(files, THREE, ["cmp01"]) for files in (FILES, FILES | changed))
    differ = {
        name: {part for part in {*before[name], *after[name]} if before[name].get(part) != after[name].get(part)}
        for name in before
    }
    assert {name: parts for name, parts in differ.items() if parts} == rolls


def test_what_is_in_no_file_may_concern_controllers_too() -> None:
    once, twice = (parts_of(FILES, THREE, also={"ceph keys": rotation}) for rotation in ("1", "2"))
    assert {part for part in once["ctl1"] if once["ctl1"][part] != twice["ctl1"][part]} == {"ceph keys"}


def test_content_that_moves_between_files_is_a_change() -> None:
    one, other = ({"config/nova/a": "x", "config/nova/b": ""}, {"config/nova/a": "", "config/nova/b": "x"})
    assert parts_of(one, THREE) != parts_of(other, THREE)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (SETTLED["ctl1"], ""),
        (None, "nothing is on record of what was applied to it"),
        (OLD["ctl1"], f"nova changed since {AT}"),
        (on_record({"nova": "bb"}), f"globals.yml changed since {AT}"),
        (on_record({"globals.yml": "aa", "nova": "bb", "cinder": "cc"}), f"cinder changed since {AT}"),
        (on_record({"globals.yml": "a0", "nova": "b0"}), f"globals.yml, nova changed since {AT}"),
        # half of a change that was taken back since is still there
        (
            on_record({"globals.yml": "aa", "nova": "bb"}, Stage.CHANGING),
            f"a change that began {AT} was not completed",
        ),
    ],
)
def test_why_a_controller_must_change(record: Applied | None, why: str) -> None:
    applied = {**SETTLED, "ctl1": record} if record else {name: SETTLED[name] for name in ALL[1:]}
    plan = plan_roll(THREE, WANTED, applied, holder="ctl3", deploys=True)
    assert [(change.controller, change.why) for change in plan.changes] == ([("ctl1", why)] if why else [])
    assert plan.steps == ((f"ctl1: {why}",) if why else ())


@pytest.mark.parametrize(
    ("members", "holder", "unfinished", "order"),
    [
        (THREE, "ctl1", [], ["ctl3", "ctl2", "ctl1"]),  # the smaller datacenter, then the larger, the holder last
        (THREE, "ctl2", [], ["ctl3", "ctl1", "ctl2"]),
        (THREE, "ctl3", [], ["ctl1", "ctl2", "ctl3"]),  # the holder is last even from the smaller datacenter
        (THREE, None, [], ["ctl1", "ctl2", "ctl3"]),  # Kolla gives the last of the inventory the highest priority
        (THREE, "ctl3", ["ctl2"], ["ctl2", "ctl1", "ctl3"]),  # what is half done comes first
        (THREE, "ctl1", ["ctl1"], ["ctl1", "ctl3", "ctl2"]),
        ([CTL1, CTL3, ARBITER], None, [], ["ctl1", "arbiter", "ctl3"]),  # the arbiter holds no VIP
    ],
)
def test_the_order(members: list[Member], holder: str | None, unfinished: list[str], order: list[str]) -> None:
    wanted = {member.name: {"nova": "bb"} for member in members}
    records = {member.name: on_record({"nova": "b0"}) for member in members}
    records |= {name: on_record({}, Stage.CHANGING) for name in unfinished}
    assert list(plan_roll(members, wanted, records, holder=holder, deploys=True).controllers) == order


def test_the_order_is_stated_with_its_reasons() -> None:
    half = {**OLD, "ctl2": on_record({}, Stage.CHANGING)}
    said = plan_roll(THREE, WANTED, half, holder="ctl1", deploys=True).order
    assert said == (
        "ctl2 first, whose change is not complete; the smaller datacenter before the larger, so that a change that"
        " fails leaves the larger one whole; ctl1 last, which holds the VIPs: they move once, to a controller that is"
        " proved"
    )
    guessed = plan_roll(THREE, WANTED, OLD, holder=None, deploys=True).order
    assert "ctl3 last, which has the highest priority for the VIPs (who holds them could not be asked)" in guessed


@pytest.mark.parametrize(
    ("members", "deploys", "by_hand"),
    [
        (THREE, True, ""),
        (THREE, False, "kolla.apply is render"),
        ([CTL1, CTL3, ARBITER], True, ""),
        ([CTL1, CTL2], True, "with 2 of them, the rest is no majority while one changes"),
        ([CTL1], True, "with 1 of them, the rest is no majority while one changes"),
    ],
)
def test_what_this_up_leaves_to_a_person(members: list[Member], deploys: bool, by_hand: str) -> None:
    plan = plan_roll(members, {m.name: {"nova": "bb"} for m in members}, {}, holder=None, deploys=deploys)
    assert len(plan.changes) == len(members)
    assert plan.by_hand.startswith(by_hand) if by_hand else plan.by_hand == ""
    assert bool(plan.steps) is not bool(by_hand)


def test_a_person_is_told_the_commands_in_the_order() -> None:
    plan = plan_roll(THREE, WANTED, {**SETTLED, "ctl1": OLD["ctl1"], "ctl3": OLD["ctl3"]}, holder="ctl1", deploys=False)
    lines = told(plan, lambda controller: [f"deploy {controller}", f"record {controller}"])
    assert lines[0].startswith("controllers: 2 must change, one after the other, by hand; ")
    assert [line for line in lines if "deploy ctl" in line or "record" in line] == [
        "controllers:   deploy ctl3",
        "controllers:   record ctl3",
        "controllers:   deploy ctl1",
        "controllers:   record ctl1",
    ]


def test_a_settled_control_plane_is_no_news() -> None:
    for deploys in (True, False):
        plan = plan_roll(THREE, WANTED, SETTLED, holder=None, deploys=deploys)
        assert (plan.changes, plan.steps, told(plan, lambda _: ["x"])) == ((), (), [])


@pytest.mark.parametrize(("votes", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_quorum(votes: int, majority: int) -> None:
    assert quorum(votes) == majority


# ----------------------------------------------------------------------------------------------------------- the ledger

digests = st.dictionaries(
    st.sampled_from(["nova", "globals.yml", "inventory", "ceph keys"]), st.text("0123abc", min_size=1)
)


@given(before=digests, wanted=digests, other=digests)
def test_what_is_written_is_what_is_read(before: dict[str, str], wanted: dict[str, str], other: dict[str, str]) -> None:
    ledger: dict[str, str] = {"visa-migration:cmp01": f"left {AT}", "visa-migration-controller:junk": "no such thing"}

    def write(metadata: dict[str, str | None]) -> None:
        for key, value in metadata.items():
            assert len(key) < 256
            assert len(value or "") < 256
            ledger.pop(key, None)
            ledger.update({} if value is None else {key: value})

    for name, parts in (("ctl1", before), ("ctl10", other)):
        write(applied.parts(name, parts, {}))
        write(applied.applied(name, AT))
    write(applied.changing("ctl1", AT))
    assert applied.read(ledger)["ctl1"] == Applied(Stage.CHANGING, AT, before)
    write(applied.parts("ctl1", wanted, before))
    assert applied.read(ledger)["ctl1"].stage is Stage.CHANGING
    write(applied.applied("ctl1", AT))
    assert applied.read(ledger) == {
        "ctl1": Applied(Stage.APPLIED, AT, wanted),
        "ctl10": Applied(Stage.APPLIED, AT, other),
    }
