"""What is declared of Ceph, carried out on a real one: applied, applied again, drifted, mended, refused, rotated."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from declared import HOSTS, Applier, declare, words

from lab.ceph import Ceph as Lab
from migration.adapters.ceph import Cluster
from migration.ceph import crush
from migration.ceph.act import Hands, carry_out
from migration.ceph.look import look_at_ceph, open_ceph
from migration.ceph.plan import plan_ceph
from migration.ceph.settings import Ceph
from migration.ceph.users import caps_of
from migration.errors import CephError, CephRefused

MIB = 2**20


def text_of(lab: Lab, scratch: Path) -> str:
    lab.command("osd", "getcrushmap", "-o", str(scratch / "map"))
    subprocess.run(["crushtool", "-d", scratch / "map", "-o", scratch / "text"], check=True)
    return (scratch / "text").read_text()


def set_text(lab: Lab, scratch: Path, text: str) -> None:
    (scratch / "text").write_text(text)
    subprocess.run(["crushtool", "-c", scratch / "text", "-o", scratch / "map"], check=True)
    lab.command("osd", "setcrushmap", "-i", str(scratch / "map"))


@pytest.fixture(scope="module")
def before(ceph: Lab) -> Any:
    return ceph.command("osd", "crush", "dump")


@pytest.fixture(scope="module")
def applied(ceph: Lab, before: Any) -> Applier:
    """Everything declared; holds data in the pool of virtual machines."""
    applier = Applier(declare(ceph))
    applier.settle()
    for number in range(8):
        ceph.rados("--pool", "vms", "put", f"object-{number}", "-", content=bytes(MIB), timeout=60)
    return applier


@pytest.fixture
def whole(ceph: Lab, applied: Applier) -> Iterator[Applier]:
    """As declared before the test, and after it."""
    yield applied
    Applier(applied.ceph).settle()


def stored(ceph: Ceph, pool: str) -> int:
    """Wait until Ceph has counted what is in a pool; its manager reports every few seconds."""
    deadline = time.monotonic() + 60
    while not (found := look_at_ceph(ceph).pools[pool].stored):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


# ------------------------------------------------------------------------------------------------------------ applying


def test_a_second_apply_writes_nothing(applied: Applier) -> None:
    first = applied.writes
    assert first > 20
    again = Applier(applied.ceph)
    assert again.up() == {}
    assert again.writes == 0
    # asked step by step, whatever the plan says, nothing is needed either
    hands = Hands(again.ceph, again.open, lambda *_: None)
    for subject in again.plan().subjects:
        report, _ = carry_out(hands, subject, ["create", "rule", "size", "caps", "rotate"])
        assert report.done == ()
    assert again.writes == 0


def test_every_change_has_its_lines_in_the_audit_log(applied: Applier) -> None:
    begun = [(subject, step) for subject, step, result, _ in applied.audit if result == "begins"]
    done = [(subject, step) for subject, step, result, _ in applied.audit if result == "done"]
    assert begun == done
    assert {subject for subject, _ in done} == set(applied.plan().subjects)
    assert not any("AQ" in detail for *_, detail in applied.audit)


def test_only_the_rule_was_added_and_no_weight_was_rounded(ceph: Lab, applied: Applier, before: Any) -> None:
    after = ceph.command("osd", "crush", "dump")
    assert after["buckets"] == before["buckets"]
    assert after["devices"] == before["devices"]
    assert after["tunables"] == before["tunables"]
    assert [rule["rule_name"] for rule in after["rules"]] == ["replicated_rule", "two-and-two"]
    # the text alone would have rounded them
    weights = {bucket["weight"] for bucket in before["buckets"]}
    assert any(round(round(weight / 65536, 3) * 65536) != weight for weight in weights)


def pools(applier: Applier) -> dict[str, Any]:
    return {name: json.loads(pool.model_dump_json()) for name, pool in applier.ceph.pools.items()}


def pinned(applier: Applier) -> dict[str, Any]:
    return {name: {**pool, "rule": "two-and-two", "size": 4} for name, pool in pools(applier).items()}


def test_a_map_in_which_more_than_the_rule_differs_is_not_set(
    ceph: Lab, whole: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    # before any other test sets a map whose weights are rounded already
    monkeypatch.setattr(crush, "_exact", lambda text, _dump: text)
    with pytest.raises(CephError, match="differs in buckets too; expected the rule only"):
        look_at_ceph(declare(ceph, rule={"name": "another"}, pools=pinned(whole)))


def test_two_copies_lie_in_each_datacenter(ceph: Lab, applied: Applier) -> None:
    ceph.wait_healthy()
    deadline = time.monotonic() + 60
    for pool in applied.ceph.pools:
        # the manager tells of new placement groups a little later
        while not (groups := ceph.command("pg", "ls-by-pool", pool)["pg_stats"]) or not all(pg["up"] for pg in groups):
            assert time.monotonic() < deadline
        for group in groups:
            assert sorted(osd // 2 for osd in group["up"]) == [0, 1, 2, 3], "each copy on a host of its own"


def test_ceph_itself_refuses_to_delete_our_pools(ceph: Lab, applied: Applier) -> None:
    with open_ceph(applied.ceph) as cluster, pytest.raises(CephRefused, match="nodelete flag"):
        cluster.tell("osd pool delete", pool="vms", pool2="vms", yes_i_really_really_mean_it=True)


def test_each_user_may_do_what_kolla_expects(ceph: Lab, applied: Applier) -> None:
    for user in applied.ceph.users:
        (found,) = ceph.command("auth", "get", f"client.{user}")
        assert found["caps"] == caps_of(applied.ceph, user)


def test_services_get_a_conf_that_works_without_tabs(ceph: Lab, applied: Applier, tmp_path: Path) -> None:
    conf = applied.plan().conf
    assert "\t" not in conf
    key = ceph.command("auth", "get-key", "client.glance")["key"]
    (tmp_path / "keyring").write_text(f"[client.glance]\nkey = {key}\n")
    (tmp_path / "ceph.conf").write_text(f"{conf}keyring = {tmp_path / 'keyring'}\n")
    with Cluster(str(tmp_path / "ceph.conf"), "client.glance", 30) as cluster:
        assert cluster.ask("osd dump")["fsid"] in conf
        with pytest.raises(CephRefused, match="auth ls"):
            cluster.ask("auth ls")


# --------------------------------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        (["osd", "pool", "set", "vms", "size", "3"], {"pool vms": ["size"]}),
        (["osd", "pool", "set", "vms", "min_size", "1"], {"pool vms": ["min_size"]}),
        (["osd", "pool", "set", "vms", "crush_rule", "replicated_rule"], {"pool vms": ["rule"]}),
        (["osd", "pool", "set", "vms", "pg_autoscale_mode", "off"], {"pool vms": ["autoscale"]}),
        (["osd", "pool", "set", "vms", "nodelete", "false"], {"pool vms": ["nodelete"]}),
        (["osd", "pool", "set-quota", "images", "max_bytes", "5"], {"pool images": ["quota"]}),
        (["osd", "pool", "set-quota", "vms", "max_objects", "999"], {"pool vms": ["quota of objects"]}),
        (["osd", "pool", "application", "rm", "vms", "rbd", "visa-migration"], {"pool vms": ["mark"]}),
        (["auth", "caps", "client.cinder", "mon", "allow r"], {"user cinder": ["caps"]}),
        (["auth", "rm", "client.cinder-backup"], {"user cinder-backup": ["create"]}),
    ],
)
def test_drift_is_seen_and_mended(ceph: Lab, whole: Applier, command: list[str], drift: dict[str, list[str]]) -> None:
    ceph.command(*command)
    assert words(whole.plan()) == drift
    whole.settle()


def test_a_rule_changed_by_hand_is_mended_and_what_moves_is_told(ceph: Lab, whole: Applier, tmp_path: Path) -> None:
    text = text_of(ceph, tmp_path)
    changed = text.replace(
        "step choose firstn 2 type datacenter\n\tstep chooseleaf firstn 2", "step chooseleaf firstn 0"
    )
    assert changed != text
    set_text(ceph, tmp_path, changed)
    size = stored(whole.ceph, "vms")
    plan = whole.plan()
    assert words(plan) == {"crush": ["rule"]}
    number = {rule["rule_name"]: rule["rule_id"] for rule in ceph.command("osd", "crush", "dump")["rules"]}
    moves = look_at_ceph(whole.ceph).moves["vms"]
    assert 0 < moves <= 4 * size
    assert any(warning.startswith("pool vms: its new layout makes Ceph write about") for warning in plan.warnings)
    whole.settle()
    after = {rule["rule_name"]: rule["rule_id"] for rule in ceph.command("osd", "crush", "dump")["rules"]}
    assert after == number


@pytest.mark.parametrize(("size", "copies"), [(3, 1), (2, 2)])
def test_a_size_that_grows_tells_how_much_is_written(ceph: Lab, whole: Applier, size: int, copies: int) -> None:
    stored(whole.ceph, "vms")
    ceph.command("osd", "pool", "set", "vms", "size", str(size))
    facts = look_at_ceph(whole.ceph)
    # firstn keeps the copies that are there, so exactly the new ones are written
    assert facts.moves == {"vms": copies * (facts.pools["vms"].stored or 0)}


def test_hosts_that_stand_beside_their_datacenter_are_put_into_it(ceph: Lab, whole: Applier, before: Any) -> None:
    ceph.command("osd", "crush", "move", "dc2-host1", "root=default")
    ceph.command("osd", "crush", "move", "dc2-host2", "root=default")
    ceph.command("osd", "crush", "rm", "dc2")
    assert words(whole.plan()) == {"crush": ["datacenter dc2", "host dc2-host1", "host dc2-host2"]}
    whole.settle()
    tree = ceph.command("osd", "tree")["nodes"]
    (dc2,) = (node for node in tree if node["name"] == "dc2")
    assert sorted(node["name"] for node in tree if node["id"] in dc2["children"]) == HOSTS["dc2"]
    # the OSDs of one device class are found below it as before
    shadows = [bucket["name"] for bucket in ceph.command("osd", "crush", "dump")["buckets"] if "~" in bucket["name"]]
    assert sorted(shadows) == sorted(bucket["name"] for bucket in before["buckets"] if "~" in bucket["name"])


# ---------------------------------------------------------------------------------------------------- compare-and-swap


class Racing(Cluster):
    """A connection beside which somebody else changes the CRUSH map, just after it was read."""

    def __init__(self, ceph: Ceph, lab: Lab, times: int) -> None:
        super().__init__(ceph.connection.conf, ceph.connection.client, ceph.connection.timeout)
        self._lab, self._times = lab, times
        self.refused = 0

    def fetch(self, prefix: str, **arguments: Any) -> tuple[bytes, str]:
        found = super().fetch(prefix, **arguments)
        if prefix == "osd getcrushmap" and self._times:
            self._times -= 1
            self._lab.command("osd", "crush", "add-bucket", f"rack{self._times}", "rack")
        return found

    def tell(self, prefix: str, *, data: bytes = b"", **arguments: Any) -> str:
        try:
            return super().tell(prefix, data=data, **arguments)
        except CephRefused:
            self.refused += 1
            raise


@pytest.mark.parametrize(("times", "failed"), [(2, False), (99, True)])
def test_a_map_that_somebody_else_changes_meanwhile_is_never_overwritten(
    ceph: Lab, whole: Applier, times: int, *, failed: bool
) -> None:
    ceph.command("osd", "crush", "move", "dc2-host1", "root=default")
    racing: list[Racing] = []

    def connect(wanted: Ceph) -> Cluster:
        racing.append(Racing(wanted, ceph, times))
        return racing[-1]

    # one look of the plan reads the map as well; it has a connection of its own
    report = Applier(whole.ceph, connect).up()["crush"]
    names = {bucket["name"] for bucket in ceph.command("osd", "crush", "dump")["buckets"]}
    racks = {name for name in names if name.startswith("rack") and "~" not in name}
    assert racks >= {f"rack{number}" for number in range(2)} if not failed else len(racks) >= 5
    assert bool(report.failed) is failed, report
    assert racing[0].refused > 0
    if failed:
        assert "somebody else changed the CRUSH map 5 times" in report.failed
        assert "dc2-host1" in str(whole.plan().crush)
    for rack in racks:
        ceph.command("osd", "crush", "rm", rack)


def test_a_step_that_nobody_reviewed_is_not_taken(ceph: Lab, whole: Applier) -> None:
    ceph.command("osd", "pool", "set", "vms", "size", "3")
    ceph.command("osd", "pool", "set", "vms", "min_size", "1")
    hands = Hands(whole.ceph, whole.open, lambda *_: None)
    report, _ = carry_out(hands, "pool vms", ["min_size"])
    assert report.done == ("min_size",)
    assert words(whole.plan()) == {"pool vms": ["size"]}


# ------------------------------------------------------------------------------------------------------------ refusals


def refused(ceph: Ceph) -> str:
    """Plan and carry out regardless; return why it is refused, and prove that nothing was written."""
    applier = Applier(ceph)
    plan = applier.plan()
    assert not words(plan)
    (refusal,) = plan.refusals
    hands = Hands(ceph, applier.open, lambda *_: None)
    for subject in plan.subjects:
        report, _ = carry_out(hands, subject, ["create", "rule", "size", "caps", "rotate"])
        assert report.failed
    assert applier.writes == 0
    return refusal


def test_a_datacenter_outside_its_root_is_refused(ceph: Lab, whole: Applier) -> None:
    ceph.command("osd", "crush", "add-bucket", "elsewhere", "root")
    ceph.command("osd", "crush", "move", "dc2", "root=elsewhere")
    assert refused(whole.ceph).startswith("datacenter dc2: lies in elsewhere, expected root default")
    ceph.command("osd", "crush", "move", "dc2", "root=default")
    ceph.command("osd", "crush", "rm", "elsewhere")


def test_a_host_that_ceph_does_not_have_is_refused(whole: Applier, ceph: Lab) -> None:
    more = declare(ceph, crush={"datacenters": {**HOSTS, "dc2": [*HOSTS["dc2"], "dc2-host3"]}})
    assert "host dc2-host3: CRUSH has no such host" in refused(more)


def test_a_rule_that_the_map_cannot_meet_is_refused(whole: Applier, ceph: Lab) -> None:
    # every guard of ours holds, and crushtool knows better: five copies on four hosts
    wanted = declare(ceph, pools={**pools(whole), "vms": {"rule": "replicated_rule", "size": 5}})
    refusal = refused(wanted)
    assert "rule replicated_rule: crushtool finds no place for every copy" in refusal
    assert "bad mapping rule 0" in refusal


def test_a_pool_with_data_that_left_the_settings_is_refused(whole: Applier, ceph: Lab) -> None:
    stored(whole.ceph, "vms")
    rest = {name: pool for name, pool in pools(whole).items() if name != "vms"}
    without = declare(ceph, pools={**rest, "machines": {}}, users={})
    assert refused(without).startswith("pool vms: holds ")
    assert set(look_at_ceph(without).pools) == set(pools(whole))


def test_a_quota_below_what_is_stored_is_refused(whole: Applier, ceph: Lab) -> None:
    stored(whole.ceph, "vms")
    assert "would block every writer" in refused(
        declare(ceph, pools={**pools(whole), "vms": {"quota": {"objects": 3}}})
    )


def test_weight_sets_keep_their_exact_weights(ceph: Lab, whole: Applier) -> None:
    ceph.command("osd", "crush", "weight-set", "create-compat")
    before = ceph.command("osd", "crush", "dump")
    # somebody else's rule of our name: the map is compiled anew
    Applier(declare(ceph, rule={"name": "another"}, pools=pinned(whole))).settle()
    after = ceph.command("osd", "crush", "dump")
    assert before["choose_args"]
    assert (after["choose_args"], after["buckets"]) == (before["choose_args"], before["buckets"])
    assert "another" in {rule["rule_name"] for rule in after["rules"]}
    ceph.command("osd", "crush", "weight-set", "rm-compat")
    ceph.command("osd", "crush", "rule", "rm", "another")


def test_a_user_that_may_change_the_monitors_is_enough(ceph: Lab, whole: Applier, tmp_path: Path) -> None:
    key = ceph.command("auth", "get-or-create", "client.visa", "mon", "allow *")[0]["key"]
    (tmp_path / "keyring").write_text(f"[client.visa]\nkey = {key}\n")
    (tmp_path / "ceph.conf").write_text(f"{whole.plan().conf}keyring = {tmp_path / 'keyring'}\n")
    ceph.command("osd", "pool", "set", "vms", "min_size", "1")
    ceph.command("auth", "caps", "client.cinder", "mon", "allow r")
    ceph.command("osd", "crush", "move", "dc2-host1", "root=default")
    Applier(declare(ceph, connection={"conf": str(tmp_path / "ceph.conf"), "client": "client.visa"})).settle()
    ceph.command("auth", "rm", "client.visa")


# ------------------------------------------------------------------------------------------------------------ rotation


def lets_in(applied: Applier, key: str, scratch: Path) -> bool:
    (scratch / "keyring").write_text(f"[client.glance]\nkey = {key}\n")
    (scratch / "ceph.conf").write_text(f"{applied.plan().conf}keyring = {scratch / 'keyring'}\n")
    try:
        with Cluster(str(scratch / "ceph.conf"), "client.glance", 30):
            return True
    except CephRefused as refused:
        if "does not let client.glance in" not in str(refused):
            raise
        return False


def test_a_raised_number_gives_a_new_key_once(ceph: Lab, applied: Applier, tmp_path: Path) -> None:
    old = applied.plan().keys["glance"]
    assert lets_in(applied, old, tmp_path)
    users: dict[str, Any] = {**{name: {} for name in applied.ceph.users}, "glance": {"rotation": 2}}
    rotated = Applier(declare(ceph, users=users))
    assert words(rotated.plan()) == {"user glance": ["rotate"]}
    rotated.settle()
    new = rotated.plan().keys["glance"]
    assert new != old
    assert lets_in(applied, new, tmp_path)
    assert not lets_in(applied, old, tmp_path)
    assert rotated.plan().settled
    assert not any(new in str(line) or old in str(line) for line in rotated.audit)
    # back again is no way back
    plan = applied.plan()
    assert plan.settled
    assert any("an old key does not come back" in warning for warning in plan.warnings)
    ceph.command("config-key", "rm", "visa-migration/rotation/client.glance")


# ------------------------------------------------------------------------------------------------------------ a way in


def test_a_conf_that_is_not_there_is_named(ceph: Lab, applied: Applier) -> None:
    missing = declare(ceph, connection={"conf": "nosuch/ceph.conf"})
    with pytest.raises(CephError, match=r"there is no nosuch/ceph.conf \(ceph.connection.conf\)"):
        look_at_ceph(missing)


def test_a_user_without_a_key_is_named(ceph: Lab, applied: Applier) -> None:
    nobody = declare(ceph, connection={"conf": str(ceph.layout.conf), "client": "client.nobody"})
    with pytest.raises(CephError, match=r"no key of client\.nobody"):
        look_at_ceph(nobody)


def test_the_environment_says_where_ceph_is(
    ceph: Lab, applied: Applier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CEPH_CONF", ceph.environment()["CEPH_CONF"])
    assert plan_ceph(applied.ceph, look_at_ceph(declare(ceph, connection={}))).settled
    monkeypatch.setenv("CEPH_ARGS", f"--keyring {tmp_path}/nosuch")
    with pytest.raises(CephError, match=r"no key of client\.admin"):
        look_at_ceph(declare(ceph, connection={}))


# ------------------------------------------------------------------------------------------------------ killed halfway


class Killed(BaseException):
    pass


class Mortal(Cluster):
    """A connection whose process is killed before or after a certain write."""

    left = 0
    after = False

    def tell(self, prefix: str, *, data: bytes = b"", **arguments: Any) -> str:
        cls = type(self)
        if cls.left == 0 and not cls.after:
            raise Killed
        said = super().tell(prefix, data=data, **arguments)
        cls.left -= 1
        if cls.left < 0:
            raise Killed
        return said


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_the_next_run_ends_the_same(ceph: Lab, applied: Applier, *, after: bool) -> None:
    """A rule, two pools and a rotated user, killed at each write; then once more, undisturbed."""
    applied_users = {name: {} for name in applied.ceph.users if name != "nova"}
    Mortal.after = after

    def connect(wanted: Ceph) -> Cluster:
        return Mortal(wanted.connection.conf, wanted.connection.client, wanted.connection.timeout)

    ends, at = set(), 0
    while True:
        suffix = f"{'after' if after else 'before'}-{at}"
        fresh = {f"one-{suffix}": {"quota": {"gib": 1}}, f"two-{suffix}": {}}
        with open_ceph(applied.ceph) as cluster:
            cluster.tell("auth rm", entity="client.nova")
            cluster.tell("config-key rm", key="visa-migration/rotation/client.nova")
            cluster.tell("osd crush move", name="dc2-host1", args=["root=default"])
        nova = {"nova": {"rotation": 2, "caps": {"mon": "profile rbd"}}}
        wanted = declare(ceph, pools={**pools(applied), **fresh}, users={**applied_users, **nova})
        Mortal.left = at
        applier = Applier(wanted, connect)
        try:
            applier.up()
            whole = True
        except Killed:
            whole = False
        Applier(wanted).settle()
        facts = look_at_ceph(wanted)
        made = [facts.pools[name] for name in fresh]
        ends.add(
            (
                facts.rules["two-and-two"].steps,
                facts.users["nova"].rotation,
                str(sorted(facts.users["nova"].caps.items())),
                *((pool.size, pool.min_size, pool.rule, pool.quota_bytes, pool.nodelete) for pool in made),
            )
        )
        with open_ceph(applied.ceph) as cluster:
            for name in fresh:
                cluster.tell("osd pool set", pool=name, var="nodelete", val="false")
                cluster.tell("osd pool delete", pool=name, pool2=name, yes_i_really_really_mean_it=True)
        if whole:
            break
        at += 1
    assert at == 1 + (1 + 5) + (1 + 4) + 2
    assert len(ends) == 1
    Applier(applied.ceph).settle()
    ceph.command("config-key", "rm", "visa-migration/rotation/client.nova")
