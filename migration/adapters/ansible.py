"""Run kolla-ansible or ansible-playbook: bounded, interruptible, with a result for each host from Ansible's own events.

Nothing is scraped from text: a callback plugin (migration/kolla/ansible/callback_plugins) writes Ansible's events as
JSON lines, which are read while it runs. No process of a run outlives it (migration/adapters/supervisor.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from migration.errors import AnsibleError

PLUGINS: Final = Path(__file__).resolve().parent.parent / "kolla" / "ansible" / "callback_plugins"
SUPERVISOR: Final = Path(__file__).resolve().parent / "supervisor.py"

GRACE: Final = 6.0
"""Seconds between SIGTERM and SIGKILL for a run that must end; less than what a hook has (adapters.hooks.GRACE)."""

LAST_WORDS: Final = 600
"""Characters of a run's output that are shown where no event says what went wrong."""

SHORTEST_SECRET: Final = 6
"""Shorter values are not hidden from logs: too much of what is no secret would go with them."""

_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_EVERYBODY: Final = frozenset({"all", "ungrouped"})
_SCRUBBED: Final = (
    "EXTRA_OPTS",
    "ANSIBLE_SERIAL",
    "PASSWORDS_FILE",
    "ANSIBLE_LIMIT",
    "ANSIBLE_INVENTORY",
    "PYTHONPATH",
)
"""What kolla-ansible or ansible would take from our environment without being told to."""


@dataclass(frozen=True, slots=True)
class HostResult:
    """How a run ended for one host.

    Attributes:
        ok: whether every task that was meant for it went well.
        unreachable: whether it could not be reached.
        task: the task that failed, or "".
        message: what that task said, or why nothing is known.
    """

    ok: bool
    unreachable: bool = False
    task: str = ""
    message: str = ""

    def __str__(self) -> str:
        """Return ``task NAME: message``, or the message where no task failed."""
        return f"task {self.task}: {self.message}" if self.task else self.message


@dataclass(frozen=True, slots=True)
class AnsibleRun:
    """How a run ended.

    Attributes:
        rc: the exit code: 0, 2 (a host failed), 4 (a host unreachable) or another.
        hosts: a result for each host that Ansible counted.
        ended: why it was ended before its own end, or "".
        last: the end of its output, for what no event says.
        reports: what playbooks of ours set as ``visa_report``, by host.
        given_up: because of which hosts Ansible gave up on all, or "".
    """

    rc: int
    hosts: Mapping[str, HostResult]
    ended: str = ""
    last: str = ""
    reports: Mapping[str, Any] = field(default_factory=dict)
    given_up: str = ""

    def result(self, host: str) -> HostResult:
        """Return the result of a host; one that Ansible did not count has failed."""
        if host in self.hosts:
            return self.hosts[host]
        if self.ended or self.given_up:
            return HostResult(ok=False, message=self.ended or self.given_up)
        found = f"Ansible ended with exit code {self.rc} and ran nothing on it"
        return HostResult(ok=False, message=f"{found}; its last words: {self.last}" if self.last else found)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its program and arguments, and what it needs in its environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


def limit_of(hosts: Sequence[str]) -> str:
    """Return the value of ``--limit`` for some hosts.

    Arguments:
        hosts: their names in the inventory.

    Returns:
        The names, with commas.

    Raises:
        AnsibleError: there is none, or one is a pattern that could mean others: a run without a limit hits the cloud.
    """
    if not hosts:
        raise AnsibleError("no host is named, and a run without a limit would reach every host; name at least one")
    wrong = [host for host in hosts if not _HOST.fullmatch(host) or host in _EVERYBODY]
    if wrong:
        raise AnsibleError(
            f"{', '.join(map(repr, wrong))}: no name of one host; expected letters, digits, dots and hyphens, and not a"
            " name that means every host"
        )
    return ",".join(hosts)


def kolla_ansible(
    bin_: Path,
    directory: Path,
    inventory: Path,
    passwords: Path,
    action: str,
    *,
    limit: Sequence[str],
    options: Sequence[str] = (),
    facts: Path | None = None,
) -> Command:
    """Return the command of one kolla-ansible action on some hosts.

    Arguments:
        bin_: the ``bin`` directory of its virtual environment.
        directory: the Kolla configuration directory (``globals.yml``, ``config/``).
        inventory: the inventory.
        passwords: Kolla's ``passwords.yml``.
        action: such as ``deploy``.
        limit: the hosts, at least one.
        options: further words, such as ``--tags nova``.
        facts: a directory to keep facts of hosts in, so that hosts outside the limit need not be asked.

    Returns:
        Program, arguments and environment.

    Raises:
        AnsibleError: the limit is empty or no list of hosts, or a word has characters that the wrapper of kolla-ansible
            18 would split or expand.
    """
    words = [action, "--configdir", str(directory), "--inventory", str(inventory), "--passwords", str(passwords)]
    words += ["--limit", limit_of(limit), *options]
    broken = [word for word in words if shlex.quote(word) != word]
    if broken:
        raise AnsibleError(
            f"{', '.join(map(repr, broken))}: kolla-ansible splits its arguments at spaces and expands them; use paths"
            " and values of letters, digits and the characters . _ / @ % + = : , - only"
        )
    return Command((str(bin_ / "kolla-ansible"), *words), environment_of(bin_, facts))


def environment_of(bin_: Path, facts: Path | None = None) -> dict[str, str]:
    """Return what Ansible of a virtual environment needs to be told.

    Arguments:
        bin_: its ``bin`` directory.
        facts: a directory to keep facts of hosts in, or None.
    """
    found = {"PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": str(bin_.parent)}
    if facts is not None:
        found |= {
            "ANSIBLE_GATHERING": "smart",
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts),
            "ANSIBLE_CACHE_PLUGIN_TIMEOUT": "0",
        }
    return found


def run_ansible(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    timeout: float,
    interrupted: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _line: None,
    keep: Collection[int] = (),
    secrets: Collection[str] = (),
) -> AnsibleRun:
    """Run Ansible once.

    Arguments:
        command: kolla-ansible or ansible-playbook with its arguments; no shell reads them.
        environment: added to our own.
        log: file that its whole output is appended to.
        timeout: seconds until it is ended.
        interrupted: asked while it runs; True ends it.
        say: called with a line for each play, each task that did something, and each failure.
        keep: file descriptors (locks) that are held until the last process of the run has ended, also when we are
            killed meanwhile.
        secrets: what must not stand in the log or in a message.

    Returns:
        How it ended. Nothing is raised for a run that fails: that is a result.

    Raises:
        AnsibleError: it could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    hide = _hider(secrets)
    with tempfile.TemporaryDirectory(prefix="visa-ansible-") as scratch:
        events = _Events(Path(scratch) / "events.jsonl", hide, say)
        process = _start(command, environment, Path(scratch), keep)
        tail = _Tail(process.stdout, log, hide)
        ended = _wait(process, timeout, interrupted, events.read)
        last = tail.finish()
        events.read()
        code = process.returncode
        return AnsibleRun(code, events.verdicts(code, ended), ended, last, events.reports, events.given_up())


def _start(
    command: Sequence[str], environment: Mapping[str, str], scratch: Path, keep: Collection[int]
) -> subprocess.Popen[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key not in _SCRUBBED}
    callbacks = [str(PLUGINS), *filter(None, [inherited.get("ANSIBLE_CALLBACK_PLUGINS")])]
    (scratch / "cp").mkdir(mode=0o700)
    ours = {
        "VISA_ANSIBLE_EVENTS": str(scratch / "events.jsonl"),
        "ANSIBLE_CALLBACK_PLUGINS": os.pathsep.join(callbacks),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),  # a master of our own, which may end with this run
        "ANSIBLE_LOCAL_TEMP": str(scratch),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "LC_ALL": "C.UTF-8",
    }
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        raise AnsibleError(f"{command[0]} could not be started: no such command; see docs/hooks.md")
    try:
        return subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(os.getpid()), str(GRACE), program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**inherited, **ours, **environment},
            start_new_session=True,  # what ends us must not cut off the supervisor, too
            pass_fds=tuple(keep),
        )
    except OSError as error:
        raise AnsibleError(f"the supervisor of {command[0]} could not be started: {error.strerror}") from error


def _wait(
    process: subprocess.Popen[bytes], timeout: float, interrupted: Callable[[], bool], read: Callable[[], None]
) -> str:
    """Wait for the end; return "" or why it was ended."""
    end = time.monotonic() + timeout
    why = ""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            return why
        read()
        if not why and interrupted():
            why = "it was interrupted and ended"
        elif not why and time.monotonic() > end:
            why = f"it did not end within {timeout:g} s and was ended; look at its log"
        else:
            continue
        process.terminate()  # the supervisor ends all that it started, and then itself


class _Tail:
    """Copies a run's output into its log while it runs, and keeps the end of it."""

    def __init__(self, output: IO[bytes] | None, log: Path, hide: Callable[[str], str]) -> None:
        assert output is not None  # noqa: S101 - it is a pipe
        self._last = ""
        self._thread = threading.Thread(target=self._copy, args=(output, log, hide), daemon=True)
        self._thread.start()

    def _copy(self, output: IO[bytes], log: Path, hide: Callable[[str], str]) -> None:
        with log.open("a", encoding="utf-8") as file, output:
            for line in output:
                text = hide(line.decode(errors="replace"))
                file.write(text)
                file.flush()
                printable = "".join(c if c.isprintable() else " " for c in text.strip())
                self._last = f"{self._last} {printable}"[-LAST_WORDS:]

    def finish(self) -> str:
        self._thread.join(GRACE)  # a process of another user could keep the pipe open
        return self._last.strip()


class _Events:
    """Reads the events of a run while it writes them."""

    def __init__(self, path: Path, hide: Callable[[str], str], say: Callable[[str], None]) -> None:
        self._path, self._hide, self._say = path, hide, say
        self._offset = 0
        self._play = self._task = ""
        self._stats: Mapping[str, Mapping[str, int]] | None = None
        self._given_up = False
        self._failed: dict[str, HostResult] = {}
        self.reports: dict[str, Any] = {}

    def read(self) -> None:
        """Read what has been written since, up to the last whole line."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._take(json.loads(line))

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "play":
                self._play = event["name"]
            case "ok":
                self._begin()
                if event["task"] != self._task:
                    self._task = event["task"]
                    self._say(self._task)
                if "report" in event:
                    self.reports[event["host"]] = event["report"]
            case "failed" | "unreachable" as kind:
                self._begin()
                # of a task that another host does for it, that one may be what is unreachable
                elsewhere = f"on {event['delegate']}: " if event["delegate"] else ""
                result = HostResult(
                    ok=False,
                    unreachable=kind == "unreachable" and not elsewhere,
                    task=event["task"],
                    message=self._hide(elsewhere + event["message"]),
                )
                self._failed[event["host"]] = result
                self._say(f"{event['host']}: {kind}: {result}")
            case "given-up":
                self._given_up = True
            case "stats":
                self._stats = event["hosts"]

    def _begin(self) -> None:
        """Say the play once something happens in it: most of Kolla's have no host of ours."""
        if self._play:
            self._say(f"play: {self._play}")
            self._play = self._task = ""

    def verdicts(self, rc: int, ended: str) -> dict[str, HostResult]:
        """Say how it ended for each host."""
        if self._stats is None:  # it never came to its end: only what failed is known
            why = ended or f"Ansible ended with exit code {rc} before its end"
            return {host: replace(result, message=f"{result.message}; {why}") for host, result in self._failed.items()}
        return {host: self._verdict(host, counts) for host, counts in self._stats.items()}

    def _verdict(self, host: str, counts: Mapping[str, int]) -> HostResult:
        if counts["failures"] or counts["unreachable"]:
            return self._failed.get(host, HostResult(ok=False, message="no event says why; see the log"))
        return HostResult(ok=not self._given_up, message=self.given_up())

    def given_up(self) -> str:
        """Say because of whom Ansible gave up on all hosts, or "" if it did not."""
        culprits = "; ".join(f"{host}: {result}" for host, result in self._failed.items())
        return f"Ansible gave up before its tasks were done, because of {culprits}" if self._given_up else ""


def _hider(secrets: Collection[str]) -> Callable[[str], str]:
    """Return what takes secrets out of a text, in their own form and in that of JSON."""
    forms = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1]) if len(form) >= SHORTEST_SECRET}
    if not forms:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub("***", text)
