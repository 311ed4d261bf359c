"""The audit log: JSON lines that are on disk before the next step begins."""

from __future__ import annotations

import getpass
import json
import os
import re
import threading
from pathlib import Path

import pytest

from migration import audit
from migration.audit import Entry

ENTRY = Entry(
    "abc1234", "stein", "cmp07", "disable", audit.DONE, "closed — ganz", who="jane", when="2026-11-23T10:00:00Z"
)


def test_one_line_of_json_for_each_entry(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    audit.write(path, ENTRY)
    audit.write(path, ENTRY)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == 2 * [
        {
            "wave": "abc1234",
            "cloud": "stein",
            "node": "cmp07",
            "step": "disable",
            "result": "done",
            "detail": "closed — ganz",
            "who": "jane",
            "when": "2026-11-23T10:00:00Z",
        }
    ]
    assert path.stat().st_mode & 0o007 == 0


def test_a_line_break_in_a_detail_does_not_break_the_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit.write(path, Entry("", "stein", "cmp07", "probe", audit.FAILED, "one\ntwo"))
    assert len(path.read_bytes().splitlines()) == 1


def test_it_is_on_disk_before_anything_else_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    path = tmp_path / "audit.jsonl"
    monkeypatch.setattr(os, "fsync", lambda _handle: synced.append(path.read_bytes()))
    audit.write(path, ENTRY)
    assert synced == [path.read_bytes()]


def test_lines_of_many_threads_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    threads = [threading.Thread(target=lambda: [audit.write(path, ENTRY) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert len(lines) == 80
    assert {json.loads(line)["node"] for line in lines} == {"cmp07"}


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (ENTRY, "cmp07: disable done: closed — ganz\n"),
        (Entry("", "stein", "cmp07", "disable", audit.NOTHING), "cmp07: disable nothing to do\n"),
        (Entry("", "stein", "cmp07", "disable", audit.BEGINS), ""),
    ],
)
def test_the_log_of_the_run_shows_how_a_step_ended(
    entry: Entry, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    audit.write(None, entry)
    assert capsys.readouterr().out == shown


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        audit.write(tmp_path, ENTRY)


@pytest.mark.parametrize(
    ("environment", "who"),
    [
        ({"VISA_OPERATOR": "jane", "GITLAB_USER_LOGIN": "joe"}, "jane"),
        ({"GITLAB_USER_LOGIN": "joe", "GITHUB_ACTOR": "jim"}, "joe"),
        ({"GITHUB_ACTOR": "jim"}, "jim"),
        ({"VISA_OPERATOR": "", "USER": "ann", "LOGNAME": "ann"}, "ann@"),
    ],
)
def test_who_acts(environment: dict[str, str], who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("VISA_OPERATOR", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert audit.operator().startswith(who)


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no such user")])
def test_a_container_without_users_still_has_somebody(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise error

    for variable in ("VISA_OPERATOR", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert audit.operator().startswith(f"{os.getuid()}@")


def test_now_is_utc_in_whole_seconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", audit.now())
