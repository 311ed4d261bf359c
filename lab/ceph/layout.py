"""Which daemons a lab's Ceph has, where each one is, and at which address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DATACENTERS = ("dc1", "dc2")
ARBITER = "arbiter"
PLACES = (*DATACENTERS, ARBITER)
HOSTS = 2  # with OSDs, in each datacenter: two copies per datacenter can be on different hosts
OSDS = 2  # on each host
MON, MGR, OSD = KINDS = ("mon", "mgr", "osd")


class Monitors(StrEnum):
    """How many monitors are in dc1, in dc2 and, as an arbiter, in a third place."""

    CONTROLLERS = "2+1"
    ARBITER = "1+1+1"
    ARBITER_OF_FIVE = "2+2+1"

    @property
    def counts(self) -> dict[str, int]:
        """Monitors by place."""
        return dict(zip(PLACES, map(int, self.split("+")), strict=False))


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon.

    Attributes:
        kind: ``mon``, ``mgr`` or ``osd``.
        id: its name among those of its kind.
        place: ``dc1``, ``dc2`` or ``arbiter``.
        address: where it listens.
        host: the host in the CRUSH map, of OSDs only.
    """

    kind: str
    id: str
    place: str
    address: str
    host: str = ""

    @property
    def name(self) -> str:
        """As Ceph has it: ``osd.3``."""
        return f"{self.kind}.{self.id}"


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole cluster.

    Attributes:
        directory: its state.
        network: the second number of its loopback addresses.
        monitors: where the monitors are.
    """

    directory: Path
    network: int
    monitors: Monitors

    @property
    def conf(self) -> Path:
        """Its ceph.conf."""
        return self.directory / "ceph.conf"

    def data(self, daemon: Daemon) -> Path:
        """Return the directory of a daemon's data."""
        return self.directory / "data" / daemon.name

    def log(self, daemon: Daemon) -> Path:
        """Return a daemon's log."""
        return self.directory / "log" / f"{daemon.name}.log"

    def output(self, daemon: Daemon) -> Path:
        """Return what a daemon printed."""
        return self.directory / "log" / f"{daemon.name}.out"

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """Every daemon, in the order in which they are started."""
        return (*self._mons(), *self._mgrs(), *self._osds())

    def of_kind(self, kind: str) -> tuple[Daemon, ...]:
        """Return the daemons of a kind."""
        return tuple(daemon for daemon in self.daemons if daemon.kind == kind)

    def _address(self, place: str, host: int) -> str:
        return f"127.{self.network}.{PLACES.index(place) + 1}.{host}"

    def _mons(self) -> Iterator[Daemon]:
        places = [(place, number) for place, count in self.monitors.counts.items() for number in range(count)]
        for name, (place, number) in zip("abcde", places, strict=False):
            yield Daemon(MON, name, place, self._address(place, 1 + number))

    def _mgrs(self) -> Iterator[Daemon]:
        """One manager; with an arbiter, one in each datacenter, because either may be lost."""
        places = DATACENTERS if ARBITER in self.monitors.counts else DATACENTERS[:1]
        for name, place in zip("xy", places, strict=False):
            yield Daemon(MGR, name, place, self._address(place, 1))

    def _osds(self) -> Iterator[Daemon]:
        number = 0
        for place in DATACENTERS:
            for host in range(1, HOSTS + 1):
                for _ in range(OSDS):
                    yield Daemon(OSD, str(number), place, self._address(place, 101 + number), f"{place}-host{host}")
                    number += 1
