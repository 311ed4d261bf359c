"""Run a command, and leave nothing of it behind: the process between us and Ansible.

Ansible forks workers, and ssh puts its masters into sessions of their own, where no process group reaches them. So this
process adopts every orphan below it, and ends what is left when the command has ended, when it is told to end
(SIGTERM), or when whoever started it is gone. It is run as a program: ``python supervisor.py PARENT GRACE COMMAND...``.

Source: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILLED = 5.0
"""Seconds for the kernel to end what got SIGKILL; what is still there belongs to another user (sudo), and is named."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


def supervise(parent: int, grace: float, command: Sequence[str]) -> int:
    """Run a command to its end, or to ours.

    Arguments:
        parent: process id of whoever started us; when that is gone, the command ends too.
        grace: seconds between SIGTERM and SIGKILL.
        command: program and arguments.

    Returns:
        Its exit code, as a shell counts it: 128 and the signal's number where a signal ended it, or us.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, int(value), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it was gone before we asked to be told
        return 128 + signal.SIGTERM
    process = subprocess.Popen(command, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()))  # noqa: PLW1509 - one thread
    code: int | None = None
    while code is None:
        got = signal.sigwait(_SIGNALS)
        code = _reap(process.pid) if got is signal.SIGCHLD else 128 + got
    _end_all(grace)
    process.returncode = code  # reaped above, so Popen must not wait for it
    return code if code >= 0 else 128 - code


def _reap(main: int) -> int | None:
    """Collect what has ended; return the exit code of the command if that was among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == main:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _end_all(grace: float) -> None:
    """End every process below this one."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILLED)):
        end = time.monotonic() + patience
        asked: set[int] = set()
        while left := _below():
            for process in left:
                # again and again: what is being ended may still start something
                if process.pid not in asked or number == signal.SIGKILL:
                    asked.add(process.pid)
                    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        process.send_signal(number)
            if time.monotonic() > end:
                break
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    for process in _below():
        sys.stderr.write(f"process {process.pid} could not be ended; end it by hand\n")


def _below() -> list[psutil.Process]:
    _reap(-1)
    return [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]


if __name__ == "__main__":
    sys.exit(supervise(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
