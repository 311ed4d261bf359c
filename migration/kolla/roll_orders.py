"""What a roll is told, and with which hands it acts: kolla-ansible, the ledger, and looks at the control plane."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
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
from migration.ceph.look import open_ceph
from migration.ceph.settings import Ceph
from migration.facts import Aggregate
from migration.kolla import applied, hook
from migration.kolla.look import ControlPlane, Ports, members_of, ports_of
from migration.kolla.render import render
from migration.kolla.roll import Member, RollPlan, parts_of, plan_roll
from migration.kolla.rolling import BEFORE, DEPLOY, Roll
from migration.names import LEDGER_AGGREGATE
from migration.settings import CaracalSettings

Wanted = Mapping[str, Mapping[str, str]]
"""Part to digest, by controller."""

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
        ceph: how Ceph's monitors are asked, or None where the new cloud has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cloud: str
    members: tuple[Member, ...]
    ports: Ports
    directory: str
    inventory: str
    passwords: str
    tools: str | None
    ceph: Ceph | None

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
            ceph=settings.ceph,
        )

    def commands(self, controller: str) -> list[str]:
        """Return what a person runs to change one controller, as typed in the project's directory."""
        where = Path(), Path(self.directory), Path(self.inventory), Path(self.passwords)
        typed = [shlex.join(kolla_ansible(*where, action, limit=[controller]).argv) for action in (*BEFORE, DEPLOY)]
        return [*typed, f"visa-migration controllers record {controller}"]


def wanted_of(settings: CaracalSettings, ceph: CephAccess | None) -> Wanted:
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
    settings: CaracalSettings, ceph: CephAccess | None, aggregates: Iterable[Aggregate] | None
) -> tuple[RollPlan, Wanted]:
    """Decide who must change; who holds the VIPs is asked only where somebody must.

    Arguments:
        settings: the stack's settings.
        ceph: how hosts find Ceph, or None.
        aggregates: those of the new cloud; the ledger among them says what was applied. None where it could not be
            asked, as before the first bring-up.

    Returns:
        The plan, an empty one where nothing is known; and what each controller is to have, as ``wanted_of`` says.
    """
    if settings.kolla is None or aggregates is None:
        return RollPlan(), {}
    members, wanted, recorded = members_of(settings), wanted_of(settings, ceph), applied.recorded_in(aggregates)
    deploys = settings.kolla.apply == "deploy"
    plan = plan_roll(members, wanted, recorded, holder=None, deploys=deploys)
    if len(plan.changes) > 1:
        holder = control_plane(RollOrders.of(settings)).holder()
        plan = plan_roll(members, wanted, recorded, holder=holder, deploys=deploys)
    if plan.changes and settings.ceph and ceph is None:
        plan = replace(plan, by_hand="Ceph has not said yet how it is reached, so files are missing")
    return plan, wanted


def control_plane(orders: RollOrders) -> ControlPlane:
    """Return the control plane, to be looked at; the log-in is made with the first look."""
    ceph = orders.ceph

    @cache
    def control() -> Control:
        return Control(orders.cloud, connect(orders.cloud))

    def monitors() -> Mapping[str, bool]:
        assert ceph is not None  # noqa: S101 - it is not called otherwise
        with open_ceph(ceph) as cluster:
            status = cluster.ask("quorum_status")
        return {each["name"]: each["name"] in status["quorum_names"] for each in status["monmap"]["mons"]}

    passwords = Path(orders.passwords)
    return ControlPlane(orders.members, orders.ports, passwords, control, monitors if ceph else None)


def roll_of(actor: Actor, orders: RollOrders, bin_: Callable[[], Path], facts: Path) -> Roll:
    """Return a roll that really acts.

    Arguments:
        actor: who holds the lock.
        orders: what it is told.
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
        look=control_plane(orders).look,
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
