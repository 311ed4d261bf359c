"""``make benchmark``: measure at each size of the fleet, and show it as a table."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import FrameType
from typing import TextIO
from unittest.mock import patch

import click
from rich.console import Console
from rich.table import Table

from benchmarks import client, fleet
from benchmarks.fleet import Fleet
from benchmarks.looking import requests_of_looks
from benchmarks.measure import interleaved, machine, medians, per_node, timed
from lab import LabError
from migration.settings import CaracalSettings, load
from toolchain import ToolchainError

SIZES = (6, 50, 200)
ASKED = 3
"""Nodes that the openstack command is asked about: its cost is the same for each."""

console = Console(highlight=False)


@dataclass(frozen=True)
class Measured:
    """What was measured at one size of the fleet.

    Attributes:
        nodes: how many there are.
        load: of the machine, at the end.
        first_up: seconds of the ``pulumi up`` that made the resources of the nodes that are new.
        seconds: of each repetition, by act.
        openstack: seconds of the openstack command's three calls, of each node that it was asked about.
        requests: of one look, by situation and kind.
    """

    nodes: int
    load: float
    first_up: float
    seconds: dict[str, list[float]]
    openstack: list[float]
    requests: dict[str, dict[str, int]]

    @property
    def preview(self) -> float:
        """How many times longer a preview takes than one of the empty program."""
        return median(self.seconds["preview"]) / median(self.seconds["empty"])

    @property
    def loop(self) -> float:
        """How many times longer a loop of openstack calls over all nodes takes than status."""
        return self.nodes * median(self.openstack) / median(self.seconds["status"])


@click.command()
@click.option("--repetitions", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "file", type=click.File("w", lazy=False), help="Write every number here, too.")
def main(repetitions: int, file: TextIO | None) -> None:
    """Measure how cost grows with the fleet, on a lab of our own that is taken down at the end."""
    signal.signal(signal.SIGTERM, _interrupt)
    warnings.simplefilter("ignore")  # openstacksdk announces in every connection what it will drop
    before = machine()
    try:
        openstack = client.installed(_progress)
        with fleet.started(_progress) as grown:
            measured = [_measure(grown, size, repetitions, openstack) for size in SIZES]
    except (LabError, ToolchainError) as error:
        console.print(f"[bold red]benchmark: stopped:[/] {error}", soft_wrap=True)
        sys.exit(1)
    _show(measured, repetitions)
    loads = [before["load"], *(each.load for each in measured)]
    console.print(f"\n{before['cores']} cores; load before, and at the end of each size: {', '.join(map(str, loads))}")
    if file:
        numbers = {"machine": before, "repetitions": repetitions, "fleets": [asdict(each) for each in measured]}
        file.write(json.dumps(numbers, indent=2) + "\n")


def _measure(grown: Fleet, size: int, repetitions: int, openstack: Path) -> Measured:
    project = grown.project
    with grown.grown(size), patch.dict(os.environ, project.environment):
        _progress(f"{size} nodes: pulumi up")
        first_up = timed(project.up)
        _progress(f"{size} nodes: previews and status, {repetitions} times in turns")
        acts = {"empty": grown.preview_empty, "preview": grown.preview, "status": grown.status}
        seconds = interleaved(acts, repetitions)
        _progress(f"{size} nodes: the openstack command, about {ASKED} of them")
        calls = {node: lambda node=node: client.ask(openstack, node, os.environ) for node in grown.nodes[:ASKED]}
        asked = interleaved(calls, 1)
        settings = load(project.directory / "Pulumi.caracal.yaml")
        assert isinstance(settings, CaracalSettings)  # noqa: S101 - it is the file of stack caracal
        counted = {name: dict(counter) for name, counter in requests_of_looks(settings).items()}
        return Measured(size, machine()["load"], first_up, seconds, [each[0] for each in asked.values()], counted)


def _show(measured: list[Measured], repetitions: int) -> None:
    table = _table(f"Seconds, medians of {repetitions}", ["nodes", "empty program", "preview", "ratio", "first up"])
    for one in measured:
        middle = medians(one.seconds)
        table.add_row(
            str(one.nodes), f"{middle['empty']:.2f}", f"{middle['preview']:.2f}", f"{one.preview:.1f}",
            f"{one.first_up:.1f}",
        )  # fmt: skip
    console.print(table)

    more = per_node((measured[0].nodes, measured[0].preview), (measured[-1].nodes, measured[-1].preview))
    console.print(f"one more node costs {more:.3f} of a preview of the empty program\n")

    situations = list(measured[0].requests)
    table = _table("Requests of one look (log-in + lists + nodes)", ["nodes", *situations])
    for one in measured:
        table.add_row(str(one.nodes), *(_requests(one.requests[name]) for name in situations))
    console.print(table)

    table = _table(
        "\nStatus against a loop", ["nodes", "status", "openstack, a node", "whole loop (reckoned)", "ratio"]
    )
    for one in measured:
        node = median(one.openstack)
        table.add_row(
            str(one.nodes), f"{medians(one.seconds)['status']:.2f}", f"{node:.2f}", f"{one.nodes * node:.0f}",
            f"{one.loop:.0f}",
        )  # fmt: skip
    console.print(table)


def _requests(counted: dict[str, int]) -> str:
    parts = [counted.get(kind, 0) for kind in ("log-in", "list", "node")]
    return f"{sum(parts)} ({' + '.join(map(str, parts))})"


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _progress(text: str) -> None:
    console.print(text, style="dim", markup=False, soft_wrap=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
