"""The host hook with the real Kolla-Ansible: its own playbooks deploy nova-compute on hosts of this machine.

One wave holds what can go well and wrong; only the container engine is a stand-in (tests/kolla/hosts.py). Neutron and
the services of controllers are left out: they would be a minute more of the same.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from migration.adapters.ansible import HostResult
from migration.errors import AnsibleError
from migration.facts import Service
from migration.kolla import hook
from migration.kolla.before import Known
from migration.kolla.render import render
from migration.settings import CaracalSettings, load
from tests.kolla import hosts
from tests.kolla.hosts import ENGINE, Hosts
from toolchain.kolla import KollaTools

pytestmark = pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not())

CONTROLLERS, NODES = ("ctl1", "ctl2", "ctl3"), ("cmp01", "cmp02", "cmp03", "cmp04", "cmp05")
DEAD = {"ansible_port": 1, "ansible_connection": "ssh"}
"""Where nobody listens: real ssh is refused there."""

RECORD = Service("5e1f", "cmp04", enabled=False, up=False)


@dataclass
class Facility:
    """A project with its hosts, rendered as pulumi up does."""

    directory: Path
    tools: KollaTools
    hosts: Hosts
    lines: list[str] = field(default_factory=list)

    @classmethod
    def made(cls, directory: Path, tools: KollaTools) -> Facility:
        made = Hosts(directory / "hosts")
        numbered = enumerate((*CONTROLLERS, *NODES), 11)
        vars_ = {name: (made.add(name, number), made.address(number)) for number, name in numbered}
        vars_ |= {"cmp03": (DEAD, "127.0.3.3"), "cmp05": (DEAD, "127.0.3.5")}
        site = {
            name: {"vars": told, "address": address, "datacenter": "dc1"} for name, (told, address) in vars_.items()
        }
        config = {
            "clouds": {"old": "stein", "new": "caracal"},
            "datacenters": {"dc1": {"zone": "dc1"}, "dc2": {"zone": "dc2"}},
            "controllers": {name: {**site[name], "datacenter": f"dc{1 + (name == 'ctl3')}"} for name in CONTROLLERS},
            "nodes": {name: {**site[name], "membership": "caracal"} for name in NODES},
            "kolla": {
                "vip": {"internal": "10.0.0.100"},
                "virtual_router_id": 51,
                "passwords": "passwords.yml",
                "tools": str(tools.venv),
                "hosts": {"interfaces": {"network": "lo", "neutron_external": "lo"}},
                "vars": {
                    "prechecks_enable_host_os_checks": False,  # this machine may run what Kolla does not know
                    **{f"enable_{name}": False for name in ("fluentd", "neutron", "openvswitch", "heat", "horizon")},
                },
            },
        }
        (directory / "Pulumi.yaml").write_text("name: x\n")
        with (directory / "Pulumi.caracal.yaml").open("w") as file:
            YAML().dump({"config": {f"visa-migration:{key}": value for key, value in config.items()}}, file)
        shutil.copy(tools.share / "etc_examples" / "kolla" / "passwords.yml", directory / "passwords.yml")
        (directory / "passwords.yml").chmod(0o600)
        subprocess.run([tools.bin / "kolla-genpwd", "-p", directory / "passwords.yml"], check=True)
        settings = load(directory / "Pulumi.caracal.yaml")
        assert isinstance(settings, CaracalSettings)
        for path, file_ in render(settings, NODES, None).items():
            target = directory / "kolla" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file_.content)
        return cls(directory, tools, made)

    def site(self, logs: str) -> hook.Site:
        kolla, here = self.directory / "kolla", self.directory
        inventory = kolla / "inventory" / "multinode"
        return hook.Site(self.tools.bin, kolla, inventory, here / "passwords.yml", here / "facts", here / logs)

    def join(self, *nodes: str, logs: str = "logs", known: Known | None = None) -> dict[str, HostResult]:
        wave = hook.Wave(self.site(logs), nodes, 900.0, say=self.lines.append)
        return hook.join(wave, lambda: known or Known("caracal"))

    def conf(self, name: str) -> configparser.ConfigParser:
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read(self.hosts.path(name, "/etc/kolla/nova-compute/nova.conf"))
        return parser


@pytest.fixture(scope="module", autouse=True)
def _library() -> Iterator[None]:
    """Let Ansible find what must not touch this machine's kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_LIBRARY", str(ENGINE / "library"))
        yield


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory, kolla_tools: KollaTools) -> Facility:
    return Facility.made(tmp_path_factory.mktemp("facility"), kolla_tools)


@pytest.fixture(scope="module")
def joined(facility: Facility) -> dict[str, HostResult]:
    """One wave of four, of which one arrives; a fifth host is dead and none of our business."""
    facility.hosts.break_("cmp02", "pull nova-compute")
    return facility.join("cmp01", "cmp02", "cmp03", "cmp04", known=Known("caracal", (RECORD,)))


def test_a_healthy_node_arrives(facility: Facility, joined: dict[str, HostResult]) -> None:
    """Though others of its wave fail, and cmp05 elsewhere in the inventory is dead and was never seen."""
    assert joined["cmp01"] == HostResult(ok=True)
    running = facility.hosts.containers("cmp01")
    assert {"nova_compute", "nova_libvirt", "nova_ssh", "kolla_toolbox"} <= {name for name in running if running[name]}
    assert facility.conf("cmp01")["DEFAULT"]["my_ip"] == facility.hosts.address(14)
    rabbits = facility.conf("cmp01")["DEFAULT"]["transport_url"]
    assert [f"@10.0.0.{number}:" in rabbits for number in (11, 12, 13)] == [True] * 3
    assert any("cmp05 cannot be reached and was never seen" in line for line in facility.lines)


def test_it_is_mapped_to_its_cell_by_a_controller(facility: Facility, joined: dict[str, HostResult]) -> None:
    assert joined["cmp01"].ok
    mapped = [call["host"] for call in facility.hosts.calls() if "discover_hosts" in call["words"]]
    assert mapped == ["ctl1"]


def test_a_node_that_fails_is_named_with_its_task(facility: Facility, joined: dict[str, HostResult]) -> None:
    assert not joined["cmp02"].ok
    assert str(joined["cmp02"]).startswith("pull: task service-images-pull : nova_cell | Pull images: ")
    assert "the registry says no" in str(joined["cmp02"])
    assert "nova_compute" not in facility.hosts.containers("cmp02")


def test_a_node_that_cannot_be_reached(joined: dict[str, HostResult]) -> None:
    assert joined["cmp03"].unreachable
    assert "127.0.3.3 port 1: Connection refused" in str(joined["cmp03"])


def test_a_node_that_nova_compute_would_refuse(facility: Facility, joined: dict[str, HostResult]) -> None:
    """Its record was left in the new cloud, and it was reinstalled."""
    assert "before: caracal has a service record of it, but it has no compute_id" in str(joined["cmp04"])
    assert "compute service delete 5e1f" in str(joined["cmp04"])
    assert facility.hosts.containers("cmp04") == {}


def test_nothing_is_deployed_on_who_is_no_part_of_the_wave(facility: Facility, joined: dict[str, HostResult]) -> None:
    assert joined
    assert not any(facility.hosts.containers(name) for name in CONTROLLERS if name != "ctl1")
    assert "nova_compute" not in facility.hosts.containers("ctl1")


def test_the_logs_of_a_wave(facility: Facility, joined: dict[str, HostResult]) -> None:
    """One for each run, in order, and no password of Kolla's in any."""
    assert joined
    names = sorted(path.name for path in (facility.directory / "logs").glob("0*.log"))
    assert names == ["01-gather-facts.log", "02-before.log", "03-prechecks.log", "04-pull.log", "05-deploy.log"]
    passwords = YAML(typ="safe").load(facility.directory / "passwords.yml")
    secret = {passwords["nova_keystone_password"], passwords["rabbitmq_password"], passwords["libvirt_sasl_password"]}
    told = "".join(path.read_text() for path in (facility.directory / "logs").iterdir())
    assert not [word for word in secret if word in told + repr(joined) + repr(facility.lines)]


def test_what_is_read_of_a_node_that_brings_a_past(facility: Facility, joined: dict[str, HostResult]) -> None:
    """The new cloud knows nothing of cmp01: its identity is a foreign one, and an instance is left."""
    assert joined
    facility.hosts.write("cmp01", "/var/lib/docker/volumes/nova_libvirt_qemu/_data/instance-0001.xml", "<domain/>")
    facility.hosts.write("cmp04", "/var/lib/nova/compute_id", "11111111-1111-4111-8111-111111111111\n")
    facility.hosts.command("cmp04", "uname", "echo other-name")
    facility.hosts.command("cmp04", "ps", "echo qemu-system-x86_64")
    facility.hosts.command("cmp04", "date", "echo 1000000000")
    try:
        results = facility.join("cmp01", "cmp04", logs="logs-past")
    finally:
        facility.hosts.path("cmp01", "/var/lib/docker/volumes/nova_libvirt_qemu/_data/instance-0001.xml").unlink()
        for command in ("uname", "ps", "date"):
            (facility.directory / "hosts" / "cmp04" / "bin" / command).unlink()
    assert "instances are left on its hypervisor (1 defined:" in str(results["cmp01"])
    for words in ("calls itself 'other-name'", "behind that of the host", "none defined; 1 running"):
        assert words in str(results["cmp04"])
    assert not list((facility.directory / "logs-past").glob("*prechecks*"))


def test_a_node_that_is_not_in_the_inventory_is_refused(facility: Facility) -> None:
    with pytest.raises(AnsibleError, match="cmp99: not in the inventory"):
        facility.join("cmp01", "cmp99", logs="logs-none")
    assert not list((facility.directory / "logs-none").glob("0*"))


# ------------------------------------------------------------------------------------------ as the command that it is

COMMAND = """
import sys
from types import SimpleNamespace
from migration.kolla.before import Known
from scripts import cli, hooks
hooks.known = Known
hooks.connect = lambda name: SimpleNamespace(config=SimpleNamespace(config={"auth": {"auth_url": sys.argv[1]}}))
hooks.PATIENCE = 0.0
cli.main(sys.argv[2:])
"""
"""No cloud is here to be asked, and nobody waits a minute; all else is the command's own."""


@pytest.fixture
def command(facility: Facility, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started = []

    def start(*words: str) -> subprocess.Popen[str]:
        here = Path(__file__).resolve().parents[2]
        environment = {
            **os.environ,
            "PYTHONPATH": str(here),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "VISA_HOOK_RESULTS": str(tmp_path / f"results-{len(started)}.json"),
            "VISA_TEST_MARK": str(tmp_path),
        }
        argv = [sys.executable, "-c", COMMAND, str(tmp_path), "hook", *words, "--directory", str(facility.directory)]
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def left(mark: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("VISA_TEST_MARK") == str(mark) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.name())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def results(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def lines_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return
    pytest.fail("".join(seen))


def test_an_interrupted_hook_leaves_nothing_and_a_second_one_is_refused_meanwhile(
    facility: Facility, command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    facility.hosts.command("cmp04", "ps", "sleep 1000")  # so that it hangs in the middle
    try:
        first = command("join", "cmp04")
        lines_until(first, "before: Look for instances that libvirt knows")
        second = command("join", "cmp01")
        told = second.communicate()[0]
        assert second.returncode == 4
        assert f'"pid": {first.pid}' in told
        assert '"since": "' in told
        assert results(tmp_path / "results-1.json")["cmp01"]["message"] in told
        assert not results(tmp_path / "results-1.json")["cmp01"]["ok"]
        first.send_signal(signal.SIGTERM)
        told = first.communicate()[0]
    finally:
        (facility.directory / "hosts" / "cmp04" / "bin" / "ps").unlink()
    assert first.returncode == 4
    assert left(tmp_path) == []
    assert results(tmp_path / "results-0.json") == {
        "cmp04": {"ok": False, "message": "before: it was interrupted and ended"}
    }


def test_a_killed_hook_leaves_nothing_either(
    facility: Facility, command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    facility.hosts.command("cmp04", "ps", "sleep 1000")
    try:
        first = command("join", "cmp04")
        lines_until(first, "before: Look for instances that libvirt knows")
        first.kill()
        end = time.monotonic() + 60
        while left(tmp_path):
            assert time.monotonic() < end
            os.sched_yield()
    finally:
        (facility.directory / "hosts" / "cmp04" / "bin" / "ps").unlink()


def test_a_hook_ends_in_time(facility: Facility, command: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = command("join", "cmp04", "--timeout", "1")
    told = process.communicate()[0]
    assert process.returncode == 4
    assert "was ended; look at its log" in told
    assert left(tmp_path) == []
    assert "gather-facts: it did not end within" in results(tmp_path / "results-0.json")["cmp04"]["message"]


def test_what_is_wrong_with_the_nodes_is_told_to_the_caller(
    command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = command("join", "cmp01,cmp99")
    told = process.communicate()[0]
    assert process.returncode == 4
    assert "cmp99: not in the inventory" in told
    assert {entry["ok"] for entry in results(tmp_path / "results-0.json").values()} == {False}
