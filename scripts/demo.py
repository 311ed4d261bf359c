"""``make demo``: a whole small Stein cloud goes over to Caracal, node by node, while its instances end by themselves.

Everything is real but the scientists: two OpenStack clouds, the Pulumi engine, the provider. Beside it an independent
watcher looks for broken promises all the time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import toolchain
from lab import Lab, LabError
from lab.lab import all_labs
from lab.project import Project
from toolchain.kolla import ensure_kolla

NAME = "demo"
HOSTS = 6
WAVES: Sequence[Sequence[str]] = (("cmp01",), ("cmp02", "cmp03"), ("cmp04", "cmp05", "cmp06"))
LIFETIMES = ("--shortest", "30", "--longest", "120")
PAUSE = 5.0
"""Seconds between two runs of ``pulumi up``, in place of the scheduled job."""

TOO_MANY = 30
"""Runs after which a wave that does not end is given up."""

# What the steps say while the engine runs; everything else that it prints goes to the log.
SAID = re.compile(r" running ((?:leave-|join)?[\w.-]+: .*)$")

console = Console(highlight=False)


class Stage:
    """What the audience sees: headings, and lines with the time since the beginning."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def heading(self, text: str) -> None:
        """Begin a part of the play."""
        console.print(f"\n[bold]{text}[/]", soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        """Say one thing."""
        elapsed = int(time.monotonic() - self._begin)
        console.print(f"[dim]{elapsed // 60}:{elapsed % 60:02}[/]  ", end="")
        console.print(text, style=style, markup=False, soft_wrap=True)


def main() -> int:
    """Play it all.

    Returns:
        0 only if every node arrived and the watcher saw nothing wrong.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell without job control lets it be ignored
        signal.signal(number, _interrupt)
    stage = Stage()
    lab = Lab(NAME, lambda text: stage.line(text, "dim"))
    good, keep = False, bool(os.environ.get("KEEP"))
    try:
        good = _play(stage, lab)
    except KeyboardInterrupt:
        keep = False
        console.print("\ndemo: interrupted")
    except (LabError, toolchain.ToolchainError, subprocess.TimeoutExpired) as error:
        console.print("\n[bold red]demo: stopped:[/]", escape(str(error)), soft_wrap=True)
    finally:
        if not keep:
            lab.down()
    if keep:
        _how_to_go_on(lab)
    return 0 if good else 1


def _play(stage: Stage, lab: Lab) -> bool:
    stage.heading("1. Tools and two real clouds")
    toolchain.ensure(lambda text: stage.line(text, "dim"))
    if NAME in all_labs():
        stage.line("a lab of an earlier demo is taken down")
        lab.down()
    lab.up(hosts=HOSTS, ceph=True)
    project = Project(lab)

    stage.heading("2. The old cloud is adopted: visa-migration adopt --cloud stein, pulumi up of both stacks")
    project.create()
    owners, seen = lab.directory / "owners.jsonl", lab.directory / "watcher.jsonl"
    owners.touch()
    with (
        _beside(["watch", "--name", NAME, "--owners", str(owners), "--log", str(seen)], project) as watcher,
        _beside(["simulate", "--name", NAME, "--log", str(owners), *LIFETIMES], project),
    ):
        for stack in ("stein", "caracal"):
            _up(stage, project, stack)
        stage.heading(
            "3. The new cloud is declared whole: controllers over two datacenters, Kolla's files, Ceph across both"
        )
        _control_plane(stage, project)
        for number, nodes in enumerate(WAVES, 1):
            stage.heading(f"{number + 3}. Wave {number}: membership of {', '.join(nodes)} becomes caracal")
            _wave(stage, project, nodes)
        stage.heading("The old cloud has nothing left")
        _up(stage, project, "stein")
        settled = project.preview("caracal", "--expect-no-changes", check=False).returncode == 0
        stage.line(
            f"pulumi preview --expect-no-changes: {'nothing left to do' if settled else 'it would change something'}"
        )
        watcher.send_signal(signal.SIGTERM)
        clean = watcher.wait(60) == 0
    arrived = _summary(project, owners, seen)
    return arrived and settled and clean


def _control_plane(stage: Stage, project: Project) -> None:
    """Declare controllers and Ceph, and let the real Ansible read what was rendered."""
    project.declare_control_plane()
    _up(stage, project, "caracal")
    ceph = project.lab.ceph
    for pool in ceph.command("osd", "pool", "ls", "detail"):
        stage.line(f"  ceph: pool {pool['pool_name']}: size {pool['size']}, min_size {pool['min_size']}", "green")
    tools = ensure_kolla(None, lambda text: stage.line(text, "dim"))
    inventory = project.directory / "kolla" / "inventory" / "multinode"
    command: list[str | Path] = [tools.bin / "ansible-inventory", "--inventory", inventory, "--list"]
    listed = subprocess.run(command, env={**os.environ, **tools.environment()}, capture_output=True, check=True)
    groups = json.loads(listed.stdout)
    stage.line(f"  ansible-inventory: {len(groups)} groups, control: {', '.join(groups['control']['hosts'])}", "green")


def _wave(stage: Stage, project: Project, nodes: Sequence[str]) -> None:
    project.member("caracal", *nodes)
    for node in nodes:
        stage.line(f"pulumi config set --path nodes.{node}.membership caracal")
    stage.line("pulumi preview")
    planned = project.status()["nodes"]
    for node in nodes:
        stage.line(f"  {node}: {planned[node]['phase']}, steps: {' '.join(planned[node]['steps']) or '-'}")
    project.preview()
    for _ in range(TOO_MANY):
        _up(stage, project, "caracal")
        waiting = {
            node: one for node, one in project.status()["nodes"].items() if node in nodes and one["phase"] != "caracal"
        }
        for node, one in waiting.items():
            stage.line(f"  {node}: {one['phase']}: {one['message']}", "yellow")
        if not waiting:
            return
        time.sleep(PAUSE)
    raise LabError(f"{', '.join(waiting)} did not arrive in {TOO_MANY} runs; see {project.directory / 'demo.log'}")


def _up(stage: Stage, project: Project, stack: str) -> None:
    """Run ``pulumi up``, showing what the steps say and keeping the rest in a log."""
    stage.line(f"pulumi up --stack {stack}")
    command = ["pulumi", "up", "--yes", "--non-interactive", "--stack", stack]
    last: deque[str] = deque(maxlen=40)
    with (
        (project.directory / "demo.log").open("a") as log,
        subprocess.Popen(
            command,
            cwd=project.directory,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as engine,
    ):
        assert engine.stdout is not None  # noqa: S101 - it is a pipe
        for line in engine.stdout:
            log.write(line)
            last.append(line)
            if found := SAID.search(line.rstrip()):
                stage.line(f"  {found[1]}", "green" if " done" in found[1] else "")
    if engine.returncode:
        raise LabError(f"pulumi up of {stack} ended with {engine.returncode}:\n{''.join(last)}")


@contextmanager
def _beside(words: Sequence[str], project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Let a part of the lab run beside the play, and end it after."""
    with (project.directory / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *words],
            env=project.environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


def _summary(project: Project, owners: Path, seen: Path) -> bool:
    """Show what happened to each node, and the watcher's verdict.

    Returns:
        Whether every node was accepted.
    """
    done: dict[str, dict[str, str]] = {}
    for line in project.audited():
        if line["result"] == "done":
            done.setdefault(line["node"], {})[line["step"]] = line["when"]
    table = Table(title="What happened", title_justify="left", box=None, header_style="bold")
    for column in ("node", "closed", "left stein", "deployed", "probed", "open in caracal", "took"):
        table.add_column(column)
    nodes = [node for wave in WAVES for node in wave]
    for node in nodes:
        times = done.get(node, {})
        steps = ("disable", "prove-gone", "host-hook", "probe", "enable")
        clocks = [times[step][11:19] if step in times else "-" for step in steps]
        table.add_row(node, *clocks, _took(times))
    console.print()
    console.print(table)
    ended = [json.loads(line) for line in owners.read_text().splitlines()]
    counted = {event: sum(line["event"] == event for line in ended) for event in ("end", "start")}
    console.print(
        f"\nscientists: {counted['end']} instances ended by their owners, {counted['start']} new ones on caracal"
    )
    found = [json.loads(line) for line in seen.read_text().splitlines()]
    for line in found:
        if line["event"] in {"violation", "blind"}:
            console.print(f"[bold red]watcher:[/] {line}", soft_wrap=True)
    verdict = next((line for line in found if line["event"] == "verdict"), None)
    if verdict is None:
        console.print("[bold red]watcher: gave no verdict[/]")
    else:
        colour, word = ("green", "nothing wrong") if verdict["clean"] else ("red", "NOT clean")
        console.print(
            f"watcher: [bold {colour}]{word}[/]: {verdict['polls']} looks at both clouds, {verdict['gaps']} failed,"
            f" {verdict['violations']} violations"
        )
    return all("enable" in done.get(node, {}) for node in nodes)


def _took(times: Mapping[str, str]) -> str:
    if "stop-compute" not in times or "enable" not in times:
        return "-"
    first, last = (datetime.fromisoformat(times[step]) for step in ("stop-compute", "enable"))
    return f"{(last - first).seconds} s"


def _how_to_go_on(lab: Lab) -> None:
    if NAME not in all_labs():
        return
    console.print(f"\nThe lab stays up. In {Path(sys.executable).parents[2]}:", soft_wrap=True)
    console.print('  . .venv/bin/activate; eval "$(python -m lab env --name demo)"')
    console.print(f"  cd {lab.directory / 'project'}", soft_wrap=True)
    console.print("  pulumi preview --stack caracal; visa-migration status")
    console.print("and at the end, there again: python -m lab down --name demo")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
