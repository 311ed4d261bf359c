"""Roll the controllers: one at a time, each proved before and after; the first that fails stops the roll.

Kolla-Ansible's own order for a host that is there already: ``prechecks`` and ``pull``, which change nothing that runs,
then ``deploy``, each with ``--limit`` this one controller.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from migration import audit
from migration.actor import Actor
from migration.errors import EngineGone, MigrationError, StepError
from migration.kolla import applied, health
from migration.kolla.applied import Applied, Stage
from migration.kolla.health import Look
from migration.kolla.roll import Member

STEP = "roll"
BEFORE = ("prechecks", "pull")
DEPLOY = "deploy"

PATIENCE = 600.0
"""Seconds until all is healthy again: Galera's state transfer may copy the whole database."""

PAUSE = 5.0
"""Seconds between two looks: each asks every API once."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a roll ended.

    Attributes:
        done: the controllers that were changed and proved, in order.
        failed: what went wrong with the one after those, or "".
    """

    done: tuple[str, ...] = ()
    failed: str = ""


@dataclass
class Roll:
    """One roll.

    Arguments:
        actor: who writes the audit log and watches the engine.
        cloud: the new cloud's name, for the audit log.
        members: the controllers and the arbiter.
        look: looks at the control plane; is told the controller that is about to change.
        kolla: makes kolla-ansible ready for one controller, and gives what runs one action on it: it returns "" or what
            failed.
        recorded: reads what is on record of each controller.
        record: sets metadata of the ledger.
        patience: seconds until all is healthy again.
        pause: seconds between two looks.
    """

    actor: Actor
    cloud: str
    members: Sequence[Member]
    look: Callable[[str | None], Look]
    kolla: Callable[[str], AbstractContextManager[Callable[[str], str]]]
    recorded: Callable[[], Mapping[str, Applied]]
    record: Callable[[Mapping[str, str | None]], None]
    patience: float = PATIENCE
    pause: float = PAUSE
    _done: list[str] = field(default_factory=list)

    def run(self, order: Sequence[str], wanted: Mapping[str, Mapping[str, str]]) -> Report:
        """Change each controller in its turn.

        Arguments:
            order: the controllers that must change.
            wanted: the digest of each part that they have then, by controller.

        Returns:
            How it ended; nothing is raised for a controller that fails.

        Raises:
            EngineGone: the engine is gone; nothing more was started.
        """
        for controller in order:
            with self.actor.engine.step():
                failed = self._one(controller, wanted[controller])
            if failed:
                left = order[len(self._done) + 1 :]
                waits = f"; not changed, because it failed: {', '.join(left)}" if left else ""
                return Report(tuple(self._done), failed + waits)
            self._done.append(controller)
        return Report(tuple(self._done))

    def _one(self, controller: str, wanted: Mapping[str, str]) -> str:
        self._tell(controller, audit.BEGINS)
        try:
            self._change(controller, wanted)
        except EngineGone:
            self._tell(controller, audit.FAILED, "cut off: the engine is gone")
            raise
        except MigrationError as error:
            sentence = str(error) if isinstance(error, StepError) else f"{controller}: {STEP}: {error}"
            self._tell(controller, audit.FAILED, sentence)
            return sentence
        except Exception as error:  # noqa: BLE001 - a mistake of ours must stop the roll and be told like any failure
            traceback.print_exc()
            sentence = f"{controller}: {STEP}: unexpected {type(error).__name__}: {error}; see the log, and report it"
            self._tell(controller, audit.FAILED, sentence)
            return sentence
        self._tell(controller, audit.DONE)
        return ""

    def _change(self, controller: str, wanted: Mapping[str, str]) -> None:
        recorded = self.recorded()
        present = {member.name for member in self.members} - {controller}
        if begun := [name for name in sorted(present & recorded.keys()) if recorded[name].stage is Stage.CHANGING]:
            raise _error(
                controller,
                f"not changed, a change of {', '.join(begun)} is not complete; expected none. Run pulumi up again: that"
                " one comes first then",
            )
        known = self.look(controller)
        if why := health.forbids(known, self.members, controller):
            raise _error(
                controller,
                f"not changed, the control plane is not healthy: {'; '.join(why)}. Expected all but {controller} to be"
                " well, and a majority without it; mend that, then run pulumi up again",
            )
        with self.kolla(controller) as act:
            for action in BEFORE:
                _succeed(controller, act(action), "nothing that runs was changed")
            # From here on it has anything of old and new, also for a run that comes after a kill.
            self.record(applied.changing(controller, audit.now()))
            _succeed(controller, act(DEPLOY), "it may have been changed in part")
        self._prove(controller, known)
        before = recorded[controller].parts if controller in recorded else {}
        self.record(applied.parts(controller, wanted, before))
        self.record(applied.applied(controller, audit.now()))

    def _prove(self, controller: str, known: Look) -> None:
        """Wait until everything is healthy, and what stands on the controller has reported since."""
        end = time.monotonic() + self.patience
        after = self.look(None)
        look = after
        while why := health.ills(look, known=known, after=after, controller=controller):
            if time.monotonic() > end:
                raise _error(
                    controller,
                    f"deployed, but after {self.patience:g} s not healthy: {'; '.join(why)}. Expected everything well;"
                    " mend that, then run pulumi up again: this controller comes first",
                )
            self.actor.engine.gone.wait(self.pause)
            self.actor.engine.check()
            look = self.look(None)

    def _tell(self, controller: str, result: str, detail: str = "") -> None:
        self.actor.tell(self.cloud, controller, STEP, result, detail)


def _succeed(controller: str, failed: str, state: str) -> None:
    if failed:
        raise _error(controller, f"kolla-ansible failed: {failed}; {state}. Mend it, then run pulumi up again")


def _error(controller: str, message: str) -> StepError:
    return StepError(controller, STEP, message)
