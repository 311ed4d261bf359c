"""Hooks, as real processes: an argv list and no shell, bounded in time, with a result for each node."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from migration.adapters import hooks
from migration.adapters.hooks import HookResult, run_hook

PATIENCE = 60.0
"""Far more than anything here takes; nothing is measured."""


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "GRACE", 0.5)


def run(tmp_path: Path, program: str, nodes: Sequence[str] = ("cmp07",), **changes: Any) -> dict[str, HookResult]:
    """Run a Python program as the hook."""
    argv = [sys.executable, "-c", f"import json, os, sys\n{program}", "{nodes}"]
    return run_hook(argv, nodes, **{"timeout": PATIENCE, "log": tmp_path / "logs" / "hook.log", **changes})


def says(results: str) -> str:
    """Return a program that writes the results file."""
    return f"open(os.environ['VISA_HOOK_RESULTS'], 'w').write({results!r})"


OK = '{"cmp07": {"ok": true}, "cmp08": {"ok": true}}'
BOTH = ("cmp07", "cmp08")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("pass", {"cmp07": "", "cmp08": ""}),
        ("sys.exit(3)", {"cmp07": "ended with exit code 3", "cmp08": "ended with exit code 3"}),
        ("print('task X: no'); sys.exit(1)", {"cmp07": "its last words: task X: no", "cmp08": "task X: no"}),
        ("os.kill(os.getpid(), 9)", {"cmp07": "ended with exit code -9", "cmp08": "-9"}),
        (says(OK), {"cmp07": "", "cmp08": ""}),
        (says(OK) + "; sys.exit(2)", {"cmp07": "", "cmp08": ""}),
        (says('{"cmp07": {"ok": true}}'), {"cmp07": "", "cmp08": "its results do not name this node"}),
        (
            says('{"cmp07": {"ok": false, "message": "task X: why"}, "cmp08": {"ok": true}}'),
            {"cmp07": "why", "cmp08": ""},
        ),
        (says('{"cmp07": {"ok": "true"}, "cmp08": {"ok": 1}}'), {"cmp07": None, "cmp08": None}),
        (says("{}"), {"cmp07": "do not name this node", "cmp08": "do not name this node"}),
        (says(""), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what docs/hooks.md says"}),
        (says('{"cmp07": {"ok": true'), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"}),
        (says("null"), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"}),
        (says('["cmp07"]'), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"}),
        (says('{"cmp07": true, "cmp08": {"ok": true}}'), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"}),
        (says('{"cmp07": {}, "cmp08": {"ok": true}}'), {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"}),
        (
            "open(os.environ['VISA_HOOK_RESULTS'], 'wb').write(b'\\x7fELF\\x00\\xff\\xfe')",
            {"cmp07": "not what docs/hooks.md says", "cmp08": "not what"},
        ),
    ],
)
def test_a_result_for_each_node(tmp_path: Path, program: str, expected: dict[str, str | None]) -> None:
    """ "" stands for success, None for a failure without words."""
    results = run(tmp_path, program, BOTH)
    assert {node: result.ok for node, result in results.items()} == {n: e == "" for n, e in expected.items()}
    for node, words in expected.items():
        assert (words or "") in results[node].message


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-command", "{node}"], "no-such-command could not be started: No such file or directory (no such"),
        (["/", "{node}"], "/ could not be started: Permission denied"),
    ],
)
def test_a_command_that_cannot_be_started(tmp_path: Path, argv: list[str], words: str) -> None:
    result = run_hook(argv, ["cmp07"], timeout=PATIENCE, log=tmp_path / "hook.log")["cmp07"]
    assert not result.ok
    assert words in result.message
    assert "mend hooks in the config" in result.message


def test_nodes_reach_the_command_by_argument_and_environment(tmp_path: Path) -> None:
    lines: list[str] = []
    run(tmp_path, "print(sys.argv[1:], os.environ['VISA_HOOK_NODES'])", BOTH, say=lines.append)
    assert lines == ["['cmp07,cmp08'] cmp07,cmp08"]


@pytest.mark.parametrize(
    "node", ["$(touch pwned)", "a; touch pwned", "`touch pwned`", "a b", "*", "a\nb", "'", "{node}"]
)
def test_no_name_ever_reaches_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    results = run(tmp_path, "print(ascii(sys.argv[1]))", (node,), say=lines.append)
    assert results == {node: HookResult(ok=True)}
    assert lines == [ascii(node)]
    assert not Path("pwned").exists()


def test_output_is_kept_whole_and_shown_printable(tmp_path: Path) -> None:
    lines: list[str] = []
    program = r"sys.stdout.buffer.write(b'one\n\x1b[31mred\x00\xff\nno newline'); sys.exit(1)"
    result = run(tmp_path, program, say=lines.append)["cmp07"]
    assert (tmp_path / "logs" / "hook.log").read_bytes() == b"one\n\x1b[31mred\x00\xff\nno newline"
    assert lines == ["one", "?[31mred?\N{REPLACEMENT CHARACTER}", "no newline"]
    assert result.message.endswith("no newline")
    assert result.message.isprintable() or "\n" in result.message


def test_much_output_does_not_block_and_only_its_end_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "print(('y' * 99 + '\\n') * 20000); sys.exit(1)")
    assert len(result["cmp07"].message) < hooks.LAST_WORDS + 100


def test_standard_input_is_empty(tmp_path: Path) -> None:
    lines: list[str] = []
    run(tmp_path, "print(repr(sys.stdin.read()))", say=lines.append)
    assert lines == ["''"]


HANGS = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()'])
open(PIDS, 'w').write(f'{os.getpid()} {child.pid}')
print('it hangs', flush=True)
signal.pause()
"""


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ended(pids: Path) -> bool:
    """Wait for the end of processes that have been killed."""
    end = time.monotonic() + PATIENCE
    while not all(gone(int(pid)) for pid in pids.read_text().split()):
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True


def test_a_hook_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    lines: list[str] = []
    program = HANGS.replace("PIDS", repr(str(pids)))
    result = run(tmp_path, program, say=lines.append, interrupted=lambda: bool(lines))["cmp07"]
    assert not result.ok
    assert "it was ended because the engine that asked for it is gone" in result.message
    assert result.message.endswith("its last words: it hangs")
    assert ended(pids)


def test_what_a_hook_started_may_end_well(tmp_path: Path) -> None:
    told = tmp_path / "told"
    child = f"""
import signal
def end(*_): open({str(told)!r}, 'w').write('told to end'); raise SystemExit
signal.signal(signal.SIGTERM, end)
print('ready', flush=True)
signal.pause()
"""
    program = f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])"
    ignores = "import signal; signal.signal(signal.SIGTERM, lambda *_: None)\n"
    lines: list[str] = []
    result = run(tmp_path, ignores + program, say=lines.append, interrupted=lambda: bool(lines))["cmp07"]
    assert not result.ok
    assert told.read_text() == "told to end"


def test_a_hook_that_takes_too_long_is_ended_even_if_it_said_that_all_is_well(tmp_path: Path) -> None:
    program = says(OK) + "\nimport signal; signal.pause()"
    result = run(tmp_path, program, timeout=0.5)["cmp07"]
    assert result.ok is False
    assert "it did not end within 0.5 s and was ended" in result.message


def test_a_hook_may_leave_something_running_that_holds_its_output(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = f"""
import subprocess
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)
open({str(pids)!r}, 'w').write(str(child.pid))
"""
    try:
        assert run(tmp_path, program)["cmp07"].ok
    finally:
        psutil.Process(int(pids.read_text())).kill()
    assert ended(pids)


def test_a_hook_inherits_the_descriptor_that_it_must_keep_and_no_other(tmp_path: Path) -> None:
    keep, other = os.open(tmp_path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    lines: list[str] = []
    try:
        program = f"print([os.path.exists(f'/proc/self/fd/{{n}}') for n in ({keep}, {other})])"
        run(tmp_path, program, keep=keep, say=lines.append)
    finally:
        os.close(keep)
        os.close(other)
    assert lines == ["[True, False]"]
