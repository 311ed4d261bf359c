"""The user's cache: each thing in it is built once, and is whole or not there.

A build works in a directory of its own under ``store/`` and is published by renaming a symbolic link onto its key. The
directory keeps its path, because a virtual environment that is moved no longer works. Whoever builds holds a lock
that the kernel frees at its death; what a killed build left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[str], None]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NONCE = "~"  # parts the key from the nonce in a directory's name; no key contains it


def root() -> Path:
    """Return the cache's directory, which may not exist yet.

    Returns:
        ``$VISA_MIGRATION_CACHE``, else ``visa-migration`` in the user's cache directory.
    """
    own = os.environ.get("VISA_MIGRATION_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().absolute() / "visa-migration"


def present(key: str) -> Path | None:
    """Return where the thing of this key is, or None while it has not been built.

    Arguments:
        key: its name with a hash of everything that it depends on.

    Returns:
        Its directory, or None.
    """
    link = root() / key
    return link.resolve() if link.is_dir() else None


def built(key: str, build: Callable[[Path], None], progress: Progress = lambda _: None) -> Path:
    """Return the directory of this key, built first if it is not there.

    Of two processes that want the same key one builds and the other waits for it.

    Arguments:
        key: a file name; the thing's name with a hash of everything that it depends on.
        build: fills the empty directory that it is given; the directory is not moved afterwards.
        progress: is told when another process has to be waited for.

    Returns:
        The directory.

    Raises:
        ValueError: the key is no plain file name.
        Exception: whatever ``build`` raised; nothing of its work is left.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a cache key: letters, digits, '.', '_' and '-' only")
    found = present(key)
    if found:
        return found
    with _lock(key, progress):
        found = present(key)  # the other process may have built it while this one waited
        if found:
            return found
        store = root() / "store"
        store.mkdir(parents=True, exist_ok=True)
        _sweep(store, own=key)
        aside = Path(tempfile.mkdtemp(prefix=f"{key}{_NONCE}", dir=store))
        try:
            build(aside)
            aside.chmod(0o755)
            _publish(aside, root() / key)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return aside


def _publish(directory: Path, link: Path) -> None:
    """Let the link point to the directory, in one step."""
    fresh = directory / ".link"
    fresh.symlink_to(directory)
    fresh.replace(link)


def _sweep(store: Path, own: str) -> None:
    """Remove what killed builds left: unpublished directories that nobody is building."""
    for directory in store.iterdir():
        key = directory.name.rpartition(_NONCE)[0]
        if present(key) == directory.resolve():
            continue
        if key == own:
            shutil.rmtree(directory, ignore_errors=True)
            continue
        with _try_lock(key) as mine:
            if mine and present(key) != directory.resolve():
                shutil.rmtree(directory, ignore_errors=True)


def _lock_file(key: str) -> Path:
    locks = root() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / key


@contextmanager
def _try_lock(key: str) -> Iterator[bool]:
    """Hold the key's lock if it is free; say whether it was."""
    with _lock_file(key).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _lock(key: str, progress: Progress) -> Iterator[None]:
    """Hold the key's lock; wait for whoever has it, and say so."""
    with _lock_file(key).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{key}: another process is building it; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
