"""The audit log: one JSON line before and one after every step, on disk before the next step begins.

The line before makes a killed run visible: a step that began and has no end was cut off.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

BEGINS, DONE, NOTHING, STAYS, FAILED = "begins", "done", "nothing to do", "stays", "failed"


def now() -> str:
    """Return this moment as ISO 8601 in UTC, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def operator() -> str:
    """Return who acts: the CI's name for the person where it tells one, else user@host."""
    for variable in ("VISA_OPERATOR", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit log.

    Attributes:
        wave: the commit whose review started this.
        cloud: the cloud that was acted on, by its name in clouds.yaml.
        node: the node.
        step: the step.
        result: ``begins``, ``done``, ``nothing to do``, ``stays`` or ``failed``.
        detail: a sentence, or "".
    """

    wave: str
    cloud: str
    node: str
    step: str
    result: str
    detail: str = ""
    who: str = field(default_factory=operator)
    when: str = field(default_factory=now)


def write(path: Path | None, entry: Entry) -> None:
    """Append one line, and show it in the log of the run.

    Arguments:
        path: the audit log, or None for the log of the run only.
        entry: what happened.

    Raises:
        OSError: the file cannot be written; nothing may be done that leaves no trace.
    """
    line = json.dumps(asdict(entry), ensure_ascii=False)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(handle, line.encode() + b"\n")  # one write: lines of two threads never mix
            os.fsync(handle)
        finally:
            os.close(handle)
    if entry.result != BEGINS:
        detail = f": {entry.detail}" if entry.detail else ""
        sys.stdout.write(f"{entry.node}: {entry.step} {entry.result}{detail}\n")
        sys.stdout.flush()
