"""What a roll is told, and with which hands it acts: kolla-ansible, the ledger, and looks at the control plane."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from migration import audit
from migration.actor import Actor
from migration.adapters.ansible import kolla_ansible
from migration.adapters.control import Control
from migration.adapters.rest import connect
from migration.ceph.access import CephAccess
from migration.facts import Aggregate
from migration.kolla import applied, hook
from migration.kolla.look import ControlPlane, Monitors, Ports, members_of, ports_of
from migration.kolla.render import render
from migration.kolla.roll import Member, RollPlan, parts_of, plan_roll
from migration.kolla.rolling import BEFORE, DEPLOY, Roll
from migration.names import LEDGER_AGGREGATE
from migration.settings import CaracalSettings

TIMEOUT = 7200.0
"""Seconds for facts, prechecks, pull and deploy of one controller; a slow line to the registry takes most of it."""

COMPUTE_USER = "nova"
"""The one of Ceph's users whose key only compute hosts have."""


class RollOrders(BaseModel):
    """What a roll is told; no secrets, and nothing that differs between checkouts.

    Relative paths begin in the program's directory.

    Attributes:
        cloud: the new cloud's name in clouds.yaml.
        members: the controllers and the arbiter.
        ports: where their services listen.
        directory: Kolla's configuration directory.
        inventory: the inventory.
        passwords: Kolla's passwords.yml.
        tools: a virtual environment with kolla-ansible, or None for ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cloud: str
    members: tuple[Member, ...]
    ports: Ports
    directory: str
    inventory: str
    passwords: str
    tools: str | None

    @classmethod
    def of(cls, settings: CaracalSettings) -> Self:
        """Take from the settings what a roll is told; ``kolla`` is set there."""
        kolla = settings.kolla
        assert kolla is not None  # noqa: S101 - there is nothing to roll without it
        return cls(
            cloud=settings.clouds.new,
            members=tuple(members_of(settings)),
            ports=ports_of(settings),
            directory=kolla.directory,
            inventory=str(kolla.inventory),
            passwords=kolla.passwords,
            tools=kolla.tools,
        )

    def commands(self, controller: str) -> list[str]:
        """Return what a person runs to change one controller, as typed in the project's directory."""
        where = Path(), Path(self.directory), Path(self.inventory), Path(self.passwords)
        typed = [shlex.join(kolla_ansible(*where, action, limit=[controller]).argv) for action in (*BEFORE, DEPLOY)]
        return [*typed, f"visa-migration controllers record {controller}"]


def wanted_of(settings: CaracalSettings, ceph: CephAccess | None) -> dict[str, dict[str, str]]:
    """Digest what each controller is to have, by part.

    Arguments:
        settings: the stack's settings, with ``kolla``.
        ceph: how hosts find Ceph, or None.

    Returns:
        Part to digest, by controller; nothing in it depends on which compute hosts there are.
    """
    files = {path: file.content for path, file in render(settings, (), ceph).items()}
    users = settings.ceph.users if settings.ceph else {}
    keys = {f"key of {name}": str(user.rotation) for name, user in users.items() if name != COMPUTE_USER}
    return parts_of(files, members_of(settings), settings.nodes, keys)


def look_and_plan(
    settings: CaracalSettings, wanted: Mapping[str, Mapping[str, str]], aggregates: Iterable[Aggregate]
) -> RollPlan:
    """Decide who must change; who holds the VIPs is asked only where somebody must.

    Arguments:
        settings: the stack's settings, with ``kolla``.
        wanted: as ``wanted_of`` gives it.
        aggregates: those of the new cloud; the ledger among them says what was applied.

    Returns:
        The plan.
    """
    kolla = settings.kolla
    deploys = kolla is not None and kolla.apply == "deploy"
    members, recorded = members_of(settings), applied.recorded_in(aggregates)
    plan = plan_roll(members, wanted, recorded, holder=None, deploys=deploys)
    if len(plan.changes) < 2:
        return plan
    holder = control_plane(RollOrders.of(settings), None).holder()
    return plan_roll(members, wanted, recorded, holder=holder, deploys=deploys)


def control_plane(orders: RollOrders, monitors: Monitors | None) -> ControlPlane:
    """Return the control plane, to be looked at; the log-in is made with the first look."""

    @cache
    def control() -> Control:
        return Control(orders.cloud, connect(orders.cloud))

    return ControlPlane(orders.members, orders.ports, Path(orders.passwords), control, monitors)


def roll_of(actor: Actor, orders: RollOrders, monitors: Monitors | None, bin_: Callable[[], Path], facts: Path) -> Roll:
    """Return a roll that really acts.

    Arguments:
        actor: who holds the lock.
        orders: what it is told.
        monitors: asks Ceph which monitors are in quorum, or None.
        bin_: returns the ``bin`` directory of kolla-ansible's virtual environment, installed first if need be.
        facts: where the last facts of each host are kept, for runs in which one is dead.
    """

    def kolla(controller: str) -> AbstractContextManager[Callable[[str], str]]:
        logs = (Path(actor.orders.audit).parent if actor.orders.audit else Path()) / "logs"
        wave = hook.Wave(
            site=hook.Site(
                bin_=bin_(),
                directory=Path(orders.directory),
                inventory=Path(orders.inventory),
                passwords=Path(orders.passwords),
                facts=facts,
                logs=logs / f"{audit.now()}-roll-{controller}",
            ),
            nodes=(controller,),
            timeout=TIMEOUT,
            interrupted=actor.engine.gone.is_set,
            say=lambda line: print(f"{controller}: {line}", flush=True),
            keep=() if actor.lock.handle is None else (actor.lock.handle,),
        )
        return _on_one(wave)

    def record(metadata: Mapping[str, str | None]) -> None:
        actor.new.nova.set_metadata(actor.aggregate("controllers", LEDGER_AGGREGATE).id, metadata)

    return Roll(
        actor=actor,
        cloud=orders.cloud,
        members=orders.members,
        look=control_plane(orders, monitors).look,
        kolla=kolla,
        recorded=lambda: applied.recorded_in(actor.new.nova.aggregates()),
        record=record,
    )


@contextmanager
def _on_one(wave: hook.Wave) -> Iterator[Callable[[str], str]]:
    """Ask every host for its facts once, and give what runs an action of kolla-ansible on the one host of a wave."""
    (host,) = wave.nodes
    with tempfile.TemporaryDirectory(prefix="visa-kolla-") as scratch:
        facts = Path(scratch) / "facts"
        inventory = hook.gather(
            wave, hook.read_inventory(wave, wave.site.inventory), facts, Path(scratch) / "inventory"
        )

        def act(action: str) -> str:
            if wave.left:
                wave.drop(action, wave.act(action, inventory, facts, wave.left))
            return str(wave.results[host]) if host in wave.results else ""

        yield act
        hook.remember(facts, wave.site.facts)
