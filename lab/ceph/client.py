"""Ceph's own command line tools on a lab's cluster: each call is bounded in time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.errors import CephError, NoAnswer

TIMEOUT = 30  # seconds
GRACE = 10  # seconds that a tool gets on top in order to end by itself
_HINT = "the monitors have no quorum, or too few copies are up; see `python -m lab status`"
TIMED_OUT = ("timed out", "[errno 110]", "(110)", "failed to fetch mon config")


def environment() -> dict[str, str]:
    """Return the environment of Ceph's daemons and tools: nothing of the user's own leaks into them."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": f"{os.defpath}:/usr/sbin:/sbin", "PYTHONWARNINGS": "ignore"}


def ceph(conf: Path, words: Sequence[str], timeout: float = TIMEOUT) -> Any:
    """Run a ``ceph`` command as administrator.

    Arguments:
        conf: the cluster's ceph.conf.
        words: the command, as in ``["osd", "tree"]``.
        timeout: seconds.

    Returns:
        Its output, read as JSON; None if there is none.

    Raises:
        NoAnswer: the monitors have no quorum, or do not answer in time.
        CephError: they refuse, in their own words.
    """
    seconds = str(max(1, round(timeout)))
    bounds = ["--connect-timeout", seconds, f"--rados_mon_op_timeout={seconds}"]
    output = _run(["ceph", "--conf", str(conf), *bounds, "--format", "json"], words, b"", timeout)
    return json.loads(output) if output.strip() else None


def rados(conf: Path, words: Sequence[str], content: bytes = b"", timeout: float = TIMEOUT) -> bytes:
    """Run a ``rados`` command as administrator.

    Arguments:
        conf: the cluster's ceph.conf.
        words: the command, as in ``["-p", "volumes", "put", "name", "-"]``.
        content: what it reads.
        timeout: seconds.

    Returns:
        Its output.

    Raises:
        NoAnswer: monitors or OSDs do not answer in time.
        CephError: they refuse, in their own words.
    """
    seconds = str(max(1, round(timeout)))
    options = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
    bounds = [f"--{option}={seconds}" for option in options]
    return _run(["rados", "--conf", str(conf), *bounds], words, content, timeout)


def _run(tool: list[str], words: Sequence[str], content: bytes, timeout: float) -> bytes:
    what = " ".join([tool[0], *words])
    try:
        done = subprocess.run([*tool, *words], input=content, capture_output=True, env=environment(), check=False,
                              timeout=timeout + GRACE)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"`{what}`: no answer in {timeout + GRACE:.0f} s: {_HINT}") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if any(sign in said for sign in TIMED_OUT):
        raise NoAnswer(f"`{what}`: no answer in {timeout:.0f} s: {_HINT}; {said}")
    raise CephError(f"`{what}` is refused with {done.returncode}: {said}")
