"""A real Ceph for the tests of a module: started once, and gone at the end, however that comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.ceph import Ceph
from tests.labs import made


@pytest.fixture(scope="module")
def ceph(request: pytest.FixtureRequest) -> Iterator[Ceph]:
    """Three monitors, or as many as the module's MONITORS says; eight OSDs in two datacenters; no cloud."""
    with made("ceph") as lab:
        lab.up_ceph(getattr(request.module, "MONITORS", None))
        yield lab.ceph
