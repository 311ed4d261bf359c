"""``visa-migration status``: where every node is, and what it waits for, from one look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from migration.errors import CloudUnreachable, Problem, SettingsError
from migration.facts import Facts
from migration.plan import Phase, Plan
from migration.settings import CaracalSettings, load
from migration.whole import look_at_nodes

STYLES: Mapping[Phase, str] = {
    Phase.STEIN: "",
    Phase.DRAINING: "yellow",
    Phase.EMPTY: "cyan",
    Phase.ABSENT: "magenta",
    Phase.PROBATION: "blue",
    Phase.CARACAL: "green",
    Phase.CONFLICT: "bold red",
    Phase.UNKNOWN: "bold red",
}


def observe(directory: Path) -> tuple[Facts, Plan]:
    """Look at both clouds and plan, changing nothing.

    Arguments:
        directory: the project, with ``Pulumi.caracal.yaml``.

    Returns:
        The facts, and the plan for them.

    Raises:
        SettingsError: the stack file has mistakes.
        CloudUnreachable: a cloud that is configured cannot be asked.
    """
    settings = load(directory / "Pulumi.caracal.yaml")
    if not isinstance(settings, CaracalSettings):
        raise SettingsError("Pulumi.caracal.yaml", [Problem("file", "is not the file of stack caracal")])
    facts, plan, _ = look_at_nodes(settings)
    for name, error in ((settings.clouds.old, facts.old_error), (settings.clouds.new, facts.new_error)):
        if name is not None and error is not None:
            raise CloudUnreachable(name, error.removeprefix(f"{name}: "))
    return facts, plan


def needs_a_person(plan: Plan) -> bool:
    """Return whether somebody has to do something before all goes on."""
    return bool(plan.refusals or plan.strays) or any(one.attention for one in plan.nodes.values())


def as_json(plan: Plan) -> str:
    """Return the status for programs; its keys are stable."""
    nodes: dict[str, Any] = {
        one.node: {
            "membership": one.membership,
            "phase": one.phase,
            "datacenter": one.datacenter,
            "instances": one.instances,
            "steps": list(one.steps),
            "message": one.message,
            "needs_a_person": one.attention,
        }
        for one in plan.nodes.values()
    }
    phases = Counter(one.phase.value for one in plan.nodes.values())
    return json.dumps(
        {"nodes": nodes, "phases": dict(phases), "refusals": list(plan.refusals), "strays": list(plan.strays)}, indent=2
    )


def show(plan: Plan, facts: Facts, console: Console) -> None:
    """Print the status for people.

    Arguments:
        plan: the plan.
        facts: what it was made from, for the totals.
        console: where to.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("node", "membership", "phase"):
        table.add_column(column, no_wrap=True)
    table.add_column("instances", justify="right")
    table.add_column("next steps")
    table.add_column("why", ratio=1)
    for one in plan.nodes.values():
        table.add_row(
            escape(one.node),
            one.membership,
            f"[{STYLES[one.phase]}]{one.phase}[/]" if STYLES[one.phase] else one.phase,
            "?" if one.instances is None else str(one.instances),
            " ".join(one.steps) or "-",
            f"{'[bold red]needs a person:[/] ' if one.attention else ''}{escape(one.message)}",
        )
    console.print(table)
    phases = Counter(one.phase.value for one in plan.nodes.values())
    totals = [f"{count} {phase}" for phase, count in phases.items()]
    totals += [
        f"{len(cloud.servers)} instances on {cloud.name}" for cloud in (facts.old, facts.new) if cloud is not None
    ]
    console.print(f"\n{len(plan.nodes)} nodes: {', '.join(totals)}", soft_wrap=True)
    for stray in plan.strays:
        console.print(f"[bold red]between the clouds, but no longer in the config:[/] {escape(stray)}")
    for refusal in plan.refusals:
        console.print(f"[bold red]refused:[/] {escape(refusal)}", highlight=False)
