"""Who carries out steps: the clouds, the orders, the lock, the engine, and the audit log, in one hand."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

import tenacity
from pydantic import BaseModel, ConfigDict

from migration import audit
from migration.adapters.hooks import HookResult, run_hook
from migration.errors import StepError
from migration.facts import Aggregate
from migration.guardian import ActorLock, Engine
from migration.kolla.own_hooks import own_hooks
from migration.marks import LEDGER_KEY, Record
from migration.names import LEDGER_AGGREGATE
from migration.observe import Cloud, ledger_of, open_cloud
from migration.settings import CaracalSettings, Hook, Hooks, Probe

T = TypeVar("T")

PAUSE = 1.0
"""Seconds between two looks at something that is awaited."""

SETTLE = 5.0
"""Seconds that a node must have been closed before its emptiness counts: a server that the scheduler placed there just
before is on its way, and would begin on a node whose nova-compute stops."""

PATIENCE = 60.0
"""Seconds that a record may take to go or a trait to arrive, once Nova has been told."""

STOPPED = 120.0
"""Seconds until a nova-compute or an agent that was stopped is seen down: Nova's service_down_time is 60, Neutron's
agent_down_time 75."""


class Orders(BaseModel):
    """What the steps are told beside their node: an input of our resources.

    It holds no secrets, and nothing that differs between checkouts, so that a saved plan fits elsewhere too.
    Relative paths begin in the program's directory.

    Attributes:
        old: the old cloud's name in clouds.yaml, or None once it is retired.
        new: the new cloud's name.
        audit: path of the audit log, or None.
        hooks: the hooks.
        probe: the probe's image, network and patience, or None where nothing moves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    old: str | None
    new: str
    audit: str | None
    hooks: Hooks
    probe: Probe | None

    @classmethod
    def of(cls, settings: CaracalSettings) -> Self:
        """Take from the settings what the steps are told."""
        return cls(
            old=settings.clouds.old,
            new=settings.clouds.new,
            audit=settings.audit,
            hooks=own_hooks(settings),
            probe=settings.probe,
        )


@dataclass
class Actor:
    """The hands of the migration; one for each provider process.

    Attributes:
        orders: what to do it with.
        engine: who asked.
        lock: the right to act.
        open: how to log in to a cloud.
        closed: when this process closed a node in the old cloud, by node, on the monotonic clock.
        isolates: whether this process has seen that the new cloud isolates aggregates.
        pause: seconds between two looks at something that is awaited.
        settle: seconds that a node must have been closed before its emptiness counts.
    """

    orders: Orders
    engine: Engine
    lock: ActorLock
    open: Callable[[str], Cloud] = open_cloud
    closed: dict[str, float] = field(default_factory=dict)
    isolates: bool = False
    pause: float = PAUSE
    settle: float = SETTLE

    @cached_property
    def wave(self) -> str:
        """The commit that is checked out: the review that started this wave (``-dirty`` if edited since), or ""."""
        try:
            command = ["git", "describe", "--always", "--dirty"]
            git = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return git.stdout.strip() if git.returncode == 0 else ""

    @property
    def _audit(self) -> Path | None:
        return Path(self.orders.audit) if self.orders.audit else None

    @cached_property
    def old(self) -> Cloud:
        """The old cloud."""
        if self.orders.old is None:
            raise StepError("-", "connect", "the old cloud is retired (clouds.old is not set), yet a step needs it")
        return self.open(self.orders.old)

    @cached_property
    def new(self) -> Cloud:
        """The new cloud."""
        return self.open(self.orders.new)

    def tell(self, cloud: str, node: str, step: str, result: str, detail: str = "") -> None:
        """Write one line to the audit log; raises OSError where that is not possible."""
        audit.write(self._audit, audit.Entry(self.wave, cloud, node, step, result, detail))

    def until(self, look: Callable[[], T | None], *, seconds: float) -> T | None:
        """Look again and again until there is something to see.

        Arguments:
            look: returns None as long as it is not so yet.
            seconds: how long to go on.

        Returns:
            What it saw, or None when the time was over.

        Raises:
            EngineGone: nobody waits for the answer any more.
        """
        wait = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda seen: seen is None),
            stop=tenacity.stop_after_delay(seconds) | tenacity.stop_when_event_set(self.engine.gone),
            wait=tenacity.wait_fixed(self.pause),
            sleep=tenacity.sleep_using_event(self.engine.gone),
            retry_error_callback=lambda _state: None,
        )
        seen = wait(look)
        self.engine.check()
        return seen

    def let_settle(self, node: str) -> None:
        """Wait until a node that this process closed has been closed for long enough; raises EngineGone."""
        if node in self.closed:
            self.engine.gone.wait(max(0.0, self.closed[node] + self.settle - time.monotonic()))
            self.engine.check()

    def hook(self, hook: Hook, name: str, nodes: Sequence[str]) -> Mapping[str, HookResult]:
        """Run a hook for nodes; its output goes to a log file beside the audit log, and to the log of the run."""

        def say(line: str) -> None:
            print(f"{name}: {line}", flush=True)

        return run_hook(
            hook.argv,
            nodes,
            timeout=hook.timeout,
            log=(self._audit.parent if self._audit else Path()) / "logs" / f"{audit.now()}-{name}.log",
            interrupted=self.engine.gone.is_set,
            keep=self.lock.handle,
            say=say,
        )

    def record(self, node: str) -> Record | None:
        """Return our record of a node that left, or None."""
        return ledger_of(self.new.nova.aggregates()).get(node)

    def write_record(self, node: str, record: Record | None) -> None:
        """Write our record of a node, or take it away.

        Raises:
            StepError: the ledger is missing.
        """
        ledger = self.aggregate(node, LEDGER_AGGREGATE)
        self.new.nova.set_metadata(ledger.id, {LEDGER_KEY + node: str(record) if record else None})

    def aggregate(self, node: str, name: str) -> Aggregate:
        """Return an aggregate that stack caracal declares.

        Raises:
            StepError: it is missing in the new cloud.
        """
        found = next((a for a in self.new.nova.aggregates() if a.name == name), None)
        if found is None:
            raise StepError(
                node,
                "aggregate",
                f"{self.new.name} has no aggregate {name}; expected the one that stack caracal declares."
                " Run pulumi refresh, then pulumi up",
            )
        return found
