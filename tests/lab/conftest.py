"""A lab for the tests: started once, and gone at the end, however that comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lab import Lab
from lab.lab import all_labs

PREFIX = "test-"


def sweep() -> None:
    """End labs of test runs that were killed; a run's process number is in its lab's name."""
    for name in all_labs():
        number = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and number.isdigit() and not Path("/proc", number).exists():
            Lab(name).down()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Both clouds, with cmp01..cmp06 on the old one and new01 on the new one, shared by all tests of the run."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    sweep()
    before = signal.signal(signal.SIGTERM, interrupt)  # pytest itself would die of it without any teardown
    shared = Lab(f"{PREFIX}{os.getpid()}", progress=print)
    try:
        shared.up(hosts=6)
        yield shared
    finally:
        shared.down()
        signal.signal(signal.SIGTERM, before)
