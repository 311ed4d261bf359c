"""Run steps on a node: each in its turn, with the lock held and a line in the audit log before and after.

What the steps are is in ``leave.py`` (out of the old cloud) and ``join.py`` (into the new one). Every step looks again
before it acts; if the world has changed the node stays as it is, and that is no error.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from migration import audit
from migration.actor import Actor
from migration.errors import EngineGone, MigrationError, StepError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended, if it did not fail.

    Attributes:
        result: ``audit.DONE``, ``audit.NOTHING`` or ``audit.STAYS``.
        detail: a sentence, or "".
    """

    result: str
    detail: str = ""


DONE = Outcome(audit.DONE)
NOTHING = Outcome(audit.NOTHING)


def stays(why: str) -> Outcome:
    """Return the outcome of a step that found the world changed: later steps of this node are not taken."""
    return Outcome(audit.STAYS, why)


Act = Callable[[Actor, str], Outcome]
S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Report:
    """How a run of steps ended for one node.

    Attributes:
        done: the steps that were carried out or found done.
        stays: why the node stays as it is, or "".
        failed: what went wrong, or "".
    """

    done: tuple[str, ...] = ()
    stays: str = ""
    failed: str = ""


def run_steps(actor: Actor, cloud: str, node: str, steps: Sequence[S], acts: Mapping[S, Act]) -> Report:
    """Carry out steps on one node (or image, or whatever they are about) until they are done, one stays, or one fails.

    Arguments:
        actor: with what.
        cloud: the name of the cloud that they act on, for the audit log.
        node: the node.
        steps: the steps in their order.
        acts: what each step does.

    Returns:
        How it ended. A step that failed is in the report, not raised: the other nodes go on.

    Raises:
        EngineGone: the engine is gone; no further step was started.
    """
    done: list[str] = []
    for step in steps:
        with actor.engine.step():
            outcome, failed = _one(actor, cloud, node, step, acts[step])
        if failed:
            return Report(tuple(done), failed=failed)
        if outcome.result == audit.STAYS:
            return Report(tuple(done), stays=outcome.detail)
        done.append(step.value)
    return Report(tuple(done))


def _one(actor: Actor, cloud: str, node: str, step: StrEnum, act: Act) -> tuple[Outcome, str]:
    actor.tell(cloud, node, step, audit.BEGINS)
    try:
        outcome = act(actor, node)
    except EngineGone:
        actor.tell(cloud, node, step, audit.FAILED, "cut off: the engine is gone")
        raise
    except MigrationError as error:
        # An error of a cloud or of the ledger does not say for which node and step it came.
        known = isinstance(error, StepError) and error.node == node
        sentence = str(error) if known else f"{node}: {step}: {error}"
        actor.tell(cloud, node, step, audit.FAILED, sentence)
        return NOTHING, sentence
    except Exception as error:  # noqa: BLE001 - a mistake of ours on one node must not stop the others either
        traceback.print_exc()
        sentence = f"{node}: {step}: unexpected {type(error).__name__}: {error}; see the log of this run, and report it"
        actor.tell(cloud, node, step, audit.FAILED, sentence)
        return NOTHING, sentence
    actor.tell(cloud, node, step, outcome.result, outcome.detail)
    return outcome, ""
