"""The scientists: their instances on the old cloud end by themselves, and new ones start on the new cloud only."""

from __future__ import annotations

import heapq
import json
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import NotFoundException, SDKException

from lab import seed
from lab.clouds import administrator, identity, tenant
from lab.layout import NEW, OLD
from lab.state import State

ERRORS = (SDKException, ClientException)
TICK = 0.5
RETRY = 5.0  # seconds until a server that was to end is looked for again
FLAVOR = "visa.tiny"
FIRST_NEW = 1000  # VISA's numbers for instances go on; so high that they are told apart at a glance


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long instances live, in seconds.

    Attributes:
        shortest: at least.
        longest: at most.
        seed: the same lifetimes for the same seed.
    """

    shortest: float
    longest: float
    seed: int

    def of(self, name: str) -> float:
        """Return the lifetime of the instance with this name."""
        return random.Random(f"{self.seed}/{name}").uniform(self.shortest, self.longest)  # noqa: S311


class Simulator:
    """Ends and starts instances as their owners would.

    Arguments:
        state: the lab.
        log: file for a JSON line per act, written *before* the act: who reads it after looking at the clouds knows why
            something is gone.
        lifetimes: how long instances live.
    """

    def __init__(self, state: State, log: Path, lifetimes: Lifetimes) -> None:
        self._old, self._new = state.cloud(OLD), state.cloud(NEW)
        self._log = log
        self._lifetimes = lifetimes
        self._due: list[tuple[float, str, str, str]] = []  # when, in which cloud, which server, its name
        self._ended: set[str] = set()
        self._wishes = 0  # owners whose instance on the old cloud ended, and who want a new one
        self._next = FIRST_NEW

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        with administrator(self._old) as old, administrator(self._new) as new:
            for server in old.compute.servers(all_projects=True):
                if server.name.startswith(f"{seed.PREFIX}-"):
                    self._expect(OLD, server.id, server.name)
            self._write("begin", instances=len(self._due))
            while not stop.wait(TICK):
                while self._due and self._due[0][0] <= time.monotonic():
                    _, cloud, server_id, name = heapq.heappop(self._due)
                    self._end(old if cloud == OLD else new, cloud, server_id, name)
                if self._wishes:
                    self._try_start(new)
        self._write("stopped")

    def _expect(self, cloud: str, server: str, name: str) -> None:
        heapq.heappush(self._due, (time.monotonic() + self._lifetimes.of(name), cloud, server, name))

    def _end(self, connection: Connection, cloud: str, server: str, name: str) -> None:
        """End an instance, and come back to see that it is gone: a busy Nova may forget what it was asked."""
        first = server not in self._ended
        if first:
            self._write("end", cloud=cloud, server=server, name=name)
            self._ended.add(server)
            self._wishes += cloud == OLD
        try:
            if not first and _gone(connection, server):
                return
            connection.compute.delete_server(server)
        except ERRORS as error:
            self._write("end-failed", cloud=cloud, server=server, name=name, why=str(error))
        heapq.heappush(self._due, (time.monotonic() + RETRY, cloud, server, name))

    def _try_start(self, new: Connection) -> None:
        try:
            if identity(new).find_project(seed.PROJECT):
                self._start(new)
        except ERRORS as error:
            self._write("start-failed", cloud=NEW, why=str(error))

    def _start(self, new: Connection) -> None:
        """Start an instance on the new cloud, if it has by now what an instance needs."""
        with administrator(self._new, tenant(new)) as connection:
            flavor = connection.compute.find_flavor(FLAVOR)
            network = connection.network.find_network(seed.NETWORK)
            image = connection.image.find_image(seed.IMAGES[NEW][-1])
            if not (flavor and network and image):
                return
            number, self._next, self._wishes = self._next, self._next + 1, self._wishes - 1
            name = f"{seed.PREFIX}-{number}"
            server = connection.compute.create_server(
                name=name,
                flavor_id=flavor.id,
                image_id=image.id,
                networks=[{"uuid": network.id}],
                metadata=seed.metadata(number),
            )
        self._write("start", cloud=NEW, server=server.id, name=name)
        self._expect(NEW, server.id, name)

    def _write(self, event: str, **values: object) -> None:
        with self._log.open("a") as log:
            log.write(json.dumps({"time": round(time.time(), 3), "event": event, **values}) + "\n")


def _gone(connection: Connection, server: str) -> bool:
    try:
        connection.compute.get_server(server)
    except NotFoundException:
        return True
    return False
