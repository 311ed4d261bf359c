"""``pulumi up`` killed with SIGKILL in each step, then run again: the same end, and never two that act at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import psutil
import pytest
from migrating import results, serves_in_caracal, wait_for

from lab.nodes import Fault
from lab.project import Project

pytestmark = pytest.mark.lab

STEPS = ("disable", "stop-compute", "delete-service", "delete-agents", "prove-gone", "host-hook", "wait-up", "place")
STEPS += ("probe", "enable")
HOSTS = 13
FIRST = "cmp01"


def lines(project: Project) -> list[dict[str, str]]:
    return [dict(line) for line in project.audited()]


def start_up(project: Project) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "caracal"],
        cwd=project.directory,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_in(project: Project, node: str, step: str) -> list[psutil.Process]:
    """Start ``pulumi up``, kill the engine as soon as a node's step begins, and return what it left running."""
    engine = start_up(project)
    try:
        wait_for(
            lambda: engine.poll() is not None or (step, "begins") in results(project, node), f"{node} begins {step}"
        )
        assert engine.poll() is None, f"pulumi up ended before {step} of {node} began"
        left = psutil.Process(engine.pid).children(recursive=True)
    finally:
        os.kill(engine.pid, signal.SIGKILL)
        engine.wait()
    return left


def gone(left: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


@pytest.fixture(scope="module", autouse=True)
def _first_accepted(project: Project) -> None:
    project.member("caracal", FIRST)
    project.up()
    assert serves_in_caracal(project, FIRST)


@pytest.mark.parametrize(("number", "step"), list(enumerate(STEPS, 2)))
def test_killed_in_a_step_ends_the_same(project: Project, number: int, step: str) -> None:
    node = f"cmp{number:02}"
    project.member("caracal", node)
    left = kill_in(project, node, step)
    begun = results(project, node)
    wait_for(lambda: gone(left), "the orphans of the killed engine end by themselves")
    # The step that was under way may have ended; no further one was begun.
    after = results(project, node)[len(begun) :]
    assert [each for each in after if each[1] == "begins"] == []

    assert project.up(check=False).returncode != 0  # the engine's own lock, which says what to do
    project.pulumi("cancel", "--yes", "--stack", "caracal")
    project.up()
    assert serves_in_caracal(project, node)


def test_second_up_waits_for_what_a_killed_one_left(project: Project) -> None:
    node = f"cmp{HOSTS - 1:02}"
    project.lab.set_fault(node, Fault.LEAVE_HANGS)
    project.member("caracal", node)
    left = kill_in(project, node, "stop-compute")
    project.lab.clear_fault(node)
    project.pulumi("cancel", "--yes", "--stack", "caracal")
    project.up()  # at once: the orphan may still be there
    assert gone(left)
    assert serves_in_caracal(project, node)
    said = [(line["step"], line["result"], line["detail"]) for line in lines(project) if line["node"] == node]
    first = said.index(("stop-compute", "begins", ""))
    # What the killed run had begun has its end before the next run begins the same.
    assert said[first + 1][:2] == ("stop-compute", "failed")
    assert said[first + 2] == ("stop-compute", "begins", "")


def test_interrupted_up_leaves_nothing_running(project: Project) -> None:
    node = f"cmp{HOSTS:02}"
    project.member("caracal", node)
    engine = start_up(project)
    wait_for(lambda: ("stop-compute", "begins") in results(project, node), "the node leaves")
    left = psutil.Process(engine.pid).children(recursive=True)
    engine.send_signal(signal.SIGINT)
    engine.wait(60)
    wait_for(lambda: gone(left), "all that the engine started ends")
    project.pulumi("cancel", "--yes", "--stack", "caracal", check=False)
    project.up()
    assert serves_in_caracal(project, node)


def test_state_file_lost_and_nothing_forgotten(project: Project) -> None:
    """What we did is recorded in the clouds: without any state the next ``up`` finds a settled fleet."""
    project.preview("caracal", "--expect-no-changes")
    before = len(lines(project))
    project.pulumi("stack", "rm", "--yes", "--force", "--preserve-config", "caracal")
    project.pulumi("stack", "init", "caracal")
    shown = project.preview("caracal", "--json")
    steps = json.loads(shown.stdout[shown.stdout.index("{") :])["steps"]
    ours = [step["newState"] for step in steps if "dynamic/nodes:" in step["urn"].split("::")[-2]]
    asked = [state["inputs"]["steps"] for state in ours if "steps" in state["inputs"]]
    assert asked
    assert not any(asked)
    assert len(lines(project)) == before
