"""Ceph hurt: what we declare goes on working or says clearly why not, and never hangs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from declared import SHORT, Applier, bounded, declare, unreachable, words

from lab.ceph import Ceph as Lab
from migration.ceph.act import Hands, carry_out
from migration.ceph.look import look_at_ceph, open_ceph
from migration.ceph.plan import plan_ceph, unasked
from migration.errors import CephUnreachable


@pytest.fixture(scope="module")
def applied(ceph: Lab) -> Applier:
    applier = Applier(declare(ceph))
    applier.settle()
    return applier


@pytest.fixture
def healed(ceph: Lab, applied: Applier) -> Iterator[Applier]:
    yield applied
    for place in ("dc1", "dc2"):
        ceph.resume_datacenter(place)
        ceph.start_datacenter(place)
    ceph.wait_quorum("a", "b", "c")
    ceph.wait_osds("dc1", "dc2")
    ceph.wait_healthy()
    assert applied.plan().settled


@pytest.mark.parametrize("loss", ["kill", "pause"])
def test_without_a_quorum_nothing_hangs_and_nothing_is_changed(ceph: Lab, healed: Applier, loss: str) -> None:
    short = declare(ceph, connection={"conf": str(ceph.layout.conf), "timeout": SHORT})
    {"kill": ceph.kill_datacenter, "pause": ceph.pause_datacenter}[loss]("dc1")
    error = unreachable(short)
    # once it is known to be gone, a look does not even begin
    again = bounded(lambda: look_at_ceph(short))
    assert isinstance(again, CephUnreachable)
    assert "no quorum of " in str(again)
    assert ceph.layout.conf.read_text().split("mon_host = ")[1].split("]")[0] in str(again)
    plan = unasked(short, error)
    assert not words(plan)
    assert "Nothing of Ceph is changed in this run" in plan.warnings[0]


def test_a_quorum_that_goes_while_steps_are_taken_is_a_report(ceph: Lab, healed: Applier) -> None:
    ceph.command("osd", "pool", "set", "vms", "min_size", "3")
    short = declare(ceph, connection={"conf": str(ceph.layout.conf), "timeout": SHORT})
    said: list[tuple[str, ...]] = []

    def tell(*line: str) -> None:
        said.append(line)
        if line[2] == "begins":
            ceph.pause_datacenter("dc1")

    reports = []
    hands = Hands(short, lambda: open_ceph(short), tell)
    assert bounded(lambda: reports.append(carry_out(hands, "pool vms", ["min_size"]))) is None
    ((report, after),) = reports
    assert report.failed.startswith("pool vms: ceph: osd pool set vms min_size 2: no quorum of ")
    assert "within 4 s; it may have been done all the same" in report.failed
    assert after is None
    assert [line[2] for line in said] == ["begins", "failed"]
    # asked again when they are back, it is done, whether the first time counted or not
    ceph.resume_datacenter("dc1")
    ceph.wait_quorum("a", "b", "c")
    Applier(healed.ceph).settle()


def test_with_a_datacenter_lost_what_is_declared_goes_on(ceph: Lab, healed: Applier) -> None:
    ceph.rados("--pool", "vms", "put", "kept", "-", content=b"kept", timeout=60)
    ceph.kill_datacenter("dc2")
    ceph.wait_quorum("a", "b")
    ceph.wait_osds("dc1")
    plan = plan_ceph(healed.ceph, look_at_ceph(healed.ceph))
    assert plan.settled
    assert plan.warnings == (
        "ceph: monitors c of a, b, c are not in the quorum",
        "ceph: 4 of 8 OSDs are down: all of dc2; what is changed reaches them when they are back",
    )
    # users go on, and drift is mended
    assert ceph.rados("--pool", "vms", "get", "kept", "-", timeout=60) == b"kept"
    ceph.rados("--pool", "vms", "put", "new", "-", content=b"new", timeout=60)
    ceph.command("osd", "pool", "set", "images", "size", "3")
    ceph.command("auth", "caps", "client.glance", "mon", "allow r")
    assert words(healed.plan()) == {"pool images": ["size"], "user glance": ["caps"]}
    healed.settle()
