"""The images of the new cloud: one resource each, whose steps are shown before they are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components.provider import Provider
from components.summary import Account
from migration.actor import Orders
from migration.images.copy import ImageOrder, acts_of
from migration.images.plan import ImagePlan, ImageStep
from migration.settings import CaracalSettings
from migration.steps import Report, run_steps


class ImageProvider(Provider):
    """Carries out the steps of one image."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps; the report tells how it ended."""
        report = Report()
        if props["steps"]:
            actor = self.actor()
            order = ImageOrder.model_validate(props["order"])
            steps = [ImageStep(step) for step in props["steps"]]
            report = run_steps(actor, actor.orders.new, props["image"], steps, acts_of(order))
        return {**props, "report": asdict(report)}

    def identity(self, props: Mapping[str, Any]) -> str:
        """Return the resource's id."""
        return str(props["image"])

    def diff(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" only where something is done."""
        return DiffResult(changes=self.pending(news))


class Image(Resource, module="images", name="Image"):
    """One image of the new cloud's Glance."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(
        self, plan: ImagePlan, order: ImageOrder | None, orders: Orders, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        inputs = {
            "image": plan.name,
            "steps": [step.value for step in plan.steps],
            "order": order.as_input() if order else {},
        }
        super().__init__(ImageProvider(orders), f"image-{plan.name}", {**inputs, "report": None}, opts)


def declare_images(
    plans: Mapping[str, ImagePlan], settings: CaracalSettings, opts: pulumi.ResourceOptions | None = None
) -> tuple[Sequence[pulumi.Resource], Account]:
    """Declare the images.

    Arguments:
        plans: what has to be done for each; none refuses.
        settings: what is wanted of them.
        opts: Pulumi's options.

    Returns:
        The resources, and what the summary is told of them.
    """
    orders = Orders.of(settings)
    resources = {
        name: Image(plan, ImageOrder.of(settings.images[name], plan), orders, opts) for name, plan in plans.items()
    }
    for name, plan in plans.items():
        line = f"image {name}: {plan.message}" + (f"; now: {', '.join(plan.steps)}" if plan.steps else "")
        if plan.attention:
            pulumi.log.warn(line, resources[name])
        elif plan.steps:
            pulumi.log.info(line, resources[name])
    busy = {name: plan for name, plan in plans.items() if plan.steps}
    return [*resources.values()], Account(
        {f"image {name}": [step.value for step in plan.steps] for name, plan in busy.items()},
        {f"image {name}": resources[name].report.apply(_why) for name in busy},
        [f"image {name}: {plan.message}" for name, plan in plans.items() if plan.attention],
    )


def _why(report: Mapping[str, Any]) -> str:
    return str(report["failed"])
