"""``visa-migration status``: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from migration.errors import CloudUnreachable, Problem, SettingsError
from migration.facts import CloudFacts, Facts
from migration.plan import NodePlan, Phase, Plan, Step
from migration.settings import Membership
from scripts import cli, status

FACTS = Facts(CloudFacts("stein"), CloudFacts("caracal"))
WAITS = NodePlan("cmp01", Membership.CARACAL, "dc1", Phase.DRAINING, "3 instances left", 3, departure=(Step.DISABLE,))
STUCK = NodePlan("cmp02", Membership.STEIN, "dc1", Phase.CONFLICT, "in both", None, attention=True)


def shown(plan: Plan) -> str:
    out = io.StringIO()
    status.show(plan, FACTS, Console(file=out, width=160))
    return out.getvalue()


def test_table_has_every_node_and_the_totals() -> None:
    text = shown(Plan({"cmp01": WAITS, "cmp02": STUCK}, ("cmp03: no such node",)))
    assert [line.split()[:5] for line in text.splitlines()[1:3]] == [
        ["cmp01", "caracal", "draining", "3", "disable"],
        ["cmp02", "stein", "conflict", "?", "-"],
    ]
    assert "needs a person: in both" in text
    assert "2 nodes: 1 draining, 1 conflict, 0 instances on stein, 0 instances on caracal" in text
    assert "refused: cmp03: no such node" in text


@pytest.mark.parametrize("words", ["[maintenance] -- jane", "broken [/fan]", "[bold]x[/bold]", "[/]", "\\[red]"])
def test_what_people_wrote_is_shown_literally(words: str) -> None:
    one = replace(STUCK, message=f"disabled ({words})")
    text = shown(Plan({"cmp02": one}, (f"cmp03: {words}",), (words,)))
    assert f"needs a person: disabled ({words})" in text
    assert f"refused: cmp03: {words}" in text
    assert f"between the clouds, but no longer in the config: {words}" in text


def test_strays_are_shown() -> None:
    text = shown(Plan({"cmp01": WAITS}, strays=("cmp98", "cmp99")))
    assert [line for line in text.splitlines() if "no longer" in line] == [
        "between the clouds, but no longer in the config: cmp98",
        "between the clouds, but no longer in the config: cmp99",
    ]


def test_json_is_for_programs() -> None:
    said = json.loads(status.as_json(Plan({"cmp01": WAITS}, ("refused",), ("cmp98",))))
    assert (said["refusals"], said["strays"]) == (["refused"], ["cmp98"])
    assert said["phases"] == {"draining": 1}
    assert said["nodes"]["cmp01"] == {
        "membership": "caracal",
        "phase": "draining",
        "datacenter": "dc1",
        "instances": 3,
        "steps": ["disable"],
        "message": "3 instances left",
        "needs_a_person": False,
    }


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Plan({"cmp01": WAITS}), 0),
        (Plan({"cmp02": STUCK}), 4),
        (Plan({"cmp01": WAITS}, ("refused",)), 4),
        (Plan({"cmp01": WAITS}, strays=("cmp98",)), 4),
        (SettingsError("Pulumi.caracal.yaml", [Problem("nodes", "wrong")]), 2),
        (CloudUnreachable("stein", "no answer"), 3),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, outcome: Plan | Exception, code: int) -> None:
    def observe(_directory: object) -> tuple[Facts, Plan]:
        if isinstance(outcome, Exception):
            raise outcome
        return FACTS, outcome

    monkeypatch.setattr(status, "observe", observe)
    ended = CliRunner().invoke(cli.main, ["status", "--directory", "."])
    assert ended.exit_code == code
    if isinstance(outcome, Exception):
        assert ended.stdout == ""
        assert str(outcome) in ended.stderr
