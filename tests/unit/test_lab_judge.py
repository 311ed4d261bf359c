"""The watcher's judging: a watcher that cannot fail is worth nothing, so every kind of violation is shown to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.judge import STOPPED, CloudLook, Kind, Look, Memory, Server, judge
from lab.watcher import BLIND, Tally, ended

USER = Server("visa-1", "ACTIVE", "cmp01")
PROBE = Server("visa-probe-cmp01", "ACTIVE", "cmp01", probe=True)


def look(old: CloudLook | None = None, new: CloudLook | None = None) -> Look:
    return {"stein": old or CloudLook(), "caracal": new or CloudLook()}


def with_servers(*servers: Server, probation: frozenset[str] = frozenset()) -> CloudLook:
    return CloudLook(servers={server.name: server for server in servers}, probation=probation)


def kinds(*looks: Look, ended: frozenset[str] = frozenset()) -> list[Kind]:
    """Return what is told about the last of these looks."""
    memory, told = Memory(), []
    for each in looks:
        memory, told = judge(memory, each, ended)
    return [violation.kind for violation in told]


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (({"cmp01": True}, {}), []),
        (({"cmp01": True}, {"cmp02": True}), []),
        (({"cmp01": False}, {"cmp01": False}), [Kind.REGISTERED_TWICE]),
        (({"cmp01": False}, {"cmp01": True}), [Kind.REGISTERED_TWICE]),
        (({"cmp01": True}, {"cmp01": True}), [Kind.ENABLED_TWICE, Kind.REGISTERED_TWICE]),
    ],
)
def test_node_in_two_clouds(services: tuple[dict[str, bool], dict[str, bool]], expected: list[Kind]) -> None:
    assert kinds(look(CloudLook(services[0]), CloudLook(services[1]))) == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (with_servers(USER), []),
        (with_servers(), [Kind.GONE]),
        *((with_servers(Server("visa-1", status, "cmp01")), [Kind.STOPPED]) for status in sorted(STOPPED)),
        (with_servers(Server("visa-1", "ACTIVE", "cmp02")), [Kind.MOVED]),
        (with_servers(Server("visa-1", "ACTIVE", "")), [Kind.MOVED]),
        (with_servers(Server("visa-1", "REBOOT", "cmp01")), []),
    ],
)
def test_server_that_was_alive(later: CloudLook, expected: list[Kind]) -> None:
    alive = with_servers(USER)
    assert kinds(look(alive), look(later)) == expected
    assert kinds(look(new=alive), look(new=later)) == expected
    assert kinds(look(alive), look(later), ended=frozenset({"visa-1"})) == []


def test_server_that_reappears_in_the_other_cloud_is_gone() -> None:
    assert kinds(look(with_servers(USER)), look(new=with_servers(USER))) == [Kind.GONE]


def test_harm_that_comes_late_is_seen() -> None:
    alive, moved, gone = with_servers(USER), with_servers(Server("visa-1", "ACTIVE", "cmp09")), with_servers()
    assert kinds(look(alive), look(alive), look(alive), look(gone)) == [Kind.GONE]
    assert kinds(look(alive), look(with_servers(Server("visa-1", "REBOOT", "cmp01"))), look(gone)) == [Kind.GONE]
    assert kinds(look(alive), look(moved), look(gone)) == [Kind.GONE]


def test_each_violation_is_told_once() -> None:
    assert kinds(look(with_servers(USER)), look(), look()) == []
    both = look(CloudLook({"cmp01": False}), CloudLook({"cmp01": False}))
    assert kinds(both, both) == []


def test_server_that_never_lived_is_nobodys_loss() -> None:
    building = with_servers(Server("visa-1", "BUILD", ""))
    assert kinds(look(building), look(with_servers(Server("visa-1", "BUILD", "cmp01"))), look()) == []
    assert kinds(look(building), look(with_servers(Server("visa-1", "ERROR", "")))) == []


@pytest.mark.parametrize(
    ("server", "closed", "expected"),
    [
        (USER, frozenset({"cmp01"}), [Kind.PROBATION]),
        (Server("visa-1", "BUILD", "cmp01"), frozenset({"cmp01"}), [Kind.PROBATION]),
        (USER, frozenset({"cmp02"}), []),
        (PROBE, frozenset({"cmp01"}), []),
    ],
)
def test_server_on_a_node_in_probation(server: Server, closed: frozenset[str], expected: list[Kind]) -> None:
    assert kinds(look(new=with_servers(server, probation=closed))) == expected


def test_probe_may_come_and_go() -> None:
    assert kinds(look(new=with_servers(PROBE)), look()) == []


@pytest.mark.parametrize(
    ("tally", "clean"),
    [
        (Tally(polls=10), True),
        (Tally(polls=10, gaps=2, longest_gap=BLIND), True),
        (Tally(), False),
        (Tally(gaps=3), False),
        (Tally(polls=10, longest_gap=BLIND + 1), False),
        (Tally(polls=10, violations=1), False),
    ],
)
def test_verdict(tally: Tally, clean: bool) -> None:
    assert tally.clean is clean


def test_owners_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "owners.jsonl"
    assert list(ended(log)) == []
    lines = [{"event": "begin"}, {"event": "end", "server": "a"}, {"event": "start", "server": "b"}]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"event": "end", "ser')
    assert list(ended(log)) == ["a"]
