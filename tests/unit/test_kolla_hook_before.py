"""What must not be so on a node before it is deployed: the table that real nova-computes showed, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.facts import Hypervisor, Service
from migration.kolla.before import CLOCK, Brought, Known, brought, reasons_against, remarks

ID, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
RECORD = Service("s1", "cmp07", enabled=False, up=False)


def found(**changes: Any) -> Brought:
    return Brought(**{"name": "cmp07", "compute_ids": frozenset(), **changes})


def known(*hypervisors: Hypervisor, service: bool = False) -> Known:
    return Known("caracal", (RECORD,) if service else (), hypervisors)


MINE, THEIRS = Hypervisor(ID, "cmp07", "cmp07"), Hypervisor(ID, "cmp09", "cmp09")
WITH_ID = frozenset({ID})


@pytest.mark.parametrize(
    ("node", "cloud", "says", "mend"),
    [
        pytest.param(found(), known(), "", "", id="fresh"),
        pytest.param(found(compute_ids=WITH_ID), known(), "", "", id="foreign-id-and-no-record"),
        pytest.param(found(compute_ids=WITH_ID), known(MINE, service=True), "", "", id="deployed-by-an-earlier-run"),
        pytest.param(found(compute_ids=WITH_ID), known(service=True), "", "", id="cut-off-before-its-compute-node"),
        pytest.param(
            found(),
            known(MINE, service=True),
            "no local node identity found",
            "compute service delete s1",
            id="reimaged",
        ),
        pytest.param(
            found(compute_ids=WITH_ID),
            known(THEIRS),
            "that of cmp09 in caracal",
            "volume rm nova_compute",
            id="renamed",
        ),
        pytest.param(
            found(compute_ids=frozenset({OTHER})),
            known(MINE, service=True),
            f"knows it as compute node {ID}, but its compute_id is {OTHER}",
            "compute service delete s1",
            id="duplicate",
        ),
        pytest.param(
            found(compute_ids=frozenset({ID, OTHER})),
            known(),
            "has 2 compute_ids",
            "volume rm nova_compute",
            id="two-ids",
        ),
        pytest.param(
            found(domains=("/etc/libvirt/qemu/instance-1.xml",)),
            known(),
            "1 defined: /etc/libvirt/qemu/instance-1.xml; 0 running",
            "virsh",
            id="stale-domain",
        ),
        pytest.param(found(emulators=2), known(), "none defined; 2 running", "virsh", id="running-instances"),
        pytest.param(
            found(compute_ids=WITH_ID, domains=("x.xml",), emulators=1),
            known(MINE, service=True),
            "",
            "",
            id="instances-of-the-new-cloud",
        ),
        pytest.param(
            found(name="cmp07.example.org"),
            known(),
            "calls itself 'cmp07.example.org'; expected 'cmp07'",
            "hostnamectl set-hostname cmp07",
            id="other-name",
        ),
        pytest.param(found(offset=-40.2), known(), "40 s behind", "same time server", id="behind"),
        pytest.param(found(offset=7.0), known(), "7 s ahead of", "same time server", id="ahead"),
        pytest.param(found(offset=CLOCK), known(), "", "", id="clock-good-enough"),
    ],
)
def test_what_is_refused_and_how_it_is_mended(node: Brought, cloud: Known, says: str, mend: str) -> None:
    reasons = reasons_against("cmp07", node, cloud)
    assert len(reasons) == (1 if says else 0)
    for reason in reasons:
        assert says in reason
        assert mend in reason


def test_every_mistake_is_told_at_once() -> None:
    node = found(name="x", offset=99.0, emulators=1, compute_ids=frozenset({ID, OTHER}))
    assert len(reasons_against("cmp07", node, known())) == 4


def test_a_foreign_identity_is_worth_a_remark() -> None:
    assert ID in remarks("cmp07", found(compute_ids=WITH_ID), known())[0]
    assert not remarks("cmp07", found(compute_ids=WITH_ID), known(MINE, service=True))
    assert not remarks("cmp07", found(), known())


REPORT = {"name": "cmp07", "compute_ids": [ID], "domains": ["b", "a"], "emulators": "1"}


@pytest.mark.parametrize(
    ("asked", "there", "answered", "offset"),
    [(10.0, 11.0, 12.0, 0.0), (10.0, 7.0, 12.0, -3.0), (10.0, 20.0, 12.0, 8.0), (10.0, 10.0, 10.0, 0.0)],
)
def test_a_clock_is_off_by_what_no_delay_explains(asked: float, there: float, answered: float, offset: float) -> None:
    node = brought({**REPORT, "asked": str(asked), "time": str(there), "answered": str(answered)})
    assert node == Brought("cmp07", offset, WITH_ID, ("a", "b"), 1)


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(-1e5, 1e5))
def test_a_right_clock_is_never_called_wrong(asked: float, there: float, back: float, off: float) -> None:
    """However long the way there and back takes; and nothing is called more wrong than it is."""
    answered = asked + there + back
    node = brought({**REPORT, "asked": asked, "time": asked + there + off, "answered": answered})
    assert abs(node.offset) <= abs(off) + 1e-6
    assert node.offset * off >= 0 or abs(node.offset) < 1e-6


@pytest.mark.parametrize("lost", ["name", "asked", "time", "compute_ids", "domains", "emulators"])
def test_half_a_report_is_none(lost: str) -> None:
    whole = {**REPORT, "asked": "1", "time": "1", "answered": "1"}
    with pytest.raises(KeyError):
        brought({key: value for key, value in whole.items() if key != lost})
