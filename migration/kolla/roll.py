"""Which controllers must change, and in which order: a pure function of the rendered files and of what is on record.

At most one controller changes at a time, and never below quorum. Each is proved before and after (health.py); the acts
are in rolling.py. Source: kolla-ansible 18.8, the roles loadbalancer, mariadb and rabbitmq.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from migration.kolla.applied import Applied, Stage

COMPUTE_ONLY: Final = (
    "config/nova/nova-compute",
    "config/nova-compute",
    "config/nova/nova-libvirt",
    "config/nova-libvirt",
    "inventory/group_vars/nodes_",
)
"""Overrides that Kolla gives to compute hosts alone, by how their paths begin."""

SMALLEST: Final = 3
"""Members without which no one of them can be missed: below, a majority of the rest is none of all."""


@dataclass(frozen=True, slots=True)
class Member:
    """A host of the control plane: a controller, or the arbiter.

    Attributes:
        name: its name in the inventory.
        datacenter: where it stands.
        address: where its services listen.
        apis: whether it has APIs and a place for the VIPs: a controller has, the arbiter has not.
        votes: whether Galera and RabbitMQ run on it; one controller too many in a datacenter has none (layout.py).
    """

    name: str
    datacenter: str
    address: str
    apis: bool = True
    votes: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One controller that must change, and why."""

    controller: str
    why: str


@dataclass(frozen=True, slots=True)
class RollPlan:
    """What is to be done to the controllers.

    Attributes:
        changes: who must change, in the order of the roll.
        order: why it is this order, a sentence; "" where nothing changes.
        by_hand: why a person has to do it, or "" where this ``up`` does.
    """

    changes: tuple[Change, ...] = ()
    order: str = ""
    by_hand: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """What this ``up`` does, a line for each controller."""
        return () if self.by_hand else tuple(f"{each.controller}: {each.why}" for each in self.changes)

    @property
    def controllers(self) -> tuple[str, ...]:
        """The names of those that must change, in order."""
        return tuple(each.controller for each in self.changes)


def quorum(votes: int) -> int:
    """Return how many of that many votes are a majority."""
    return votes // 2 + 1


def parts_of(
    files: Mapping[str, str],
    members: Sequence[Member],
    nodes: Collection[str] = (),
    also: Mapping[str, str] | None = None,
) -> dict[str, dict[str, str]]:
    """Digest what concerns each controller, by the part of the configuration that it belongs to.

    What one controller has concerns the others too (addresses of Galera's, RabbitMQ's and keepalived's peers), so they
    differ only in the overrides that Kolla gives to one host (``config/SERVICE/HOST/...``).

    Arguments:
        files: path below Kolla's directory to content, rendered without any compute host: a node that joins changes
            the inventory, and must not roll controllers.
        members: the controllers and the arbiter.
        nodes: every node of the settings, whose own overrides concern no controller.
        also: what concerns all of them and is in no file that we render: such as how often a key was rotated.

    Returns:
        Part to digest, by controller. A part is ``globals.yml``, ``nova`` …: what a person would name.
    """
    others = {member.name for member in members}.union(nodes)
    found: dict[str, dict[str, str]] = {}
    for member in members:
        hashes = {part: hashlib.sha256(f"{value}\0".encode()) for part, value in (also or {}).items()}
        for path, content in sorted(files.items()):
            if _concerns(path, others - {member.name}):
                digest = hashes.setdefault(_part(path), hashlib.sha256())
                digest.update(f"{path}\0{content}\0".encode())
        found[member.name] = {part: digest.hexdigest()[:12] for part, digest in sorted(hashes.items())}
    return found


def _concerns(path: str, others: set[str]) -> bool:
    within = PurePosixPath(path).parts
    of_another_host = len(within) > 3 and within[0] == "config" and within[2] in others
    return not of_another_host and not path.startswith(COMPUTE_ONLY)


def _part(path: str) -> str:
    within = PurePosixPath(path).parts
    if within[0] != "config" or len(within) == 1:
        return within[0]
    return within[1].removesuffix(".conf")


def plan_roll(
    members: Sequence[Member],
    wanted: Mapping[str, Mapping[str, str]],
    applied: Mapping[str, Applied],
    *,
    holder: str | None,
    deploys: bool,
) -> RollPlan:
    """Decide who must change, and in which order.

    Arguments:
        members: the controllers and the arbiter, in the inventory's order.
        wanted: as ``parts_of`` gives it.
        applied: what is on record, by controller.
        holder: who holds the VIPs, or None where that could not be asked.
        deploys: whether this ``up`` rolls the files out (``kolla.apply: deploy``).

    Returns:
        The plan.
    """
    reasons = {member.name: _why(wanted[member.name], applied.get(member.name)) for member in members}
    due = [member for member in members if reasons[member.name]]
    if not due:
        return RollPlan()
    sizes = Counter(member.datacenter for member in members)
    last = holder or _first_in_line(members)
    unfinished = {name for name, record in applied.items() if record.stage is Stage.CHANGING}

    def turn(member: Member) -> tuple[bool, bool, int]:
        return member.name not in unfinished, member.name == last, sizes[member.datacenter]

    # sorted() keeps the inventory's order among equals
    changes = tuple(Change(member.name, reasons[member.name]) for member in sorted(due, key=turn))
    begun = [member.name for member in due if member.name in unfinished]
    return RollPlan(changes, _order(begun, last, known=holder is not None), _by_hand(members, deploys=deploys))


def _why(wanted: Mapping[str, str], record: Applied | None) -> str:
    if record is None:
        return "nothing is on record of what was applied to it"
    if record.stage is Stage.CHANGING:
        return f"a change that began {record.at} was not completed"
    changed = [part for part in sorted({*wanted, *record.parts}) if wanted.get(part) != record.parts.get(part)]
    return f"{', '.join(changed)} changed since {record.at}" if changed else ""


def _first_in_line(members: Sequence[Member]) -> str:
    """Return who takes the VIPs first when all start: Kolla gives the last of the inventory the highest priority."""
    return [member.name for member in members if member.apis][-1]


def _order(begun: Sequence[str], last: str, *, known: bool) -> str:
    holds = "holds the VIPs" if known else "has the highest priority for the VIPs (who holds them could not be asked)"
    first = f"{', '.join(begun)} first, whose change is not complete; " if begun else ""
    return (
        f"{first}the smaller datacenter before the larger, so that a change that fails leaves the larger one whole;"
        f" {last} last, which {holds}: they move once, to a controller that is proved"
    )


def _by_hand(members: Sequence[Member], *, deploys: bool) -> str:
    if not deploys:
        return "kolla.apply is render"
    votes = sum(member.votes for member in members)
    if votes < SMALLEST:
        return (
            f"with {votes} of them, the rest is no majority while one changes: Galera and RabbitMQ stop; do it"
            " when nobody needs the cloud, or declare an arbiter"
        )
    return ""


def told(plan: RollPlan, commands: Callable[[str], Sequence[str]]) -> list[str]:
    """Say what is to be done to the controllers, as a preview shows it.

    Arguments:
        plan: the plan.
        commands: the commands that change one controller, in order.

    Returns:
        Sentences; none where nothing is to be done.
    """
    if not plan.changes:
        return []
    who = "by hand" if plan.by_hand else "in this up"
    lines = [f"controllers: {len(plan.changes)} must change, one after the other, {who}; {plan.order}"]
    lines += [f"controllers: {turn}. {one.controller}: {one.why}" for turn, one in enumerate(plan.changes, 1)]
    if not plan.by_hand:
        return lines
    lines.append(f"controllers: nothing is run, because {plan.by_hand}. Once the files are written, for each in turn:")
    for one in plan.changes:
        lines += [f"controllers:   {command}" for command in commands(one.controller)]
    lines.append("controllers: go on to the next one only when the last command has found this one healthy")
    return lines
