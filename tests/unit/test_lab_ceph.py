"""Parts of the lab's Ceph that need no Ceph: its layout, its configuration, its network, its packages."""

from __future__ import annotations

import configparser
import os
import socket
import stat
from pathlib import Path

import pytest

from lab import Lab, LabError, packages, ports
from lab.ceph import client, config
from lab.ceph.layout import MGR, MON, OSD, Layout, Monitors
from lab.errors import CephError, NoAnswer


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISA_MIGRATION_CACHE", str(tmp_path / "cache"))


def program(directory: Path, name: str, *lines: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.mark.parametrize(
    ("monitors", "places", "managers"),
    [
        ("2+1", ["dc1", "dc1", "dc2"], ["dc1"]),
        ("1+1+1", ["dc1", "dc2", "arbiter"], ["dc1", "dc2"]),
        ("2+2+1", ["dc1", "dc1", "dc2", "dc2", "arbiter"], ["dc1", "dc2"]),
    ],
)
def test_where_monitors_and_managers_are(monitors: str, places: list[str], managers: list[str]) -> None:
    layout = Layout(Path("/lab/ceph"), 42, Monitors(monitors))
    assert [mon.place for mon in layout.of_kind(MON)] == places
    assert [mgr.place for mgr in layout.of_kind(MGR)] == managers
    listening = [daemon.address for daemon in layout.daemons if daemon.kind != MGR]
    assert len(set(listening)) == len(listening)
    assert all(address.startswith("127.42.") for address in listening)


def test_two_copies_in_each_datacenter_can_be_on_hosts_of_their_own() -> None:
    osds = Layout(Path("/lab/ceph"), 42, Monitors.CONTROLLERS).of_kind(OSD)
    assert [osd.id for osd in osds] == list("01234567")
    assert {(osd.place, osd.host) for osd in osds} == {
        (place, f"{place}-host{number}") for place in ("dc1", "dc2") for number in (1, 2)
    }


def test_nothing_in_its_configuration_is_outside_its_directory() -> None:
    layout = Layout(Path("/somewhere/ceph"), 42, Monitors.CONTROLLERS)
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(config.text(layout, "0178211a-b4a2-4eb5-892d-affb72fa1c84"))
    paths = [value for section in parsed.values() for value in section.values() if value.startswith("/")]
    assert len(paths) > 8
    assert all(path.startswith("/somewhere/ceph/") for path in paths)
    for kind in (MON, MGR, OSD):
        assert parsed[kind]["log_file"], "else it is under /var/log"
        assert not parsed[kind]["admin_socket"], "else a long path keeps it from starting"
    assert parsed["osd.7"]["crush_location"] == "root=default datacenter=dc2 host=dc2-host2"


def test_networks_of_labs_do_not_meet(tmp_path: Path) -> None:
    owners = [tmp_path / name for name in ("one", "two")]
    for owner in owners:
        owner.mkdir()
    one, two = (ports.reserve_network(owner) for owner in owners)
    assert one != two
    owners[0].rmdir()
    assert ports.reserve_network(owners[1]) == one, "the network of a lab that is gone is free again"


def test_a_network_that_somebody_else_listens_on_is_passed_over(tmp_path: Path) -> None:
    tmp_path.joinpath("one").mkdir()
    free = ports.reserve_network(tmp_path / "one")
    with socket.create_server((f"127.{free}.1.1", ports.MONITOR)):
        assert ports.reserve_network(tmp_path / "one") != free


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("[errno 110] RADOS timed out (error connecting to the cluster)", NoAnswer),
        ("failed to fetch mon config (--no-mon-config to skip)", NoAnswer),
        ("error putting vms/x: (110) Connection timed out", NoAnswer),
        ("Error ENOENT: unrecognized pool 'vms'", CephError),
    ],
)
def test_no_answer_is_told_from_a_refusal(
    said: str, error: type[CephError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "rados", f'echo "{said}" >&2', "exit 1")
    monkeypatch.setattr(os, "defpath", str(tmp_path / "bin"))
    with pytest.raises(CephError, match="`rados ls`") as raised:
        client.rados(tmp_path / "ceph.conf", ["ls"])
    assert type(raised.value) is error
    assert said in str(raised.value)


def test_a_tool_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "ceph", "exec /bin/sleep 600")
    monkeypatch.setattr(os, "defpath", str(tmp_path / "bin"))
    monkeypatch.setattr(client, "GRACE", 0)
    with pytest.raises(NoAnswer, match="`ceph health`: no answer in 0 s: the monitors have no quorum"):
        client.ceph(tmp_path / "ceph.conf", ["health"], timeout=0.2)


def test_a_lab_without_ceph_says_so() -> None:
    with pytest.raises(LabError, match=r"lab none has no Ceph: start one with `python -m lab ceph up"):
        Lab("none").ceph.kill_datacenter("dc1")
    with pytest.raises(LabError, match="there is no lab 'none'"):
        Lab("none").environment()


# -- packages: apt-get, dpkg-query and sudo stand in for real ones


class Machine:
    """A machine with programs of its own; what is called is written down."""

    def __init__(self, bin_: Path) -> None:
        self.bin, self.calls = bin_, bin_.parent / "calls"
        program(bin_, "dpkg-query", f"cat {bin_.parent}/installed 2>/dev/null; exit 0")
        program(bin_, "env", 'while [ "${1#*=}" != "$1" ]; do export "$1"; shift; done; exec "$@"')

    def apt(self, *lines: str) -> None:
        program(self.bin, "apt-get", f'echo "$SYSTEMD_OFFLINE $@" >> {self.calls}', *lines)

    def installs(self, name: str) -> str:
        return f"echo 'ii {name}' >> {self.bin.parent}/installed"

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "bin")
    for name in ("cat", "sh"):
        (made.bin / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


def test_what_is_installed_is_left_alone(machine: Machine) -> None:
    machine.apt("exit 1")
    (machine.bin.parent / "installed").write_text("ii qemu-utils\nrc ceph-mon\n")
    packages.ensure_packages(["qemu-utils"])
    assert packages.missing(["qemu-utils", "ceph-mon", "ceph-osd"]) == ["ceph-mon", "ceph-osd"]
    assert machine.called() == []


def test_only_what_is_missing_is_installed_and_no_service_starts(machine: Machine) -> None:
    machine.apt(machine.installs("ceph-mon"))
    (machine.bin.parent / "installed").write_text("ii qemu-utils\n")
    said: list[str] = []
    packages.ensure_packages(["qemu-utils", "ceph-mon"], said.append)
    (call,) = machine.called()
    assert call.startswith("1 install ")
    assert call.endswith(" ceph-mon")
    assert "qemu-utils" not in call
    assert said == ["packages: installing ceph-mon"]


def test_lists_that_are_too_old_are_updated(machine: Machine) -> None:
    fresh = machine.bin.parent / "fresh"
    machine.apt(f'[ "$1" = update ] && echo > {fresh} && exit 0', f"[ -e {fresh} ] || exit 100", machine.installs("x"))
    packages.ensure_packages(["x"])
    assert [call.split()[1] for call in machine.called()] == ["install", "update", "install"]


def test_what_apt_says_is_told(machine: Machine) -> None:
    machine.apt("echo E: Unable to locate package nosuch", "exit 100")
    with pytest.raises(LabError, match=r"(?s)nosuch cannot be installed: .*apt-get install .*Unable to locate package"):
        packages.ensure_packages(["nosuch"])


def test_whoever_may_not_install_is_told_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.apt("exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    command = "apt-get install --no-install-recommends ceph-mon ceph-osd"
    with pytest.raises(LabError, match=f"neither root nor may use sudo: install them first: {command}"):
        packages.ensure_packages(["ceph-mon", "ceph-osd"])
    program(machine.bin, "sudo", "exit 1")
    with pytest.raises(LabError, match="neither root nor may use sudo"):
        packages.ensure_packages(["ceph-mon"])
    assert machine.called() == []


def test_sudo_is_used_where_it_asks_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.apt(machine.installs("ceph-mon"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(
        machine.bin, "sudo", '[ "$1" = --non-interactive ] || exit 1', "shift", "[ $1 = true ] && exit 0", 'exec "$@"'
    )
    packages.ensure_packages(["ceph-mon"])
    assert [call.split()[:2] for call in machine.called()] == [["1", "install"]]


def test_a_machine_without_apt_is_told(machine: Machine) -> None:
    with pytest.raises(LabError, match="ceph-mon missing, and there is no apt-get here"):
        packages.ensure_packages(["ceph-mon"])
