"""Packages of the distribution that the lab needs, installed where it may."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import processes
from lab.errors import LabError
from toolchain import cache

INSTALLED = "ii "
# Of systemd it keeps only ``start`` and ``restart`` from doing anything: packages are there, their services do not run.
OFFLINE = "SYSTEMD_OFFLINE=1"
INSTALL = ("install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600")


def ensure_packages(names: Sequence[str], progress: cache.Progress = lambda _: None) -> None:
    """Install the Debian packages of these that are missing; start none of their services.

    Arguments:
        names: names of packages.
        progress: is told what is installed.

    Raises:
        LabError: packages are missing and cannot be installed; the message names them and the command that does it.
    """
    if not missing(names):
        return
    with _lock():
        absent = missing(names)  # somebody else may have installed them while this waited
        if not absent:
            return
        by_hand = f"install them first: apt-get install --no-install-recommends {' '.join(absent)}"
        if shutil.which("apt-get") is None:
            raise LabError(
                f"{', '.join(absent)} missing, and there is no apt-get here: install what they are called here"
            )
        command = _as_root()
        if command is None:
            raise LabError(f"{', '.join(absent)} missing, and this is neither root nor may use sudo: {by_hand}")
        progress(f"packages: installing {', '.join(absent)}")
        log = cache.root() / "packages.log"
        install = [*command, *INSTALL, *absent]
        # Lists of packages may be too old, or not there at all.
        if not (_run(install, log) or (_run([*command, "update"], log) and _run(install, log))):
            raise LabError(f"{', '.join(absent)} cannot be installed: {by_hand}; {processes.tail(log)}")


def missing(names: Sequence[str]) -> list[str]:
    """Return those of these packages that are not installed, all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(names)
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Package}\n", *names]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    present = {line.removeprefix(INSTALLED) for line in lines if line.startswith(INSTALLED)}
    return [name for name in names if name not in present]


def _as_root() -> list[str] | None:
    """Return how apt-get is called so that it may install; None if it may not."""
    apt = ["env", OFFLINE, "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    if os.geteuid() == 0:
        return apt
    sudo = ["sudo", "--non-interactive"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return [*sudo, *apt]
    return None


def _run(command: Sequence[str], log: Path) -> bool:
    with log.open("a") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0


@contextmanager
def _lock() -> Iterator[None]:
    """Let one at a time install."""
    cache.root().mkdir(parents=True, exist_ok=True)
    with (cache.root() / "packages.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
