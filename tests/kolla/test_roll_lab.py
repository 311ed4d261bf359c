"""What two real clouds say of their control plane: every API, every service with its heartbeat, and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab, processes
from lab.layout import NEW, OLD
from lab.services import start
from migration.adapters.control import Control
from migration.adapters.nova import Nova
from migration.adapters.rest import connect
from migration.errors import CloudError
from migration.kolla import applied
from migration.kolla.health import Look, System, ills
from migration.kolla.look import ControlPlane, Ports
from migration.kolla.roll import Member
from migration.names import LEDGER_AGGREGATE
from tests.lab.conftest import running
from tests.lab.migrating import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")]

SERVICES = {"nova-conductor", "nova-scheduler", "nova-compute"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running("roll", instances=0) as own, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(own.directory / "clouds.yaml"))
        for cloud in (OLD, NEW):  # the first report of a service comes some seconds after its start
            wait_for(
                lambda cloud=cloud: all(each.up for each in controls(cloud).services() if each.binary in SERVICES),
                cloud,
            )
        yield own


def controls(cloud: str) -> Control:
    return Control(cloud, connect(cloud))


@pytest.mark.parametrize("cloud", [OLD, NEW])
def test_every_api_answers_and_every_service_reports(lab: Lab, cloud: str) -> None:
    control = controls(cloud)
    apis = control.apis()
    assert {"identity", "compute", "network", "image", "placement"} <= apis.keys()
    assert set(apis.values()) == {""}
    services = control.services()
    assert {each.binary for each in services} >= SERVICES
    assert all(each.beat and each.host for each in services)
    assert all(each.up for each in services if each.binary in SERVICES)


@contextmanager
def without(lab: Lab, service: str) -> Iterator[None]:
    processes.end(lab.directory, lambda each: (each.cloud, each.service) == (NEW, service))
    try:
        yield
    finally:
        start(lab.state, lab.state.cloud(NEW), print, [service])


def look(lab: Lab) -> Look:
    (host,) = {each.host for each in controls(NEW).services() if each.binary == "nova-scheduler"}
    members = [Member(host, "dc1", "127.0.0.1")]
    ports = Ports(clustercheck=1, rabbitmq=1, haproxy=1)  # the lab has none of them
    return ControlPlane(members, ports, Path("none"), lambda: controls(NEW)).look()


def test_a_heartbeat_of_before_is_told_from_one_of_after(lab: Lab) -> None:
    def silent(seen: Look) -> list[str]:
        host = next(sign.where for sign in seen.signs if sign.what == "nova-scheduler")
        found = ills(seen, known=first, after=first, controller=host)
        return [each for each in found if "no heartbeat yet" in each and "nova-" in each]

    first = look(lab)
    assert len(silent(first)) >= 2
    wait_for(lambda: not silent(look(lab)), "nova's services report every few seconds")


def test_an_api_that_is_gone_is_named_and_the_others_are_not(lab: Lab) -> None:
    with without(lab, "glance"):
        signs = [sign for sign in look(lab).signs if sign.system is System.API]
    assert [sign.what for sign in signs if not sign.healthy] == ["image"]
    assert "did not answer" in next(sign.detail for sign in signs if sign.what == "image")


def test_a_cloud_without_keystone_is_not_healthy_and_does_not_hang(lab: Lab) -> None:
    with without(lab, "keystone"), pytest.raises(CloudError):
        controls(NEW).apis()


def test_the_ledger_keeps_what_was_applied(lab: Lab) -> None:
    connection = connect(NEW)
    ledger = connection.compute.create_aggregate(name=LEDGER_AGGREGATE)
    try:
        nova = Nova(NEW, connection)
        parts = {"globals.yml": "8d5f0c2b91aa", "key of cinder-backup": "0123456789ab"}
        nova.set_metadata(ledger.id, applied.parts("ctl1", {"gone": "x"}, {}))
        nova.set_metadata(ledger.id, applied.changing("ctl1", "2026-11-23T06:28:10Z"))
        nova.set_metadata(ledger.id, applied.parts("ctl1", parts, {"gone": "x"}))
        nova.set_metadata(ledger.id, applied.applied("ctl1", "2026-11-23T06:30:00Z"))
        read = applied.recorded_in(nova.aggregates())
        assert read == {"ctl1": applied.Applied(applied.Stage.APPLIED, "2026-11-23T06:30:00Z", parts)}
    finally:
        connection.compute.delete_aggregate(ledger)
