"""Where a lab keeps what: directories, ports, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from toolchain import cache

OLD, NEW = CLOUDS = ("stein", "caracal")
SERVICES = ("keystone", "placement", "glance", "neutron", "nova")
DATABASES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1")
REGION = "RegionOne"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def labs() -> Path:
    """Return the directory that all labs are under."""
    return cache.root() / "labs"


def lab_directory(name: str) -> Path:
    """Return the directory of the lab of this name.

    Raises:
        LabError: the name cannot be a lab's name.
    """
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} cannot be a lab's name: use up to 40 of a-z, 0-9 and '-', not starting with '-'")
    return labs() / name


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud of one lab, as files and addresses.

    Attributes:
        name: ``stein`` or ``caracal``.
        directory: its state.
        nodes: what is on the nodes' own disks, a directory each; both clouds see the same.
        ports: the port of each service, and of nova's ``control``.
    """

    name: str
    directory: Path
    nodes: Path
    ports: Mapping[str, int]

    @property
    def etc(self) -> Path:
        """Its configuration files."""
        return self.directory / "etc"

    @property
    def password(self) -> str:
        """The password of its administrator and of its services."""
        return (self.directory / "password").read_text().strip()

    def url(self, service: str, path: str = "") -> str:
        """Return where a service answers."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def database(self, name: str) -> Path:
        """Return a database's file."""
        return self.directory / "db" / f"{name}.sqlite"

    def log(self, name: str) -> Path:
        """Return a log file."""
        return self.directory / "log" / f"{name}.log"

    def computes(self) -> list[str]:
        """Return the nodes whose nova-compute runs here, or shall run once the cloud is started."""
        file = self.directory / "computes"
        return file.read_text().split() if file.exists() else []
