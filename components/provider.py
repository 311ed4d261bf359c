"""What every dynamic provider of ours shares: the lock, the watch over its engine, and what counts as a change.

A provider's methods run in Pulumi's provider process, four at a time. Two never act at once on the same clouds, and
nothing goes on acting when the engine is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ResourceProvider, UpdateResult

from migration import guardian
from migration.actor import Actor, Orders
from migration.adapters.rest import connect

LOCK_PATIENCE = 60.0
"""Seconds that a second ``up`` waits for the end of what a killed one left behind."""

_MUTEX = threading.Lock()


@cache
def _engine() -> guardian.Engine:
    return guardian.Engine(guardian.find_engine())


@cache
def _actor(orders: str) -> Actor:
    parsed = Orders.model_validate_json(orders)
    clouds = [connect(name).config.config["auth"]["auth_url"] for name in (parsed.old, parsed.new) if name]
    return Actor(parsed, _engine(), guardian.ActorLock(guardian.lock_path(*clouds)))


class Provider(ResourceProvider):
    """What all of ours share: create is update, nothing is ever deleted, and only steps or intent are a change.

    Arguments:
        orders: what the steps are told beside their node. They travel with the provider and not as an input, where
            every preview would repeat them for every node.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders.model_dump_json()

    def configure(self, _request: ConfigureRequest) -> None:
        """Begin to watch the engine: this process must not outlive it."""
        with _MUTEX:
            _engine()

    def actor(self) -> Actor:
        """Return the actor of this process, holding the lock."""
        with _MUTEX:
            actor = _actor(self._orders)
            actor.lock.take(patience=LOCK_PATIENCE)
            return actor

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out what the inputs say and return the outputs."""
        raise NotImplementedError

    def identity(self, props: Mapping[str, Any]) -> str:
        """Return the resource's id."""
        return str(props["node"])

    def pending(self, props: Mapping[str, Any]) -> bool:
        """Return whether the inputs ask for anything to be done."""
        return bool(props["steps"])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Do the same as an update: a first ``up`` may have steps already."""
        return CreateResult(self.identity(props), self.act(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Carry out the steps."""
        return UpdateResult(self.act(news))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" only where something would be done, or the intent differs."""
        return DiffResult(changes=self.pending(news) or news.get("membership") != olds.get("membership"))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Change nothing in any cloud: a node that leaves the config stays where it is."""
