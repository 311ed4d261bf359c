"""Make the disks of a new cluster: keys, monitor map, data directories."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from lab.ceph import client, config, daemons
from lab.ceph.layout import MGR, MON, OSD, Layout
from lab.errors import CephError

RELEASE = "16"  # monitors older than Pacific need not be able to join
TIMEOUT = 60  # seconds

Caps = Mapping[str, str]
_CAPS: Mapping[str, Caps] = {
    MGR: {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    OSD: {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}
_ADMIN: Caps = {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"}


def make_mons(lab: Path, layout: Layout) -> None:
    """Write ceph.conf and every key, and make the disks of the monitors.

    The monitors know the keys of all daemons from the beginning, so that nobody has to ask them for one.

    Arguments:
        lab: the lab's directory.
        layout: the cluster.

    Raises:
        CephError: a tool fails.
    """
    for part in ("run", "crash/posted", "log", "data"):
        (layout.directory / part).mkdir(mode=0o700, parents=True)
    fsid = str(uuid.uuid4())
    layout.conf.write_text(config.text(layout, fsid))
    known, monitor_map = layout.directory / "known.keyring", layout.directory / "monmap"
    known.touch(mode=0o600)
    known.write_text(_make_keys(layout))
    monitors = [word for mon in layout.of_kind(MON) for word in ("--addv", mon.id, config.vector(mon.address))]
    _tool("monmaptool", "--create", "--fsid", fsid, "--enable-all-features", "--set-min-mon-release", RELEASE,
          *monitors, monitor_map)  # fmt: skip
    for mon in layout.of_kind(MON):
        arguments = ("--monmap", str(monitor_map), "--keyring", str(known))
        daemons.made(layout, mon, daemons.make(lab, layout, mon, *arguments))
    known.unlink()
    monitor_map.unlink()


def make_osds(lab: Path, layout: Layout, identities: Mapping[str, str]) -> None:
    """Make the disks of the OSDs: sparse files, which take room as they are written.

    Arguments:
        lab: the lab's directory.
        layout: the cluster.
        identities: UUIDs by the OSDs' ids.

    Raises:
        CephError: one cannot be made.
    """
    osds = layout.of_kind(OSD)
    begun = [(osd, daemons.make(lab, layout, osd, "--osd-uuid", identities[osd.id])) for osd in osds]
    for osd, process in begun:
        daemons.made(layout, osd, process)


def _make_keys(layout: Layout) -> str:
    """Make a keyring for the administrator and for each daemon; return them all as one."""
    keyrings = [
        _make_key(layout.directory / "ceph.mon.keyring", "mon.", {"mon": "allow *"}),
        _make_key(layout.directory / "ceph.client.admin.keyring", "client.admin", _ADMIN),
    ]
    for daemon in (*layout.of_kind(MGR), *layout.of_kind(OSD)):
        layout.data(daemon).mkdir(mode=0o700)
        keyrings.append(_make_key(layout.data(daemon) / "keyring", daemon.name, _CAPS[daemon.kind]))
    return "".join(keyrings)


def _make_key(keyring: Path, entity: str, caps: Caps) -> str:
    """Make a keyring that only its owner can read; return what is in it."""
    words = [word for service, allowed in caps.items() for word in ("--cap", service, allowed)]
    _tool("ceph-authtool", keyring, "--create-keyring", "--mode", "0600", "--name", entity, "--gen-key", *words)
    return keyring.read_text()


def _tool(*command: str | Path) -> None:
    done = subprocess.run(command, env=client.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)  # fmt: skip
    if done.returncode:
        raise CephError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
