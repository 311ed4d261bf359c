"""Hosts for Ansible on this machine: local connections into namespaces, with a stand-in for the container engine alone.

Each has its own name, processes, network, ``/etc``, ``/var/lib``, ``/var/log`` and ``/run``. So Kolla-Ansible's real
playbooks, templates and modules run on it, and nothing of this machine is touched.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINE = Path(__file__).resolve().parent / "engine"

INTERPRETER = """#!/bin/sh
exec unshare {user} --uts --mount --pid --net --fork --kill-child {host}/systemd "$@"
"""

# Its file name is what process 1 is called, and so what Ansible finds as the service manager.
INIT = """#!/bin/sh
set -e
mount -t proc proc /proc
hostname {name}
mount --bind {host}/etc /etc
mount --bind {host}/lib /var/lib
mount --bind {host}/log /var/log
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
ip link set lo up
ip address flush dev lo
ip address add {address}/24 dev lo
export VISA_TEST_HOST={host} PYTHONPATH={engine} PATH={host}/bin:{engine}/bin:$PATH
{python} "$@"
"""

ROOT = os.geteuid() == 0


@functools.cache
def why_not() -> str:
    """Return why there can be no such hosts here, or ""."""
    if missing := [tool for tool in ("unshare", "ip", "hostname", "mount") if not shutil.which(tool)]:
        return f"no {', '.join(missing)} on this machine"
    command = ["unshare", *_user(), "--uts", "--mount", "--pid", "--net", "--fork", "hostname", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else ""


def _user() -> Sequence[str]:
    return () if ROOT else ("--user", "--map-root-user")


@dataclass(frozen=True)
class Hosts:
    """A directory with a directory for each host."""

    directory: Path

    def add(self, name: str, number: int) -> dict[str, str]:
        """Make a host; return what Ansible must be told of it."""
        host = self.directory / name
        for part in ("lib", "log", "bin"):
            (host / part).mkdir(parents=True)
        shutil.copytree("/etc", host / "etc", symlinks=True, ignore=_unreadable, ignore_dangling_symlinks=True)
        (host / "etc" / "udev" / "rules.d").mkdir(parents=True, exist_ok=True)
        (host / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n{self.address(number)} {name}\n")
        words = {
            "name": name,
            "host": shlex.quote(str(host)),
            "engine": shlex.quote(str(ENGINE)),
            "python": sys._base_executable,  # type: ignore[attr-defined]
            "address": self.address(number),
            "user": " ".join(_user()),
        }
        for path, text in ((host / "python", INTERPRETER), (host / "systemd", INIT)):
            path.write_text(text.format(**words))
            path.chmod(0o755)
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(host / "python"),
            "ansible_remote_tmp": str(host / "tmp"),
            "ansible_become": "false",  # it is root in there already
        }

    @staticmethod
    def address(number: int) -> str:
        return f"10.0.0.{number}"

    def path(self, name: str, path: str) -> Path:
        """Where a file of a host is; only what is below the directories that it has of its own."""
        for own, ours in (("/etc", "etc"), ("/var/lib", "lib"), ("/var/log", "log")):
            if path.startswith(own):
                return self.directory / name / ours / path.removeprefix(own).lstrip("/")
        raise ValueError(path)

    def write(self, name: str, path: str, text: str) -> None:
        """Write a file of a host."""
        file = self.path(name, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def command(self, name: str, command: str, script: str) -> None:
        """Give a host a command of its own."""
        file = self.directory / name / "bin" / command
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def break_(self, name: str, *what: str) -> None:
        """Let the stand-in engine of a host fail at something, as in ``pull nova-compute``."""
        (self.directory / name / "broken").write_text("\n".join(what))

    def containers(self, name: str) -> dict[str, bool]:
        """Which containers a host has, and whether they run."""
        file = self.directory / name / "engine.json"
        found = json.loads(file.read_text())["containers"] if file.exists() else {}
        return {container: entry["running"] for container, entry in found.items()}

    def calls(self) -> list[dict[str, Any]]:
        """Every call of the engine's command line, with its host, in order."""
        file = self.directory / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _unreadable(directory: str, names: list[str]) -> list[str]:
    """What of /etc needs no copy, or cannot have one."""
    return [
        name
        for name in names
        if not os.access(Path(directory) / name, os.R_OK)
        or name in {"shadow", "gshadow", "shadow-", "gshadow-", "ssl", "alternatives", "ssh"}
        or not ((Path(directory) / name).is_file() or (Path(directory) / name).is_dir())
    ]
