"""The lab itself: what it promises to everything that is tried out on it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from lab import Lab, LabError, nodes, processes, seed
from lab.clouds import administrator
from lab.layout import NEW, OLD, SERVICES

pytestmark = pytest.mark.lab


@contextmanager
def asking(lab: Lab, cloud: str) -> Iterator[Connection]:
    with administrator(lab.state.cloud(cloud)) as connection:
        yield connection


def wait_for(condition: Callable[[], object], what: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
        time.sleep(0.2)


def service(connection: Connection, node: str) -> Any:
    return next(iter(connection.compute.services(binary="nova-compute", host=node)), None)


def command(lab: Lab, *arguments: str, results: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"VISA_HOOK_RESULTS": str(results)} if results else {})}
    return subprocess.run([sys.executable, "-m", "lab", *arguments, "--name", lab.name], env=environment,
                          capture_output=True, text=True, check=False, timeout=120)  # fmt: skip


def test_old_cloud_is_a_facilitys(lab: Lab) -> None:
    with asking(lab, OLD) as old:
        servers = list(old.compute.servers(all_projects=True))
        assert {server.name for server in servers} == {f"visa-{number}" for number in range(1, 13)}
        assert {server.status for server in servers} == {"ACTIVE"}
        by_node = {node: [s for s in servers if s.hypervisor_hostname == node] for node in lab.state.hosts}
        assert [len(there) for there in by_node.values()] == [2] * 6
        assert all(server.metadata["id"] == server.name.removeprefix("visa-") for server in servers)
        assert {flavor.name for flavor in old.compute.flavors()} == set(seed.FLAVORS)
        assert {network.name: network.provider_network_type for network in old.network.networks()} == {
            "visa": "vlan", "ext": "vlan",
        }  # fmt: skip
        assert [router.name for router in old.network.routers()] == ["visa"]
        assert {port.status for port in old.network.ports(device_owner="compute:nova")} == {"ACTIVE"}


def test_new_cloud_is_fresh(lab: Lab) -> None:
    with asking(lab, NEW) as new:
        assert [(each.host, each.status) for each in new.compute.services(binary="nova-compute")] == [
            ("new01", "enabled")
        ]
        assert not list(new.network.networks())
        assert new.identity.find_project("visa") is None
        image = new.image.find_image("probe", ignore_missing=False)
        assert new.image.download_image(image).content == b"\0" * 1024


def test_environment_opens_both_clouds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    for cloud in (OLD, NEW):
        with openstack.connect(cloud=cloud) as connection:
            assert connection.authorize()
    for file in ("clouds.yaml", "passphrase", "stein/password", "caracal/token", "stein/etc/nova.conf"):
        assert stat.S_IMODE((lab.directory / file).stat().st_mode) == 0o600
    assert stat.S_IMODE(lab.directory.stat().st_mode) == 0o700


def test_labs_live_side_by_side(lab: Lab, own_lab: Lab) -> None:
    taken = [set(cloud.ports.values()) for each in (lab, own_lab) for cloud in each.state.clouds]
    assert sum(map(len, taken)) == len(set.union(*taken))
    with asking(lab, OLD) as one, asking(own_lab, OLD) as other:
        for kind in ("compute", "network", "image", "placement", "identity"):
            assert one.session.get_endpoint(service_type=kind) != other.session.get_endpoint(service_type=kind)


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = lab.status()
    lab.up(hosts=6)
    assert [process.pid for process in lab.status()] == [process.pid for process in before]
    with pytest.raises(LabError, match="has 6\\+1 nodes"):
        lab.up(hosts=5)


def test_node_with_instances_cannot_be_deleted(own_lab: Lab) -> None:
    with asking(own_lab, OLD) as old:
        answer = old.compute.delete(f"/os-services/{service(old, 'cmp06').id}", microversion="2.53")
        assert answer.status_code == 409


def test_node_moves(own_lab: Lab, tmp_path: Path) -> None:
    node, results = "cmp01", tmp_path / "results.json"
    with asking(own_lab, OLD) as old, asking(own_lab, NEW) as new:
        for server in old.compute.servers(all_projects=True, compute_host=node):
            own_lab.end(OLD, server.id)
        early = command(own_lab, "hook", "join", node, results=results)
        assert early.returncode == 2
        assert "has to leave first" in json.loads(results.read_text())[node]["message"]

        assert command(own_lab, "hook", "leave", node, results=results).returncode == 0
        assert json.loads(results.read_text()) == {node: {"ok": True, "message": ""}}
        wait_for(lambda: service(old, node).state == "down", f"{node} is down")
        assert [agent.is_alive for agent in old.network.agents(host=node)] == [False]
        answer = old.compute.delete(f"/os-services/{service(old, node).id}", microversion="2.53")
        assert answer.status_code == 204
        assert node not in {provider.name for provider in old.placement.resource_providers()}

        assert command(own_lab, "hook", "join", node, results=results).returncode == 0
        joined = service(new, node)
        assert (joined.state, joined.status) == ("up", "disabled")
        assert [agent.is_alive for agent in new.network.agents(host=node)] == [True]
        new.compute.create_flavor(name="tiny", vcpus=1, ram=128, disk=0)
        new.compute.enable_service(joined, node, "nova-compute")
        server = own_lab.boot(NEW, "visa-99", node)
        assert new.compute.get_server(server).hypervisor_hostname == node
        own_lab.set_fault(node, "probe-fails")
        with pytest.raises(LabError, match="visa-100 is in ERROR"):
            own_lab.boot(NEW, "visa-100", node)
        own_lab.clear_fault(node)


def test_stale_domains_keep_a_node_out(own_lab: Lab) -> None:
    with pytest.raises(LabError, match="existing instances"):
        own_lab.add_host(NEW, "cmp02")


def test_lost_identity_keeps_a_node_out(own_lab: Lab) -> None:
    new = own_lab.state.cloud(NEW)
    own_lab.add_host(NEW, "new02")
    own_lab.remove_host(NEW, "new02")
    own_lab.add_host(NEW, "new02")
    own_lab.remove_host(NEW, "new02")
    nodes.reimage(new, "new02")
    with pytest.raises(LabError, match="No local node identity found"):
        own_lab.add_host(NEW, "new02")


def test_old_cloud_boots_onto_a_disabled_node(own_lab: Lab) -> None:
    with asking(own_lab, OLD) as old:
        old.compute.disable_service(service(old, "cmp03"), "cmp03", "nova-compute", disabled_reason="test")
        server = own_lab.boot(OLD, "visa-101", "cmp03")
        assert old.compute.get_server(server).hypervisor_hostname == "cmp03"
        own_lab.end(OLD, server)


@pytest.mark.parametrize(("fault", "code", "ok"), [("hook-fails", 2, False), ("never-up", 0, True)])
def test_join_that_goes_wrong(own_lab: Lab, tmp_path: Path, fault: str, code: int, ok: bool) -> None:
    results = tmp_path / "results.json"
    own_lab.set_fault("bad01", fault)
    assert command(own_lab, "hook", "join", "bad01", results=results).returncode == code
    assert json.loads(results.read_text())["bad01"]["ok"] is ok
    with asking(own_lab, NEW) as new:
        assert service(new, "bad01") is None


def test_join_with_garbage_for_results(own_lab: Lab, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    own_lab.set_fault("bad02", "garbage")
    command(own_lab, "hook", "join", "bad02", results=results)
    with pytest.raises(ValueError, match=r"."):
        json.loads(results.read_bytes())


@pytest.mark.parametrize(("hook", "fault"), [("join", "hook-hangs"), ("leave", "leave-hangs")])
def test_hook_that_hangs(own_lab: Lab, hook: str, fault: str) -> None:
    own_lab.set_fault("bad03", fault)
    hangs = subprocess.Popen([sys.executable, "-m", "lab", "hook", hook, "bad03", "--name", own_lab.name])
    with hangs:
        wait_for(lambda: _pauses(hangs.pid), "it hangs")
        hangs.terminate()
    assert hangs.returncode == -signal.SIGTERM


def _pauses(pid: int) -> bool:
    call = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    return call == "34"  # pause


def test_cloud_hangs_and_comes_back(own_lab: Lab) -> None:
    own_lab.pause(OLD)
    try:
        with asking(own_lab, OLD) as old, pytest.raises(ClientException):
            old.session.get(own_lab.state.cloud(OLD).url("keystone", "/v3"), timeout=1, authenticated=False)
    finally:
        own_lab.resume(OLD)
    with asking(own_lab, OLD) as old:
        assert old.authorize()


def test_cloud_stops_and_comes_back(own_lab: Lab) -> None:
    own_lab.stop(NEW, ["keystone"])
    with asking(own_lab, NEW) as new, pytest.raises((SDKException, ClientException)):
        new.authorize()
    own_lab.start(NEW, ["keystone"])
    with asking(own_lab, NEW) as new:
        assert new.authorize()


def test_killed_lab_is_taken_over(own_lab: Lab) -> None:
    for process in own_lab.status():
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not own_lab.status(), "all are dead")
    own_lab.up(hosts=6)
    with asking(own_lab, OLD) as old:
        assert {server.status for server in old.compute.servers(all_projects=True)} == {"ACTIVE"}
        assert service(old, "cmp02").state == "up"


def test_down_after_a_killed_up(own_lab: Lab) -> None:
    victim = Lab(f"{own_lab.name}-k")
    rising = subprocess.Popen([sys.executable, "-m", "lab", "up", "--name", victim.name], stderr=subprocess.DEVNULL)
    with rising:
        wait_for(lambda: victim.status() or rising.poll() is not None, "its first process runs")
        rising.kill()
    assert victim.status()
    victim.down()
    assert not victim.status()
    assert not victim.directory.exists()
    assert not [each for each in processes.directories() if each == victim.directory]


def test_status_names_every_service(lab: Lab) -> None:
    shown = command(lab, "status").stdout
    for cloud in (OLD, NEW):
        assert f"{cloud}: nova-compute of" in shown
    for each in SERVICES:
        assert shown.count(f"    {each}") == 2
    assert sum(process.resident for process in lab.status()) < 1.5 * 2**30
