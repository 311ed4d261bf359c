"""What an arbiter mends: a monitor in each datacenter and one in a third place, and either datacenter may be lost."""

from __future__ import annotations

import pytest
from pools import make_pool

from lab.ceph import Ceph

MONITORS = "1+1+1"
POOL = "vms"


@pytest.fixture(scope="module")
def pool(ceph: Ceph, tmp_path_factory: pytest.TempPathFactory) -> None:
    make_pool(ceph, POOL, tmp_path_factory.mktemp("crush"))


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(("lost", "left", "quorum"), [("dc1", "dc2", ("b", "c")), ("dc2", "dc1", ("a", "c"))])
def test_either_datacenter_may_be_lost(ceph: Ceph, lost: str, left: str, quorum: tuple[str, ...]) -> None:
    ceph.kill_datacenter(lost)
    ceph.wait_quorum(*quorum)
    ceph.wait_osds(left)
    ceph.rados("--pool", POOL, "put", lost, "-", content=b"written without it", timeout=60)
    assert ceph.rados("--pool", POOL, "get", lost, "-", timeout=60) == b"written without it"
    ceph.start_datacenter(lost)
    ceph.wait_healthy()
