"""What the tests declare of a lab's Ceph, and how they carry it out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from lab.ceph import Ceph as Lab
from migration.adapters.ceph import Cluster
from migration.ceph.act import Hands, Report, carry_out
from migration.ceph.look import look, look_at_ceph, open_ceph
from migration.ceph.plan import CephPlan, plan_ceph
from migration.ceph.settings import Ceph
from migration.errors import CephUnreachable

HOSTS = {place: [f"{place}-host1", f"{place}-host2"] for place in ("dc1", "dc2")}
SHORT = 4
"""Seconds for monitors that will not answer."""

PATIENCE = 120
"""Seconds after which something hangs; far more than what is configured."""


def declare(lab: Lab, **changes: Any) -> Ceph:
    raw: dict[str, Any] = {
        "connection": {"conf": str(lab.layout.conf)},
        "crush": {"datacenters": HOSTS},
        "rule": {"name": "two-and-two"},
        "pools": {"images": {"quota": {"gib": 1}}, "volumes": {}, "vms": {}, "backups": {}},
        "users": {"glance": {}, "cinder": {}, "cinder-backup": {}, "nova": {}},
    }
    return Ceph.model_validate({**raw, **changes})


class Applier:
    """Plans and carries out as the component does, subject by subject, and counts what is written.

    Arguments:
        ceph: what is wanted.
        connect: makes the connections, to see or disturb what is sent.
    """

    def __init__(self, ceph: Ceph, connect: Callable[[Ceph], Cluster] = open_ceph) -> None:
        self.ceph = ceph
        self.audit: list[tuple[str, str, str, str]] = []
        self._connect = connect
        self._connections: list[Cluster] = []

    def open(self) -> Cluster:
        self._connections.append(self._connect(self.ceph))
        return self._connections[-1]

    @property
    def writes(self) -> int:
        return sum(one.writes for one in self._connections)

    def plan(self) -> CephPlan:
        with open_ceph(self.ceph) as cluster:
            return plan_ceph(self.ceph, look(cluster, self.ceph))

    def up(self) -> dict[str, Report]:
        plan = self.plan()
        assert not plan.refusals, plan.refusals
        hands = Hands(self.ceph, self.open, lambda *line: self.audit.append(line))
        return {
            subject: carry_out(hands, subject, [step.word for step in steps])[0]
            for subject, steps in plan.subjects.items()
            if steps
        }

    def settle(self) -> None:
        """Apply, and prove that it was enough."""
        failed = {subject: report.failed for subject, report in self.up().items() if report.failed}
        assert not failed
        assert self.plan().settled


def bounded(act: Callable[[], object]) -> BaseException | None:
    """Run something that must end; return what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - it is judged by the test
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


def unreachable(ceph: Ceph) -> CephUnreachable:
    """Wait until Ceph is seen to be gone: a monitor that is left answers for the few seconds of its lease."""
    deadline = time.monotonic() + PATIENCE
    while (error := bounded(lambda: look_at_ceph(ceph))) is None:
        assert time.monotonic() < deadline
    assert isinstance(error, CephUnreachable), error
    return error


def words(plan: CephPlan) -> dict[str, list[str]]:
    return {subject: [step.word for step in steps] for subject, steps in plan.subjects.items() if steps}
