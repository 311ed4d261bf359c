"""A cloud's processes: started, waited for, found again, ended.

Each process carries its lab's directory in its environment. So what belongs to a lab is found in /proc whoever
started it and however that one ended, and a process that got the number of an older one is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, ServiceError

DIRECTORY, SERVICE = "VISA_LAB_PROCESS_DIRECTORY", "VISA_LAB_PROCESS_SERVICE"
LOG_LINES = 25
_STARTED: list[subprocess.Popen[bytes]] = []  # so that those that end before this process does are not left as zombies


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a lab.

    Attributes:
        pid: its number.
        lab: the directory of its lab.
        cloud: the cloud that it is part of.
        service: what it is.
        resident: its memory in bytes.
    """

    pid: int
    lab: Path
    cloud: str
    service: str
    resident: int


def start(command: list[str | Path], lab: Path, cloud: str, service: str, log: Path,
          environment: Mapping[str, str]) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a process that outlives this one.

    Arguments:
        command: what to run.
        lab: the lab's directory, by which the process is found again.
        cloud: the cloud that it is part of.
        service: what it is.
        log: file for its output.
        environment: its environment, without what marks it.

    Returns:
        The process.
    """
    marked = {**environment, DIRECTORY: str(lab), SERVICE: f"{cloud}/{service}", "SPT_NOENV": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=marked, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, cwd=lab, start_new_session=True)  # fmt: skip
    _STARTED.append(process)
    return process


def running(lab: Path) -> list[Process]:
    """Return every living process of a lab, by cloud and service."""
    found = [process for pid in _pids() if (process := _look(pid)) and process.lab == lab]
    return sorted(found, key=lambda each: (each.cloud, each.service))


def directories() -> set[Path]:
    """Return the directory of every lab that has a living process."""
    return {process.lab for pid in _pids() if (process := _look(pid))}


def _pids() -> list[int]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [number for number in numbers if number != os.getpid()]


def _look(pid: int) -> Process | None:
    """Return what this process is; None if it is of no lab, or is gone."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None  # it ended, or is not ours to look at
    marks = dict(line.partition("=")[::2] for line in raw.split("\0") if line.startswith((DIRECTORY, SERVICE)))
    if marks.keys() != {DIRECTORY, SERVICE}:
        return None
    cloud, _, service = marks[SERVICE].partition("/")
    return Process(pid, Path(marks[DIRECTORY]), cloud, service, pages * os.sysconf("SC_PAGE_SIZE"))


def send(lab: Path, number: signal.Signals, chosen: Callable[[Process], bool] = lambda _: True) -> list[int]:
    """Send a signal to processes of a lab.

    Arguments:
        lab: the lab's directory.
        number: the signal.
        chosen: which of them.

    Returns:
        Handles of the processes, for :func:`gone`; the caller closes them.
    """
    handles = []
    for process in running(lab):
        if not chosen(process):
            continue
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            if (same := _look(process.pid)) and same.lab == lab:  # still the same one, and the handle stays with it
                signal.pidfd_send_signal(handle, number)
                handles.append(handle)
            else:
                os.close(handle)
    return handles


def end(lab: Path, chosen: Callable[[Process], bool] = lambda _: True, patience: float = 5) -> None:
    """End processes of a lab: ask first, then kill; return when none is left.

    Arguments:
        lab: the lab's directory.
        chosen: which of them.
        patience: seconds until they are killed.

    Raises:
        LabError: one survives even that.
    """
    _end(lab, chosen, (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL), patience)


def kill(lab: Path, chosen: Callable[[Process], bool]) -> None:
    """End processes of a lab as a power cut does; return when none is left.

    Arguments:
        lab: the lab's directory.
        chosen: which of them.

    Raises:
        LabError: one survives even that.
    """
    _end(lab, chosen, (signal.SIGKILL, signal.SIGKILL), patience=10)


def _end(lab: Path, chosen: Callable[[Process], bool], numbers: Sequence[signal.Signals], patience: float) -> None:
    for number in numbers:
        handles = send(lab, number, chosen)
        if number == signal.SIGTERM:  # a stopped process takes no SIGTERM before it goes on
            for handle in handles:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGCONT)
        _gone(handles, patience)
    for started in list(_STARTED):
        if started.poll() is not None:
            _STARTED.remove(started)
    left = [process for process in running(lab) if chosen(process)]
    if left:
        raise LabError(f"{lab.name}: these processes do not end: {', '.join(str(each.pid) for each in left)}")


def _gone(handles: list[int], patience: float) -> None:
    """Wait until the processes behind the handles are gone, and close the handles."""
    deadline = time.monotonic() + patience
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    waiting = set(handles)
    while waiting and (rest := deadline - time.monotonic()) > 0:
        for handle, _ in poll.poll(rest * 1000):
            poll.unregister(handle)
            waiting.discard(handle)
    for handle in handles:
        os.close(handle)


def wait_answer(port: int, what: str, process: subprocess.Popen[bytes], logs: Sequence[Path],
                timeout: float = 180) -> None:  # fmt: skip
    """Wait until a service answers, whatever it answers.

    Arguments:
        port: where.
        what: its name, for the error.
        process: it; its death ends the wait.
        logs: its output and its log, shown in the error.
        timeout: seconds.

    Raises:
        ServiceError: it ended, or did not answer in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        code = process.poll()
        if code is not None:
            raise ServiceError(f"{what} ended with code {code} before it answered; {tail(*logs)}")
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise ServiceError(f"{what}: no answer on port {port} in {timeout:.0f} s; {tail(*logs)}") from None
            time.sleep(0.1)
            continue
        return


def tail(*logs: Path) -> str:
    """Return the last lines of some logs, to be shown to a person."""
    shown = []
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        if lines:
            shown.append(f"the end of {log}:\n" + "\n".join(lines))
    return "\n".join(shown) or f"nothing in {' nor '.join(str(log) for log in logs)}"
