"""Hold a plan against the one that was reviewed, so that one node that moved on does not stop the others.

``pulumi up --plan`` refuses the whole run as soon as one node's steps are no longer those of the saved plan. With the
saved plan named in ``VISA_MIGRATION_PLAN`` the program hands over the reviewed steps instead, for a node that has since
become less ready: every step looks again before it acts, so the node stays, and the others go on. Steps that nobody
reviewed are never taken. See docs/adr/0005-saved-plans.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from migration.errors import GuardError
from migration.facts import Facts
from migration.plan import NodePlan, Phase, Plan, Step, within_budget
from migration.settings import CaracalSettings

VARIABLE = "VISA_MIGRATION_PLAN"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The steps of one node in a saved plan."""

    departure: tuple[Step, ...] = ()
    deploys: bool = False
    arrival: tuple[Step, ...] = ()


def read_reviewed(path: Path) -> dict[str, Reviewed]:
    """Read the steps of every node from a plan that ``pulumi preview --save-plan`` wrote.

    Arguments:
        path: the saved plan.

    Returns:
        The reviewed steps by node.

    Raises:
        GuardError: the file cannot be read as a saved plan.
    """
    try:
        resources = json.loads(path.read_bytes())["resourcePlans"]
        # A resource that stays the same has no steps, though its state still shows those of an earlier run.
        states = {
            urn.rpartition("::")[2]: {} if planned["steps"] == ["same"] else planned["state"]
            for urn, planned in resources.items()
            if "state" in planned
        }
        joining = states.get("host-hook", {}).get("nodes", [])
        nodes = {name.removeprefix("departure-") for name in states if name.startswith("departure-")}
        return {
            node: Reviewed(
                departure=_steps(states, f"departure-{node}"),
                deploys=node in joining,
                arrival=_steps(states, f"arrival-{node}"),
            )
            for node in nodes
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = (
            f"{VARIABLE} names {path}, which cannot be read as a saved plan ({error}); expected what"
            " pulumi preview --save-plan wrote"
        )
        raise GuardError([message]) from error


def _steps(states: Mapping[str, Mapping[str, object]], name: str) -> tuple[Step, ...]:
    steps = states.get(name, {}).get("steps", [])
    if not isinstance(steps, list):
        raise TypeError(f"the steps of {name} are {steps!r}")
    return tuple(Step(step) for step in steps)


def bind(plan: Plan, reviewed: Mapping[str, Reviewed], settings: CaracalSettings, facts: Facts) -> Plan:
    """Hand over the reviewed steps of every node that the world has overtaken.

    Arguments:
        plan: what fresh facts say.
        reviewed: what was reviewed.
        settings: the budget.
        facts: what the plan was made from.

    Returns:
        The plan to declare. Only a node that has not left yet gets its reviewed steps: there every step looks again. A
        node that has gone further, that is in doubt, or that the budget holds keeps its fresh steps; where they differ
        from the reviewed ones the engine refuses the run.
    """
    bound = [_bound(one, reviewed.get(name)) for name, one in plan.nodes.items()]
    return replace(plan, nodes={one.node: one for one in within_budget(settings, facts, bound)})


def _bound(one: NodePlan, review: Reviewed | None) -> NodePlan:
    if review is None or one.held or one.phase not in {Phase.STEIN, Phase.DRAINING, Phase.EMPTY}:
        return one
    if (one.departure, one.deploys, one.arrival) == (review.departure, review.deploys, review.arrival):
        return one
    fresh = ", ".join(one.steps) or "nothing"
    return replace(
        one,
        departure=review.departure,
        deploys=review.deploys,
        arrival=review.arrival,
        message=f"{one.message}; overtaken since the review, now it would need {fresh}: only what was reviewed and is"
        " still true is done",
        attention=True,
    )
