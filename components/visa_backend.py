"""VISA's default backend: what VISA knows and offers of the new cloud, part by part, each waiting for the one before.

::

    cloud ── flavours ── security-groups ── images ── plans ── acceptance ── offer ── switch ── withdrawal ── banner

The steps are inputs, so a preview shows all of them; a part whose forerunner failed takes none. None of these resources
fails: what failed is told to the summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components.provider import Provider
from components.summary import Account
from migration.actor import Orders
from migration.settings import CaracalSettings
from migration.steps import Report
from migration.visa.look import open_hands
from migration.visa.plan import VisaPlan
from migration.visa.run import Work
from migration.visa.steps import Part

INTENT: Mapping[Part, str] = {Part.OFFER: "offer", Part.SWITCH: "default_backend"}
"""What a preview shows of the settings beside the steps, and the part where it does."""


class VisaProvider(Provider):
    """Carries out the steps of one part.

    Arguments:
        orders: what acts are told.
        settings: what is wanted of VISA, and what else a look needs; it travels with the provider as the orders do.
    """

    def __init__(self, orders: Orders, settings: CaracalSettings) -> None:
        super().__init__(orders)
        needed = CaracalSettings(
            clouds=settings.clouds, datacenters=settings.datacenters, nodes=settings.nodes, visa=settings.visa
        )
        self._settings = needed.model_dump_json()

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps, unless the part before did not come to its end; the report tells how it ended."""
        report = Report(stays=props["held"])
        if props["steps"] and not props["held"]:
            settings = CaracalSettings.model_validate_json(self._settings)
            work = Work(self.actor(), open_hands(settings), settings)
            report = work.run(Part(props["part"]), props["steps"])
        return {**props, "report": asdict(report)}

    def identity(self, props: Mapping[str, Any]) -> str:
        """Return the resource's id."""
        return str(props["part"])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" only where something is done, or the intent differs."""
        intent = any(olds.get(key) != news.get(key) for key in INTENT.values())
        return DiffResult(changes=self.pending(news) or intent)


class VisaPart(Resource, module="visa", name="Part"):
    """One part of what VISA has of the new cloud."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        part: Part,
        steps: Sequence[str],
        held: pulumi.Input[str],
        settings: CaracalSettings,
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs: dict[str, Any] = {"part": part.value, "steps": list(steps), "held": held}
        if part in INTENT and settings.visa is not None:
            inputs[INTENT[part]] = getattr(settings.visa, INTENT[part]).value
        provider = VisaProvider(Orders.of(settings), settings)
        super().__init__(provider, f"visa-{part}", {**inputs, "report": None}, opts)


class VisaBackend(pulumi.ComponentResource):
    """What VISA has of the new cloud.

    Arguments:
        plan: the plan of VISA; it has no refusals.
        settings: the stack's settings.
        needs: what must be declared first: project, networks, security groups, flavors, images, the ledger.
        opts: as for every resource.

    Attributes:
        parts: the resources, by part.
        account: what the summary is told.
    """

    def __init__(
        self,
        plan: VisaPlan,
        settings: CaracalSettings,
        needs: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("visa:visa:Backend", "visa", {}, opts)
        self.parts: dict[Part, VisaPart] = {}
        held: pulumi.Input[str] = ""
        steps = {part: [str(step) for step in plan.of(part)] for part in Part}
        for part in Part:
            below = pulumi.ResourceOptions(parent=self, depends_on=list(needs) if steps[part] else [])
            busy = bool(steps[part])
            self.parts[part] = VisaPart(part, steps[part], held if busy else "", settings, below)
            if busy:  # one without steps still has the report of an earlier run
                held = self.parts[part].report.apply(_held)
        doing = [part for part in Part if steps[part]]
        self.account = Account(
            {f"visa {part}": steps[part] for part in doing},
            {f"visa {part}": self.parts[part].report.apply(_failed) for part in doing},
        )
        pulumi.log.info(f"VISA: {plan.backend.why}", self)
        for sentence in (*plan.waits, *plan.warnings):
            pulumi.log.warn(f"VISA: {sentence}", self)
        self.register_outputs({})


def declare_visa(
    plan: VisaPlan,
    settings: CaracalSettings,
    needs: Sequence[pulumi.Resource] = (),
    opts: pulumi.ResourceOptions | None = None,
) -> tuple[Sequence[pulumi.Resource], Account]:
    """Declare what VISA has of the new cloud.

    Arguments:
        plan: the plan of VISA; it has no refusals.
        settings: the stack's settings, with ``visa``.
        needs: what must be declared first.
        opts: Pulumi's options.

    Returns:
        The resources, and what the summary is told of them.
    """
    backend = VisaBackend(plan, settings, needs, opts)
    return [backend], backend.account


def _held(report: Mapping[str, Any]) -> str:
    """Return why the parts after this one take no steps, or ""."""
    return str(report["failed"] or report["stays"])


def _failed(report: Mapping[str, Any]) -> str:
    return str(report["failed"])
