"""Run the commands that build things."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolchainError

_PR_SET_PDEATHSIG = 1
_LAST_LINES = 15


def run(what: str, command: list[str], cwd: Path, mend: str, variables: Mapping[str, str] | None = None) -> str:
    """Run a command to its end.

    Arguments:
        what: what it does, for the error's sentence ("build the Pulumi engine").
        command: program and arguments.
        cwd: where it runs.
        mend: what a person can do when it fails.
        variables: its environment in addition to ours.

    Returns:
        What it wrote.

    Raises:
        ToolchainError: it could not be started or failed.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    except OSError as error:
        raise ToolchainError(f"cannot {what}: {command[0]} cannot be started: {error}. {mend}") from error
    if done.returncode != 0:
        last = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_LAST_LINES:])
        raise ToolchainError(
            f"cannot {what}: `{' '.join(command)}` ended with exit code {done.returncode}:\n{last}\n{mend}"
        )
    return done.stdout


def _die_with_parent() -> None:
    """Let the kernel end a build whose starter was killed: it would go on for minutes for nobody."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
