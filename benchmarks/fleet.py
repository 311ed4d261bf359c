"""A lab whose old cloud grows, with a project of ours and an empty one on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Lab, LabError, control, nodes
from lab.layout import NEW, OLD
from lab.project import Project
from toolchain.cache import Progress

NAME = "benchmark"
FIRST = 6
BATCH = 20


class Fleet:
    """The nodes of the old cloud, and the projects.

    Arguments:
        lab: the lab; it is up with ``FIRST`` nodes.
        progress: is told what takes long.
    """

    def __init__(self, lab: Lab, progress: Progress) -> None:
        self._progress = progress
        self._cloud = lab.state.cloud(OLD)
        self.nodes = list(lab.state.hosts)
        self.project = Project(lab, progress)
        self.project.create()
        self._empty = self._create_empty()

    def _create_empty(self) -> Path:
        """Make a project that differs from ours only in that its program has nothing in it."""
        directory = self.project.directory.with_name("empty")
        directory.mkdir()
        ours: dict[str, Any] = json.loads((self.project.directory / "Pulumi.yaml").read_text())
        (directory / "Pulumi.yaml").write_text(json.dumps({**ours, "name": "empty", "main": str(directory)}))
        (directory / "__main__.py").touch()
        for words in (["stack", "init", "empty"], ["up", "--yes", "--stack", "empty"]):
            self.project.pulumi(*words, "--cwd", str(directory))
        return directory

    def preview_empty(self) -> None:
        """Run ``pulumi preview`` of the empty program."""
        self.project.pulumi("preview", "--stack", "empty", "--cwd", str(self._empty))

    def preview(self) -> None:
        """Run ``pulumi preview`` of ours; nothing is to be done."""
        self.project.preview(NEW, "--expect-no-changes")

    def status(self) -> None:
        """Run ``visa-migration status``."""
        self.project.visa_migration("status", "--json")

    @contextmanager
    def grown(self, size: int) -> Iterator[None]:
        """Let the old cloud have that many nodes, and stack caracal list them all for a while."""
        self._grow(size)
        listed = {
            node: {"membership": "stein", "datacenter": f"dc{1 + number % 2}"} for number, node in enumerate(self.nodes)
        }
        with self.project.changed(nodes=listed):
            yield

    def _grow(self, size: int) -> None:
        more = [f"cmp{number:02}" for number in range(len(self.nodes) + 1, size + 1)]
        if more:
            self._progress(f"{OLD}: grows to {size} nodes")
        for begin in range(0, len(more), BATCH):
            batch = more[begin : begin + BATCH]
            refused = nodes.add(self._cloud, batch)
            if refused:
                raise LabError(f"{OLD}: nodes do not start: {refused}")
            # The lab runs every nova-compute in one process, which 100 heartbeats a second would keep busy. A node
            # whose nova-compute has stopped is in every list as before.
            control.stop_computes(self._cloud, batch)
            self.nodes += batch


@contextmanager
def started(progress: Progress) -> Iterator[Fleet]:
    """Start a lab of our own, and take it down at the end."""
    lab = Lab(NAME, progress)
    lab.down()  # one that a killed run left
    try:
        lab.up(hosts=FIRST, instances=0)
        yield Fleet(lab, progress)
    finally:
        lab.down()
