"""What VISA does by itself, with the traps of the real one: it believes a 404, and it cleans up by prefix alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.visa import rules, store
from lab.visa.context import Visa
from lab.visa.errors import CloudDown
from lab.visa.registry import Client
from lab.visa.tables import ACTIVE_STATES, Instance
from lab.visa.work import server_name

UNSTABLE = ("BUILDING", "STARTING", "PARTIALLY_ACTIVE", "ACTIVE_MIGRATING", "REBOOTING", "STOPPING", "MIGRATING")
LOG = logging.getLogger(__name__)


def states(visa: Visa) -> None:
    """Ask each instance's cloud how its server is: every minute."""
    with visa.store.session() as session:
        _states(visa, session, [each.id for each in store.living(session)])


def unstable(visa: Visa) -> None:
    """The same for instances that are on their way to another state, and the next step of those that end."""
    with visa.store.session() as session:
        waiting = [each.id for each in store.living(session, Instance.state.in_(UNSTABLE))]
        waiting += [each.id for each in store.living(session, Instance.delete_requested) if each.id not in waiting]
        _states(visa, session, waiting)
        for instance in store.living(session, Instance.delete_requested):
            if instance.state in ACTIVE_STATES:
                visa.work.stop(instance.id)  # a busy Nova may forget what it was asked
            elif instance.state == "STOPPED":
                instance.state = "DELETING"
                session.commit()
                visa.work.delete(instance.id)


def _states(visa: Visa, session: Session, chosen: list[int]) -> None:
    """Believe the clouds: an unknown server is a deleted one; a cloud that does not answer says nothing."""
    listed: dict[int, Mapping[str, str]] = {}
    for instance in store.living(session, Instance.id.in_(chosen), Instance.compute_id.is_not(None)):
        client = visa.registry.find(session, instance.cloud_id)
        if client is None or instance.compute_id is None:
            continue
        try:
            if client.id not in listed:
                listed[client.id] = {each.id: each.state for each in client.access.servers()}
            state = listed[client.id].get(instance.compute_id)
            if state is None or instance.ip_address is None:
                server = client.access.server(instance.compute_id)
                if server is None:
                    _lost(visa, session, instance, client)
                    continue
                state, instance.ip_address = server.state, server.address
        except CloudDown as error:
            LOG.warning("state of instance %s: %s", instance.id, error)
            continue
        if state == "DELETED":
            _lost(visa, session, instance, client)
        elif instance.state != "DELETING":
            instance.state = state
        session.commit()


def _lost(visa: Visa, session: Session, instance: Instance, client: Client) -> None:
    if instance.state != "DELETING" and not instance.delete_requested and instance.compute_id is not None:
        visa.work.write("lost", client, instance.compute_id, server_name(client, instance))
    store.delete(session, instance, visa.clock.now())


def lifecycle(visa: Visa) -> None:
    """End what has reached its termination date or has been idle for too long: every 5 minutes."""
    now = visa.clock.now()
    with visa.store.session() as session:
        for instance in store.living(session):
            if instance.state == "DELETING":
                visa.work.delete(instance.id)  # once more, where a cloud did not answer
                continue
            end = rules.ends(instance, visa.limits)
            client = visa.registry.find(session, instance.cloud_id)
            if end is None or end > now or client is None:
                continue
            visa.work.end(client, instance, "lifetime" if end == instance.termination_date else "inactivity")
            instance.state = "DELETING"
            session.commit()
            visa.work.delete(instance.id)


def clean_up(visa: Visa) -> None:
    """Delete, on every cloud, each server whose name begins with the cloud's prefix and that is no instance's: 02:00.

    Hidden clouds are cleaned as well. A cloud's instances are those whose image is of this cloud, so a cloud that is
    registered twice has the other one's instances killed.
    """
    with visa.store.session() as session:
        for client in visa.registry.all(session):
            with visa.work.creating:  # not what is being made just now
                found = _strays(visa, client)
            for identity, name in found:
                LOG.info("clean-up of %s: deleting %s (%s)", client.name, name, identity)
                visa.work.write("cleaned", client, identity, name)
                try:
                    client.access.delete(identity)
                except CloudDown as error:
                    LOG.warning("clean-up of %s: %s: %s", client.name, name, error)


def _strays(visa: Visa, client: Client) -> list[tuple[str, str]]:
    try:
        servers = client.access.servers()
    except CloudDown as error:
        LOG.warning("clean-up of %s: %s", client.name, error)
        return []
    with visa.store.session() as session:
        known = {each.compute_id for each in store.living(session) if each.cloud_id == client.cloud_id}
    prefix = client.server_name_prefix
    return [(each.id, each.name) for each in servers if each.id not in known and each.name.startswith(prefix)]


Job = Callable[[Visa], None]
JOBS: tuple[tuple[Job, timedelta, timedelta], ...] = (
    (states, timedelta(minutes=1), timedelta()),
    (unstable, timedelta(seconds=5), timedelta()),
    (lifecycle, timedelta(minutes=5), timedelta()),
    (clean_up, timedelta(days=1), timedelta(hours=2)),
)
"""Each job, how often it is due, and when first after midnight."""


class Schedule:
    """Runs the jobs when they are due. A stroke that comes while a job runs is skipped, as the real server does it.

    Arguments:
        visa: VISA.
    """

    def __init__(self, visa: Visa) -> None:
        self._visa = visa
        now = visa.clock.now()
        self._last: dict[Job, datetime] = {job: now for job, _, _ in JOBS}

    def turn(self) -> None:
        """Run what is due by now; one that fails does so again at its next stroke."""
        for job, every, at in JOBS:
            last, now = self._last[job], self._visa.clock.now()
            if rules.struck(last, now, every, at):
                self._last[job] = now
                try:
                    job(self._visa)
                except Exception:
                    LOG.exception("%s", job.__name__)


def resume(visa: Visa) -> None:
    """Go on with what was begun before VISA was ended."""
    with visa.store.session() as session:
        for instance in store.living(session):
            if instance.state == "DELETING":
                visa.work.delete(instance.id)
            elif instance.state == "BUILDING" and instance.compute_id is None:
                visa.work.create(instance.id)
            elif instance.delete_requested and instance.state != "STOPPED":
                visa.work.stop(instance.id)
