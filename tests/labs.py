"""Labs of test runs: gone at the end, however that comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lab import Lab
from lab.lab import all_labs

PREFIX = "test-"


def sweep() -> None:
    """End labs of test runs that were killed; a run's process number is in its lab's name."""
    for name in all_labs():
        number = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and number.isdigit() and not Path("/proc", number).exists():
            Lab(name).down()


@contextmanager
def made(name: str) -> Iterator[Lab]:
    """Give a lab that is not up yet; take it down at the end."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    sweep()
    before = signal.signal(signal.SIGTERM, interrupt)  # pytest itself would die of it without any teardown
    lab = Lab(f"{PREFIX}{os.getpid()}-{name}", progress=print)
    try:
        yield lab
    finally:
        lab.down()
        signal.signal(signal.SIGTERM, before)
