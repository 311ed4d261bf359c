"""How an ``up`` ended: what failed is raised once, at the end, after everything else went as far as it could."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi.dynamic import Resource

from components.providers import SummaryProvider
from migration.actor import Orders


@dataclass(frozen=True)
class Account:
    """What one part of the stack tells the summary.

    Attributes:
        steps: what is done in this run, by subject (a node, a controller, a pool).
        failed: why it failed, or "", by the same subjects.
        alarms: what a person must see although nothing is done about it now; with any of them, ``up`` fails.
    """

    steps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    failed: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    alarms: Sequence[str] = ()


class Summary(Resource, module="migration", name="Summary"):
    """How everything ended; it fails if anything failed.

    Arguments:
        accounts: what each part tells.
        orders: what the steps are told.
        opts: Pulumi's options.
    """

    def __init__(self, accounts: Sequence[Account], orders: Orders, opts: pulumi.ResourceOptions | None = None) -> None:
        inputs = {
            "steps": {subject: list(steps) for account in accounts for subject, steps in account.steps.items()},
            "failed": {subject: why for account in accounts for subject, why in account.failed.items()},
            "alarms": [alarm for account in accounts for alarm in account.alarms],
        }
        super().__init__(SummaryProvider(orders), "summary", inputs, opts)
