"""VISA's own notion of now: it can run fast, be set forward, or stand still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta


class Clock:
    """A clock in the server's local time, as all of VISA's dates are.

    Arguments:
        at: what it shows now.
        factor: seconds of VISA's in one of ours; 0: it stands still.
        tick: our own seconds, from any beginning.
    """

    def __init__(self, at: datetime, factor: float = 1, tick: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._at, self._factor, self._tick = at, factor, tick
        self._since = tick()

    @property
    def factor(self) -> float:
        """Seconds of VISA's in one of ours."""
        return self._factor

    def now(self) -> datetime:
        """Return VISA's date and time."""
        with self._lock:
            return self._at + timedelta(seconds=(self._tick() - self._since) * self._factor)

    def advance(self, by: timedelta) -> None:
        """Set it forward."""
        self._set(self.now() + by, self._factor)

    def run(self, factor: float) -> None:
        """Let it run at another speed from now on."""
        self._set(self.now(), factor)

    def _set(self, at: datetime, factor: float) -> None:
        with self._lock:
            self._at, self._factor, self._since = at, factor, self._tick()
