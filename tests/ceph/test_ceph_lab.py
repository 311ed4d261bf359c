"""A real Ceph: three monitors, two of them in dc1, and eight OSDs in two datacenters."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pools import make_pool

from lab import Lab, LabError, processes
from lab.ceph import Ceph
from lab.ceph.layout import OSDS
from lab.errors import CephError, NoAnswer
from tests.labs import made

POOL = "vms"
SHORT = 4  # seconds for a command that will get no answer
ALL = ("dc1", "dc2")


@pytest.fixture(scope="module")
def ceph(ceph: Ceph, tmp_path_factory: pytest.TempPathFactory) -> Ceph:
    make_pool(ceph, POOL, tmp_path_factory.mktemp("crush"))
    return ceph


@pytest.fixture
def healthy(ceph: Ceph) -> Iterator[Ceph]:
    """Whole before the test, and made whole after it."""
    yield ceph
    for place in ALL:
        ceph.resume_datacenter(place)
        ceph.start_datacenter(place)
    ceph.wait_healthy()


def put(ceph: Ceph, name: str, timeout: float = 60) -> None:
    ceph.rados("--pool", POOL, "put", name, "-", content=name.encode(), timeout=timeout)


def get(ceph: Ceph, name: str, timeout: float = 60) -> str:
    return ceph.rados("--pool", POOL, "get", name, "-", timeout=timeout).decode()


def ask_often(ceph: Ceph) -> None:
    """Ask what only reads: the last monitor answers from memory until it has noticed."""
    for _ in range(20):
        ceph.command("health", timeout=SHORT)


def test_it_is_healthy_with_the_map_of_two_datacenters(ceph: Ceph) -> None:
    ceph.wait_healthy()
    nodes = {node["id"]: node for node in ceph.command("osd", "tree")["nodes"]}

    def below(name: str) -> list[str]:
        node = next(node for node in nodes.values() if node["name"] == name)
        return sorted(nodes[child]["name"] for child in node["children"])

    assert [node["name"] for node in nodes.values() if node["type"] == "root"] == ["default"]
    assert below("default") == ["dc1", "dc2"]
    assert below("dc1") == ["dc1-host1", "dc1-host2"]
    assert below("dc2") == ["dc2-host1", "dc2-host2"]
    assert below("dc2-host2") == ["osd.6", "osd.7"]
    assert ceph.command("quorum_status")["quorum_names"] == ["a", "b", "c"]


def test_copies_are_two_and_two(ceph: Ceph) -> None:
    for name in ("one", "two", "three"):
        copies = ceph.command("osd", "map", POOL, name)["up"]
        assert sorted(osd // OSDS for osd in copies) == [0, 1, 2, 3], (
            "each on a host of its own, two in each datacenter"
        )


def test_it_touches_nothing_but_its_directory_and_its_network(ceph: Ceph) -> None:
    layout = ceph.layout
    listening, written = set(), set()
    for each in ceph.running():
        process = psutil.Process(each.pid)
        connections = process.net_connections(kind="inet")
        listening |= {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
        written |= {Path(file.path) for file in process.open_files() if file.mode != "r"}
    assert listening == {daemon.address for daemon in layout.daemons}
    assert all(address.startswith(f"127.{layout.network}.") for address in listening)
    assert written
    assert [path for path in written if not path.is_relative_to(ceph.directory)] == []


def test_its_keys_are_its_owners(ceph: Ceph) -> None:
    keyrings = list(ceph.directory.rglob("*keyring*"))
    assert ceph.directory / "ceph.client.admin.keyring" in keyrings
    assert {stat.S_IMODE(path.stat().st_mode) for path in keyrings} == {0o600}
    assert stat.S_IMODE(ceph.directory.stat().st_mode) == 0o700
    assert "key = " not in ceph.layout.conf.read_text()


def test_tools_find_it_by_the_environment(ceph: Ceph) -> None:
    environment = {**os.environ, **Lab(ceph.lab.name).environment()}
    said = subprocess.run(["ceph", "fsid"], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == ceph.command("fsid")["fsid"]


def test_a_refusal_is_told_in_its_own_words(ceph: Ceph) -> None:
    with pytest.raises(CephError, match=r"`ceph osd pool set nosuch size 3` is refused .*unrecognized pool 'nosuch'"):
        ceph.command("osd", "pool", "set", "nosuch", "size", "3")
    with pytest.raises(CephError, match="no monitor 'z', only a, b, c"):
        ceph.stop_mon("z")
    with pytest.raises(CephError, match="no Ceph in 'dc3', only in dc1, dc2"):
        ceph.kill_datacenter("dc3")
    with pytest.raises(CephError, match=r"monitors as 2\+1, not 1\+1\+1"):
        Lab(ceph.lab.name).up_ceph("1+1+1")


def test_a_monitor_may_be_lost(healthy: Ceph) -> None:
    healthy.stop_mon("a")
    healthy.wait_quorum("b", "c")
    put(healthy, "without-a-monitor")
    assert get(healthy, "without-a-monitor") == "without-a-monitor"


def test_the_datacenter_with_one_monitor_may_be_lost(healthy: Ceph) -> None:
    put(healthy, "before")
    healthy.kill_datacenter("dc2")
    healthy.wait_quorum("a", "b")
    healthy.wait_osds("dc1")
    assert get(healthy, "before") == "before"
    put(healthy, "during")
    assert get(healthy, "during") == "during"


def test_the_datacenter_with_two_monitors_may_not_be_lost(healthy: Ceph) -> None:
    put(healthy, "kept")
    healthy.kill_datacenter("dc1")
    with pytest.raises(NoAnswer, match="no quorum"):
        healthy.command("config-key", "set", "lab", "lost", timeout=SHORT)
    with pytest.raises(NoAnswer, match="no quorum"):
        ask_often(healthy)
    with pytest.raises(NoAnswer, match="no quorum"):
        put(healthy, "not-taken", timeout=SHORT)
    healthy.start_datacenter("dc1")
    healthy.wait_quorum("a", "b", "c")
    assert get(healthy, "kept") == "kept"


def test_a_datacenter_may_hang_and_go_on(healthy: Ceph) -> None:
    healthy.pause_datacenter("dc1")
    with pytest.raises(NoAnswer, match="no quorum"):
        healthy.command("config-key", "set", "lab", "hangs", timeout=SHORT)
    healthy.resume_datacenter("dc1")
    healthy.wait_quorum("a", "b", "c")


def test_up_again_starts_what_does_not_run(healthy: Ceph) -> None:
    before = {each.service: each.pid for each in healthy.running()}
    healthy.stop_mon("c")
    processes.kill(healthy.lab, lambda each: each.service == "osd.0")
    Lab(healthy.lab.name).up_ceph()
    after = {each.service: each.pid for each in healthy.running()}
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} == {"mon.c", "osd.0"}


def test_what_monitors_remember_from_before_a_power_cut_is_not_believed(healthy: Ceph) -> None:
    processes.kill(healthy.lab, lambda _: True)
    for place in ALL:
        healthy.start_datacenter(place)
    healthy.wait_osds(*ALL)
    known = healthy.command("osd", "dump")["osds"]
    nonces = {f"osd.{osd['osd']}": osd["public_addrs"]["addrvec"][0]["nonce"] for osd in known if osd["up"]}
    run = {each.service: each.pid for each in healthy.running() if each.service.startswith("osd.")}
    assert nonces == run


def test_another_is_beside_it_and_leaves_nothing(ceph: Ceph) -> None:
    with made("beside") as lab:
        lab.up_ceph()
        assert lab.ceph.command("fsid") != ceph.command("fsid")
        assert lab.ceph.layout.network != ceph.layout.network
        assert len(lab.ceph.running()) == len(lab.ceph.layout.daemons)
        with pytest.raises(LabError, match="has a Ceph and no clouds"):
            lab.up()
        lab.down()
        assert processes.running(lab.directory) == []
        assert not lab.directory.exists()
    ceph.wait_healthy()


@pytest.mark.parametrize("service", ["mon.a", "osd.7"])
def test_a_start_that_is_interrupted_leaves_nothing(service: str) -> None:
    with made("cut") as lab, starting(lab, service) as process:
        process.terminate()
        process.wait()
        assert processes.running(lab.directory) == []
        assert not lab.ceph.directory.exists()


def test_what_a_killed_start_left_is_started_anew(ceph: Ceph) -> None:
    with made("killed") as lab:
        with starting(lab, "osd.7") as process:
            process.kill()
            process.wait()
        assert processes.running(lab.directory)
        lab.up_ceph()
        names = [daemon.name for daemon in lab.ceph.layout.daemons]
        assert sorted(each.service for each in processes.running(lab.directory)) == sorted(names)


@contextmanager
def starting(lab: Lab, service: str) -> Iterator[subprocess.Popen[bytes]]:
    """Begin to start a Ceph in another process, until a process of this name is seen."""
    command = [sys.executable, "-m", "lab", "ceph", "up", "--name", lab.name]
    with subprocess.Popen(command) as process:
        try:
            while service not in {each.service for each in processes.running(lab.directory)}:
                assert process.poll() is None, "it ended before"
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
