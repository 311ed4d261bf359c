"""Saved plans: what was reviewed is what may be done, node by node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet import look, make_plan_of, make_settings, make_world

from migration.errors import GuardError
from migration.facts import CloudFacts, Facts
from migration.marks import Record, Stage
from migration.plan import JOIN, LEAVE, NodePlan, Phase, Plan, Step
from migration.reviewed import Reviewed, bind, read_reviewed
from migration.settings import Membership

MOVES = Reviewed((Step.DISABLE, *LEAVE), True, JOIN)
URN = "urn:pulumi:caracal::visa-migration::visa:nodes:Nodes$visa:nodes:Node$pulumi-python:dynamic/nodes:Departure::"


ACCEPTED = Record(Stage.ACCEPTED, "2026-11-23T10:00:00Z")
FACTS = Facts(CloudFacts("stein"), CloudFacts("caracal", ledger={"cmp99": ACCEPTED}))


def node(name: str = "cmp01", phase: Phase = Phase.STEIN, **changes: object) -> NodePlan:
    return NodePlan(name, Membership.CARACAL, "dc1", phase, "why", **changes)  # type: ignore[arg-type]


def bound(
    fresh: list[NodePlan], reviewed: dict[str, Reviewed], moving: int = 9, facts: Facts = FACTS
) -> dict[str, NodePlan]:
    settings = make_settings(
        dict.fromkeys([one.node for one in fresh], "caracal"), budget={"moving": moving, "per_datacenter": 9}
    )
    plan = bind(Plan({one.node: one for one in fresh}, strays=("cmp98",)), reviewed, settings, facts)
    assert plan.strays == ("cmp98",)
    assert list(plan.nodes) == [one.node for one in fresh]
    return dict(plan.nodes)


def steps_after(fresh: NodePlan, reviewed: Reviewed | None) -> tuple[Step, ...]:
    return bound([fresh], {"cmp01": reviewed} if reviewed else {})["cmp01"].steps


@pytest.mark.parametrize(
    ("fresh", "reviewed", "declared"),
    [
        pytest.param(
            node(departure=(Step.DISABLE, *LEAVE), deploys=True, arrival=JOIN),
            MOVES,
            (Step.DISABLE, *LEAVE, Step.HOST_HOOK, *JOIN),
            id="as reviewed",
        ),
        pytest.param(
            node(departure=(Step.DISABLE,)),
            MOVES,
            (Step.DISABLE, *LEAVE, Step.HOST_HOOK, *JOIN),
            id="an instance appeared: the reviewed steps, each of which looks again",
        ),
        pytest.param(
            node(departure=LEAVE, deploys=True, arrival=JOIN), Reviewed(), (), id="progress waits for a review"
        ),
        pytest.param(
            node(departure=(Step.DISABLE,), held=True), MOVES, (Step.DISABLE,), id="over budget: the engine must refuse"
        ),
        pytest.param(
            node(departure=(Step.DISABLE,)), None, (Step.DISABLE,), id="not in the plan: the engine must refuse"
        ),
    ],
)
def test_what_is_declared(fresh: NodePlan, reviewed: Reviewed | None, declared: tuple[Step, ...]) -> None:
    assert steps_after(fresh, reviewed) == declared


def test_overtaken_node_says_so() -> None:
    found = bound([node(departure=(Step.DISABLE,))], {"cmp01": MOVES})["cmp01"]
    assert found.attention
    assert "overtaken since the review, now it would need disable" in found.message


def test_a_node_that_was_not_overtaken_says_nothing() -> None:
    fresh = node(departure=(Step.DISABLE, *LEAVE), deploys=True, arrival=JOIN)
    assert bound([fresh], {"cmp01": MOVES})["cmp01"] == fresh


@pytest.mark.parametrize("phase", list(Phase))
def test_only_a_node_that_has_not_left_gets_what_was_reviewed(phase: Phase) -> None:
    fresh = node(phase=phase, arrival=(Step.ENABLE,))
    found = bound([fresh], {"cmp01": MOVES})["cmp01"]
    if phase in {Phase.STEIN, Phase.DRAINING, Phase.EMPTY}:
        assert found.steps == (Step.DISABLE, *LEAVE, Step.HOST_HOOK, *JOIN)
    else:
        assert found == fresh


def test_what_was_reviewed_for_more_than_the_budget_allows_now_is_held() -> None:
    fresh = [node(name, departure=(Step.DISABLE,)) for name in ("cmp01", "cmp02", "cmp03")]
    reviewed = dict.fromkeys(["cmp01", "cmp02", "cmp03"], MOVES)
    found = bound(fresh, reviewed, moving=2)
    assert [one.held for one in found.values()] == [False, False, True]
    assert found["cmp03"].steps == (Step.DISABLE,)
    assert "budget.moving is 2, cmp01, cmp02 on the way" in found["cmp03"].message
    between = [node("cmp01", Phase.PROBATION, arrival=JOIN, between=True), *fresh[1:]]
    found = bound(between, reviewed, moving=2)
    assert [one.held for one in found.values()] == [False, False, True], "what is on its way counts"


def test_until_the_first_is_accepted_a_reviewed_plan_moves_one_alone_too() -> None:
    fresh = [node(name, departure=(Step.DISABLE,)) for name in ("cmp01", "cmp02")]
    found = bound(fresh, dict.fromkeys(["cmp01", "cmp02"], MOVES), facts=Facts(CloudFacts("stein"), CloudFacts("c")))
    assert [one.held for one in found.values()] == [False, True]


def test_a_plan_that_was_carried_out_already_is_not_handed_over_again() -> None:
    world = make_world("cmp01")
    settings = make_settings({"cmp01": "caracal"})
    reviewed = {"cmp01": MOVES}
    assert make_plan_of(world, settings).nodes["cmp01"].steps == (Step.DISABLE, *LEAVE, Step.HOST_HOOK, *JOIN)
    del world.old.services["cmp01"], world.old.hypervisors["cmp01"]
    world.start("caracal", "cmp01")
    world.by_hand("caracal", "cmp01", enabled=True)
    world.new.group("dc1").hosts.add("cmp01")
    world.record("cmp01", ACCEPTED)
    plan = bind(make_plan_of(world, settings), reviewed, settings, look(world, settings))
    assert plan.nodes["cmp01"].phase is Phase.CARACAL
    assert plan.nodes["cmp01"].steps == ()


def test_saved_plan_is_read(tmp_path: Path) -> None:
    saved = {
        "resourcePlans": {
            f"{URN}departure-cmp01": {"steps": ["update"], "state": {"steps": ["disable", "stop-compute"]}},
            f"{URN}arrival-cmp01": {"steps": ["create"], "state": {"steps": ["wait-up"]}},
            # Nothing to do; the state shows what an earlier run did.
            f"{URN}departure-cmp02": {"steps": ["same"], "state": {"steps": ["disable"]}},
            f"{URN}host-hook": {"steps": ["update"], "state": {"nodes": ["cmp01"]}},
            f"{URN}summary": {"goal": {}},
        }
    }
    (tmp_path / "plan.json").write_text(json.dumps(saved))
    assert read_reviewed(tmp_path / "plan.json") == {
        "cmp01": Reviewed((Step.DISABLE, Step.STOP_COMPUTE), True, (Step.WAIT_UP,)),
        "cmp02": Reviewed(),
    }


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"resourcePlans": {"x::departure-a": {"steps": ["update"], "state": {"steps": ["fly"]}}}}'],
)
def test_anything_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(GuardError, match="cannot be read as a saved plan"):
        read_reviewed(tmp_path / "plan.json")
    with pytest.raises(GuardError, match="cannot be read as a saved plan"):
        read_reviewed(tmp_path / "missing.json")
