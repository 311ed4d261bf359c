"""Bad input and broken surroundings, with the real engine: said clearly, all at once, and nothing touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from migrating import asking, results, serves_in_caracal, service

from lab import LabError
from lab.nodes import Fault
from lab.project import Project

pytestmark = pytest.mark.lab

HOSTS = 13
FIRST = "cmp01"


@pytest.fixture(scope="module", autouse=True)
def _first_accepted(project: Project) -> None:
    project.member("caracal", FIRST)
    project.up()
    assert serves_in_caracal(project, FIRST)


@contextmanager
def edited(project: Project, old: str, new: str) -> Iterator[None]:
    """Let the stack file say something else for a while."""
    file = project.directory / "Pulumi.caracal.yaml"
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def other_clouds(project: Project, tmp_path: Path, **changes: Any) -> Iterator[None]:
    """Let clouds.yaml say something else for a while: entries replaced by name."""
    usual = project.environment["OS_CLIENT_CONFIG_FILE"]
    clouds = json.loads(Path(usual).read_text())
    for name, change in changes.items():
        clouds["clouds"][name] = {**clouds["clouds"][name], **change}
    (tmp_path / "clouds.yaml").write_text(json.dumps(clouds))
    project.environment["OS_CLIENT_CONFIG_FILE"] = str(tmp_path / "clouds.yaml")
    try:
        yield
    finally:
        project.environment["OS_CLIENT_CONFIG_FILE"] = usual


def refused(project: Project, *words: str) -> str:
    """Run ``pulumi up``, which must fail without having touched anything, and return what it said."""
    before = project.audit.read_text()
    ended = project.pulumi("up", "--yes", "--stack", "caracal", *words, check=False)
    assert ended.returncode != 0
    assert project.audit.read_text() == before
    return ended.stdout


def unpacked(project: Project, node: str) -> str:
    """Return the line of the stack file about a node."""
    lines = (project.directory / "Pulumi.caracal.yaml").read_text().splitlines(keepends=True)
    return next(line for line in lines if line.startswith(f"    {node}:"))


# ------------------------------------------------------------------------------------------------------ bad input


def test_all_mistakes_are_said_at_once_and_nothing_is_touched(project: Project) -> None:
    wrong = (
        "    cmp02: {membership: caracl, datacenter: dc9, rack: 7}\n"
        "    'cmp;reboot': {membership: stein, datacenter: dc1}\n"
    )
    with (
        edited(project, unpacked(project, "cmp02"), wrong),
        edited(project, "cidr: 10.20.0.0/16", "cidr: 10.20.0.0/99"),
    ):
        said = refused(project)
        for sentence in (
            'Pulumi.caracal.yaml: nodes.cmp02.membership: "caracl" is not a membership; use stein, draining or caracal',
            "nodes.cmp02.datacenter",
            "nodes.cmp02.rack",
            "cmp;reboot",
            "10.20.0.0/99",
        ):
            assert sentence in said
        assert "Traceback" not in said
        checked = project.visa_migration("status", check=False)
        assert (checked.returncode, checked.stdout) == (2, "")
        assert '"caracl" is not a membership' in checked.stderr


def test_node_listed_twice_is_refused(project: Project) -> None:
    line = unpacked(project, "cmp02")
    with edited(project, line, line + line.replace("stein", "caracal")):
        assert "cmp02" in refused(project)
        assert project.visa_migration("status", check=False).returncode == 2


def test_name_that_no_cloud_knows_refuses_the_whole_wave(project: Project) -> None:
    project.member("caracal", "cmp02")
    with edited(project, unpacked(project, "cmp03"), "    cmp33: {membership: caracal, datacenter: dc1}\n"):
        said = refused(project)
    assert "cmp33: in neither cloud, and there is no record that it left" in said
    assert service(project, "stein", "cmp02").status == "enabled"
    project.member("stein", "cmp02")


# ------------------------------------------------------------------------------------------------ clouds that fail


def test_no_clouds_yaml(project: Project, tmp_path: Path) -> None:
    usual = project.environment["OS_CLIENT_CONFIG_FILE"]
    project.environment["OS_CLIENT_CONFIG_FILE"] = str(tmp_path / "missing.yaml")
    try:
        assert "clouds.yaml has no usable entry of this name" in refused(project)
        assert project.visa_migration("status", check=False).returncode == 3
    finally:
        project.environment["OS_CLIENT_CONFIG_FILE"] = usual


def test_wrong_password_is_not_shown(project: Project, tmp_path: Path) -> None:
    usual = json.loads(Path(project.environment["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]["stein"]["auth"]
    project.member("caracal", "cmp02")
    with other_clouds(project, tmp_path, stein={"auth": {**usual, "password": "s3cret-but-wrong"}}):
        said = refused(project)
    project.member("stein", "cmp02")
    assert "Keystone refused the log-in" in said
    assert "s3cret-but-wrong" not in said


def test_old_cloud_down_stops_leaving_but_not_looking(project: Project) -> None:
    project.member("caracal", "cmp02")
    project.lab.stop("stein", ["keystone"])
    try:
        said = refused(project)
        assert "the old cloud cannot be asked, but is needed for cmp02" in said
    finally:
        project.lab.start("stein", ["keystone"])
        project.member("stein", "cmp02")


def test_cloud_that_hangs_does_not_hang_us(project: Project, tmp_path: Path) -> None:
    with other_clouds(project, tmp_path, stein={"api_timeout": 2}):
        project.lab.pause("stein")
        try:
            assert "stein: no answer" in project.visa_migration("status", check=False).stderr
        finally:
            project.lab.resume("stein")


# ------------------------------------------------------------------------------------- one node fails, others go on


def failed_beside(project: Project, bad: str, good: str) -> str:
    """Move two nodes of which one fails; return what ``pulumi up`` said."""
    project.member("caracal", bad, good)
    ended = project.up(check=False)
    assert ended.returncode != 0
    assert "1 failed; everything else went on" in ended.stdout
    assert serves_in_caracal(project, good)
    assert not serves_in_caracal(project, bad)
    return ended.stdout


def test_hook_that_fails_on_one_node(project: Project) -> None:
    project.lab.set_fault("cmp02", Fault.HOOK_FAILS)
    said = failed_beside(project, "cmp02", "cmp03")
    assert "cmp02: host-hook: task nova-cell : Waiting for nova-compute services" in said
    assert project.status()["nodes"]["cmp02"]["phase"] == "absent"
    project.lab.clear_fault("cmp02")
    project.up()
    assert serves_in_caracal(project, "cmp02")


def test_probe_that_fails_leaves_the_node_closed(project: Project) -> None:
    project.lab.set_fault("cmp04", Fault.PROBE_FAILS)
    said = failed_beside(project, "cmp04", "cmp05")
    assert "cmp04: probe: the probe server ended in ERROR" in said
    assert project.status()["nodes"]["cmp04"]["phase"] == "probation"
    with asking(project, "caracal") as new:
        assert [each for each in new.compute.servers(all_projects=True) if each.name.startswith("visa-probe")] == []
    with pytest.raises(LabError):
        project.lab.boot("caracal", "visa-102", node="cmp04")  # not even forced
    project.lab.clear_fault("cmp04")
    project.up()
    assert serves_in_caracal(project, "cmp04")


def test_node_that_never_comes_up(project: Project) -> None:
    project.lab.set_fault("cmp06", Fault.NEVER_UP)
    with project.changed(probe={"image": "probe", "network": "visa", "timeout": 5}):
        said = failed_beside(project, "cmp06", "cmp07")
    assert "cmp06: wait-up: nova-compute never registered in caracal after 5 s" in said
    project.lab.clear_fault("cmp06")
    project.up()
    assert serves_in_caracal(project, "cmp06")


@pytest.mark.parametrize(
    ("argv", "timeout", "sentence"),
    [
        (["/no/such/hook", "{node}"], 60, "/no/such/hook could not be started"),
        (
            [sys.executable, "-c", "import time; print('still here'); time.sleep(600)", "{node}"],
            2,
            "did not end within 2 s",
        ),
        (
            [sys.executable, "-c", "import sys; print('\\x1b[31mno'); sys.exit(7)", "{node}"],
            60,
            "ended with exit code 7",
        ),
    ],
)
def test_leave_hook_that_cannot(project: Project, argv: list[str], timeout: int, sentence: str) -> None:
    project.member("caracal", "cmp08")
    with project.changed(hooks={**project.hooks(), "leave": {"argv": argv, "timeout": timeout}}):
        ended = project.up(check=False)
    assert ended.returncode != 0
    assert f"cmp08: stop-compute: the leave hook failed: {argv[0]}" in ended.stdout or sentence in ended.stdout
    assert service(project, "stein", "cmp08") is not None
    assert ("delete-service", "begins") not in results(project, "cmp08")


def test_hook_that_writes_garbage(project: Project) -> None:
    project.lab.set_fault("cmp08", Fault.GARBAGE)
    ended = project.up(check=False)
    assert ended.returncode != 0
    assert "its results are not what docs/hooks.md says" in ended.stdout
    project.lab.clear_fault("cmp08")
    project.up()
    assert serves_in_caracal(project, "cmp08")


# ------------------------------------------------------------------------------------------------------ saved plans


def test_saved_plan_overtaken_by_the_world(project: Project) -> None:
    """Without help the engine refuses the run; told of the plan, the program lets only the overtaken node stay."""
    project.member("caracal", "cmp09", "cmp10")
    plan = project.directory / "plan.json"
    project.preview("caracal", "--save-plan", str(plan))
    server = project.lab.boot("stein", "visa-902", node="cmp09")
    said = refused(project, "--plan", str(plan))
    assert "violates plan" in said

    project.environment["VISA_MIGRATION_PLAN"] = str(plan)
    try:
        kept = project.up("caracal", "--plan", str(plan)).stdout
    finally:
        del project.environment["VISA_MIGRATION_PLAN"]
    assert "cmp09: stop-compute stays: not empty: 1 instance left" in kept
    assert service(project, "stein", "cmp09") is not None
    assert serves_in_caracal(project, "cmp10")
    project.lab.end("stein", server)
    project.up()
    assert serves_in_caracal(project, "cmp09")
