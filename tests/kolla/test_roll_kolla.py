"""The real Kolla-Ansible rolls three controllers, of which the container engine alone is a stand-in.

They run what Kolla deploys without a database: what every host has, and memcached. The roll, its commands, Kolla's
playbooks, templates and modules are the real ones; how healthy the control plane is, the tests say.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from migration.adapters.ansible import kolla_ansible, run_ansible
from migration.kolla import applied
from migration.kolla.health import Look, of_galera, of_rabbitmq
from migration.kolla.inventory_facts import secrets_in
from migration.kolla.look import members_of
from migration.kolla.render import render
from migration.kolla.roll import RollPlan, plan_roll
from migration.kolla.roll_orders import RollOrders, roll_of, wanted_of
from migration.kolla.rolling import Roll
from migration.settings import CaracalSettings
from tests.kolla.hosts import ENGINE, Hosts, why_not
from tests.unit.kolla_stack import changed, parse
from toolchain.kolla import KollaTools

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

NAMES = ["ctl1", "ctl2", "ctl3"]
WITHOUT_A_DATABASE = {
    "enable_openstack_core": False,
    "enable_memcached": True,
    "prechecks_enable_host_os_checks": False,  # this machine may run what Kolla does not know
    "enable_mariadb": False,
    "enable_rabbitmq": False,
    "enable_haproxy": False,
    "enable_proxysql": False,
    "enable_fluentd": False,
    "enable_etcd": False,
    "enable_openvswitch": False,
    "kolla_container_engine": "docker",
}

LISTENS = """
from ansible.module_utils.basic import AnsibleModule, _load_params
told = [name for name in _load_params() if not name.startswith("_ansible")]
AnsibleModule({name: {"type": "raw"} for name in told}).exit_json(changed=False)
"""
"""Instead of Ansible's module that waits for a port: without containers nobody ever listens."""


@dataclass
class Cloud:
    """Three hosts, the rendered directory, and a ledger in memory."""

    tools: KollaTools
    hosts: Hosts
    lines: Mapping[str, Mapping[str, str]]
    ledger: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    gone: Event = field(default_factory=Event)
    ill: set[str] = field(default_factory=set)

    def settings(self, **vars_: object) -> CaracalSettings:
        controllers = {
            name: {"datacenter": f"dc{1 + number // 2}", "address": Hosts.address(number + 1), "vars": self.lines[name]}
            for number, name in enumerate(NAMES)
        }
        raw = changed(
            controllers=controllers,
            nodes={},
            kolla__apply="deploy",
            kolla__hosts={"interfaces": {"network": "lo", "neutron_external": "lo"}},
            kolla__datacenters={},
            kolla__tls={},
            kolla__vars={**WITHOUT_A_DATABASE, **vars_},
        )
        return parse(raw)

    def founds_a_database(self, controller: str) -> bool:
        """Deploy MariaDB on one controller that has no data, and see whether it begins a cluster of its own."""
        settings = self.settings(enable_mariadb=True)
        self.render(settings)

        def begun() -> bool:
            return "mariadb" in self.hosts.containers(controller)

        command = kolla_ansible(
            self.tools.bin,
            Path("kolla"),
            Path("kolla/inventory/multinode"),
            Path("kolla-passwords.yml"),
            "deploy",
            limit=[controller],
            options=["--tags", "mariadb"],
        )
        run_ansible(command.argv, environment=command.environment, log=Path("log"), timeout=300.0, interrupted=begun)
        assert begun()
        engine = json.loads((self.hosts.directory / controller / "engine.json").read_text())
        environment = engine["containers"]["mariadb"]["inspect"]["Config"]["Env"]
        return "BOOTSTRAP_ARGS=--wsrep-new-cluster" in environment

    def render(self, settings: CaracalSettings) -> RollPlan:
        for path, file in render(settings, (), None).items():
            target = Path("kolla", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content)
        return plan_roll(
            members_of(settings), wanted_of(settings, None), applied.read(self.ledger), holder="ctl2", deploys=True
        )

    def roll(self, settings: CaracalSettings) -> Roll:
        actor: Any = SimpleNamespace(  # as much of an actor as a roll needs
            orders=SimpleNamespace(audit="audit/log.jsonl"),
            engine=SimpleNamespace(gone=self.gone, step=contextlib.nullcontext, check=lambda: None),
            lock=SimpleNamespace(handle=None),
            tell=lambda _cloud, controller, step, result, _detail="": self.told.append((controller, step, result)),
        )
        real = roll_of(
            actor,
            RollOrders.of(settings),
            lambda: self.tools.bin,
            Path("facts"),
        )
        return replace(
            real, look=self.look, recorded=lambda: applied.read(self.ledger), record=self.record, patience=0.0
        )

    def look(self, _controller: str | None) -> Look:
        views: dict[str, Mapping[str, str] | str] = {
            name: "silent" if name in self.ill else {other: "" for other in NAMES if other not in self.ill}
            for name in NAMES
        }
        return Look((*of_galera({name: (0 if name in self.ill else 200, "") for name in NAMES}), *of_rabbitmq(views)))

    def record(self, metadata: Mapping[str, str | None]) -> None:
        for key, value in metadata.items():
            self.ledger.pop(key, None)
            self.ledger |= {} if value is None else {key: value}

    def go(self, settings: CaracalSettings) -> tuple[tuple[str, ...], str]:
        plan = self.render(settings)
        report = self.roll(settings).run(plan.controllers, wanted_of(settings, None))
        return report.done, report.failed


@pytest.fixture
def cloud(tmp_path: Path, kolla_tools: KollaTools, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.chdir(tmp_path)
    library = tmp_path / "library"
    shutil.copytree(ENGINE / "library", library)
    (library / "wait_for.py").write_text(LISTENS)
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(library))
    hosts = Hosts(tmp_path / "hosts")
    hosts.directory.mkdir()
    lines = {name: hosts.add(name, number) for number, name in enumerate(NAMES, 1)}
    for name in NAMES:
        known = "".join(f"{Hosts.address(number)} {other}\n" for number, other in enumerate(NAMES, 1))
        hosts.write(name, "/etc/hosts", f"127.0.0.1 localhost\n{known}")
    shutil.copy(kolla_tools.share / "etc_examples" / "kolla" / "passwords.yml", "kolla-passwords.yml")
    made = [str(kolla_tools.bin / "kolla-genpwd"), "-p", "kolla-passwords.yml"]
    subprocess.run(made, check=True, env=dict(kolla_tools.environment()))
    return Cloud(kolla_tools, hosts, lines)


def test_a_roll_that_fails_at_the_second_and_goes_on_when_that_is_mended(cloud: Cloud) -> None:
    settings = cloud.settings()
    cloud.hosts.break_("ctl1", "start memcached")
    done, failed = cloud.go(settings)
    assert done == ("ctl3",)
    assert failed.startswith("ctl1: roll: kolla-ansible failed: deploy: task memcached : Restart memcached container: ")
    assert failed.endswith("Mend it, then run pulumi up again; not changed, because it failed: ctl2")
    assert cloud.told == [
        ("ctl3", "roll", "begins"),
        ("ctl3", "roll", "done"),
        ("ctl1", "roll", "begins"),
        ("ctl1", "roll", "failed"),
    ]
    assert {name: bool(cloud.hosts.containers(name)) for name in NAMES} == {"ctl1": True, "ctl2": False, "ctl3": True}
    assert cloud.hosts.containers("ctl3")["memcached"]
    records = applied.read(cloud.ledger)
    assert {name: record.stage for name, record in records.items()} == {"ctl3": "applied", "ctl1": "changing"}

    cloud.hosts.break_("ctl1")
    cloud.told.clear()
    assert cloud.render(settings).controllers == ("ctl1", "ctl2")
    assert cloud.go(settings) == (("ctl1", "ctl2"), "")
    assert all(cloud.hosts.containers(name)["memcached"] for name in NAMES)
    assert [controller for controller, _, result in cloud.told if result == "done"] == ["ctl1", "ctl2"]
    assert cloud.render(settings).steps == ()
    logs = "".join(path.read_text() for path in Path("audit/logs").rglob("*.log"))
    assert "TASK [memcached : " in logs
    assert not [secret for secret in secrets_in(Path("kolla-passwords.yml")) if len(secret) > 20 and secret in logs]


def test_a_controller_that_prechecks_refuse_is_left_as_it_is(cloud: Cloud) -> None:
    cloud.hosts.command("ctl3", "docker", "exit 1")
    assert cloud.go(cloud.settings())[1].startswith(
        "ctl3: roll: kolla-ansible failed: prechecks: task prechecks : Check"
    )
    assert not any(cloud.hosts.containers(name) for name in NAMES)
    assert cloud.ledger == {}


def test_an_engine_that_goes_ends_the_run(cloud: Cloud) -> None:
    cloud.gone.set()
    done, failed = cloud.go(cloud.settings())
    assert done == ()
    assert "it was interrupted and ended" in failed
    assert not any(cloud.hosts.containers(name) for name in NAMES)


def test_why_a_controller_without_its_database_must_not_change_alone(cloud: Cloud) -> None:
    Path("library/wait_for.py").write_text(
        LISTENS.replace("exit_json(changed=False)", 'fail_json(msg="nobody listens")')
    )
    assert cloud.founds_a_database("ctl1"), "the others have the data, and Kolla does not look at them"
    assert not cloud.founds_a_database("ctl3")
