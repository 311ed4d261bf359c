"""Membership: for each node a departure and an arrival, between them one host hook for all.

::

    departure[n] ──┐                 ┌── arrival[n]
    departure[m] ──┴── host hook ────┴── arrival[m] ── summary

The steps are inputs, so a preview shows all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.providers import ArrivalProvider, DepartureProvider, HostHookProvider
from components.summary import Account
from migration.actor import Orders
from migration.plan import NodePlan, Plan, Step
from migration.settings import CaracalSettings


class Departure(Resource, module="nodes", name="Departure"):
    """The steps of one node out of the old cloud."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(self, plan: NodePlan, orders: Orders, opts: pulumi.ResourceOptions) -> None:
        inputs = {"node": plan.node, "membership": plan.membership.value, "steps": _words(plan.departure)}
        super().__init__(DepartureProvider(orders), f"departure-{plan.node}", {**inputs, "report": None}, opts)


class HostHook(Resource, module="nodes", name="HostHook"):
    """One run of the host hook for all nodes that join in this ``up``."""

    results: pulumi.Output[dict[str, Any]]

    def __init__(self, held: Mapping[str, pulumi.Output[str]], orders: Orders, opts: pulumi.ResourceOptions) -> None:
        inputs = {"nodes": list(held), "held": dict(held)}
        super().__init__(HostHookProvider(orders), "host-hook", {**inputs, "results": None}, opts)


class Arrival(Resource, module="nodes", name="Arrival"):
    """The steps of one node into the new cloud."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        plan: NodePlan,
        held: pulumi.Output[str] | str,
        hook: HostHook,
        orders: Orders,
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            "node": plan.node,
            "membership": plan.membership.value,
            "datacenter": plan.datacenter,
            "steps": _words(plan.arrival),
            "held": held,
            "deployed": hook.results.apply(lambda results: results.get(plan.node)) if plan.deploys else None,
        }
        super().__init__(ArrivalProvider(orders), f"arrival-{plan.node}", {**inputs, "report": None}, opts)


class Node(pulumi.ComponentResource):
    """One node: what the preview shows of it as a whole."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("visa:nodes:Node", name, {}, opts)
        self.register_outputs({})


class Nodes(pulumi.ComponentResource):
    """The membership of every node.

    Arguments:
        plan: the plan of all nodes; it has no refusals.
        settings: the stack's settings.
        needs: what must be declared before a node may join: zones, probation, networks.
        opts: as for every resource.
    """

    def __init__(
        self,
        plan: Plan,
        settings: CaracalSettings,
        needs: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("visa:nodes:Nodes", "nodes", {}, opts)
        orders = Orders.of(settings)
        nodes = {name: Node(name, pulumi.ResourceOptions(parent=self)) for name in plan.nodes}
        # Only what acts has to wait; the names of all that it waits for are written into the state of each resource.
        below = {
            name: pulumi.ResourceOptions(parent=nodes[name], depends_on=list(needs) if one.steps else [])
            for name, one in plan.nodes.items()
        }
        departures = {name: Departure(one, orders, below[name]) for name, one in plan.nodes.items()}
        held = {
            name: departures[name].report.apply(lambda report: report["failed"] or report["stays"])
            for name, one in plan.nodes.items()
            if one.departure and one.arrival
        }
        joining = {
            name: held.get(name, pulumi.Output.from_input("")) for name, one in plan.nodes.items() if one.deploys
        }
        hook = HostHook(joining, orders, pulumi.ResourceOptions(parent=self, depends_on=list(needs)))
        arrivals = {
            name: Arrival(one, held.get(name, ""), hook, orders, below[name]) for name, one in plan.nodes.items()
        }
        busy = {name: one for name, one in plan.nodes.items() if one.steps}
        self.account = Account(
            {name: _words(one.steps) for name, one in busy.items()},
            {
                # A resource without steps still has the report of an earlier run.
                name: pulumi.Output.all(
                    *([departures[name].report] if one.departure else []),
                    *([arrivals[name].report] if one.arrival else []),
                ).apply(_failed)
                for name, one in busy.items()
            },
            # Between the clouds and stuck: an `up` that ends well would hide it for ever.
            [f"{one.node}: {one.message}" for one in plan.nodes.values() if one.between and one.attention],
        )
        for name, one in plan.nodes.items():
            _tell(one, nodes[name])
        for stray in plan.strays:
            pulumi.log.warn(
                f"{stray}: between the clouds, but no longer in the config; put it back until it has arrived"
            )
        self.register_outputs({})


def _tell(one: NodePlan, resource: pulumi.Resource) -> None:
    """Show in preview and up why a node that is not settled is where it is."""
    line = f"{one.node}: phase {one.phase}, membership {one.membership}: {one.message}"
    if one.steps:
        line += f"; now: {', '.join(one.steps)}"
    if one.attention:
        pulumi.log.warn(line, resource)
    elif not one.settled:
        pulumi.log.info(line, resource)


def _failed(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return what failed of a node's departure and arrival, or ""."""
    return next((str(report["failed"]) for report in reports if report["failed"]), "")


def _words(steps: Sequence[Step]) -> list[str]:
    return [step.value for step in steps]
