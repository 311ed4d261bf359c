"""Parts of the lab that need no cloud: ports, processes, names, Pythons."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab import LabError, layout, nodes, ports, processes, pythons, template
from lab.errors import ServiceError
from toolchain import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISA_MIGRATION_CACHE", str(tmp_path / "cache"))


def sleeper(lab: Path, service: str = "nova", *code: str) -> subprocess.Popen[bytes]:
    lab.mkdir(exist_ok=True)
    command: list[str | Path] = [sys.executable, "-c", *(code or ["import time; time.sleep(600)"])]
    return processes.start(command, lab, "stein", service, lab / "log", os.environ)


@pytest.mark.parametrize("name", ["demo", "a", "9-lives"])
def test_name_of_a_lab(name: str) -> None:
    assert layout.lab_directory(name) == cache.root() / "labs" / name


@pytest.mark.parametrize("name", ["", "..", "Demo", "-x", "a/b", "a b", "x" * 41])
def test_name_that_is_none(name: str) -> None:
    with pytest.raises(LabError, match="cannot be a lab's name"):
        layout.lab_directory(name)


@pytest.mark.parametrize("name", ["", "-n", ".x", "a;b", "a b", "$(id)", "x" * 65])
def test_name_of_no_node(name: str) -> None:
    with pytest.raises(LabError, match="cannot be a node's name"):
        nodes.check_name(name)


def test_ports_of_labs_do_not_meet(tmp_path: Path) -> None:
    owners = [tmp_path / name for name in ("one", "two")]
    for owner in owners:
        owner.mkdir()
    one, two = (ports.reserve(owner) for owner in owners)
    assert abs(one - two) >= ports.BLOCK
    numbers = [port for cloud in ports.by_service(one).values() for port in cloud.values()]
    assert len(numbers) == len(set(numbers))
    assert all(one <= port < one + ports.BLOCK for port in numbers)
    owners[0].rmdir()
    assert ports.reserve(owners[1]) == one, "the block of a lab that is gone is free again"


def test_ports_that_somebody_else_uses_are_left_alone(tmp_path: Path) -> None:
    base = ports.reserve(tmp_path)
    with socket.create_server(("127.0.0.1", base + 3)):
        assert ports.reserve(tmp_path) != base


def test_only_what_belongs_to_the_lab_is_ended(tmp_path: Path) -> None:
    mine, others = sleeper(tmp_path / "mine"), sleeper(tmp_path / "mine2")
    try:
        assert [(each.pid, each.cloud, each.service) for each in processes.running(tmp_path / "mine")] == [
            (mine.pid, "stein", "nova")
        ]
        processes.end(tmp_path / "mine")
        assert mine.wait() == -signal.SIGTERM
        assert others.poll() is None
    finally:
        processes.end(tmp_path / "mine2")


def test_process_that_ignores_everything_is_killed(tmp_path: Path) -> None:
    stubborn = sleeper(
        tmp_path / "lab",
        "nova",
        "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()",
    )
    while not (tmp_path / "lab" / "log").read_text():
        assert stubborn.poll() is None
    processes.end(tmp_path / "lab", patience=0.2)
    assert stubborn.wait() == -signal.SIGKILL


def test_process_that_is_stopped_is_ended(tmp_path: Path) -> None:
    frozen = sleeper(tmp_path / "lab")
    os.kill(frozen.pid, signal.SIGSTOP)
    processes.end(tmp_path / "lab")
    assert frozen.wait() in (-signal.SIGTERM, -signal.SIGKILL)


def test_service_that_dies_shows_its_log(tmp_path: Path) -> None:
    dies = sleeper(tmp_path / "lab", "glance", "raise SystemExit('no such file: glance.conf')")
    log = tmp_path / "lab" / "log"
    with pytest.raises(ServiceError, match=r"(?s)stein: glance ended with code 1 .*no such file: glance\.conf"):
        processes.wait_answer(1, "stein: glance", dies, [log])


def test_service_that_does_not_answer(tmp_path: Path) -> None:
    silent = sleeper(tmp_path / "lab", "glance")
    try:
        with pytest.raises(ServiceError, match="no answer on port 1 in 0 s; nothing in"):
            processes.wait_answer(1, "stein: glance", silent, [tmp_path / "lab" / "log"], timeout=0)
    finally:
        processes.end(tmp_path / "lab")


def test_python_that_is_named_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEIN_PYTHON", "/bin/true")
    with pytest.raises(LabError, match=r"STEIN_PYTHON=/bin/true does not run as Python 3\.7"):
        pythons.find("3.7", "stein", print)


def test_python_of_the_right_version_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    version = "{}.{}".format(*sys.version_info)
    monkeypatch.delenv("CARACAL_PYTHON", raising=False)
    assert pythons.find(version, "caracal", print) == Path(sys.executable)


def test_shim_that_does_not_run_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "python3.7"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.delenv("STEIN_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    def no_uv(*_: object) -> Path:
        raise LabError("uv cannot fetch 3.7: exit code 1\nno route to host")

    monkeypatch.setattr(pythons, "_from_uv", no_uv)
    with pytest.raises(LabError, match=r"(?s)no Python 3\.7 found.*no route to host.*pyenv install 3\.7.*STEIN_PYTHON"):
        pythons.find("3.7", "stein", print)


def test_template_whose_maker_was_killed_is_swept(tmp_path: Path) -> None:
    orphaned, making = (cache.root() / "store" / name / "lab" for name in ("orphaned", "making"))
    for directory in (orphaned, making):
        directory.mkdir(parents=True)
    left, wanted = sleeper(orphaned), sleeper(making)
    try:
        with (making / "making.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            template.sweep()
            assert left.wait() == -signal.SIGTERM
            assert wanted.poll() is None
    finally:
        processes.end(making)
