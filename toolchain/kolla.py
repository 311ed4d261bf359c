"""Kolla-Ansible: the operator's own, or ours, pinned and built once into the cache.

It has a virtual environment of its own, because what it pins is no business of this project's. The collection
``openstack.kolla`` is in no package registry and is not part of it: only ``bootstrap-servers`` needs it, and
``kolla-ansible install-deps`` fetches it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import cache, commands, pins
from toolchain.errors import ToolchainError

REQUIREMENTS = pins.HERE / "requirements-kolla.txt"
_PYTHONS = ((3, 10), (3, 12))  # what ansible-core 2.16 runs on


@dataclass(frozen=True, slots=True)
class KollaTools:
    """A virtual environment with kolla-ansible in it.

    Attributes:
        venv: its directory.
    """

    venv: Path

    @property
    def bin(self) -> Path:
        """Where ``kolla-ansible``, ``ansible-playbook`` and ``ansible-inventory`` are."""
        return self.venv / "bin"

    @property
    def share(self) -> Path:
        """Kolla's own files: ``ansible/`` with the playbooks, ``etc_examples/``."""
        return self.venv / "share" / "kolla-ansible"

    def environment(self) -> Mapping[str, str]:
        """Return the variables that kolla-ansible needs: it is a shell script that looks for its Ansible on PATH."""
        path = os.environ.get("PATH", os.defpath)
        return {"VIRTUAL_ENV": str(self.venv), "PATH": f"{self.bin}{os.pathsep}{path}"}


def ensure_kolla(tools: Path | None = None, progress: cache.Progress = lambda _: None) -> KollaTools:
    """Return the tools, installed first if they are not there.

    Arguments:
        tools: a virtual environment of the operator's own (``kolla.tools``), or None for ours.
        progress: is told what takes long.

    Returns:
        The tools.

    Raises:
        ToolchainError: the operator's has no kolla-ansible, or ours cannot be installed.
    """
    if tools is not None:
        found = KollaTools(tools.expanduser().absolute())
        if not (found.bin / "kolla-ansible").is_file():
            raise ToolchainError(
                f"kolla.tools: {found.venv} has no bin/kolla-ansible; name a virtual environment with"
                " kolla-ansible 18 in it, or drop kolla.tools"
            )
        return found

    def build(directory: Path) -> None:
        progress("installing kolla-ansible and Ansible (some minutes, once)")
        mend = (
            "PyPI, or the index that pip is configured for, must be reachable; or install kolla-ansible 18 into a"
            " virtual environment of your own and name it in kolla.tools."
        )
        commands.run("make Kolla-Ansible's Python", [sys.executable, "-m", "venv", str(directory)], directory, mend)
        install = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-deps", "-r", str(REQUIREMENTS)]
        commands.run("install Kolla-Ansible", [*install, *options], directory, mend)

    oldest, newest = _PYTHONS
    if not oldest <= sys.version_info[:2] <= newest:
        raise ToolchainError(
            f"Kolla-Ansible 2024.1 runs on Python 3.10 to 3.12, this is {sys.version_info[0]}.{sys.version_info[1]};"
            " install it into a virtual environment of another Python and name that in kolla.tools"
        )
    key = f"kolla-{pins.digest([REQUIREMENTS], sys.version, sys.base_prefix)}"
    return KollaTools(cache.built(key, build, progress))
