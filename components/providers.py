"""Dynamic providers of the membership: what runs in Pulumi's provider process.

They live in an importable module of their own because Pulumi stores them by reference. Each takes the steps as an
input, carries them out, and reports; none of them fails, because one node that fails must not stop the others: what
failed is raised once, at the end, by the summary.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from components.provider import Provider
from migration import join, leave
from migration.adapters.hooks import HookResult
from migration.errors import EngineGone
from migration.plan import Step
from migration.steps import Report, run_steps


class DepartureProvider(Provider):
    """Carries out the steps on the old cloud."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps of one node; the report tells how it ended."""
        report = Report()
        if props["steps"]:
            actor = self.actor()
            steps = [Step(step) for step in props["steps"]]
            report = run_steps(actor, str(actor.orders.old), props["node"], steps, leave.ACTS)
        return {**props, "report": asdict(report)}


class HostHookProvider(Provider):
    """Runs the host hook once for all nodes that left."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the hook for the nodes whose departure is complete."""
        held: Mapping[str, str] = props["held"]
        left = [node for node in props["nodes"] if not held[node]]
        # Every node has a result: an arrival whose input went missing would no longer fit a saved plan.
        results = {node: HookResult(ok=False, message=held[node]) for node in props["nodes"]}
        if left:
            actor = self.actor()
            try:
                results |= join.host_hook(actor, left)
            except EngineGone:
                raise
            except Exception as error:  # noqa: BLE001 - a failed hook resource would keep all arrivals from running
                traceback.print_exc()
                results |= dict.fromkeys(left, HookResult(ok=False, message=f"{type(error).__name__}: {error}"))
        return {**props, "results": {node: asdict(result) for node, result in results.items()}}

    def identity(self, _props: Mapping[str, Any]) -> str:
        """Return the one id: there is one hook."""
        return "host-hook"

    def pending(self, props: Mapping[str, Any]) -> bool:
        """Return whether any node joins."""
        return bool(props["nodes"])


class ArrivalProvider(Provider):
    """Carries out the steps on the new cloud."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps of one node, if it left and the host hook succeeded for it."""
        return {**props, "report": asdict(self._arrive(props))}

    def _arrive(self, props: Mapping[str, Any]) -> Report:
        if not props["steps"] or props["held"]:
            return Report(stays=props["held"])
        deployed = props.get("deployed")  # the engine leaves out an input that is None
        if deployed is not None and not deployed["ok"]:
            return Report(failed=f"{props['node']}: {Step.HOST_HOOK}: {deployed['message']}")
        actor = self.actor()
        steps = [Step(step) for step in props["steps"]]
        return run_steps(actor, actor.orders.new, props["node"], steps, join.acts_in(props["datacenter"]))


class SummaryProvider(Provider):
    """Says at the end how it ended, and fails if any node failed."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Raise what failed, all of it at once."""
        failures = [*props["alarms"], *(failed for _, failed in sorted(props["failed"].items()) if failed)]
        if failures:
            counted = f"{len(failures)} failed; everything else went on"
            raise RuntimeError("\n".join([f"{counted}. Mend what is said here, then run pulumi up again:", *failures]))
        return dict(props)

    def identity(self, _props: Mapping[str, Any]) -> str:
        """Return the one id: there is one summary."""
        return "summary"

    def pending(self, props: Mapping[str, Any]) -> bool:
        """Return whether anything is done, or somebody must be woken."""
        return bool(props["steps"] or props["alarms"])
