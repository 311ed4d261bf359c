"""The leave hook, by real Ansible on local connections, against a service manager that is real but is not systemd.

The stand-in is OpenRC's: three commands (rc-service, rc-update, rc-status) over a directory, with real processes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.adapters.ansible import HostResult
from migration.kolla.leave import OldSite, State, set_services
from migration.settings import OldAnsible
from toolchain.kolla import KollaTools

pytestmark = pytest.mark.skipif(
    Path("/run/systemd/system").exists(), reason="Ansible would ask this machine's systemd, which has no business here"
)

COMMON = """#!/bin/sh
here={host}/services
up() {{ [ -e "$here/$1/pid" ]; }}
wait_for() {{ n=0; while ! eval "$1"; do n=$((n + 1)); [ $n -gt 300 ] && exit 1; sleep 0.1; done; }}
case "$(basename "$0")" in
  rc-status) for s in "$here"/*; do s=$(basename "$s")
      if up "$s"; then echo " $s [ started ]"; else echo " $s [ stopped ]"; fi
    done ;;
  rc-update) case "$1" in
      add) touch "$here/$2/enabled" ;;
      del|delete) rm -f "$here/$2/enabled" ;;
      show) for s in "$here"/*; do
          if [ -e "$s/enabled" ]; then echo " $(basename "$s") | default"; else echo " $(basename "$s") |"; fi
        done ;;
    esac ;;
  rc-service) case "$2" in
      status) up "$1" && {{ echo started; exit 0; }}; echo stopped; exit 3 ;;
      stop) rm -f "$here/$1/wanted"; [ -e "$here/$1/stuck" ] || wait_for "! up $1" ;;
      start) touch "$here/$1/wanted"; wait_for "up $1" ;;
    esac ;;
esac
"""

AGENTS = ("neutron-openvswitch-agent", "sshd")


class OldNode:
    """A host of the old cloud: its services, and the manager that starts and ends their processes."""

    def __init__(self, directory: Path, name: str, services: tuple[str, ...]) -> None:
        self.directory, self.name = directory / name, name
        for command in ("rc-service", "rc-update", "rc-status"):
            file = self.directory / "bin" / command
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(COMMON.format(host=self.directory))
            file.chmod(0o755)
        for service in services:
            (self.directory / "services" / service).mkdir(parents=True)
            (self.directory / "services" / service / "wanted").touch()
            (self.directory / "services" / service / "enabled").touch()
        python = self.directory / "python"
        python.write_text(f'#!/bin/sh\nPATH={self.directory}/bin:$PATH exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._look()
        self._manager = threading.Thread(target=self._manage)
        self._manager.start()

    def _manage(self) -> None:
        while not self._over.wait(0.05):
            self._look()

    def _look(self) -> None:
        for service in (self.directory / "services").iterdir():
            wanted = (service / "wanted").exists() or (service / "stuck").exists()
            if wanted and service not in self._processes:
                self._processes[service] = subprocess.Popen(["sleep", "1000"])
                (service / "pid").touch()
            elif not wanted and service in self._processes:
                self._end(service)
                (service / "pid").unlink()

    def _end(self, service: Path) -> None:
        process = self._processes.pop(service)
        process.kill()
        process.wait()

    def line(self) -> str:
        return (
            f"{self.name} ansible_connection=local ansible_become=false"
            f" ansible_python_interpreter={self.directory}/python ansible_service_mgr=openrc\n"
        )

    def runs(self, service: str) -> bool:
        return self.directory / "services" / service in self._processes

    def enabled(self, service: str) -> bool:
        return (self.directory / "services" / service / "enabled").exists()

    def end(self) -> None:
        self._over.set()
        self._manager.join()
        for service in list(self._processes):
            self._end(service)


class OldCloud:
    def __init__(self, directory: Path, tools: KollaTools) -> None:
        self.directory, self.tools = directory, tools
        self.nodes = {
            "cmp07": OldNode(directory, "cmp07", ("nova-compute", *AGENTS)),
            "cmp08": OldNode(directory, "cmp08", ("nova-compute", *AGENTS)),
            "net01": OldNode(directory, "net01", ("neutron-l3-agent",)),
        }
        lines = [node.line() for node in self.nodes.values()]
        dead = "dead ansible_host=127.0.0.1 ansible_port=1\n"
        (directory / "hosts").write_text("".join(["[computes]\n", *lines, dead]))

    def set(self, *nodes: str, state: State = "stopped", **options: str) -> dict[str, HostResult]:
        site = OldSite(self.tools.bin, self.directory, self.directory / "logs")
        old = OldAnsible(inventory="hosts", **options)  # type: ignore[arg-type]
        return set_services(site, old, nodes, state, timeout=120)


@pytest.fixture
def old(tmp_path: Path, kolla_tools: KollaTools) -> Iterator[OldCloud]:
    cloud = OldCloud(tmp_path, kolla_tools)
    yield cloud
    for node in cloud.nodes.values():
        node.end()


def test_a_node_leaves_and_may_come_back(old: OldCloud) -> None:
    node, other = old.nodes["cmp07"], old.nodes["cmp08"]
    assert old.set("cmp07") == {"cmp07": HostResult(ok=True)}
    for service in ("nova-compute", "neutron-openvswitch-agent"):
        assert (node.runs(service), node.enabled(service)) == (False, False)
        assert (other.runs(service), other.enabled(service)) == (True, True)
    assert (node.runs("sshd"), node.enabled("sshd")) == (True, True)
    assert old.set("cmp07") == {"cmp07": HostResult(ok=True)}  # again
    assert old.set("cmp07", state="started") == {"cmp07": HostResult(ok=True)}
    for service in ("nova-compute", "neutron-openvswitch-agent"):
        assert (node.runs(service), node.enabled(service)) == (True, True)


def test_a_service_that_goes_on_is_no_success(old: OldCloud) -> None:
    (old.nodes["cmp07"].directory / "services" / "nova-compute" / "stuck").touch()
    result = old.set("cmp07")["cmp07"]
    assert not result.ok
    assert "nova-compute" in str(result)


def test_a_node_without_nova_compute(old: OldCloud) -> None:
    """Or with one of another name: then nothing of it was stopped, and it must not be said that it was."""
    result = old.set("net01")["net01"]
    assert not result.ok
    assert "no service nova-compute on it; expected it there. Set hooks.old_ansible" in str(result)
    assert old.nodes["net01"].runs("neutron-l3-agent")


def test_the_names_of_services_are_the_facilitys(old: OldCloud) -> None:
    assert old.set("net01", compute="neutron-l3-agent")["net01"].ok
    assert not old.nodes["net01"].runs("neutron-l3-agent")


def test_who_cannot_be_reached_or_is_not_there(old: OldCloud) -> None:
    results = old.set("cmp08", "dead", "cmp99")
    assert results["cmp08"].ok
    assert results["dead"].unreachable
    assert not results["cmp99"].ok
