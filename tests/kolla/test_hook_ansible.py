"""One run of the real Ansible: a result for each host from its own events, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from migration.adapters.ansible import AnsibleRun, HostResult, environment_of, run_ansible
from migration.errors import AnsibleError
from toolchain.kolla import KollaTools

PATIENCE = 120.0
"""Far more than anything here takes; nothing is measured."""

INVENTORY = f"""
[all:vars]
ansible_python_interpreter={sys.executable}
[here]
a ansible_connection=local
b ansible_connection=local
c ansible_connection=local
[dead]
d ansible_host=127.0.0.1 ansible_port=1
"""
"""The last is real ssh to a port where nobody listens."""

FAILS_ON_B = "{name: It fails on b, ansible.builtin.command: /bin/false, when: inventory_hostname == 'b'}"
PING = "{name: It answers, ansible.builtin.ping: }"
HANGS = "{name: It hangs, ansible.builtin.shell: 'trap : TERM; setsid sleep 12345 & sleep 12345; sleep 12345'}"


@pytest.fixture
def run(tmp_path: Path, kolla_tools: KollaTools) -> Callable[..., AnsibleRun]:
    def run_it(*tasks: str, hosts: str = "here", play: str = "", **changes: Any) -> AnsibleRun:
        (tmp_path / "inventory").write_text(INVENTORY)
        listed = "".join(f"    - {task}\n" for task in tasks)
        playbook = f"- name: First\n  hosts: {hosts}\n  gather_facts: false\n{play}  tasks:\n{listed}"
        playbook += f"- name: Second\n  hosts: {hosts}\n  gather_facts: false\n  tasks:\n    - {PING}\n"
        (tmp_path / "playbook.yml").write_text(playbook)
        command = ["ansible-playbook", "-i", str(tmp_path / "inventory"), str(tmp_path / "playbook.yml")]
        options = {"log": tmp_path / "logs" / "x.log", "timeout": PATIENCE, **changes}
        return run_ansible(command, environment=environment_of(kolla_tools.bin), **options)

    return run_it


def test_all_went_well(run: Callable[..., AnsibleRun]) -> None:
    lines: list[str] = []
    found = run(PING, say=lines.append)
    assert found.rc == 0
    assert found.hosts == dict.fromkeys("abc", HostResult(ok=True))
    assert lines == ["play: First", "It answers", "play: Second", "It answers"]


def test_one_host_fails_and_the_others_arrive(run: Callable[..., AnsibleRun]) -> None:
    lines: list[str] = []
    found = run(FAILS_ON_B, say=lines.append)
    assert found.rc == 2
    assert found.hosts["a"] == found.hosts["c"] == HostResult(ok=True)
    assert found.hosts["b"] == HostResult(ok=False, task="It fails on b", message="non-zero return code")
    assert "b: failed: task It fails on b: non-zero return code" in lines


def test_a_host_that_cannot_be_reached(run: Callable[..., AnsibleRun]) -> None:
    found = run(PING, hosts="all")
    assert found.rc == 4
    assert found.hosts["a"].ok
    assert found.hosts["d"].unreachable
    assert not found.hosts["d"].ok
    assert "127.0.0.1 port 1: Connection refused" in found.hosts["d"].message


def test_what_a_loop_and_a_module_say(run: Callable[..., AnsibleRun]) -> None:
    fails = "{name: Twice, ansible.builtin.shell: 'echo it is {{ item }} >&2; exit {{ item }}', loop: [0, 7, 8]}"
    result = run(fails).hosts["a"]
    assert str(result) == "task Twice: non-zero return code; it is 7; non-zero return code; it is 8"


def test_what_is_ignored_or_rescued_is_no_failure(run: Callable[..., AnsibleRun]) -> None:
    ignored = "{ansible.builtin.command: /bin/false, ignore_errors: true}"
    rescued = "{block: [{ansible.builtin.command: /bin/false}], rescue: [{ansible.builtin.ping: }]}"
    found = run(ignored, rescued)
    assert found.hosts == dict.fromkeys("abc", HostResult(ok=True))


@pytest.mark.parametrize("fatal", ["  any_errors_fatal: true\n", "  max_fail_percentage: 20\n"])
def test_a_host_whose_tasks_were_not_all_done_has_not_arrived(run: Callable[..., AnsibleRun], fatal: str) -> None:
    """Ansible counts no failure for those that it gave up on."""
    found = run(FAILS_ON_B, play=fatal)
    assert not any(result.ok for result in found.hosts.values())
    assert "gave up before its tasks were done, because of b: task It fails on b" in found.hosts["a"].message


def test_a_task_that_another_host_does(run: Callable[..., AnsibleRun]) -> None:
    """The one that is named failed; the one that could not be reached is in the message."""
    found = run("{name: Elsewhere, ansible.builtin.ping: , delegate_to: d, when: inventory_hostname == 'a'}")
    assert not found.hosts["a"].unreachable
    assert "on d: Failed to connect" in found.hosts["a"].message
    assert found.hosts["b"].ok


def test_a_run_that_matched_nobody_is_no_success(run: Callable[..., AnsibleRun]) -> None:
    found = run(PING, hosts="nobody")
    assert found.rc == 0
    assert not found.result("a").ok
    assert "ran nothing on it" in found.result("a").message


def test_a_playbook_that_cannot_be_read(run: Callable[..., AnsibleRun]) -> None:
    found = run("{no_such_module: }")
    assert found.rc != 0
    assert "no_such_module" in found.result("a").message


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="no-such-ansible could not be started"):
        run_ansible(["no-such-ansible"], environment={"PATH": "/bin"}, log=tmp_path / "log", timeout=1)


def test_secrets_are_in_no_log_and_no_message(run: Callable[..., AnsibleRun], tmp_path: Path) -> None:
    lines: list[str] = []
    task = "{name: Tells, ansible.builtin.shell: 'echo hunter2-and-more >&2; exit 1'}"
    found = run(task, secrets=["hunter2-and-more"], say=lines.append)
    told = (tmp_path / "logs" / "x.log").read_text()
    assert "***" in told
    assert "hunter2" not in told + repr(found) + repr(lines)


def left() -> dict[int, str]:
    """Processes of ours that run still, with their names: all inherit this test's mark in their environment."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            ours = process.environ().get("VISA_TEST_MARK") == str(os.getpid()) and process.pid != os.getpid()
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process.name()
    return found


@pytest.fixture
def _marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISA_TEST_MARK", str(os.getpid()))


def hangs() -> bool:
    return "sleep" in left().values()


@pytest.mark.usefixtures("_marked")
def test_interrupted(run: Callable[..., AnsibleRun]) -> None:
    """Not even what a module put into a session of its own is left."""
    found = run(HANGS, interrupted=hangs)
    assert not left()
    assert found.ended == "it was interrupted and ended"
    assert not found.result("a").ok
    assert "interrupted" in found.result("a").message


@pytest.mark.usefixtures("_marked")
def test_a_run_that_takes_too_long(run: Callable[..., AnsibleRun]) -> None:
    found = run(HANGS, FAILS_ON_B, timeout=4.0)
    assert not left()
    assert "did not end within 4 s" in found.result("a").message


KILLED = """
import os, sys
from pathlib import Path
from migration.adapters.ansible import environment_of, run_ansible
bin_, directory, handle = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
command = ["ansible-playbook", "-i", str(directory / "inventory"), str(directory / "playbook.yml")]
run_ansible(command, environment=environment_of(bin_), log=directory / "log", timeout=999, keep=[handle])
"""


@pytest.mark.usefixtures("_marked")
def test_nothing_outlives_whoever_asked_for_it(tmp_path: Path, kolla_tools: KollaTools) -> None:
    """And the lock is held until the last process is gone."""
    (tmp_path / "inventory").write_text(INVENTORY)
    (tmp_path / "playbook.yml").write_text(f"- hosts: here\n  gather_facts: false\n  tasks:\n    - {HANGS}\n")
    lock = os.open(tmp_path, os.O_RDONLY)
    command = [sys.executable, "-c", KILLED, str(kolla_tools.bin), str(tmp_path), str(lock)]
    asker = subprocess.Popen(command, pass_fds=[lock])
    try:
        until(hangs)
        assert {asker.pid} < {pid for pid in left() if Path(f"/proc/{pid}/fd/{lock}").resolve() == tmp_path}
        os.kill(asker.pid, signal.SIGKILL)
        asker.wait()
        until(lambda: not left())
    finally:
        asker.kill()
        asker.wait()
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(lock)


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < end
        os.sched_yield()
