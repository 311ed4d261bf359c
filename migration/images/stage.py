"""Where images lie between the clouds: files on this machine, fetched in pieces that survive a kill."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import platformdirs
import requests

from migration.adapters.glance import CHUNK, Glance
from migration.adapters.qemu import convert, inspect
from migration.errors import CloudRefused, ImageError
from migration.images.facts import Checksum

TIMEOUT: Final = 60
"""Seconds without a byte until a web server counts as silent."""

SAID_EVERY: Final = 5.0
"""Seconds between two lines of progress."""

_QEMU: Final = {"vhd": "vpc", "iso": "raw", "ami": "raw", "aki": "raw", "ari": "raw"}
"""Glance's words for formats where qemu-img has others."""

Download = Callable[[int], tuple[int, Iterator[bytes]]]


def stage_directory() -> Path:
    """Return where images are staged: below the user's cache directory, for nobody else to read."""
    root = os.environ.get("VISA_MIGRATION_CACHE")
    directory = (Path(root) if root else platformdirs.user_cache_path("visa-migration")) / "images"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


class Progress:
    """Says now and then how far something is, and lets whoever waits for it interrupt.

    Arguments:
        name: the image.
        doing: in words: ``downloaded``, ``uploaded``.
        total: bytes in all, or None where nobody knows.
        check: called for each piece; what it raises ends it.
    """

    def __init__(self, name: str, doing: str, total: int | None, check: Callable[[], None]) -> None:
        self._name, self._doing, self._total, self._check = name, doing, total, check
        self._done, self._said = 0, time.monotonic()

    def add(self, count: int) -> None:
        """Count bytes that went by; raises what ``check`` raises."""
        self._check()
        self._done += count
        if time.monotonic() - self._said >= SAID_EVERY:
            self._said = time.monotonic()
            share = f" of {self._total / 2**20:,.0f} ({self._done / self._total:.0%})" if self._total else ""
            print(f"{self._name}: {self._doing} {self._done / 2**20:,.0f}{share} MiB", flush=True)


def pieces(path: Path, progress: Progress) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            progress.add(len(piece))
            yield piece


def checksum_of(path: Path, algorithm: str, progress: Progress) -> Checksum:
    """Return what a file gives; ``algorithm`` is one of hashlib's."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for piece in pieces(path, progress):
        digest.update(piece)
    return Checksum(algorithm, digest.hexdigest())


def fetch(name: str, download: Download, wanted: Checksum, total: int | None, check: Callable[[], None]) -> Path:
    """Fetch the source of an image; what an earlier run fetched is not fetched again.

    Arguments:
        name: the image, for errors and progress.
        download: begins a download at a byte and returns at which it really begins.
        wanted: what the content must give.
        total: its bytes, or None where nobody knows.
        check: called for each piece; what it raises ends it.

    Returns:
        The file, whose checksum is the one that was wanted.

    Raises:
        ImageError: the content is another.
        CloudError: the cloud breaks off; the next run goes on from there.
    """
    whole = stage_directory() / f"{wanted.algorithm}-{wanted.value}"
    if whole.exists():
        return whole
    part = whole.with_suffix(".part")
    have = part.stat().st_size if part.exists() else 0
    if not (have and checksum_of(part, wanted.algorithm, Progress(name, "compared", have, check)) == wanted):
        _receive(name, part, have, download, total, check)
        found = checksum_of(part, wanted.algorithm, Progress(name, "compared", total, check))
        if found != wanted:
            part.unlink()
            raise ImageError(name, f"its source gave {found}, expected {wanted}; is it still the same? Then run again")
    part.rename(whole)
    return whole


def _receive(
    name: str, part: Path, have: int, download: Download, total: int | None, check: Callable[[], None]
) -> None:
    try:
        begin, content = download(have)
    except CloudRefused as error:
        if error.status != 416:
            raise
        begin, content = download(0)  # what we have is longer than the source: it is of something else
    progress = Progress(name, "downloaded", total, check)
    with part.open("r+b" if begin else "wb") as file:
        file.seek(begin)
        progress.add(begin)
        for piece in content:
            file.write(piece)
            progress.add(len(piece))
        file.truncate()


def from_glance(glance: Glance, identity: str) -> Download:
    """Return how to download an image of a Glance."""
    return lambda start: glance.download(identity, start)


def from_url(name: str, url: str) -> Download:
    """Return how to download from a web server; raises ImageError where that does not answer as it should."""

    def download(start: int) -> tuple[int, Iterator[bytes]]:
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
            if response.status_code == 416:
                response = requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise ImageError(name, f"{url} cannot be read ({error}); mend its url, or run again") from error
        return (start if response.status_code == 206 else 0), _content(response)

    def _content(response: requests.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_content(CHUNK)
        except requests.RequestException as error:
            raise ImageError(name, f"the download of {url} broke off ({error}); run again, it goes on there") from error
        finally:
            response.close()

    return download


def converted(name: str, source: Path, source_format: str, target_format: str, check: Callable[[], None]) -> Path:
    """Return the image as a file of the format that is wanted.

    Arguments:
        name: the image, for errors.
        source: the file as it came.
        source_format: as Glance spells it, or "" where only the content tells.
        target_format: as Glance spells it, or "" for what it is.
        check: called again and again; what it raises ends it.

    Returns:
        The same file, or another beside the staged ones.

    Raises:
        ImageError: it is no such image, or refers to other files of this machine.
    """
    told = inspect(name, source, _QEMU.get(source_format, source_format))
    if told.outside:
        raise ImageError(
            name, f"its source refers to other files ({', '.join(told.outside)}); expected an image that stands alone"
        )
    if target_format in {"", told.format, source_format}:
        return source
    target = stage_directory() / f"{source.name}.{target_format}"
    if not target.exists():
        part = target.with_suffix(".converting")
        print(f"{name}: converting {told.format} to {target_format}, {told.virtual_size / 2**20:,.0f} MiB", flush=True)
        convert(name, source, told.format, part, target_format, check)
        part.rename(target)
    return target
