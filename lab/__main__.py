"""``python -m lab``: two real OpenStack clouds on this machine."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from lab import Fault, Lab, LabError, hooks, watcher
from lab.ceph import Ceph, Monitors
from lab.lab import all_labs
from lab.layout import CLOUDS
from lab.nodes import check_name
from lab.processes import Process
from lab.simulator import Lifetimes, Simulator
from lab.state import State
from lab.visa import VisaLab
from lab.visa.cli import visa as visa_group
from lab.visa.population import Population


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def _nodes(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    return [check_name(node) for node in value.split(",")]


def _with_name(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--name", default="demo", show_default=True, help="The lab.")(command)


_cloud = click.argument("cloud", type=click.Choice(CLOUDS))
_node = click.argument("node")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Two real OpenStack clouds on this machine: Stein and Caracal."""


@main.command()
@_with_name
@click.option("--hosts", default=6, show_default=True, type=click.IntRange(1, 99), help="Nodes of Stein.")
@click.option("--new-hosts", default=1, show_default=True, type=click.IntRange(0, 99), help="Caracal's own nodes.")
@click.option("--instances", type=click.IntRange(0), help="Instances on Stein.  [default: two per node]")
@click.option("--ceph", is_flag=True, help="With a Ceph over two datacenters.")
@click.option("--visa", is_flag=True, help="With a VISA, whose instances those on Stein are.")
@click.option("--immortal", default=1, show_default=True, help="Of VISA's instances: how many never end.")
@click.option("--booked", default=1, show_default=True, help="Of VISA's instances: how many are of a course.")
@click.option("--unknown", default=1, show_default=True, help="How many servers VISA does not know.")
def up(name: str, hosts: int, new_hosts: int, instances: int | None, *, ceph: bool, visa: bool, **begins: Any) -> None:
    """Start a lab; one that was killed goes on from what it left."""
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    Lab(name, _say).up(hosts, new_hosts, instances, ceph=ceph, visa=visa and Population(**begins))
    _say(f'lab {name}: up in {time.monotonic() - begin:.0f} s; use it with  eval "$(python -m lab env --name {name})"')


@main.command()
@_with_name
def down(name: str) -> None:
    """End everything that belongs to a lab, and remove its state."""
    Lab(name, _say).down()
    _say(f"lab {name}: nothing of it runs")


@main.command()
@click.option("--name", help="The lab.  [default: all]")
def status(name: str | None) -> None:
    """Show which processes and nodes a lab has."""
    for each in [name] if name else all_labs():
        lab = Lab(each)
        running = lab.status()
        total = sum(process.resident for process in running) / 2**20
        click.echo(f"lab {each}: {len(running)} processes, {total:.0f} MiB, {lab.directory}")
        state = State.load(lab.directory)
        for cloud in state.clouds if running and state else ():
            services = [process for process in running if process.cloud == cloud.name]
            click.echo(f"  {cloud.name}: nova-compute of {', '.join(cloud.computes()) or 'no node'}")
            for process in services:
                address = cloud.url(process.service) if process.service in cloud.ports else ""
                size = f"{process.resident / 2**20:5.0f} MiB"
                click.echo(f"    {process.service:<10} pid {process.pid:<8} {size}  {address}")
        if lab.ceph.made:
            _show_ceph(lab.ceph)
        if lab.visa.made:
            _show_visa(lab.visa, running)


def _show_visa(visa: VisaLab, running: list[Process]) -> None:
    process = next((each for each in running if each.cloud == "visa"), None)
    state = f"pid {process.pid:<8} {process.resident / 2**20:5.0f} MiB" if process else "does not run"
    click.echo(f"  visa: {state}  {visa.endpoint}")


def _show_ceph(ceph: Ceph) -> None:
    click.echo(f"  ceph: monitors {ceph.layout.monitors}, {ceph.layout.conf}")
    running = {process.service: process for process in ceph.running()}
    for daemon in ceph.layout.daemons:
        process = running.get(daemon.name)
        state = f"pid {process.pid:<8} {process.resident / 2**20:5.0f} MiB" if process else f"{'does not run':<22}"
        click.echo(f"    {daemon.name:<10} {state}  {daemon.place} {daemon.host or daemon.address}")


@main.command()
@_with_name
def env(name: str) -> None:
    """Print what to export in order to use a lab."""
    for variable, value in Lab(name).environment().items():
        click.echo(f"export {variable}={shlex.quote(value)}")


@main.group()
def host() -> None:
    """Start or stop the nova-compute of a node."""


@host.command("add")
@_cloud
@_node
@_with_name
def host_add(cloud: str, node: str, name: str) -> None:
    """Start a node's nova-compute in a cloud, on its disk as it is."""
    Lab(name).add_host(cloud, node)


@host.command("remove")
@_cloud
@_node
@_with_name
def host_remove(cloud: str, node: str, name: str) -> None:
    """Stop a node's nova-compute in a cloud."""
    Lab(name).remove_host(cloud, node)


@main.group("ceph")
def ceph_group() -> None:
    """A Ceph alone, and what can happen to one; PLACE is dc1, dc2 or arbiter."""


@ceph_group.command("up")
@_with_name
@click.option("--monitors", type=click.Choice(list(Monitors)), help="In dc1, dc2 and an arbiter.  [default: 2+1]")
def ceph_up(name: str, monitors: str | None) -> None:
    """Start a lab's Ceph, without clouds if it has none; one that was killed goes on from what it left."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    Lab(name, _say).up_ceph(monitors)


def _happens(act: Callable[[Ceph, str], None]) -> Callable[[str, str], None]:
    def command(what: str, name: str) -> None:
        act(Lab(name).ceph, what)

    command.__doc__ = act.__doc__.splitlines()[0] if act.__doc__ else None
    return command


for _name, _happening, _what in (
    ("kill-datacenter", Ceph.kill_datacenter, "PLACE"),
    ("start-datacenter", Ceph.start_datacenter, "PLACE"),
    ("pause-datacenter", Ceph.pause_datacenter, "PLACE"),
    ("resume-datacenter", Ceph.resume_datacenter, "PLACE"),
    ("stop-mon", Ceph.stop_mon, "MONITOR"),
    ("start-mon", Ceph.start_mon, "MONITOR"),
):
    ceph_group.command(_name)(click.argument("what", metavar=_what)(_with_name(_happens(_happening))))


main.add_command(visa_group)


@main.group()
def hook() -> None:
    """The host hooks for this lab; NODES is a comma-separated list."""


def _hook(act: Callable[..., dict[str, hooks.Result]]) -> Callable[[list[str], str], None]:
    def command(nodes: list[str], name: str) -> None:
        state = Lab(name).state
        results = act(state, nodes)
        for node, result in results.items():
            click.echo(f"{node}: {'ok' if result.ok else result.message}")
        if not hooks.report(state, results):
            sys.exit(2)  # as ansible does

    command.__doc__ = act.__doc__.splitlines()[0] if act.__doc__ else None
    return command


for _name, _act in (("leave", hooks.leave), ("join", hooks.join), ("rejoin", hooks.rejoin)):
    _decorated = click.argument("nodes", callback=_nodes)(_with_name(_hook(_act)))
    hook.command(_name)(_decorated)


@main.group()
def fault() -> None:
    """Let something go wrong on a node."""


@fault.command("set")
@_node
@click.argument("kind", type=click.Choice([str(kind) for kind in Fault]))
@_with_name
def fault_set(node: str, kind: str, name: str) -> None:
    """Let something go wrong on a node from now on."""
    Lab(name).set_fault(node, kind)


@fault.command("clear")
@_node
@_with_name
def fault_clear(node: str, name: str) -> None:
    """Let nothing go wrong on a node from now on."""
    Lab(name).clear_fault(node)


@main.command()
@_with_name
@click.option("--log", type=click.Path(path_type=Path), required=True, help="JSON lines: who ended and started what.")
@click.option("--shortest", default=20.0, show_default=True, help="Lifetime of an instance in seconds, at least.")
@click.option("--longest", default=90.0, show_default=True, help="Lifetime of an instance in seconds, at most.")
@click.option("--seed", default=1, show_default=True, help="The same lifetimes for the same number.")
def simulate(name: str, log: Path, shortest: float, longest: float, seed: int) -> None:
    """Let scientists end their instances, and start new ones on Caracal; until SIGTERM."""
    Simulator(Lab(name).state, log, Lifetimes(shortest, longest, seed)).run(_until_told())


@main.command()
@_with_name
@click.option("--owners", type=click.Path(path_type=Path), required=True, help="The simulator's log.")
@click.option("--log", type=click.File("a"), default="-", help="JSON lines: violations and verdict.  [default: stdout]")
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two looks.")
def watch(name: str, owners: Path, log: TextIO, interval: float) -> None:
    """Watch both clouds until SIGTERM; exit code 0 only if nothing was wrong and nothing was missed."""
    if not watcher.watch(Lab(name).state, owners, log, interval, _until_told()):
        sys.exit(1)


def _until_told() -> threading.Event:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        click.echo(f"lab: {error}", err=True)
        sys.exit(1)
