"""Caracal declared whole on two real clouds and a real Ceph: files, pools, users, and nodes that move beside them."""

from __future__ import annotations

import re

import pytest
from migrating import end_instances, serves_in_caracal

from lab.project import Project

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def whole(project: Project) -> Project:
    """A project whose whole control plane is declared and applied."""
    project.lab.up_ceph()
    project.environment |= project.lab.environment()
    project.declare_control_plane()
    shown = project.preview("caracal", "--diff").stdout
    assert "kolla/globals.yml" in shown
    assert "size 4, min_size 2" in shown
    assert not (project.directory / "kolla").exists()
    project.up()
    return project


def test_a_second_up_does_nothing_and_no_key_is_in_clear(whole: Project) -> None:
    whole.preview("caracal", "--expect-no-changes")
    rings = sorted((whole.directory / "kolla" / "config").rglob("*.keyring"))
    assert {ring.name for ring in rings} == {
        "ceph.client.glance.keyring", "ceph.client.cinder.keyring", "ceph.client.cinder-backup.keyring",
    }  # fmt: skip
    state = "".join(path.read_text() for path in (whole.lab.directory / "pulumi").rglob("*.json"))
    for ring in rings:
        assert ring.stat().st_mode & 0o777 == 0o600
        key = re.search(r"key = (\S+)", ring.read_text())
        assert key is not None
        assert key[1] not in state


def test_what_drifted_is_shown_and_mended(whole: Project) -> None:
    globals_yml = whole.directory / "kolla" / "globals.yml"
    before = globals_yml.read_text()
    globals_yml.write_text(before + "edited: by hand\n")
    whole.lab.ceph.command("osd", "pool", "set", "vms", "size", "3")
    shown = whole.preview("caracal", "--diff").stdout
    assert "3 -> 4" in shown
    whole.up()
    assert globals_yml.read_text() == before
    pools = {pool["pool_name"]: pool["size"] for pool in whole.lab.ceph.command("osd", "pool", "ls", "detail")}
    assert pools["vms"] == 4
    whole.preview("caracal", "--expect-no-changes")


def test_a_node_that_joins_is_listed_and_one_that_does_not_is_not(whole: Project) -> None:
    inventory = whole.directory / "kolla" / "inventory" / "multinode"
    assert "cmp01" not in inventory.read_text()
    end_instances(whole, "cmp01")
    whole.member("caracal", "cmp01")
    whole.up()
    assert serves_in_caracal(whole, "cmp01")
    assert "cmp01" in inventory.read_text()
    assert "cmp02" not in inventory.read_text()
    whole.preview("caracal", "--expect-no-changes")


def test_a_ceph_without_quorum_is_told_and_left_alone_while_nodes_go_on(whole: Project) -> None:
    whole.lab.ceph.kill_datacenter("dc1")
    with whole.changed(budget={"moving": 1, "per_datacenter": 1}):
        whole.member("draining", "cmp02")
        ended = whole.up(check=False)
    assert ended.returncode  # what could not be asked is no success
    assert "Nothing of Ceph is changed in this run" in ended.stdout
    assert whole.status()["nodes"]["cmp02"]["phase"] in {"draining", "empty"}
    whole.lab.ceph.start_datacenter("dc1")
    whole.lab.ceph.wait_healthy()
    whole.member("stein", "cmp02")
    whole.up()
    whole.preview("caracal", "--expect-no-changes")
