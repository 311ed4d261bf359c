"""The roll of the controllers: one resource, whose steps say who changes, in which order, and why."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.provider import Provider
from components.summary import Account
from migration.actor import Orders
from migration.adapters.rest import connect
from migration.errors import EngineGone
from migration.guardian import lock_path
from migration.kolla.roll import RollPlan, told
from migration.kolla.roll_orders import RollOrders, Wanted, roll_of
from migration.kolla.rolling import Report
from migration.settings import CaracalSettings
from toolchain.kolla import ensure_kolla

CONTROLLERS = "controllers"


class RollProvider(Provider):
    """Rolls the controllers; it reports a failure, so that what does not need them goes on.

    Arguments:
        orders: what every act is told.
        roll: what the roll is told beside.
    """

    def __init__(self, orders: Orders, roll: RollOrders) -> None:
        super().__init__(orders)
        self._roll = roll.model_dump_json()

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Change each controller in its turn; the report says how it ended."""
        return {**props, "report": asdict(self._act(props))}

    def _act(self, props: Mapping[str, Any]) -> Report:
        if not props["steps"]:
            return Report()
        if props["held"]:
            return Report(failed=f"controllers: not rolled, because not every file could be written: {props['held']}")
        try:
            orders = RollOrders.model_validate_json(self._roll)
            return roll_of(self.actor(), orders, lambda: _bin(orders), _facts(orders)).run(
                props["order"], props["wanted"]
            )
        except EngineGone:
            raise
        except Exception as error:  # noqa: BLE001 - a failed resource would keep every node from going on
            traceback.print_exc()
            return Report(failed=f"controllers: not rolled: {type(error).__name__}: {error}")

    def identity(self, _props: Mapping[str, Any]) -> str:
        """Return the one id: there is one roll."""
        return CONTROLLERS


class Roll(Resource, module="controllers", name="Roll"):
    """The roll of all controllers that must change.

    Attributes:
        report: how it ended: ``done``, the controllers in order, and ``failed``, a sentence or "".
    """

    report: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        plan: RollPlan,
        wanted: Wanted,
        held: pulumi.Input[str],
        provider: RollProvider,
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            "steps": list(plan.steps),
            "order": list(plan.controllers if plan.steps else ()),
            "wanted": {name: dict(parts) for name, parts in wanted.items()},
            "held": held,
        }
        super().__init__(provider, CONTROLLERS, {**inputs, "report": None}, opts)


def declare_roll(
    plan: RollPlan,
    wanted: Wanted,
    settings: CaracalSettings,
    files: Mapping[str, pulumi.Output[str]],
    opts: pulumi.ResourceOptions | None = None,
) -> tuple[Roll, Account]:
    """Declare the roll, and say in preview and up what it does, or what is to be done by hand.

    Arguments:
        plan: who must change.
        wanted: the digest of each part that a controller has then.
        settings: the stack's settings; ``kolla`` is set.
        files: why a file of Kolla's could not be written, or "", by its path; keyrings, too. Nothing rolls before all
            are written.
        opts: as for every resource.

    Returns:
        The roll, for what has to wait for it, and its account.
    """
    orders = RollOrders.of(settings)
    held = pulumi.Output.all(*files.values()).apply(_joined) if plan.steps and files else ""
    provider = RollProvider(Orders.of(settings), orders)
    roll = Roll(plan, wanted, held, provider, opts or pulumi.ResourceOptions())
    for line in told(plan, orders.commands):
        (pulumi.log.warn if plan.by_hand else pulumi.log.info)(line, roll)
    failed = roll.report.apply(lambda report: str(report["failed"]) if report else "")
    return roll, Account({CONTROLLERS: plan.steps}, {CONTROLLERS: failed}) if plan.steps else Account()


def _facts(orders: RollOrders) -> Path:
    """Return where the last facts of each host are kept: beside the locks of this cloud's acts."""
    return lock_path("hook", connect(orders.cloud).config.config["auth"]["auth_url"]).with_suffix(".facts")


def _bin(orders: RollOrders) -> Path:
    """Return where kolla-ansible is; the first time, it is installed."""
    return ensure_kolla(Path(orders.tools) if orders.tools else None, print).bin


def _joined(failures: Sequence[str]) -> str:
    """Return which files could not be written, or ""."""
    return "; ".join(failure for failure in failures if failure)
