"""Stretch mode, where Ceph itself lowers min_size when a datacenter goes: it is recognised, and left alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from declared import Applier, declare, words

from lab.ceph import Ceph as Lab
from migration.ceph.facts import CephFacts
from migration.ceph.look import look_at_ceph

MONITORS = "2+2+1"
PLACES = {"a": "dc1", "b": "dc1", "c": "dc2", "d": "dc2", "e": "arbiter"}
PATIENCE = 180


@pytest.fixture(scope="module")
def stretched(ceph: Lab) -> Applier:
    """Pools as declared; then an operator turns stretch mode on, with our own rule."""
    applier = Applier(declare(ceph))
    applier.settle()
    ceph.command("mon", "set", "election_strategy", "connectivity")
    for monitor, place in PLACES.items():
        ceph.command("mon", "set_location", monitor, f"datacenter={place}")
    ceph.wait_quorum(*PLACES)
    ceph.command("mon", "enable_stretch_mode", "e", "two-and-two", "datacenter")
    return applier


def waited(applier: Applier, condition: Callable[[CephFacts], bool]) -> CephFacts:
    deadline = time.monotonic() + PATIENCE
    while not condition(facts := look_at_ceph(applier.ceph)):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return facts


def test_degraded_stretch_mode_is_left_alone_and_healthy_one_is_as_declared(ceph: Lab, stretched: Applier) -> None:
    facts = waited(stretched, lambda facts: facts.stretch and not facts.degraded)
    assert stretched.plan().settled, words(stretched.plan())

    ceph.kill_datacenter("dc2")
    facts = waited(stretched, lambda facts: facts.degraded)
    assert {pool.min_size for pool in facts.pools.values()} == {1}
    ceph.command("osd", "pool", "set-quota", "vms", "max_objects", "99")
    plan = stretched.plan()
    assert words(plan) == {"pool vms": ["quota of objects"]}
    assert any("stretch mode is degraded" in warning for warning in plan.warnings)
    stretched.settle()
    assert {pool.min_size for pool in look_at_ceph(stretched.ceph).pools.values()} == {1}

    ceph.start_datacenter("dc2")
    ceph.wait_quorum(*PLACES)
    waited(stretched, lambda facts: not facts.degraded)
    assert stretched.plan().settled, words(stretched.plan())
