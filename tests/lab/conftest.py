"""Labs for the tests: started once, and gone at the end, however that comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab
from lab.project import Project
from tests.labs import made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the OpenStack SDK say what it deprecates in itself: it warns even of its own calls."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning"))


@contextmanager
def running(name: str, hosts: int = 6, instances: int | None = None) -> Iterator[Lab]:
    with made(name) as lab:
        lab.up(hosts=hosts, instances=instances)
        yield lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Both clouds, with cmp01..cmp06 on the old one and new01 on the new one, shared by all tests of the run."""
    with running("shared") as shared:
        yield shared


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """A lab of the module's own, whose nodes it may move, stop and break."""
    with running("own") as own:
        yield own


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """Both stacks, applied, on a lab of the module's own, with as many nodes and instances as the module says."""
    with running("project", getattr(request.module, "HOSTS", 6), getattr(request.module, "INSTANCES", 0)) as own:
        made = Project(own, print)
        made.create()
        made.up("stein")
        made.up("caracal")
        yield made
