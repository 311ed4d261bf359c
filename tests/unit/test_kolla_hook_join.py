"""The host hook's own decisions, with every run of Ansible played: who goes on, and what the others are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.ansible import AnsibleRun, HostResult
from migration.errors import AnsibleError, CloudUnreachable
from migration.kolla import hook
from migration.kolla.before import Known

INVENTORY = "[control]\nctl1\nctl2\n[compute]\ncmp01\ncmp02\ncmp03\n"
GROUPS = {"control": {"hosts": ["ctl1", "ctl2"]}, "compute": {"hosts": ["cmp01", "cmp02", "cmp03"]}}
OK = HostResult(ok=True)
WELL = {"asked": 1.0, "time": 1.0, "answered": 1.0, "compute_ids": [], "domains": [], "emulators": 0}


@dataclass
class Played:
    """Plays every run, and notes what was run for whom."""

    bad: dict[str, dict[str, HostResult]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    collection: bool = False
    ran: list[tuple[str, str]] = field(default_factory=list)
    inventories: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str], **_: Any) -> AnsibleRun:
        program = Path(command[0]).name
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text('"openstack.kolla": {}' if self.collection else "unable to find openstack.kolla")
        if program == "ansible-inventory":
            Path(command[command.index("--output") + 1]).write_text(json.dumps(GROUPS))
            return AnsibleRun(0, {})
        if program == "ansible-galaxy":
            return AnsibleRun(0, {})
        action = command[1] if program == "kolla-ansible" else "before"
        hosts = command[command.index("--limit") + 1].split(",")
        self.ran.append((action, ",".join(hosts)))
        self.inventories.append(Path(command[command.index("--inventory") + 1]).read_text())
        facts = Path(environment["ANSIBLE_CACHE_PLUGIN_CONNECTION"])
        found = {host: self.bad.get(action, {}).get(host, OK) for host in hosts}
        if action == "gather-facts":
            facts.mkdir(parents=True, exist_ok=True)
            for host in hosts:
                if found[host].ok:
                    (facts / host).write_text("{}")
        if action in self.ended:
            return AnsibleRun(143, {}, self.ended[action])
        reports = {host: {**WELL, "name": host, **self.reports.get(host, {})} for host in hosts}
        return AnsibleRun(0, found, reports=reports)


@dataclass
class Case:
    played: Played
    directory: Path
    lines: list[str] = field(default_factory=list)

    def join(self, *nodes: str, known: Callable[[], Known] = lambda: Known("caracal")) -> dict[str, HostResult]:
        kolla, here = self.directory / "kolla", self.directory
        inventory, passwords = kolla / "inventory" / "multinode", here / "passwords.yml"
        site = hook.Site(Path("/opt/kolla/bin"), kolla, inventory, passwords, here / "facts", here / "logs")
        return hook.join(hook.Wave(site, nodes, 60.0, say=self.lines.append), known)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    played = Played()
    monkeypatch.setattr(hook, "run_ansible", played.run)
    (tmp_path / "kolla" / "inventory").mkdir(parents=True)
    (tmp_path / "kolla" / "inventory" / "multinode").write_text(INVENTORY)
    return Case(played, tmp_path)


EVERYBODY = "cmp01,cmp02,cmp03,ctl1,ctl2"
DEAD = HostResult(ok=False, unreachable=True, task="Gather facts", message="no route to host")
FAILED = HostResult(ok=False, task="Pull images", message="the registry says no")


def test_the_official_order_for_all_nodes_at_once(case: Case) -> None:
    assert case.join("cmp01", "cmp02") == {"cmp01": OK, "cmp02": OK}
    both = "cmp01,cmp02"
    assert case.played.ran == [
        ("gather-facts", EVERYBODY), ("before", both), ("prechecks", both), ("pull", both), ("deploy", both),
    ]  # fmt: skip
    assert any("bootstrap-servers is left out" in line for line in case.lines)


def test_bootstrap_servers_where_its_collection_is(case: Case) -> None:
    case.played.collection = True
    case.join("cmp01")
    assert [action for action, _ in case.played.ran][2:] == ["bootstrap-servers", "prechecks", "pull", "deploy"]


def test_one_that_fails_goes_no_further_and_the_others_arrive(case: Case) -> None:
    case.played.bad = {"pull": {"cmp02": FAILED}}
    results = case.join("cmp01", "cmp02")
    assert results["cmp01"] == OK
    assert str(results["cmp02"]) == "pull: task Pull images: the registry says no"
    assert case.played.ran[-1] == ("deploy", "cmp01")


def test_a_node_that_cannot_be_reached_is_told_apart(case: Case) -> None:
    case.played.bad = {"gather-facts": {"cmp02": DEAD}}
    results = case.join("cmp01", "cmp02")
    assert str(results["cmp02"]) == "gather-facts: unreachable: task Gather facts: no route to host"
    assert results["cmp02"].unreachable
    assert case.played.ran[-1] == ("deploy", "cmp01")
    assert "cmp02" not in case.played.inventories[-1]


def test_when_all_have_failed_nothing_more_is_run(case: Case) -> None:
    case.played.bad = {"prechecks": {"cmp01": FAILED}}
    assert not case.join("cmp01")["cmp01"].ok
    assert case.played.ran[-1] == ("prechecks", "cmp01")


def test_a_dead_compute_host_that_nobody_knows_is_left_out(case: Case) -> None:
    case.played.bad = {"gather-facts": {"cmp03": DEAD}}
    assert case.join("cmp01") == {"cmp01": OK}
    assert case.played.inventories[-1] == INVENTORY.replace("cmp03\n", "")
    assert any("cmp03 cannot be reached and was never seen" in line for line in case.lines)


def test_the_last_facts_of_a_dead_host_are_used(case: Case) -> None:
    case.join("cmp02")
    case.played.bad = {"gather-facts": {"cmp03": DEAD, "ctl2": DEAD}}
    assert case.join("cmp01") == {"cmp01": OK}
    assert case.played.inventories[-1] == INVENTORY
    assert "ctl2 cannot be reached; its last known facts are used" in case.lines


def test_a_dead_controller_that_nobody_knows_stops_all(case: Case) -> None:
    """Without it a node would be told of two controllers only."""
    case.played.bad = {"gather-facts": {"ctl2": DEAD}}
    results = case.join("cmp01", "cmp02")
    assert all("ctl2 cannot be reached" in result.message for result in results.values())
    assert case.played.ran == [("gather-facts", EVERYBODY)]


def test_a_node_that_must_not_be_deployed_as_it_is(case: Case) -> None:
    case.played.reports = {"cmp02": {"name": "other"}}
    results = case.join("cmp01", "cmp02")
    assert "before: it calls itself 'other'" in results["cmp02"].message
    assert case.played.ran[-1] == ("deploy", "cmp01")


def test_a_report_that_is_none_is_no_good_report(case: Case) -> None:
    case.played.reports = {"cmp02": {"emulators": "many"}}
    assert "could not be read" in case.join("cmp01", "cmp02")["cmp02"].message


@pytest.mark.parametrize("action", ["gather-facts", "before", "prechecks", "deploy"])
def test_what_was_cut_off_has_not_arrived(case: Case, action: str) -> None:
    why = "it was interrupted and ended"
    case.played.ended = {action: why}
    results = case.join("cmp01", "cmp02")
    assert {str(result) for result in results.values()} == {f"{action}: {why}"}
    assert case.played.ran[-1][0] == action


def test_who_is_not_in_the_inventory_is_refused_before_anything_runs(case: Case) -> None:
    with pytest.raises(AnsibleError, match="cmp09: not in the inventory"):
        case.join("cmp01", "cmp09")
    assert case.played.ran == []


def test_a_cloud_that_cannot_be_asked_stops_all_before_anything_runs(case: Case) -> None:
    def unreachable() -> Known:
        raise CloudUnreachable("caracal", "no answer")

    with pytest.raises(CloudUnreachable):
        case.join("cmp01", known=unreachable)
    assert case.played.ran == []


def test_what_the_caller_reads() -> None:
    results = {"a": OK, "b": FAILED, **hook.all_failed(["c"], AnsibleError("no"))}
    assert json.loads(hook.as_results(results)) == {
        "a": {"ok": True, "message": ""},
        "b": {"ok": False, "message": "task Pull images: the registry says no"},
        "c": {"ok": False, "message": "no"},
    }
