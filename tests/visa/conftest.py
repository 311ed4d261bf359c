"""Two real clouds and a VISA for the tests of a module: started once, and gone at the end, however that comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from lab.visa.population import Population
from tests.labs import made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the OpenStack SDK say what it deprecates in itself: it warns even of its own calls."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning"))


@pytest.fixture(scope="module")
def visa_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Both clouds with as many HOSTS and INSTANCES as the module says, and a VISA that begins with its POPULATION."""
    module = request.module
    with made("visa") as lab:
        lab.up(getattr(module, "HOSTS", 3), 1, getattr(module, "INSTANCES", 6),
               visa=getattr(module, "POPULATION", Population()))  # fmt: skip
        yield lab
