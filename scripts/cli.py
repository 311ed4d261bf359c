"""The command line: ``visa-migration``.

Exit codes: 0 fine, 2 bad settings, 3 a cloud cannot be asked, 4 something needs a person.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from migration.errors import CloudError, MigrationError, Problem, SettingsError
from migration.forecast import SEED
from scripts import controllers, forecast, forecast_table, hooks, status
from scripts.adopt import adopt

BAD_SETTINGS: Final = 2
CLOUD_CANNOT_BE_ASKED: Final = 3
NEEDS_A_PERSON: Final = 4


def exit_code(error: MigrationError) -> int:
    """Say with which code the command line ends after an error.

    Arguments:
        error: what was raised.

    Returns:
        The exit code.
    """
    match error:
        case SettingsError():
            return BAD_SETTINGS
        case CloudError():
            return CLOUD_CANNOT_BE_ASKED
        case _:
            return NEEDS_A_PERSON


class Group(click.Group):
    """Commands whose errors go to stderr, as sentences and with the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except MigrationError as error:
            click.echo(f"visa-migration: {error}" if "\n" not in str(error) else str(error), err=True)
            sys.exit(exit_code(error))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="visa-migration")
def main() -> None:
    """Carry a facility's VISA infrastructure from an old OpenStack to a new one, node by node."""


@main.command("adopt")
@click.option("--cloud", required=True, help="The old cloud's name in clouds.yaml.")
@click.option("--new-cloud", default="caracal", show_default=True, help="The new cloud's name in clouds.yaml.")
@click.option("--datacenter", help="Where new nodes stand (default: the only datacenter, or dc1).")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the stack files are (default: the nearest directory with a Pulumi.yaml).",
)
def adopt_command(cloud: str, new_cloud: str, datacenter: str | None, directory: Path | None) -> None:
    """Read a living old cloud and write what both stack files do not say yet."""
    for report in adopt(cloud, new_cloud, directory or project_directory(Path.cwd()), datacenter):
        click.echo("\n".join(report.lines()))
    click.echo("next: review both files, then pulumi preview --stack stein and pulumi preview --stack caracal")


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the stack files are (default: the nearest directory with a Pulumi.yaml).",
)
def status_command(*, as_json: bool, directory: Path | None) -> None:
    """Say where every node is and what it waits for; changes nothing."""
    facts, plan = status.observe(directory or project_directory(Path.cwd()))
    if as_json:
        click.echo(status.as_json(plan))
    else:
        status.show(plan, facts, Console())
    if status.needs_a_person(plan):
        sys.exit(NEEDS_A_PERSON)


@main.group("hook")
def hook_group() -> None:
    """Our own hooks (docs/hooks.md); NODES is a comma-separated list. pulumi up runs them; by hand they do the same."""


def _hook(name: str, what: str, act: Callable[[hooks.Hooked, float | None], bool]) -> None:
    """Add a hook to the command line."""

    @hook_group.command(name, help=what)
    @click.argument("nodes")
    @click.option(
        "--timeout", type=click.FloatRange(min=0), help="Seconds (default: a little less than in the config)."
    )
    @click.option(
        "--directory",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Where the stack files are (default: the nearest directory with a Pulumi.yaml).",
    )
    def command(nodes: str, timeout: float | None, directory: Path | None) -> None:
        found = directory or project_directory(Path.cwd())
        if not act(hooks.Hooked(found, nodes, click.echo), timeout):
            sys.exit(NEEDS_A_PERSON)


_hook("join", "Deploy NODES into the new cloud with Kolla-Ansible.", hooks.join)
_hook(
    "leave", "Stop the old cloud's services on NODES.", lambda run, timeout: hooks.set_services(run, "stopped", timeout)
)
_hook(
    "join-old",
    "Start the old cloud's services on NODES again.",
    lambda run, timeout: hooks.set_services(run, "started", timeout),
)


@main.command("forecast")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="Say too which nodes are empty on this day (UTC).")
@click.option("--seed", default=SEED, show_default=True, help="Where chance comes from.")
@click.option("--owners", is_flag=True, help="Name the owners of instances; treat what is printed accordingly.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the stack files are (default: the nearest directory with a Pulumi.yaml).",
)
def forecast_command(*, as_json: bool, at: datetime | None, seed: int, owners: bool, directory: Path | None) -> None:
    """Say when each node of the old cloud is empty, and whether there will be room; changes nothing."""
    day = at.replace(tzinfo=UTC) if at is not None else None
    gathered = forecast.gather(directory or project_directory(Path.cwd()))
    outlook = forecast.outlook(gathered, seed=seed)
    if as_json:
        click.echo(forecast_table.as_json(outlook, at=day, owners=owners))
    else:
        forecast_table.show(outlook, Console(), at=day, owners=owners)


@main.group("controllers")
def controllers_group() -> None:
    """The controllers of the new cloud (docs/controllers-roll.md)."""


@controllers_group.command("record")
@click.argument("controller")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the stack files are (default: the nearest directory with a Pulumi.yaml).",
)
def record_command(controller: str, directory: Path | None) -> None:
    """Record that CONTROLLER was deployed by hand, if everything is healthy."""
    click.echo(controllers.record(directory or project_directory(Path.cwd()), controller))


def project_directory(start: Path) -> Path:
    """Find the project that a directory belongs to.

    Arguments:
        start: where to begin.

    Returns:
        The nearest directory, upwards, with a Pulumi.yaml.

    Raises:
        SettingsError: there is none.
    """
    for directory in (start, *start.parents):
        if (directory / "Pulumi.yaml").is_file():
            return directory
    message = f"not found in {start} or above; go to the project, or name it with --directory"
    raise SettingsError("Pulumi.yaml", [Problem("file", message)])
