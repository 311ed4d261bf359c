"""The plan of Ceph: tables of settings and facts, and what may never come out."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.ceph.facts import Bucket, CephFacts, Osd, PoolFacts, RuleFacts, UserFacts, sized
from migration.ceph.plan import CephPlan, plan_ceph, unasked
from migration.ceph.settings import Ceph
from migration.ceph.users import caps_of, keyring, new_key, paths_of
from migration.errors import CephUnreachable

GIB = 2**30
RULE = ("take default", "choose firstn 2 type datacenter", "chooseleaf firstn 2 type host", "emit")
HOSTS = {"dc1": ["s1", "s2"], "dc2": ["s3", "s4"]}
WEIGHT = 4 * 65536
OTHERS: dict[str, Any] = {"images": {}, "volumes": {}, "backups": {}}


def make(**changes: Any) -> Ceph:
    raw: dict[str, Any] = {
        "crush": {"datacenters": HOSTS},
        "rule": {"name": "two-and-two"},
        "pools": {"images": {}, "volumes": {}, "vms": {}, "backups": {}},
        "users": {"glance": {}, "cinder": {}, "cinder-backup": {}},
    }
    return Ceph.model_validate({**raw, **changes})


def a_pool(**changes: Any) -> PoolFacts:
    pool = PoolFacts(
        id=1,
        replicated=True,
        size=4,
        min_size=2,
        rule="two-and-two",
        autoscale="on",
        pg_num=32,
        quota_bytes=0,
        quota_objects=0,
        applications={"rbd": {"visa-migration": "declared"}},
        nodelete=True,
        stored=10 * GIB,
        objects=2560,
    )
    return replace(pool, **changes)


def buckets(**changes: Bucket | None) -> Mapping[str, Bucket]:
    found: dict[str, Bucket | None] = {
        "default": Bucket("default", "root", None, 4 * WEIGHT),
        "dc1": Bucket("dc1", "datacenter", "default", 2 * WEIGHT),
        "dc2": Bucket("dc2", "datacenter", "default", 2 * WEIGHT),
        **{host: Bucket(host, "host", dc, WEIGHT) for dc, hosts in HOSTS.items() for host in hosts},
    }
    return {name: bucket for name, bucket in {**found, **changes}.items() if bucket is not None}


def whole(ceph: Ceph, **changes: Any) -> CephFacts:
    """Return a Ceph that is as the settings want it."""
    facts = CephFacts(
        fsid="f",
        conf="[global]\nfsid = f\n",
        quorum=("a", "b", "c"),
        monitors=("a", "b", "c"),
        buckets=buckets(),
        rules={"replicated_rule": RuleFacts(0, ("take default",)), "two-and-two": RuleFacts(1, RULE)},
        pools={name: a_pool(id=number) for number, name in enumerate(ceph.pools, 1)},
        users={name: UserFacts(caps_of(ceph, name), f"key of {name}") for name in ceph.users},
        osds=tuple(Osd(number, host, up=True) for number, host in enumerate(("s1", "s2", "s3", "s4"))),
        available=100 * GIB,
    )
    return replace(facts, **changes)


def empty(**changes: Any) -> CephFacts:
    """Return a Ceph that is new: hosts below the root, no pools of ours."""
    bare = {
        "default": Bucket("default", "root", None, 4 * WEIGHT),
        **{host: Bucket(host, "host", "default", WEIGHT) for hosts in HOSTS.values() for host in hosts},
    }
    there = {"replicated_rule": RuleFacts(0, ("take default", "chooseleaf firstn 0 type host", "emit"))}
    return whole(make(), buckets=bare, rules=there, pools={}, users={}, **changes)


def words(plan: CephPlan) -> dict[str, list[str]]:
    return {
        subject: [f"{step.word}: {step.detail}" for step in steps] for subject, steps in plan.subjects.items() if steps
    }


def sent(plan: CephPlan, subject: str) -> list[tuple[Any, ...]]:
    return [
        (command.prefix, *command.arguments.values()) for step in plan.subjects[subject] for command in step.commands
    ]


def with_pool(name: str, **changes: Any) -> CephFacts:
    facts = whole(make())
    return replace(facts, pools={**facts.pools, name: replace(facts.pools[name], **changes)})


# --------------------------------------------------------------------------------------------------------------- steps


def test_a_ceph_that_is_as_wanted_needs_nothing() -> None:
    ceph = make()
    plan = plan_ceph(ceph, whole(ceph))
    assert plan.settled
    assert not plan.warnings
    assert plan.conf == "[global]\nfsid = f\n"


def test_a_new_ceph_gets_everything() -> None:
    ceph = make(pools={"images": {"quota": {"gib": 100}}}, users={"glance": {}})
    plan = plan_ceph(ceph, empty())
    assert words(plan) == {
        "crush": [
            "datacenter dc1: new, in root default",
            "datacenter dc2: new, in root default",
            "host s1: default -> dc1",
            "host s2: default -> dc1",
            "host s3: default -> dc2",
            "host s4: default -> dc2",
            f"rule: new, two-and-two: {', '.join(RULE)}",
        ],
        "pool images": ["create: rule two-and-two, size 4, min_size 2, for rbd, at most 100 GiB"],
        "user glance": [
            "create: mon profile rbd; osd profile rbd pool=images; mgr profile rbd pool=images",
        ],
    }
    assert sent(plan, "pool images") == [
        ("osd pool create", "images", "replicated", "two-and-two", 4, "on"),
        ("osd pool set", "images", "min_size", "2"),
        ("osd pool application enable", "images", "rbd"),
        ("osd pool application set", "images", "rbd", "visa-migration", "declared"),
        ("osd pool set-quota", "images", "max_bytes", str(100 * GIB)),
        ("osd pool set", "images", "nodelete", "true"),
    ]


@pytest.mark.parametrize(
    ("drift", "step", "command"),
    [
        ({"size": 3}, "size: 3 -> 4", ("osd pool set", "vms", "size", "4")),
        ({"size": 6}, "size: 6 -> 4", ("osd pool set", "vms", "size", "4")),
        ({"min_size": 1}, "min_size: 1 -> 2", ("osd pool set", "vms", "min_size", "2")),
        (
            {"rule": "replicated_rule"},
            "rule: replicated_rule -> two-and-two",
            ("osd pool set", "vms", "crush_rule", "two-and-two"),
        ),
        ({"autoscale": "off"}, "autoscale: off -> on", ("osd pool set", "vms", "pg_autoscale_mode", "on")),
        (
            {"quota_bytes": 5 * GIB},
            "quota: 5 GiB -> no limit",
            ("osd pool set-quota", "vms", "max_bytes", "0"),
        ),
        (
            {"quota_objects": 7},
            "quota of objects: 7 -> no limit",
            ("osd pool set-quota", "vms", "max_objects", "0"),
        ),
        ({"nodelete": False}, "nodelete: off -> on", ("osd pool set", "vms", "nodelete", "true")),
    ],
)
def test_drift_of_a_pool_is_one_step(drift: dict[str, Any], step: str, command: tuple[str, ...]) -> None:
    plan = plan_ceph(make(), with_pool("vms", **drift))
    assert words(plan) == {"pool vms": [step]}
    assert sent(plan, "pool vms") == [command]


def test_a_pool_that_was_made_by_hand_is_taken_over() -> None:
    plan = plan_ceph(make(), with_pool("vms", applications={}))
    assert words(plan) == {"pool vms": ["application: none -> rbd", "mark: visa-migration = declared"]}


def test_placement_groups_are_compared_only_while_ceph_does_not_decide() -> None:
    facts = with_pool("vms", pg_num=999)
    assert plan_ceph(make(), facts).settled
    ceph = make(pools={**OTHERS, "vms": {"autoscale": "off", "pg_num": 64}})
    assert words(plan_ceph(ceph, facts)) == {"pool vms": ["autoscale: on -> off", "pg_num: 999 -> 64"]}


@pytest.mark.parametrize(("there", "wanted"), [((6, 5), (4, 2)), ((3, 2), (4, 3)), ((2, 1), (4, 2)), ((6, 2), (4, 4))])
def test_min_size_is_never_above_size_on_the_way(there: tuple[int, int], wanted: tuple[int, int]) -> None:
    ceph = make(pools={**OTHERS, "vms": {"min_size": wanted[1]}})
    size, least = there
    for _, _, variable, value in sent(plan_ceph(ceph, with_pool("vms", size=size, min_size=least)), "pool vms"):
        size, least = (int(value), least) if variable == "size" else (size, int(value))
        assert least <= size
    assert (size, least) == wanted


def test_caps_are_mended_whole() -> None:
    ceph = make()
    facts = whole(ceph)
    mine = UserFacts({"mon": "profile rbd"}, "key")
    plan = plan_ceph(ceph, replace(facts, users={**facts.users, "cinder": mine}))
    osd = "profile rbd pool=volumes, profile rbd pool=vms, profile rbd-read-only pool=images"
    mgr = "profile rbd pool=volumes, profile rbd pool=vms"
    assert words(plan) == {"user cinder": [f"caps: mon profile rbd -> mon profile rbd; osd {osd}; mgr {mgr}"]}
    assert sent(plan, "user cinder") == [
        ("auth caps", "client.cinder", ["mon", "profile rbd", "osd", osd, "mgr", mgr]),
    ]


@pytest.mark.parametrize(
    ("recorded", "wanted", "steps"),
    [
        (None, 1, []),
        (None, 2, ["rotate: 1 -> 2"]),
        (1, 3, ["rotate: 1 -> 3"]),
        (2, 2, []),
        (3, 2, []),
    ],
)
def test_a_key_is_rotated_when_its_number_rises(recorded: int | None, wanted: int, steps: list[str]) -> None:
    ceph = make(users={"glance": {"rotation": wanted}})
    facts = whole(ceph, users={"glance": UserFacts(caps_of(ceph, "glance"), "key", recorded)})
    plan = plan_ceph(ceph, facts)
    assert words(plan).get("user glance", []) == steps
    assert any("rotat" in warning or "new key" in warning for warning in plan.warnings) == (wanted != (recorded or 1))


def test_no_step_and_no_print_of_a_plan_shows_a_key() -> None:
    ceph = make(users={"glance": {"rotation": 2}})
    facts = whole(ceph, users={"glance": UserFacts({}, "AQsecret")})
    assert "AQsecret" not in repr(plan_ceph(ceph, facts)) + repr(facts)


def test_a_rule_that_somebody_changed_is_mended_and_says_what_moves() -> None:
    ceph = make()
    other = RuleFacts(1, ("take default", "chooseleaf firstn 0 type host", "emit"))
    facts = whole(ceph, rules={"two-and-two": other}, moves={"vms": 3 * GIB})
    plan = plan_ceph(ceph, facts)
    assert words(plan) == {
        "crush": [
            "rule: two-and-two: take default, chooseleaf firstn 0 type host, emit -> " + ", ".join(RULE),
        ]
    }
    assert plan.warnings == ("pool vms: its new layout makes Ceph write about 3 GiB in the background",)


# ------------------------------------------------------------------------------------------------------------ refusals

MISPLACED = Bucket("dc2", "datacenter", "other", 2 * WEIGHT)
OTHER_ROOT = Bucket("other", "root", None, 2 * WEIGHT)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"buckets": {"other": OTHER_ROOT}}, "CRUSH has no root default, but the roots other"),
        ({"buckets": buckets(default=Bucket("default", "rack", None, 1))}, "a rack of that name"),
        ({"buckets": buckets(dc2=MISPLACED, other=OTHER_ROOT)}, "datacenter dc2: lies in other, expected root default"),
        (
            {"buckets": buckets(dc2=Bucket("dc2", "room", "default", 1))},
            "datacenter dc2: CRUSH has a room of that name",
        ),
        ({"buckets": buckets(s3=None)}, "host s3: CRUSH has no such host"),
        ({"buckets": buckets(s3=Bucket("s3", "rack", "dc2", 1))}, "host s3: CRUSH has a rack of that name"),
        ({"buckets": buckets(s3=Bucket("s3", "host", "dc1", WEIGHT))}, "host s3: lies in dc1 in default, expected"),
        ({"buckets": buckets(s3=Bucket("s3", "host", "dc2", 0))}, "datacenter dc2: 1 hosts with OSDs, but rule"),
        ({"misfits": {"vms": "bad mapping rule 1 x 0"}}, "rule two-and-two: crushtool finds no place for every copy"),
        ({"moves": {"vms": 200 * GIB}}, "pools vms: Ceph would have to write 200 GiB, but 100 GiB are free"),
    ],
)
def test_what_the_map_cannot_meet_is_refused_before_anything_is_touched(facts: dict[str, Any], says: str) -> None:
    ceph = make()
    # something else is to be done as well, and is not
    drifted = {**whole(ceph).pools, "vms": a_pool(size=3)}
    plan = plan_ceph(ceph, whole(ceph, **{"pools": drifted, **facts}))
    assert any(says in refusal for refusal in plan.refusals), plan.refusals
    assert not words(plan)
    assert not plan.settled


@pytest.mark.parametrize(
    ("drift", "says"),
    [
        ({"replicated": False}, "pool vms: is erasure coded"),
        ({"applications": {"cephfs": {}}}, "pool vms: serves cephfs, expected rbd"),
    ],
)
def test_a_pool_of_somebody_else_is_refused(drift: dict[str, Any], says: str) -> None:
    plan = plan_ceph(make(), with_pool("vms", **drift))
    assert [refusal for refusal in plan.refusals if says in refusal]


@pytest.mark.parametrize("quota", [{"gib": 10}, {"objects": 2560}])
def test_a_quota_that_would_block_every_writer_is_refused(quota: dict[str, int]) -> None:
    ceph = make(pools={"vms": {"quota": quota}}, users={})
    (refusal,) = plan_ceph(ceph, whole(ceph)).refusals
    assert "would block every writer" in refusal


def test_an_unknown_rule_of_a_pool_is_refused() -> None:
    ceph = make(pools={"vms": {"rule": "nosuch", "size": 3}}, users={})
    (refusal,) = plan_ceph(ceph, whole(ceph)).refusals
    assert "Ceph has no rule nosuch, but replicated_rule, two-and-two" in refusal


def test_a_pool_with_data_that_left_the_settings_is_refused_also_when_it_was_renamed() -> None:
    before = whole(make())
    ceph = make(pools={**OTHERS, "machines": {}}, users={})
    plan = plan_ceph(ceph, before)
    (refusal,) = plan.refusals
    assert refusal.startswith("pool vms: holds 10 GiB and stands under ceph.pools no more; it is never deleted")
    assert "osd pool rename vms" in refusal
    assert not words(plan)


@pytest.mark.parametrize("known", [{"stored": None, "objects": None}, {"stored": None, "objects": 0}])
def test_a_pool_of_which_nobody_knows_what_it_holds_counts_as_full(known: dict[str, Any]) -> None:
    facts = with_pool("vms", **known)
    ceph = make(pools=OTHERS, users={})
    assert plan_ceph(ceph, facts).refusals


def test_an_empty_pool_that_left_the_settings_stays_and_a_strangers_is_nobodys_business() -> None:
    facts = with_pool("vms", stored=0, objects=0)
    strangers = replace(facts, pools={**facts.pools, "metrics": a_pool(applications={"rgw": {}})})
    ceph = make(pools=OTHERS, users={})
    plan = plan_ceph(ceph, strangers)
    assert plan.settled
    assert plan.warnings == (
        "pool vms: is empty and stands under ceph.pools no more; it stays until somebody deletes it",
    )


# ------------------------------------------------------------------------------------- what goes on while Ceph is hurt


def test_degraded_stretch_mode_is_left_alone() -> None:
    facts = replace(
        with_pool("vms", min_size=1, size=2, rule="stretch", quota_bytes=5), stretch=True, degraded=True, rules={}
    )
    plan = plan_ceph(make(), facts)
    # what has nothing to do with the layout is mended all the same
    assert words(plan) == {"pool vms": ["quota: 5 B -> no limit"]}
    assert any("stretch mode is degraded" in warning for warning in plan.warnings)
    assert words(plan_ceph(make(), replace(facts, degraded=False)))["pool vms"][:3] == [
        "rule: stretch -> two-and-two",
        "size: 2 -> 4",
        "min_size: 1 -> 2",
    ]


def test_a_lost_datacenter_and_a_lost_monitor_are_told() -> None:
    down = tuple(Osd(number, host, up=number < 2) for number, host in enumerate(("s1", "s2", "s3", "s4")))
    plan = plan_ceph(make(), whole(make(), osds=down, quorum=("a", "b")))
    assert plan.settled
    assert plan.warnings == (
        "ceph: monitors c of a, b, c are not in the quorum",
        "ceph: 2 of 4 OSDs are down: all of dc2; what is changed reaches them when they are back",
    )


def test_a_min_size_that_stops_with_a_datacenter_is_told() -> None:
    ceph = make(pools={"vms": {"min_size": 3}}, users={})
    plan = plan_ceph(ceph, whole(ceph))
    assert plan.warnings == (
        "pool vms: stands still when one datacenter goes: 2 copies are left then, and min_size is 3",
    )


def test_a_ceph_that_cannot_be_asked_is_not_changed() -> None:
    plan = unasked(make(), CephUnreachable("connect", "no monitor answered"))
    assert not any(plan.subjects.values())
    assert set(plan.subjects) == set(plan_ceph(make(), whole(make())).subjects)
    assert not plan.settled
    assert "no monitor answered. Nothing of Ceph is changed" in plan.warnings[0]


# ---------------------------------------------------------------------------------------------------------- in general

POOLS = st.builds(
    a_pool,
    size=st.integers(1, 6),
    min_size=st.integers(1, 6),
    rule=st.sampled_from(["two-and-two", "replicated_rule"]),
    autoscale=st.sampled_from(["on", "off", "warn"]),
    quota_bytes=st.integers(0, 10),
    quota_objects=st.integers(0, 10),
    applications=st.sampled_from([{}, {"rbd": {}}, {"rbd": {"visa-migration": "declared"}}]),
    nodelete=st.booleans(),
)


@given(POOLS)
def test_what_is_sent_brings_any_pool_to_what_is_wanted(pool: PoolFacts) -> None:
    """Apply the commands to the facts as the monitors would: then nothing is left, and nothing was ever deleted."""
    ceph = make()
    facts = whole(ceph)
    after = replace(facts, pools={**facts.pools, "vms": pool})
    for prefix, _, *words_ in sent(plan_ceph(ceph, after), "pool vms"):
        after = replace(after, pools={**after.pools, "vms": obey(after.pools["vms"], prefix, words_)})
    assert plan_ceph(ceph, after).settled


def obey(pool: PoolFacts, prefix: str, words_: list[str]) -> PoolFacts:
    match prefix, words_:
        case "osd pool set", [("size" | "min_size") as variable, value]:
            return replace(pool, **{variable: int(value)})
        case "osd pool set", ["crush_rule", value]:
            return replace(pool, rule=value)
        case "osd pool set", ["pg_autoscale_mode", value]:
            return replace(pool, autoscale=value)
        case "osd pool set", ["nodelete", "true"]:
            return replace(pool, nodelete=True)
        case "osd pool set-quota", [field, value]:
            return replace(pool, **{"quota_bytes" if field == "max_bytes" else "quota_objects": int(value)})
        case "osd pool application enable", [application]:
            return replace(pool, applications={**pool.applications, application: {}})
        case "osd pool application set", [application, key, value]:
            return replace(pool, applications={**pool.applications, application: {key: value}})
    raise AssertionError((prefix, words_))


# ------------------------------------------------------------------------------------------------------ keys and sizes


def test_keyrings_lie_where_kolla_looks_for_them() -> None:
    assert paths_of("cinder") == (
        "config/cinder/cinder-volume/ceph.client.cinder.keyring",
        "config/cinder/cinder-backup/ceph.client.cinder.keyring",
        "config/nova/ceph.client.cinder.keyring",
    )
    assert keyring("glance", "AQ==") == "[client.glance]\nkey = AQ==\n"


def test_no_two_keys_are_alike() -> None:
    keys = [base64.b64decode(new_key()) for _ in range(100)]
    assert len({key[-16:] for key in keys}) == 100, "the part that is random"
    assert {(len(key), *struct.unpack("<hiih", key[:12])[::3]) for key in keys} == {(28, 1, 16)}


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (GIB, "1 GiB"), (1500 * GIB, "1.465 TiB")],
)
def test_sizes_read_well(size: int, text: str) -> None:
    assert sized(size) == text
