"""A lab's state on disk: described, copied to another place and other ports, configured.

A lab's directory can be copied while nothing runs in it. What its databases say about addresses and paths is rewritten
in the copy; its configuration files are written anew.
"""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import config, control, ports
from lab.layout import CLOUDS, DATABASES, Cloud
from lab.releases import RELEASES
from toolchain import cache

ADDRESSES = (  # database, table and column that hold an address or a path
    ("keystone", "endpoint", "url"),
    ("nova_api", "cell_mappings", "database_connection"),
    ("glance", "image_locations", "value"),
)
MADE_ANEW = ("etc", "log", "lock", "token")


@dataclass(frozen=True, slots=True)
class State:
    """What a lab's directory holds.

    Attributes:
        directory: where it is.
        port: the first of its ports.
        hosts: nodes of the old cloud at the beginning.
        new_hosts: nodes of the new cloud at the beginning.
    """

    directory: Path
    port: int
    hosts: tuple[str, ...] = ()
    new_hosts: tuple[str, ...] = ()

    @classmethod
    def load(cls, directory: Path) -> State | None:
        """Return what was saved in this directory, or None if nothing whole is there."""
        file = directory / "lab.json"
        if not file.exists():
            return None
        saved = json.loads(file.read_text())
        return cls(Path(saved["directory"]), saved["port"], tuple(saved["hosts"]), tuple(saved["new_hosts"]))

    def save(self) -> None:
        """Save this; from now on the directory counts as whole."""
        fresh = self.directory / "lab.json.new"
        fresh.write_text(json.dumps({**asdict(self), "directory": str(self.directory)}))
        fresh.replace(self.directory / "lab.json")

    @property
    def nodes(self) -> Path:
        """The nodes' disks."""
        return self.directory / "nodes"

    def cloud(self, name: str) -> Cloud:
        """Return one of its clouds."""
        return Cloud(name, self.directory / name, self.nodes, ports.by_service(self.port)[name])

    @property
    def clouds(self) -> tuple[Cloud, ...]:
        """Both clouds, the old one first."""
        return tuple(self.cloud(name) for name in CLOUDS)


def empty(directory: Path) -> State:
    """Make the directory of a lab whose clouds have no databases yet.

    Arguments:
        directory: where; it may exist.

    Returns:
        Its state, not saved yet.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = State(directory, ports.reserve(directory))
    for cloud in state.clouds:
        for part in ("db", "images", "keys", "nova/instances", "neutron"):
            (cloud.directory / part).mkdir(mode=0o700, parents=True)
        _secret(cloud.directory / "password")
    state.nodes.mkdir(mode=0o700)
    return state


def clone(source: State, directory: Path) -> State:
    """Copy a lab in which nothing runs.

    Arguments:
        source: the lab to copy.
        directory: where to; what is there already is removed.

    Returns:
        The copy's state, not saved yet.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    state = State(directory, ports.reserve(directory), source.hosts, source.new_hosts)
    for part in (*CLOUDS, "nodes"):
        shutil.copytree(source.directory / part, directory / part, ignore=shutil.ignore_patterns(*MADE_ANEW))
    for old, new in zip(source.clouds, state.clouds, strict=True):
        changes = [(f":{old.ports[name]}", f":{new.ports[name]}") for name in old.ports]
        changes.append((str(old.directory), str(new.directory)))
        for name, table, column in ADDRESSES:
            with control.database(new.database(name)) as connection:
                for before, after in changes:
                    connection.execute(f"update {table} set {column} = replace({column}, ?, ?)", (before, after))  # noqa: S608
    return state


def configure(state: State, progress: cache.Progress) -> None:
    """Write what the services of both clouds read at their start.

    Arguments:
        state: the lab.
        progress: is told when a release has to be installed first.
    """
    for cloud in state.clouds:
        for part in ("log", "lock"):
            (cloud.directory / part).mkdir(mode=0o700, exist_ok=True)
        _secret(cloud.directory / "token")
        config.write(cloud, RELEASES[cloud.name].installed(progress))


def settle(state: State) -> None:
    """Merge each database's write-ahead log into it, so that copying is copying one file."""
    for cloud in state.clouds:
        for name in DATABASES:
            with control.database(cloud.database(name)) as connection:
                connection.execute("pragma wal_checkpoint(truncate)")


def _secret(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16))
