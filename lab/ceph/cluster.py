"""A real Ceph over two datacenters, on loopback addresses of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lab import packages, ports, processes
from lab.ceph import client, daemons, making
from lab.ceph.layout import MGR, MON, OSD, Daemon, Layout, Monitors
from lab.errors import CephError, NoAnswer
from toolchain import cache

PACKAGES = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common", "python3-rados", "python3-rbd")
PROGRAMS = ("ceph", "rados", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool")
PATIENCE = 180  # seconds; some 15 are usual
PATIENCE_OF_DAEMONS = 20  # seconds until they are killed
REBOUND = 1_000_000
STATE = "ceph.json"  # once it is there, the disks are whole
PAUSE = 0.3  # seconds between two looks


class Ceph:
    """The Ceph of a lab.

    Two of them must not be started or ended at once; :class:`lab.Lab` sees to that.

    Arguments:
        lab: the lab's directory.
        progress: is told what takes long.
    """

    def __init__(self, lab: Path, progress: cache.Progress = lambda _: None) -> None:
        self.lab = lab
        self.directory = lab / "ceph"
        self._progress = progress

    # -- the cluster as a whole

    def up(self, monitors: Monitors | str | None = None) -> None:
        """Start every daemon that does not run, on the disks as they are; make them first if there are none.

        Arguments:
            monitors: how many there are where; what the cluster has, or else two and one.

        Raises:
            CephError: it does not come up, or has its monitors elsewhere.
            LabError: packages are missing.
        """
        begin = time.monotonic()
        if any(shutil.which(program, path=client.environment()["PATH"]) is None for program in PROGRAMS):
            packages.ensure_packages(PACKAGES, self._progress)
        if not self.made:
            self._make(Monitors(monitors or Monitors.CONTROLLERS))
        elif monitors and monitors != self.layout.monitors:
            has = self.layout.monitors
            raise CephError(f"lab {self.lab.name}: ceph has its monitors as {has}, not {monitors}: take it down first")
        else:
            self._start(self.layout, self.layout.daemons)
            self.wait_healthy()
        self._progress(f"ceph: up in {time.monotonic() - begin:.0f} s, monitors {self.layout.monitors}")

    def _make(self, monitors: Monitors) -> None:
        self.down()  # what a start left that was killed
        self.lab.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700)
        try:
            layout = Layout(self.directory, ports.reserve_network(self.directory), monitors)
            making.make_mons(self.lab, layout)
            self._start(layout, layout.of_kind(MON))
            unwanted = ["config", "set", "mgr", "mgr/devicehealth/enable_monitoring", "false", "--force"]
            client.ceph(layout.conf, unwanted, PATIENCE)  # else it makes a pool of its own
            self._start(layout, layout.of_kind(MGR))  # takes longest to come up
            identities = {osd.id: str(uuid.uuid4()) for osd in layout.of_kind(OSD)}
            making.make_osds(self.lab, layout, identities)
            for number, identity in identities.items():
                client.ceph(layout.conf, ["osd", "new", identity, number], PATIENCE)
            client.ceph(layout.conf, ["osd", "set-require-min-compat-client", "luminous"], PATIENCE)
            self._start(layout, layout.of_kind(OSD))
            saved = {"network": layout.network, "monitors": monitors}
            fresh = self.directory / f"{STATE}.new"
            fresh.write_text(json.dumps(saved))
            fresh.replace(self.directory / STATE)
            self.wait_healthy()
        except BaseException:
            self.down()
            raise

    def end(self) -> None:
        """End every daemon, whoever started it; OSDs first: they tell the monitors, and wait for an answer.

        Raises:
            LabError: one does not end.
        """
        self._end(lambda each: each.service.startswith(OSD))
        self._end(lambda _: True)

    def down(self) -> None:
        """End every daemon, whoever started it, and remove its disk.

        Raises:
            LabError: one does not end.
        """
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def running(self) -> list[processes.Process]:
        """Return the processes of its daemons."""
        return [process for process in processes.running(self.lab) if process.cloud == daemons.CEPH]

    @property
    def made(self) -> bool:
        """Whether its disks are there, whole."""
        return (self.directory / STATE).exists()

    @property
    def layout(self) -> Layout:
        """Which daemons it has, and where.

        Raises:
            CephError: there is no Ceph in this lab.
        """
        if not self.made:
            raise CephError(f"lab {self.lab.name} has no Ceph: start one with `python -m lab ceph up`")
        saved = json.loads((self.directory / STATE).read_text())
        return Layout(self.directory, saved["network"], Monitors(saved["monitors"]))

    def environment(self) -> dict[str, str]:
        """Return the variables with which Ceph's tools and libraries find it, as its administrator."""
        return {"CEPH_CONF": str(self.layout.conf)}

    # -- ask it

    def command(self, *words: str, timeout: float = client.TIMEOUT) -> Any:
        """Run a ``ceph`` command, as in ``command("osd", "tree")``; see :func:`lab.ceph.client.ceph`."""
        return client.ceph(self.layout.conf, words, timeout)

    def rados(self, *words: str, content: bytes = b"", timeout: float = client.TIMEOUT) -> bytes:
        """Run a ``rados`` command, as in ``rados("-p", "vms", "ls")``; see :func:`lab.ceph.client.rados`."""
        return client.rados(self.layout.conf, words, content, timeout)

    def wait_healthy(self) -> None:
        """Wait until every daemon takes part and it says HEALTH_OK.

        HEALTH_OK alone proves nothing: a new cluster says so before it has OSDs, and one that has just lost its power
        before it has noticed.

        Raises:
            CephError: it does not in time; the message says what it says instead.
        """
        layout = self.layout
        self.wait_quorum(*(mon.id for mon in layout.of_kind(MON)))
        self.wait_osds(*dict.fromkeys(osd.place for osd in layout.of_kind(OSD)))

        def managed() -> str:
            active = self.command("mgr", "dump")
            pids = {each.pid for each in self.running() if each.service.startswith(MGR)}
            return "" if active["available"] and _nonces(active["active_addrs"]) & pids else "another one, or none"

        self._wait("a manager that runs", managed)

        def healthy() -> str:
            health = self.command("health")
            return "" if health["status"] == "HEALTH_OK" else json.dumps(health["checks"])

        self._wait("HEALTH_OK", healthy)

    def wait_quorum(self, *names: str) -> None:
        """Wait until exactly these monitors are the quorum, as in ``wait_quorum("a", "b")``.

        Raises:
            CephError: they are not in time.
        """

        def agreed() -> str:
            quorum = sorted(self.command("quorum_status")["quorum_names"])
            return "" if quorum == sorted(names) else f"quorum of {', '.join(quorum)}"

        self._wait(f"a quorum of {', '.join(names)}", agreed)

    def wait_osds(self, *places: str) -> None:
        """Wait until the monitors know of exactly the OSDs in these datacenters that they are up, as they run now.

        Raises:
            CephError: they do not in time.
        """
        wanted = {osd.name for osd in self.layout.of_kind(OSD) if osd.place in places}

        def known() -> str:
            run = {each.service: each.pid for each in self.running()}
            dump = self.command("osd", "dump")["osds"]
            up = {f"{OSD}.{osd['osd']}": _nonces(osd["public_addrs"]) for osd in dump if osd["up"]}
            stale = [name for name in wanted & up.keys() if run.get(name) not in up[name]]
            if up.keys() == wanted and not stale:
                return ""
            return f"{', '.join(sorted(up)) or 'none'}" + (f", of before: {', '.join(sorted(stale))}" if stale else "")

        self._wait(f"{', '.join(sorted(wanted))} to be up, and no others", known)

    def _wait(self, what: str, missing: Callable[[], str]) -> None:
        """Wait until nothing is missing any more."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                found = missing()
            except NoAnswer as error:
                found = str(error)
            if not found:
                return
            if time.monotonic() > deadline:
                raise CephError(f"{self.lab.name}: ceph: waited {PATIENCE} s for {what}, found {found}")
            time.sleep(PAUSE)

    # -- trouble

    def kill_datacenter(self, place: str) -> None:
        """Let a datacenter lose its power: every daemon in it is gone, at once and unprepared.

        Arguments:
            place: ``dc1``, ``dc2`` or ``arbiter``.

        Raises:
            CephError: it has none of this name.
        """
        processes.kill(self.lab, self._those(self._in(place)))

    def start_datacenter(self, place: str) -> None:
        """Start every daemon in a datacenter that does not run, and return at once.

        Raises:
            CephError: it has none of this name.
        """
        self._start(self.layout, self._in(place))

    def pause_datacenter(self, place: str) -> None:
        """Let a datacenter hang: its daemons take connections and do not answer, until :meth:`resume_datacenter`.

        Raises:
            CephError: it has none of this name.
        """
        self._signal(place, signal.SIGSTOP)

    def resume_datacenter(self, place: str) -> None:
        """Let a paused datacenter go on.

        Raises:
            CephError: it has none of this name.
        """
        self._signal(place, signal.SIGCONT)

    def stop_mon(self, name: str) -> None:
        """End a monitor, as an operator does.

        Arguments:
            name: ``a`` to ``c``, or ``e`` where there are five.

        Raises:
            CephError: it has none of this name.
        """
        self._end(self._those(self._mon(name)))

    def start_mon(self, name: str) -> None:
        """Start a monitor that does not run, and return at once.

        Raises:
            CephError: it has none of this name.
        """
        self._start(self.layout, self._mon(name))

    # -- daemons

    def _start(self, layout: Layout, chosen: Iterable[Daemon]) -> None:
        alive = {process.service for process in self.running()}
        for daemon in chosen:
            if daemon.name not in alive:
                daemons.run(self.lab, layout, daemon)

    def _end(self, chosen: Callable[[processes.Process], bool]) -> None:
        processes.end(self.lab, lambda each: each.cloud == daemons.CEPH and chosen(each), PATIENCE_OF_DAEMONS)

    def _signal(self, place: str, number: signal.Signals) -> None:
        for handle in processes.send(self.lab, number, self._those(self._in(place))):
            os.close(handle)

    def _those(self, chosen: Iterable[Daemon]) -> Callable[[processes.Process], bool]:
        names = {daemon.name for daemon in chosen}
        return lambda each: each.cloud == daemons.CEPH and each.service in names

    def _in(self, place: str) -> list[Daemon]:
        found = [daemon for daemon in self.layout.daemons if daemon.place == place]
        if not found:
            has = ", ".join(dict.fromkeys(daemon.place for daemon in self.layout.daemons))
            raise CephError(f"lab {self.lab.name} has no Ceph in {place!r}, only in {has}")
        return found

    def _mon(self, name: str) -> list[Daemon]:
        found = [daemon for daemon in self.layout.of_kind(MON) if daemon.id == name]
        if not found:
            has = ", ".join(daemon.id for daemon in self.layout.of_kind(MON))
            raise CephError(f"lab {self.lab.name} has no monitor {name!r}, only {has}")
        return found


def _nonces(addresses: Mapping[str, Any]) -> set[int]:
    """Return what tells the runs of a daemon apart: its pid, plus a million for each time that it bound anew."""
    nonces = {int(address["nonce"]) for address in addresses["addrvec"]}
    return {nonce - times * REBOUND for nonce in nonces for times in range(nonce // REBOUND + 1)}
