"""Ports and loopback networks for labs that live side by side: each lab holds its own."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.layout import CLOUDS, SERVICES, labs

BLOCK = 16
RANGE = range(20000, 32000, BLOCK)  # below what Linux hands out by itself
NETWORKS = range(16, 240)
MONITOR = 3300  # the port of a Ceph monitor, by which a network is seen to be in use
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
    base = _book("ports", owner, RANGE, lambda base: all(_free(port) for port in range(base, base + BLOCK)))
    if base is None:
        taken = f"no {BLOCK} free ports in a row between {RANGE.start} and {RANGE.stop}"
        raise LabError(f"{taken}: take down a lab that you do not need (see `python -m lab status`)")
    return base


def reserve_network(owner: Path) -> int:
    """Reserve a network of loopback addresses: 127.N.0.0/16.

    Arguments:
        owner: the directory of the lab; the network is free again when it is gone.

    Returns:
        N.

    Raises:
        LabError: all are taken.
    """
    network = _book("networks", owner, NETWORKS, lambda number: _free(MONITOR, f"127.{number}.1.1"))
    if network is None:
        raise LabError("every loopback network is taken: take down a lab that you do not need (`python -m lab status`)")
    return network


def _book(kind: str, owner: Path, numbers: Sequence[int], free: Callable[[int], bool]) -> int | None:
    """Write down that a number is this owner's from now on, and return it; None if all are taken."""
    book = labs() / f".{kind}"
    book.mkdir(parents=True, exist_ok=True)
    with (book / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number in numbers:
            entry = book / str(number)
            holder = Path(entry.read_text()) if entry.exists() else owner
            if (holder == owner or not holder.is_dir()) and free(number):
                entry.write_text(str(owner))
                return number
    return None


def by_service(base: int) -> Mapping[str, Mapping[str, int]]:
    """Return, for each cloud, the port of each service in this block."""
    half = BLOCK // 2
    return {
        cloud: {name: base + half * index + offset for offset, name in enumerate(NAMES)}
        for index, cloud in enumerate(CLOUDS)
    }


def visa(base: int) -> int:
    """Return VISA's port in this block."""
    return base + len(NAMES)


def _free(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((address, port))
        except OSError:
            return False
    return True
