"""What VISA does to servers: a few at a time, each written to the log before it is done.

The log says why a server is gone to who watches the clouds: ``end`` is the end that an instance's owner, VISA's limits
or an administrator gave it. What VISA destroys by mistake is no such end: ``lost`` (its cloud does not know the server)
and ``cleaned`` (the nightly clean-up) do not excuse anything.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from sqlalchemy.orm import Session

from lab.visa import rules, store
from lab.visa.clock import Clock
from lab.visa.clouds import ServerInput
from lab.visa.errors import CloudDown
from lab.visa.registry import Client, Registry
from lab.visa.store import Store
from lab.visa.tables import Instance, SecurityGroup

AT_ONCE = 2
LOG = logging.getLogger(__name__)


class Work:
    """Creates, stops and deletes servers.

    Arguments:
        store: VISA's database.
        registry: its clouds.
        clock: its time.
        log: file for a JSON line per act; None: nobody reads it.
        executor: who does it; None: a few threads.
        names: which lab cloud is behind an identity endpoint, for the log.
    """

    def __init__(
        self, store_: Store, registry: Registry, clock: Clock, log: Path | None = None,
        executor: Executor | None = None, names: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._store, self._registry, self._clock, self._log = store_, registry, clock, log
        self._executor = executor or ThreadPoolExecutor(AT_ONCE, "work")
        self._names = names or {}
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        self.creating = threading.RLock()
        """Held from Nova's answer to a new server until its id is in the database."""

    def create(self, instance: int) -> None:
        """Make an instance's server, some time."""
        self._submit(instance, self._create)

    def stop(self, instance: int) -> None:
        """Shut an instance's server down, some time."""
        self._submit(instance, self._stop)

    def delete(self, instance: int) -> None:
        """Delete an instance and its server, some time."""
        self._submit(instance, self._delete)

    def close(self) -> None:
        """Wait for what has begun; the rest is dropped, and found in the database at the next start."""
        self._executor.shutdown(cancel_futures=True)

    def write(self, event: str, client: Client, server: str, name: str, **more: object) -> None:
        """Write a line to the log."""
        if self._log is None:
            return
        cloud = self._names.get(client.open_stack_provider_configuration.identity_endpoint, client.name)
        line = {"time": round(time.time(), 3), "event": event, "cloud": cloud, "server": server, "name": name, **more}
        with self._lock, self._log.open("a") as log:
            log.write(json.dumps({**line, "visa_time": self._clock.now().isoformat(timespec="seconds")}) + "\n")

    def end(self, client: Client, instance: Instance, why: str) -> None:
        """Write that an instance ends, and why. It comes before anything is done to the server."""
        if instance.compute_id is not None:
            self.write("end", client, instance.compute_id, server_name(client, instance), why=why)

    # -- in a thread

    def _submit(self, instance: int, act: Callable[[Session, Instance, Client], None]) -> None:
        with self._lock:
            if instance in self._busy:
                return
            self._busy.add(instance)
        self._executor.submit(self._run, instance, act)

    def _run(self, identity: int, act: Callable[[Session, Instance, Client], None]) -> None:
        try:
            with self._store.session() as session:
                instance = session.get(Instance, identity)
                client = self._registry.find(session, instance.cloud_id) if instance else None
                if instance is not None and client is not None and instance.deleted_at is None:
                    act(session, instance, client)
        except CloudDown as error:
            LOG.warning("instance %s: %s", identity, error)
        except Exception:
            LOG.exception("instance %s", identity)
        finally:
            with self._lock:
                self._busy.discard(identity)

    def _create(self, session: Session, instance: Instance, client: Client) -> None:
        if instance.compute_id is not None:
            return
        wanted = ServerInput(
            name=server_name(client, instance),
            image=instance.plan.image.compute_id,
            flavour=instance.plan.flavour.compute_id,
            networks=client.open_stack_provider_configuration.networks,
            security_groups=rules.security_groups(store.rows(session, SecurityGroup), instance),
            metadata={"id": str(instance.id), "uid": instance.uid, "owner": instance.username},
            user_data=instance.plan.image.boot_command,
        )
        try:
            with self.creating:
                instance.compute_id = client.access.create(wanted)
                session.commit()
        except CloudDown:
            instance.state = "ERROR"
            session.commit()
            raise
        self.write("start", client, instance.compute_id, wanted.name)

    def _stop(self, session: Session, instance: Instance, client: Client) -> None:
        if instance.compute_id is None:
            return
        try:
            client.access.stop(instance.compute_id)
        except CloudDown as error:
            LOG.warning("instance %s cannot be stopped: %s", instance.id, error)
            return
        if instance.state != "STOPPED":
            instance.state = "STOPPING"
            session.commit()

    def _delete(self, session: Session, instance: Instance, client: Client) -> None:
        if instance.compute_id is not None and client.access.server(instance.compute_id) is not None:
            client.access.delete(instance.compute_id)
        store.delete(session, instance, self._clock.now())


def server_name(client: Client, instance: Instance) -> str:
    """Return the name of an instance's server."""
    return f"{client.server_name_prefix}-{instance.id}"
