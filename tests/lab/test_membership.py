"""The main job, for real: one changed value and ``pulumi up``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from migrating import (
    asking,
    disable_by_hand,
    enable_by_hand,
    end_instances,
    results,
    serves_in_caracal,
    service,
)

from lab.project import Project
from migration.marks import Mark

pytestmark = pytest.mark.lab

HOSTS = 13

LEAVE = ["stop-compute", "delete-service", "delete-agents", "prove-gone"]
JOIN = ["host-hook", "wait-up", "place", "probe", "enable"]


@pytest.fixture
def accepted(project: Project) -> Project:
    """A project whose first node has been accepted, so that waves of several nodes may move."""
    if not serves_in_caracal(project, "cmp01"):
        project.member("caracal", "cmp01")
        project.up()
    return project


def test_fresh_stacks_are_settled(project: Project) -> None:
    project.preview("stein", "--expect-no-changes")
    project.preview("caracal", "--expect-no-changes")
    assert {one["phase"] for one in project.status()["nodes"].values()} == {"stein"}


def test_preview_shows_every_step_and_up_takes_them(project: Project) -> None:
    project.lab.boot("stein", "visa-101", node="cmp01")
    project.member("caracal", "cmp01")
    drains = project.up()
    assert "cmp01: phase stein, membership caracal: 1 instance left" in drains.stdout
    closed = service(project, "stein", "cmp01")
    assert (closed.status, closed.disabled_reason) == ("disabled", Mark.LEAVING)
    project.preview("caracal", "--expect-no-changes")  # nothing to do but to wait

    end_instances(project, "cmp01")
    shown = project.preview("caracal", "--diff").stdout
    for step in (*LEAVE, *JOIN):
        assert f'"{step}"' in shown
    assert service(project, "stein", "cmp01") is not None  # a preview touches nothing
    project.up()

    assert serves_in_caracal(project, "cmp01")
    project.preview("caracal", "--expect-no-changes")
    done = [step for step, result in results(project, "cmp01") if result == "done"]
    assert done == ["disable", *LEAVE, *JOIN]
    assert project.status()["nodes"]["cmp01"]["phase"] == "caracal"


def test_users_servers_land_on_an_accepted_node(accepted: Project) -> None:
    server = accepted.lab.boot("caracal", "visa-201", node="cmp01")
    accepted.lab.end("caracal", server)


def test_wave_of_two_datacenters_moves_with_one_hook(accepted: Project) -> None:
    accepted.member("caracal", "cmp02", "cmp03", "cmp04")  # cmp02 and cmp04 stand in dc2, cmp03 in dc1
    said = accepted.up().stdout
    assert serves_in_caracal(accepted, "cmp02")
    assert serves_in_caracal(accepted, "cmp03")
    assert "cmp04: phase stein, membership caracal: empty, waits: budget.moving is 2, cmp02, cmp03 on the way" in said
    hooks = [path for path in (accepted.directory / "logs").iterdir() if path.name.endswith("-join.log")]
    assert any("cmp02" in text and "cmp03" in text for text in (path.read_text() for path in hooks))
    accepted.up()
    assert serves_in_caracal(accepted, "cmp04")


def test_draining_never_moves_and_is_given_back(project: Project) -> None:
    project.member("draining", "cmp05")
    project.up()
    assert service(project, "stein", "cmp05").disabled_reason == Mark.LEAVING
    assert project.status()["nodes"]["cmp05"]["phase"] == "empty"
    project.preview("caracal", "--expect-no-changes")

    project.member("stein", "cmp05")
    project.up()
    assert service(project, "stein", "cmp05").status == "enabled"


def test_what_somebody_else_disabled_is_not_touched(project: Project) -> None:
    disable_by_hand(project, "stein", "cmp06", "RAM broken")
    for membership in ("draining", "caracal"):
        project.member(membership, "cmp06")
        said = project.up().stdout
        assert "disabled by somebody else (RAM broken)" in said
        assert service(project, "stein", "cmp06").disabled_reason == "RAM broken"
    assert project.visa_migration("status", check=False).returncode == 4
    project.member("stein", "cmp06")
    project.up()
    assert service(project, "stein", "cmp06").disabled_reason == "RAM broken"
    enable_by_hand(project, "stein", "cmp06")


def test_instance_that_appears_between_look_and_leave_keeps_its_node(accepted: Project, tmp_path: Path) -> None:
    """Stein boots a forced server even onto a disabled host: here while the leave hook is at work."""
    name = accepted.lab.name
    late = tmp_path / "leave_late.py"
    late.write_text(
        "import subprocess, sys\n"
        "from lab import Lab\n"
        f"Lab({name!r}).boot('stein', 'visa-901', node=sys.argv[1])\n"
        f"sys.exit(subprocess.call([sys.executable, '-m', 'lab', 'hook', 'leave', '--name', {name!r}, sys.argv[1]]))\n"
    )
    accepted.member("caracal", "cmp07")
    with accepted.changed(hooks={**accepted.hooks(), "leave": {"argv": [sys.executable, str(late), "{node}"]}}):
        said = accepted.up().stdout
    assert "cmp07: stop-compute stays: not empty: 1 instance left; its nova-compute was started again" in said
    kept = service(accepted, "stein", "cmp07")
    assert (kept.state, kept.disabled_reason) == ("up", Mark.LEAVING)
    assert accepted.status()["nodes"]["cmp07"]["phase"] == "draining"
    end_instances(accepted, "cmp07")
    accepted.up()
    assert serves_in_caracal(accepted, "cmp07")


def test_node_taken_from_the_config_stays_where_it_is(project: Project) -> None:
    file = project.directory / "Pulumi.caracal.yaml"
    before = file.read_text()
    file.write_text("".join(line for line in before.splitlines(keepends=True) if not line.startswith("    cmp10:")))
    try:
        project.up()
        assert service(project, "stein", "cmp10").status == "enabled"
    finally:
        file.write_text(before)
        project.up()


def test_flavor_of_another_size_is_a_warning_and_its_replacement_is_refused(project: Project) -> None:
    flavors = {"visa.tiny": {"vcpus": 1, "ram": 4096, "disk": 10}}
    with project.changed(flavors=flavors):
        said = project.preview("caracal", check=False).stdout
    assert "flavor visa.tiny is another size in the new cloud: 2048 -> 4096 MiB of memory" in said
    assert "protected" in said


def test_old_clouds_stack_says_what_is_left(project: Project) -> None:
    with asking(project, "stein") as old:
        nodes = sorted(each.host for each in old.compute.services(binary="nova-compute"))
    assert f"stein: {len(nodes)} nodes" in project.up("stein").stdout
