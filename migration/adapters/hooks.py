"""Run a hook: an argv list, never a shell; bounded in time; with a result for each node.

The contract is docs/hooks.md: the hook is told its nodes in its arguments and in ``VISA_HOOK_NODES``, and may write
``{"NODE": {"ok": bool, "message": str}}`` to the file that ``VISA_HOOK_RESULTS`` names.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS = 600
"""Characters of a failed hook's output that its error shows; the whole is in its log."""

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL for a hook that must end."""


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook ended for one node: whether it succeeded, and why not."""

    ok: bool
    message: str = ""


def run_hook(
    argv: Sequence[str],
    nodes: Sequence[str],
    *,
    timeout: float,
    log: Path,
    interrupted: Callable[[], bool] = lambda: False,
    keep: int | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, HookResult]:
    """Run a hook once for all of its nodes.

    Arguments:
        argv: the command; ``{nodes}`` becomes the comma-separated nodes, ``{node}`` the only one.
        nodes: the nodes, at least one.
        timeout: seconds until it is ended.
        log: file that its whole output is appended to.
        interrupted: asked while it runs; True ends it.
        keep: a file descriptor that the hook inherits (the actor's lock), or None.
        say: called with each line of output.

    Returns:
        One result for each node. Nothing is raised for a hook that fails: that is a result.
    """
    joined = ",".join(nodes)
    command = [word.replace("{nodes}", joined).replace("{node}", joined) for word in argv]
    with tempfile.TemporaryDirectory(prefix="visa-hook-") as scratch:
        results = Path(scratch) / "results.json"
        # our own hooks are found also where the engine was started without our virtual environment on PATH
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        environment = dict(os.environ, PATH=path, VISA_HOOK_NODES=joined, VISA_HOOK_RESULTS=str(results))
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # so that its children can be ended with it
                pass_fds=() if keep is None else (keep,),
            )
        except OSError as error:
            found = "" if shutil.which(command[0]) else " (no such command)"
            return _all(nodes, f"{command[0]} could not be started: {error.strerror}{found}; mend hooks in the config")
        tail = _Tail(process, log, say)
        why = _wait(process, timeout, interrupted)
        last = tail.finish()
        if why:
            return _all(nodes, f"{why}; its last words: {last}" if last else why)
        return _results(nodes, process.returncode, results, last)


def _wait(process: subprocess.Popen[bytes], timeout: float, interrupted: Callable[[], bool]) -> str:
    """Wait for the end; return "" or why it was ended."""
    end = time.monotonic() + timeout
    while True:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            if interrupted():
                _end(process)
                return "it was ended because the engine that asked for it is gone"
            if time.monotonic() > end:
                _end(process)
                return (
                    f"it did not end within {timeout:g} s and was ended; look at its log, raise its timeout if it"
                    f" needs more"
                )
        else:
            return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a hook and all that it started: they are its process group."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived their parent
    process.wait()


class _Tail:
    """Copies a hook's output into its log while it runs, and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, say: Callable[[str], None]) -> None:
        self._last = ""
        self._process = process
        self._thread = threading.Thread(target=self._copy, args=(log, say), daemon=True)
        self._thread.start()

    def _copy(self, log: Path, say: Callable[[str], None]) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with log.open("ab") as file, self._process.stdout as output:
            for line in output:
                file.write(line)
                text = line.decode(errors="replace").rstrip()
                printable = "".join(c if c.isprintable() else "?" for c in text[:LAST_WORDS])
                self._last = f"{self._last}\n{printable}"[-LAST_WORDS:]
                say(printable)

    def finish(self) -> str:
        # A grandchild that keeps the pipe open must not keep us.
        self._thread.join(GRACE)
        return self._last.strip()


def _results(nodes: Sequence[str], code: int, path: Path, last: str) -> dict[str, HookResult]:
    """Read what the hook says of each node; without its file the exit code speaks for all."""
    ended = f"ended with exit code {code}" + (f"; its last words: {last}" if last and code else "")
    if not path.exists():
        return dict.fromkeys(nodes, HookResult(code == 0, "" if code == 0 else ended))
    try:
        said = json.loads(path.read_bytes())
        found = {
            node: HookResult(said[node]["ok"] is True, str(said[node].get("message", "")))
            for node in nodes
            if node in said
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return _all(nodes, f"{ended}, but its results are not what docs/hooks.md says; mend the hook")
    missing = HookResult(ok=False, message=f"{ended}, but its results do not name this node")
    return {node: found.get(node, missing) for node in nodes}


def _all(nodes: Sequence[str], why: str) -> dict[str, HookResult]:
    return dict.fromkeys(nodes, HookResult(ok=False, message=why))
