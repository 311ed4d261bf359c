"""Files that we render: looked at, written whole or not at all, and removed only while they are ours."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def digest(content: str, mode: int) -> str:
    """Return what a file of this content and mode is known by.

    Arguments:
        content: the text.
        mode: the permissions, as in 0o640.

    Returns:
        The mode and a part of the content's SHA-256: enough to tell two apart, too little to be told from.
    """
    return _digest(content.encode(), mode)


def found(path: Path) -> str:
    """Return what is at a path.

    Arguments:
        path: where to look.

    Returns:
        The digest of the file there, or "" where there is none.

    Raises:
        OSError: there is something that cannot be read as a file.
    """
    try:
        with path.open("rb") as file:
            return _digest(file.read(), os.fstat(file.fileno()).st_mode & 0o7777)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def place(path: Path, content: str, mode: int) -> None:
    """Put a file in its place, in one step: who reads it sees the old one or the new one, whole.

    Arguments:
        path: where; directories are made.
        content: the text.
        mode: the permissions; nobody sees the content with wider ones.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name for each file, so that what a killed run left is overwritten by the next.
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content.encode())
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    aside.replace(path)


def remove(path: Path, known: str) -> bool:
    """Take away a file that is still the one we wrote, and the directories that it leaves empty.

    Arguments:
        path: the file, relative to the project.
        known: the digest of what we wrote.

    Returns:
        Whether nothing is there any more; False where somebody else has changed it.

    Raises:
        OSError: it cannot be removed.
    """
    there = found(path)
    if there and there != known:
        return False
    path.unlink(missing_ok=True)
    for directory in path.parents:
        if directory == Path() or not _removed(directory):
            break
    return True


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True


def _digest(content: bytes, mode: int) -> str:
    return f"{mode:04o} {hashlib.sha256(content).hexdigest()[:16]}"
