"""Carry out steps on Ceph: each looks again before it acts, and leaves its lines in the audit log.

A step is taken only if it is needed still; what has become necessary since the preview is left to the next run.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from migration import audit
from migration.adapters.ceph import Cluster
from migration.ceph.crush import CrushMap
from migration.ceph.look import look
from migration.ceph.plan import ROTATE, CephPlan, CephStep, Steps, plan_ceph
from migration.ceph.settings import Ceph
from migration.ceph.users import caps_of, entity, new_key
from migration.errors import CephError, CephRefused, EngineGone, MigrationError

TRIES = 5
"""How often the CRUSH map is changed anew because somebody else changed it meanwhile."""

CRUSH = "crush"

Tell = Callable[[str, str, str, str], None]
"""Writes a line to the audit log: subject, step, result, detail."""


@dataclass(frozen=True, slots=True)
class Report:
    """How the steps on one subject ended.

    Attributes:
        done: the steps that were carried out.
        failed: what went wrong, or "".
    """

    done: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Hands:
    """What acts on Ceph.

    Attributes:
        ceph: what is wanted.
        open: makes a connection.
        tell: writes to the audit log.
        step: holds the engine for as long as a step takes.
    """

    ceph: Ceph
    open: Callable[[], Cluster]
    tell: Tell
    step: Callable[[], AbstractContextManager[None]] = nullcontext


def carry_out(hands: Hands, subject: str, reviewed: Collection[str]) -> tuple[Report, CephPlan | None]:
    """Carry out steps on one subject.

    Arguments:
        hands: with what.
        subject: ``crush``, ``pool NAME`` or ``user NAME``.
        reviewed: the words of the steps that the preview has shown.

    Returns:
        How it ended, and the plan after it (with the keys of the users), or None where Ceph cannot be asked any more.
        Nothing is raised for what fails: that is in the report.

    Raises:
        EngineGone: nobody waits for this any more; no further step was taken.
    """
    done: list[str] = []
    plan: CephPlan | None = None
    try:
        with hands.open() as cluster:
            for step in _needed(hands, cluster, subject, reviewed):
                with hands.step():
                    _take(hands, cluster, subject, step, reviewed)
                done.append(step.word)
            plan = plan_ceph(hands.ceph, look(cluster, hands.ceph))
        left = [step.word for step in plan.subjects[subject] if step.word in reviewed]
        failed = f"{subject}: {', '.join(left)}: done, but Ceph shows no change; see ceph -s" if left else ""
    except EngineGone:
        raise
    except MigrationError as error:
        failed = f"{subject}: {error}"
    except Exception as error:  # noqa: BLE001 - a mistake of ours on one subject must not stop the others
        traceback.print_exc()
        failed = f"{subject}: unexpected {type(error).__name__}: {error}; see the log of this run, and report it"
    return Report(tuple(done), failed), plan


def _needed(hands: Hands, cluster: Cluster, subject: str, reviewed: Collection[str]) -> Iterator[CephStep]:
    """Yield the steps that were reviewed and are needed still; those on the CRUSH map are one act."""
    steps = [step for step in _planned(hands, cluster)[subject] if step.word in reviewed]
    if subject != CRUSH:
        yield from steps
    elif steps:
        words = ", ".join(step.word for step in steps)
        yield CephStep(words, "; ".join(f"{step.word}: {step.detail}" for step in steps))


def _planned(hands: Hands, cluster: Cluster) -> dict[str, Steps]:
    """Look again; raises CephError where a guard refuses by now."""
    plan = plan_ceph(hands.ceph, look(cluster, hands.ceph))
    if plan.refusals:
        raise CephError("look", "; ".join(plan.refusals))
    return dict(plan.subjects)


def _take(hands: Hands, cluster: Cluster, subject: str, step: CephStep, reviewed: Collection[str]) -> None:
    hands.tell(subject, step.word, audit.BEGINS, step.detail)
    try:
        if subject == CRUSH:
            _set_map(hands, cluster, reviewed)
        elif step.word == ROTATE:
            _rotate(hands.ceph, cluster, subject.partition(" ")[2], step)
        else:
            _send(cluster, step)
    except BaseException as error:
        known = isinstance(error, MigrationError)
        hands.tell(subject, step.word, audit.FAILED, str(error) if known else f"cut off: {type(error).__name__}")
        raise
    hands.tell(subject, step.word, audit.DONE, step.detail)


def _send(cluster: Cluster, step: CephStep) -> None:
    for command in step.commands:
        cluster.tell(command.prefix, **command.arguments)


def _rotate(ceph: Ceph, cluster: Cluster, user: str, step: CephStep) -> None:
    """Give a user a new key in one act of the monitors, then record that it was done."""
    quoted = {daemon: text.replace("\\", "\\\\").replace('"', '\\"') for daemon, text in caps_of(ceph, user).items()}
    caps = "".join(f'caps {daemon} = "{text}"\n' for daemon, text in quoted.items())
    cluster.tell("auth import", data=f"[{entity(user)}]\nkey = {new_key()}\n{caps}".encode())
    _send(cluster, step)


def _set_map(hands: Hands, cluster: Cluster, reviewed: Collection[str]) -> None:
    """Set the CRUSH map by compare-and-swap; from the start again where somebody else was faster."""
    for _ in range(TRIES):
        binary, version = cluster.fetch("osd getcrushmap")
        steps = _planned(hands, cluster)[CRUSH]
        if not steps:
            return  # somebody else did the same
        if more := [step.word for step in steps if step.word not in reviewed]:
            raise CephError("osd setcrushmap", f"{', '.join(more)} has become necessary too; run pulumi up again")
        wanted = CrushMap(binary).wanted(hands.ceph)
        if said := wanted.misfit(wanted.rules()[hands.ceph.rule.name], hands.ceph.size):
            raise CephError("crushtool --test", f"rule {hands.ceph.rule.name} has bad mappings: {said}")
        try:
            cluster.tell("osd setcrushmap", data=wanted.binary, prior_version=int(version))
        except CephRefused as refused:
            if refused.code != errno.EPERM or "prior_version" not in str(refused):
                raise
        else:
            return
    raise CephError(
        "osd setcrushmap",
        f"somebody else changed the CRUSH map {TRIES} times while this was going on; find out who, then run pulumi up"
        " again",
    )
