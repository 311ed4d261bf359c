"""Ceph under the real Pulumi engine: what a preview shows, what is written, and that no key is in clear anywhere."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from declared import HOSTS, SHORT, Applier, unreachable

from lab.ceph import Ceph as Lab
from migration.ceph.look import open_ceph
from migration.ceph.settings import Ceph
from migration.ceph.users import caps_of, new_key
from tests.toolchain.tiny_project import Project
from tests.unit.kolla_stack import changed
from toolchain import ensure

REPO = Path(__file__).parents[2]
PROGRAM = """
import json
from pathlib import Path
import pulumi
from components.ceph import declare_ceph
from components.summary import Summary
from migration.actor import Orders
from migration.ceph.look import look_at_ceph
from migration.ceph.plan import plan_ceph, unasked
from migration.errors import CephUnreachable
from migration.settings import parse

settings = parse("caracal", json.loads(Path("settings.json").read_text()), source="settings.json")
orders = Orders.of(settings)
try:
    plan = plan_ceph(settings.ceph, look_at_ceph(settings.ceph))
except CephUnreachable as error:
    plan = unasked(settings.ceph, error)
if plan.refusals:
    raise pulumi.RunError("\\n".join(plan.refusals))
ceph = declare_ceph(plan, settings, orders)
Summary([ceph.account], orders)
"""
USERS: dict[str, Any] = {"glance": {}, "cinder": {}, "cinder-backup": {}}
KEYRINGS = {
    "config/glance/ceph.client.glance.keyring",
    "config/cinder/cinder-volume/ceph.client.cinder.keyring",
    "config/cinder/cinder-backup/ceph.client.cinder.keyring",
    "config/cinder/cinder-backup/ceph.client.cinder-backup.keyring",
    "config/nova/ceph.client.cinder.keyring",
}


class Declared:
    """A project that declares a lab's Ceph, and everything that its runs have ever printed."""

    def __init__(self, lab: Lab, project: Project) -> None:
        self.lab, self.project = lab, project
        self.said = ""
        self.raw: dict[str, Any] = {
            "connection": {"conf": str(lab.layout.conf), "timeout": SHORT},
            "crush": {"datacenters": HOSTS},
            "rule": {"name": "two-and-two"},
            "pools": {name: {} for name in ("images", "volumes", "vms", "backups")},
            "users": USERS,
        }

    def want(self, **changes: Any) -> None:
        self.raw |= changes
        settings = changed(ceph=self.raw, audit="audit.jsonl")
        (self.project.directory / "settings.json").write_text(json.dumps(settings))

    def run(self, *words: str, ends: int = 0) -> str:
        done = self.project.pulumi(*words)
        self.said += done.stdout
        assert (done.returncode != 0) == (ends != 0), done.stdout
        return done.stdout

    def preview(self, *words: str, ends: int = 0) -> str:
        return self.run("preview", "--diff", *words, ends=ends)

    def up(self, ends: int = 0) -> str:
        return self.run("up", "--yes", "--skip-preview", "--diff", ends=ends)

    def ceph(self) -> Applier:
        return Applier(Ceph.model_validate(self.raw))

    def key(self, user: str) -> str:
        return str(self.lab.command("auth", "get-key", f"client.{user}")["key"])

    def kolla(self, below: str) -> Path:
        return self.project.directory / "kolla" / below

    def in_clear(self) -> str:
        """Return everything where a key must not be: the state with its history, the log, and what was printed."""
        directory = self.project.directory
        kept = [path for path in directory.parent.rglob("*") if path.is_file() and path.suffix in {".json", ".jsonl"}]
        assert any("stacks" in path.parts for path in kept)
        exported = self.project.pulumi("stack", "export").stdout
        return "".join([self.said, exported, *(path.read_text() for path in kept)])


@pytest.fixture(scope="module")
def declared(ceph: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Declared]:
    scratch = tmp_path_factory.mktemp("pulumi")
    directory = scratch / "project"
    directory.mkdir()
    (scratch / "state").mkdir()
    (directory / "venv").symlink_to(sys.prefix)
    (directory / "Pulumi.yaml").write_text("name: tiny\nruntime: {name: python, options: {virtualenv: venv}}\n")
    url = {"auth": {"auth_url": f"http://127.0.0.1:1/{scratch.name}", "username": "a", "password": "b"}}
    (scratch / "clouds.yaml").write_text(json.dumps({"clouds": {"stein": url, "caracal": url}}))
    environment = {
        **os.environ,
        **ensure(lambda line: print(line, file=sys.stderr)).environment(),
        "CEPH_COMPONENT_TEST": scratch.name,
        "PULUMI_BACKEND_URL": f"file://{scratch}/state",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
        "OS_CLIENT_CONFIG_FILE": str(scratch / "clouds.yaml"),
        "PYTHONPATH": str(REPO),
    }
    project = Project(directory, environment, f"CEPH_COMPONENT_TEST={scratch.name}")
    project.write(PROGRAM)
    assert project.pulumi("stack", "init", "dev").returncode == 0
    yield Declared(ceph, project)
    for process in project.processes():
        os.kill(process, 9)


def test_the_way_of_a_ceph(declared: Declared) -> None:
    lab, directory = declared.lab, declared.project.directory

    # a preview shows every step, and does nothing
    declared.want()
    shown = declared.preview()
    steps = "take default, choose firstn 2 type datacenter, chooseleaf firstn 2 type host, emit"
    for line in (
        f"crush: rule new, two-and-two: {steps}",
        "pool vms: create rule two-and-two, size 4, min_size 2, for rbd",
        "user glance: create mon profile rbd; osd profile rbd pool=images; mgr profile rbd pool=images",
    ):
        assert line in shown
    assert not declared.ceph().plan().settled
    assert lab.command("osd", "pool", "ls") == []

    # up does it, and puts the keys where Kolla looks for them
    declared.up()
    assert declared.ceph().plan().settled
    kolla = declared.kolla("")
    assert {str(path.relative_to(kolla)) for path in kolla.rglob("*") if path.is_file()} == KEYRINGS
    for below in KEYRINGS:
        user = below.rpartition("client.")[2].removesuffix(".keyring")
        assert declared.kolla(below).read_text() == f"[client.{user}]\nkey = {declared.key(user)}\n"
        assert stat.S_IMODE(declared.kolla(below).stat().st_mode) == 0o600
    lines = [json.loads(line) for line in (directory / "audit.jsonl").read_text().splitlines()]
    assert ("ceph", "pool vms", "create", "done") in {
        (line["cloud"], line["node"], line["step"], line["result"]) for line in lines
    }

    # settled
    declared.preview("--expect-no-changes")

    # drift is shown and mended
    lab.command("osd", "pool", "set", "vms", "min_size", "1")
    lab.command("auth", "caps", "client.glance", "mon", "allow r")
    shown = declared.preview()
    assert "pool vms: min_size 1 -> 2" in shown
    assert "user glance: caps mon allow r -> mon profile rbd; osd" in shown
    assert "3 to update" in shown  # the summary is the third
    declared.up()
    assert declared.ceph().plan().settled
    declared.preview("--expect-no-changes")

    # a key that somebody else rotated reaches the file; a raised number rotates it
    before = declared.key("cinder")
    with open_ceph(declared.ceph().ceph) as cluster:
        caps = caps_of(declared.ceph().ceph, "glance")
        lines = "".join(f'caps {daemon} = "{text}"\n' for daemon, text in caps.items())
        cluster.tell("auth import", data=f"[client.glance]\nkey = {new_key()}\n{lines}".encode())
    shown = declared.preview()
    assert "user glance" in shown
    assert declared.key("glance") not in shown
    declared.up()
    assert declared.key("glance") in declared.kolla("config/glance/ceph.client.glance.keyring").read_text()
    declared.want(users={**USERS, "cinder": {"rotation": 2}})
    shown = declared.preview()
    assert "user cinder: rotate 1 -> 2" in shown
    assert "gets a new key" in shown
    declared.up()
    after = declared.key("cinder")
    assert after != before
    for below in KEYRINGS:
        user = below.rpartition("client.")[2].removesuffix(".keyring")
        assert declared.kolla(below).read_text() == f"[client.{user}]\nkey = {declared.key(user)}\n"
    declared.preview("--expect-no-changes")

    # no key is in clear anywhere, old or new
    everything = declared.in_clear()
    assert "client.cinder" in everything
    for key in (before, after, declared.key("glance"), declared.key("cinder-backup")):
        assert key not in everything


def test_a_pool_that_leaves_the_config_is_not_deleted(declared: Declared) -> None:
    declared.want(pools={name: {} for name in ("images", "volumes", "vms", "backups", "scratch")})
    declared.up()
    declared.want(pools={name: {} for name in ("images", "volumes", "vms", "backups")})
    shown = declared.up(ends=1)
    assert "protected" in shown
    assert "scratch" in declared.lab.command("osd", "pool", "ls")
    declared.want(pools={name: {} for name in ("images", "volumes", "vms", "backups", "scratch")})
    declared.preview("--expect-no-changes")


def test_what_ceph_refuses_is_told_at_the_end_and_everything_else_is_done(declared: Declared) -> None:
    declared.want(users={**USERS, "cinder": {"rotation": 2}, "glance": {"caps": {"mon": "nonsense"}}})
    declared.lab.command("osd", "pool", "set", "vms", "min_size", "1")
    said = declared.up(ends=1)
    assert "1 failed; everything else went on" in said
    assert "user glance: ceph: auth caps client.glance" in said
    assert declared.lab.command("osd", "pool", "get", "vms", "min_size")["min_size"] == 2
    declared.want(users={**USERS, "cinder": {"rotation": 2}})
    declared.up()
    declared.preview("--expect-no-changes")


def test_while_ceph_cannot_be_asked_nothing_of_it_changes(declared: Declared) -> None:
    keyrings = {below: declared.kolla(below).read_text() for below in KEYRINGS}
    declared.lab.pause_datacenter("dc1")
    unreachable(declared.ceph().ceph)
    shown = declared.preview()
    assert "no quorum of " in shown
    assert "Nothing of Ceph is changed in this run" in shown
    said = declared.up(ends=1)
    assert "1 failed; everything else went on" in said
    assert "Nothing of Ceph is changed in this run" in said
    assert {below: declared.kolla(below).read_text() for below in KEYRINGS} == keyrings
    declared.lab.resume_datacenter("dc1")
    declared.lab.wait_quorum("a", "b", "c")
    declared.preview("--expect-no-changes")
