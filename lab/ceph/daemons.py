"""Run a lab's Ceph daemons, in the foreground and marked as the lab's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import processes
from lab.ceph import client
from lab.ceph.layout import Daemon, Layout
from lab.errors import CephError

CEPH = "ceph"  # what is a cloud's name for the processes of a cloud


def run(lab: Path, layout: Layout, daemon: Daemon) -> subprocess.Popen[bytes]:
    """Start a daemon.

    Arguments:
        lab: the lab's directory.
        layout: the cluster.
        daemon: which.

    Returns:
        Its process.
    """
    return _start(lab, layout, daemon, "-f")


def make(lab: Path, layout: Layout, daemon: Daemon, *arguments: str) -> subprocess.Popen[bytes]:
    """Begin to make a daemon's disk.

    Arguments:
        lab: the lab's directory.
        layout: the cluster.
        daemon: which.
        arguments: what it needs to know.

    Returns:
        The process; it ends by itself.
    """
    return _start(lab, layout, daemon, "--mkfs", *arguments)


def made(layout: Layout, daemon: Daemon, process: subprocess.Popen[bytes]) -> None:
    """Wait until a daemon's disk is made.

    Raises:
        CephError: it failed.
    """
    if process.wait():
        logs = processes.tail(layout.output(daemon), layout.log(daemon))
        raise CephError(f"{daemon.name}: its disk cannot be made: ended with {process.returncode}; {logs}")


def _start(lab: Path, layout: Layout, daemon: Daemon, *arguments: str) -> subprocess.Popen[bytes]:
    command: list[str | Path] = [f"ceph-{daemon.kind}", "--id", daemon.id, "--conf", layout.conf, *arguments]
    return processes.start(command, lab, CEPH, daemon.name, layout.output(daemon), client.environment())
