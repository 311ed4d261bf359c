"""Nobody acts alone in the dark: one actor at a time, and none whose engine is gone.

A Pulumi engine that is killed leaves its provider process behind, in the middle of a step (seen). So the provider
process holds a lock that the kernel frees at its death, and watches its engine: when that is gone no further step
starts, and the process ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import psutil

from migration.audit import now, operator
from migration.errors import EngineGone, LockError

ENGINE = "pulumi"


class Engine:
    """The Pulumi engine that this process works for.

    Arguments:
        pid: its process id.
    """

    def __init__(self, pid: int) -> None:
        self.gone = threading.Event()
        self._busy = 0
        self._count = threading.Lock()
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self.gone.set()
            return
        threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()

    def _watch(self) -> None:
        select.select([self._handle], [], [])
        self.gone.set()
        with self._count:
            if self._busy == 0:
                os._exit(0)  # nobody is left to serve

    @contextmanager
    def step(self) -> Iterator[None]:
        """Run one step; when the engine goes meanwhile, the process ends after it.

        Raises:
            EngineGone: the engine is gone already.
        """
        with self._count:
            self.check()
            self._busy += 1
        try:
            yield
        finally:
            with self._count:
                self._busy -= 1
                if self.gone.is_set() and self._busy == 0:
                    os._exit(0)

    def check(self) -> None:
        """Raise EngineGone if the engine is gone: called wherever a step waits."""
        # Asked of the kernel, too: the thread that watches may not have had its turn yet.
        if self.gone.is_set() or select.select([self._handle], [], [], 0)[0]:
            raise EngineGone(
                "the Pulumi engine that asked for this is gone; nothing more is started. Run pulumi up again"
            )


def find_engine() -> int:
    """Return the process id of the engine above this process, or of the parent where none is called pulumi."""
    for parent in psutil.Process().parents():
        if parent.name() == ENGINE:
            return parent.pid
    return os.getppid()


class ActorLock:
    """The right to act on a pair of clouds, for this process and the hooks that it starts.

    Arguments:
        path: the lock file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._mutex = threading.Lock()

    @property
    def handle(self) -> int | None:
        """The locked file's descriptor: a hook inherits it, so that the lock outlives us while the hook runs."""
        return self._handle

    def take(self, *, patience: float, pause: float = 0.2) -> None:
        """Take the lock, once for this process.

        Arguments:
            patience: seconds to wait for another process to end.
            pause: seconds between two tries.

        Raises:
            LockError: somebody else holds it still; says who and since when.
        """
        with self._mutex:
            if self._handle is not None:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            end = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        holder = os.pread(handle, 1000, 0).decode(errors="replace").strip() or "somebody"
                        os.close(handle)
                        raise LockError(
                            f"{holder} is still acting on these clouds (lock {self._path}); expected nobody."
                            f" Wait until it"
                            " has ended, then run pulumi up again"
                        ) from None
                    time.sleep(pause)
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps({"who": operator(), "pid": os.getpid(), "since": now()}).encode(), 0)
            self._handle = handle


def lock_path(*clouds: str) -> Path:
    """Return the lock file for a set of clouds.

    Arguments:
        clouds: their identity: the URLs of their Keystones.

    Returns:
        A path in the user's state directory.
    """
    digest = hashlib.sha256("\n".join(clouds).encode()).hexdigest()[:16]
    return Path(platformdirs.user_state_dir("visa-migration")) / f"{digest}.lock"
