"""The ``openstack`` command, in an environment of its own, asked what ``visa-migration status`` answers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab import LabError
from lab.layout import OLD
from lab.pythons import run
from toolchain import cache

PINS = Path(__file__).with_name("requirements-openstackclient.txt")


def installed(progress: cache.Progress) -> Path:
    """Return the ``openstack`` command, installed first if it is not there.

    Arguments:
        progress: is told what takes long.

    Returns:
        The command.

    Raises:
        LabError: it cannot be installed.
    """

    def build(directory: Path) -> None:
        progress("openstackclient: installing it (once)")
        run([sys.executable, "-m", "venv", directory], "openstackclient: cannot make a virtual environment")
        pip: list[str | Path] = [directory / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
        run([*pip, "-r", PINS], "openstackclient: cannot install it")

    key = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cache.built(f"openstackclient-{key}", build, progress) / "bin" / "openstack"


def ask(command: Path, node: str, environment: Mapping[str, str]) -> None:
    """Ask the old cloud what an operator looks at before a node is taken: its instances, service and hypervisor.

    Arguments:
        command: the ``openstack`` command.
        node: the node.
        environment: with clouds.yaml.

    Raises:
        LabError: a command failed.
    """
    for words in (
        ["server", "list", "--all-projects", "--host", node],
        ["compute", "service", "list", "--host", node],
        ["hypervisor", "show", node],
    ):
        asked = subprocess.run(
            [command, "--os-cloud", OLD, *words, "--format", "json"],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if asked.returncode:
            raise LabError(f"openstack {' '.join(words)} ended with {asked.returncode}:\n{asked.stderr}")
