"""``qemu-img``: what a disk image is, and the same image in another format. Source: its manual page."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from migration.errors import ImageError

_MISSING = "there is no qemu-img on this machine; install it (Debian: qemu-utils), then run again"


@dataclass(frozen=True, slots=True)
class DiskImage:
    """What qemu-img says of a file.

    Attributes:
        format: ``raw``, ``qcow2`` …
        virtual_size: bytes of the disk.
        outside: other files that it refers to.
    """

    format: str
    virtual_size: int
    outside: tuple[str, ...]


def inspect(name: str, path: Path, disk_format: str) -> DiskImage:
    """Read what a disk image is.

    Arguments:
        name: the image's name, for errors.
        path: the file.
        disk_format: what it is said to be, or "" to find out.

    Returns:
        What it is.

    Raises:
        ImageError: there is no qemu-img, or it cannot read the file.
    """
    said = ["-f", disk_format] if disk_format else []
    told = json.loads(_run(name, ["qemu-img", "info", "--output=json", *said, str(path)]))
    outside = [told.get("backing-filename"), told.get("full-backing-filename")]
    outside += [told.get("format-specific", {}).get("data", {}).get("data-file")]
    return DiskImage(told["format"], told["virtual-size"], tuple(dict.fromkeys(each for each in outside if each)))


def convert(name: str, source: Path, source_format: str, target: Path, target_format: str,
            check: Callable[[], None]) -> None:  # fmt: skip
    """Write an image in another format.

    Arguments:
        name: the image's name, for errors.
        source: the file to read.
        source_format: its format; never guessed here, a raw disk could pretend to be something else.
        target: the file to write.
        target_format: its format.
        check: called again and again; what it raises ends the conversion.

    Raises:
        ImageError: there is no qemu-img, or it fails.
    """
    command = ["qemu-img", "convert", "-f", source_format, "-O", target_format, str(source), str(target)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise ImageError(name, _MISSING) from error
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, complaint = process.communicate(timeout=0.5)
                break
            check()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise ImageError(name, f"qemu-img convert failed: {complaint.decode(errors='replace').strip()}")


def _run(name: str, command: list[str]) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ImageError(name, _MISSING) from error
    if done.returncode:
        raise ImageError(name, f"{' '.join(command[:2])} failed: {done.stderr.strip()}; is it a disk image?")
    return done.stdout
