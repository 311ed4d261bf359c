"""Carry out the steps on VISA, part by part: look before and after each, so that a create is never sent twice.

VISA's creates are not idempotent, and an error may come after the row was written. So nothing is ever retried here:
after each act the plan is made anew from a fresh look, and a step that it still asks for has failed. The next ``up``
begins from what it finds.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection

from migration import audit
from migration.actor import Actor
from migration.errors import EngineGone, MigrationError
from migration.settings import CaracalSettings
from migration.steps import Report
from migration.visa.acts import ACTS, Acts
from migration.visa.facts import VisaFacts
from migration.visa.look import Hands, look_again, look_at_visa
from migration.visa.plan import VisaPlan, plan_visa
from migration.visa.steps import CHECKS, Part, VisaStep, Word


class Work:
    """One part of VISA, and what acts on it.

    Arguments:
        actor: the engine, the audit log, and how to wait.
        hands: what looks at VISA and changes it.
        settings: the stack's settings.
    """

    def __init__(self, actor: Actor, hands: Hands, settings: CaracalSettings) -> None:
        self._actor, self._hands, self._settings = actor, hands, settings
        self._acts = Acts(actor, hands)

    def run(self, part: Part, reviewed: Collection[str]) -> Report:
        """Carry out the steps of one part that were reviewed and are still wanted.

        Arguments:
            part: the part.
            reviewed: the steps, as a preview showed them.

        Returns:
            How it ended; what failed is in it and not raised.

        Raises:
            EngineGone: the engine is gone; nothing more was begun.
        """
        done: list[str] = []
        try:
            facts = look_at_visa(self._hands)
            plan = self._plan(facts)
            if plan.refusals:
                return Report(failed="; ".join(plan.refusals))
            while (step := self._next(plan, part, reviewed, done)) is not None:
                facts, plan, failed = self._one(facts, plan, step)
                if failed:
                    return Report(tuple(done), failed=failed)
                done.append(str(step))
        except EngineGone:
            raise
        except MigrationError as error:
            return Report(tuple(done), failed=f"visa {part}: {error}")
        withheld = plan.waits if set(reviewed) - set(done) else ()
        return Report(tuple(done), stays="; ".join(withheld))

    def _plan(self, facts: VisaFacts) -> VisaPlan:
        clouds = self._settings.clouds
        return plan_visa(self._hands.wanted, facts, old=clouds.old, new=clouds.new)

    @staticmethod
    def _next(plan: VisaPlan, part: Part, reviewed: Collection[str], done: Collection[str]) -> VisaStep | None:
        return next((step for step in plan.of(part) if str(step) in reviewed and str(step) not in done), None)

    def _one(self, facts: VisaFacts, plan: VisaPlan, step: VisaStep) -> tuple[VisaFacts, VisaPlan, str]:
        """Take one step and read back what it did; returns the new facts, the new plan, and what failed, or ""."""
        subject = f"visa {step.part}"

        def tell(result: str, detail: str) -> None:
            self._actor.tell("visa", subject, step.word, result, detail)

        with self._actor.engine.step():
            tell(audit.BEGINS, step.subject)
            try:
                error = self._try(facts, step)
                facts = look_again(self._hands, facts)
                plan = self._plan(facts)
                undone = error if step.word in CHECKS else _undone(plan, step, error)
            except EngineGone:
                tell(audit.FAILED, "cut off: the engine is gone")
                raise
            except MigrationError as unread:
                undone = f"it is not known whether it was done: {unread}"
            if undone:
                sentence = f"{subject}: {step.word} {step.subject}: {undone}"
                tell(audit.FAILED, sentence)
                return facts, plan, sentence
            late = f" (answered with an error, but it is done: {error})" if error else ""
            tell(audit.DONE, step.subject + late)
            return facts, plan, ""

    def _try(self, facts: VisaFacts, step: VisaStep) -> str:
        try:
            ACTS[step.word](self._acts, facts, step.target)
        except EngineGone:
            raise
        except MigrationError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the provider in the middle of a part
            traceback.print_exc()
            return f"unexpected {type(error).__name__}; see the log of this run, and report it"
        return ""


def _undone(plan: VisaPlan, step: VisaStep, error: str) -> str:
    """Return why a step counts as not done after it was read back, or ""."""
    if plan.refusals:
        return "; ".join(plan.refusals)
    # the reason of a rotation may be another one now, and it has not been done all the same
    rotates = step.word is Word.ROTATE and any(one.word is Word.ROTATE for one in plan.steps)
    if str(step) not in map(str, plan.steps) and not rotates:
        return ""
    return error or "VISA said that it is done, and does not show it; see its log, then run pulumi up again"
