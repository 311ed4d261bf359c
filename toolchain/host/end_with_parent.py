"""End with the process that started us: an engine that is killed stops its plugins no more."""

from __future__ import annotations

import os
import signal
import threading
import time

_LOOK_EVERY = 0.2  # seconds


def end_with_parent(grace: float = 0.0) -> None:
    """Kill this process, and what it started, soon after its parent has gone.

    The engine makes each plugin the leader of a process group. The whole group goes then, so that nothing that a
    provider or a program had started goes on acting on its own.

    Arguments:
        grace: seconds that it has to end by itself, for what must not be cut off in the middle.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        time.sleep(grace)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
