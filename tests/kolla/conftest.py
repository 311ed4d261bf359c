"""What the tests with the real Kolla-Ansible share."""

from __future__ import annotations

import pytest

from toolchain.kolla import KollaTools, ensure_kolla


@pytest.fixture(scope="session")
def kolla_tools() -> KollaTools:
    return ensure_kolla(progress=print)
