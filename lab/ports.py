"""Ports for labs that live side by side: each lab holds a block of its own."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Mapping
from pathlib import Path

from lab.errors import LabError
from lab.layout import CLOUDS, SERVICES, labs

BLOCK = 16
RANGE = range(20000, 32000, BLOCK)  # below what Linux hands out by itself
NAMES = (*SERVICES, "control")


def reserve(owner: Path) -> int:
    """Reserve a free block of ports.

    Arguments:
        owner: the directory of the lab; the block is free again when it is gone.

    Returns:
        The first port of the block.

    Raises:
        LabError: all are taken.
    """
    book = labs() / ".ports"
    book.mkdir(parents=True, exist_ok=True)
    with (book / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for base in RANGE:
            entry = book / str(base)
            holder = Path(entry.read_text()) if entry.exists() else owner
            if holder != owner and holder.is_dir():
                continue
            if all(_free(port) for port in range(base, base + BLOCK)):
                entry.write_text(str(owner))
                return base
    taken = f"no {BLOCK} free ports in a row between {RANGE.start} and {RANGE.stop}"
    raise LabError(f"{taken}: take down a lab that you do not need (see `python -m lab status`)")


def by_service(base: int) -> Mapping[str, Mapping[str, int]]:
    """Return, for each cloud, the port of each service in this block."""
    half = BLOCK // 2
    return {
        cloud: {name: base + half * index + offset for offset, name in enumerate(NAMES)}
        for index, cloud in enumerate(CLOUDS)
    }


def _free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
