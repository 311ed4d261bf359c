"""Saved plans: what was reviewed is what may be done, node by node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migration.errors import GuardError
from migration.plan import JOIN, LEAVE, NodePlan, Phase, Plan, Step
from migration.reviewed import Reviewed, bind, read_reviewed
from migration.settings import Membership

MOVES = Reviewed((Step.DISABLE, *LEAVE), True, JOIN)
URN = "urn:pulumi:caracal::visa-migration::visa:nodes:Nodes$visa:nodes:Node$pulumi-python:dynamic/nodes:Departure::"


def node(**changes: object) -> NodePlan:
    return NodePlan("cmp01", Membership.CARACAL, "dc1", Phase.STEIN, "why", **changes)  # type: ignore[arg-type]


def steps_after(fresh: NodePlan, reviewed: Reviewed | None) -> tuple[Step, ...]:
    plan = Plan({"cmp01": fresh})
    return bind(plan, {"cmp01": reviewed} if reviewed else {}).nodes["cmp01"].steps


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
    plan = bind(Plan({"cmp01": node(departure=(Step.DISABLE,))}), {"cmp01": MOVES})
    assert plan.nodes["cmp01"].attention
    assert "overtaken since the review, now it would need disable" in plan.nodes["cmp01"].message


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
