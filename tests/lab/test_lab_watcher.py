"""Simulator and watcher on two real clouds: owners may end what is theirs, anybody else is caught."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from lab.clouds import administrator
from lab.layout import OLD

pytestmark = pytest.mark.lab


def start(lab: Lab, *arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "lab", *arguments, "--name", lab.name])


def events(log: Path, kind: str) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [entry for line in lines if line.endswith("\n") and (entry := json.loads(line))["event"] == kind]


def wait_for(condition: Callable[[], object], what: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, f"it ended before: {what}"
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_stranger_is_caught(own_lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "watch.jsonl"
    with administrator(own_lab.state.cloud(OLD)) as old:
        victim = next(iter(old.compute.servers(all_projects=True)))
    with start(own_lab, "watch", "--owners", tmp_path / "owners.jsonl", "--log", log) as watcher:
        wait_for(lambda: events(log, "sees"), "it looks", watcher)
        own_lab.add_host("caracal", "cmp06-twin")  # a node that is in one cloud only is nobody's business
        own_lab.end(OLD, victim.id)
        wait_for(lambda: events(log, "violation"), "it tells", watcher)
        watcher.terminate()
    assert watcher.returncode == 1
    assert [(each["kind"], each["subject"]) for each in events(log, "violation")] == [("gone", victim.id)]
    assert [verdict["clean"] for verdict in events(log, "verdict")] == [False]


def test_owners_may_end_what_is_theirs(own_lab: Lab, tmp_path: Path) -> None:
    log, owners = tmp_path / "watch.jsonl", tmp_path / "owners.jsonl"
    with administrator(own_lab.state.cloud(OLD)) as old:
        count = len(list(old.compute.servers(all_projects=True)))
        with start(own_lab, "watch", "--owners", owners, "--log", log) as watcher:
            wait_for(lambda: events(log, "sees"), "it looks", watcher)
            with start(own_lab, "simulate", "--log", owners, "--shortest", "1", "--longest", "8") as simulator:
                wait_for(lambda: len(events(owners, "end")) == count, "all ended", simulator)
                wait_for(lambda: not list(old.compute.servers(all_projects=True)), "all are gone", simulator)
                simulator.terminate()
            watcher.terminate()
    assert simulator.returncode == 0
    assert events(log, "violation") == []
    assert watcher.returncode == 0
    assert [verdict["clean"] for verdict in events(log, "verdict")] == [True]


def test_blind_watcher_vouches_for_nothing(own_lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "watch.jsonl"
    own_lab.stop(OLD, ["keystone"])
    try:
        with start(own_lab, "watch", "--owners", tmp_path / "owners.jsonl", "--log", log) as watcher:
            wait_for(lambda: events(log, "blind"), "it says that it is blind", watcher)
            watcher.terminate()
    finally:
        own_lab.start(OLD, ["keystone"])
    assert watcher.returncode == 1
    assert [verdict["clean"] for verdict in events(log, "verdict")] == [False]
