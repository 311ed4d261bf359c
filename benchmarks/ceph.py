"""Ceph applied for the first time and again, beside one call of the ``ceph`` command: ratios of one run.

``python -m benchmarks.ceph``: a Ceph of its own, started and taken down.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import interleaved, machine, medians, timed
from lab import Lab
from migration.adapters.ceph import Cluster
from migration.ceph.act import Hands, carry_out
from migration.ceph.look import look_at_ceph, open_ceph
from migration.ceph.plan import plan_ceph
from migration.ceph.settings import Ceph

NAME = "benchmark-ceph"
REPETITIONS = 10

console = Console(highlight=False)


class Counted:
    """Applies what is declared, and counts what is written."""

    def __init__(self, ceph: Ceph) -> None:
        self.ceph = ceph
        self._opened: list[Cluster] = []

    @property
    def writes(self) -> int:
        """How many commands were sent that change something."""
        return sum(one.writes for one in self._opened)

    def apply(self) -> None:
        """Look, plan, and carry out what there is to do."""
        plan = plan_ceph(self.ceph, look_at_ceph(self.ceph))
        hands = Hands(self.ceph, self._open, lambda *_: None)
        for subject, steps in plan.subjects.items():
            if steps:
                report, _ = carry_out(hands, subject, [step.word for step in steps])
                if report.failed:
                    raise RuntimeError(report.failed)

    def _open(self) -> Cluster:
        self._opened.append(open_ceph(self.ceph))
        return self._opened[-1]


def declared(conf: str) -> Ceph:
    """Return four pools and four users on a lab's Ceph."""
    raw: Mapping[str, Any] = {
        "connection": {"conf": conf},
        "crush": {"datacenters": {place: [f"{place}-host1", f"{place}-host2"] for place in ("dc1", "dc2")}},
        "rule": {"name": "two-and-two"},
        "pools": {name: {} for name in ("images", "volumes", "vms", "backups")},
        "users": {name: {} for name in ("glance", "cinder", "cinder-backup", "nova")},
    }
    return Ceph.model_validate(raw)


def main() -> None:
    """Measure, and show it."""
    lab = Lab(NAME, progress=lambda line: print(line, file=sys.stderr))
    try:
        lab.up_ceph()
        counted = Counted(declared(str(lab.ceph.layout.conf)))
        first, writes = timed(counted.apply), counted.writes
        acts: Mapping[str, Callable[[], object]] = {
            "again": counted.apply,
            "command": lambda: lab.ceph.command("osd", "dump"),
        }
        again = medians(interleaved(acts, REPETITIONS))
        if counted.writes != writes:
            raise RuntimeError(f"{counted.writes - writes} writes where nothing was to be done")
    finally:
        lab.down()
    unit = again["command"]
    table = Table("", "seconds", "in calls of `ceph osd dump`", "writes")
    table.add_row("first apply", f"{first:.2f}", f"{first / unit:.1f}", str(writes))
    table.add_row("second apply", f"{again['again']:.3f}", f"{again['again'] / unit:.2f}", "0")
    table.add_row("one `ceph osd dump`", f"{unit:.3f}", "1", "0")
    console.print(table)
    console.print(f"medians of {REPETITIONS}, {machine()}")


if __name__ == "__main__":
    main()
