"""What the watcher calls wrong: a pure function of what it saw before, what it sees now, and who ended what.

Nothing here knows how the migration works, and nothing is shared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum

STOPPED = frozenset({"SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "ERROR"})


class Kind(StrEnum):
    """The ways in which a migration can harm its users."""

    REGISTERED_TWICE = "registered-twice"
    ENABLED_TWICE = "enabled-twice"
    GONE = "gone"
    STOPPED = "stopped"
    MOVED = "moved"
    PROBATION = "probation"


@dataclass(frozen=True, slots=True)
class Server:
    """A server as its cloud lists it.

    Attributes:
        name: its name.
        status: its state, in Nova's words.
        host: the node that it is on, or "" while it has none.
        probe: whether it is the migration's own.
    """

    name: str
    status: str
    host: str = ""
    probe: bool = False


@dataclass(frozen=True, slots=True)
class CloudLook:
    """One cloud at one moment.

    Attributes:
        services: nodes with a nova-compute on record; whether it is enabled.
        servers: all servers of all projects, by id.
        probation: nodes in probation.
    """

    services: Mapping[str, bool] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    probation: frozenset[str] = frozenset()


Look = Mapping[str, CloudLook]
"""Both clouds, by name."""


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """Something that must never happen.

    Attributes:
        kind: which invariant it breaks.
        subject: the node, or the server's id.
        message: what was seen.
    """

    kind: Kind
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the watcher remembers.

    Attributes:
        servers: users' servers that were alive when last seen, by cloud and id.
        reported: violations that were told already, by kind and subject.
    """

    servers: Mapping[tuple[str, str], Server] = field(default_factory=dict)
    reported: frozenset[tuple[Kind, str]] = frozenset()


def judge(memory: Memory, look: Look, ended: AbstractSet[str]) -> tuple[Memory, list[Violation]]:
    """Hold a look against what is remembered.

    Arguments:
        memory: of the looks before.
        look: both clouds now.
        ended: ids of the servers that their owners ended so far.

    Returns:
        What to remember, and the violations that were not told yet.
    """
    now = {
        (cloud, identity): server
        for cloud, seen in look.items()
        for identity, server in seen.servers.items()
        if not server.probe and identity not in ended
    }
    found = [*_twice(look), *_servers(memory.servers, now, ended), *_probation(look)]
    fresh = {(each.kind, each.subject): each for each in found if (each.kind, each.subject) not in memory.reported}
    alive = {key: server for key, server in now.items() if server.status == "ACTIVE"}
    known = {key: server for key, server in memory.servers.items() if key in now}
    remembered = {
        key: replace(server, host=known[key].host) if key in known else server for key, server in alive.items()
    }
    return Memory({**known, **remembered}, memory.reported | fresh.keys()), sorted(fresh.values())


def _twice(look: Look) -> Iterator[Violation]:
    clouds = list(look)
    for index, one in enumerate(clouds):
        for other in clouds[index + 1 :]:
            for node in look[one].services.keys() & look[other].services.keys():
                yield Violation(Kind.REGISTERED_TWICE, node, f"{node} is registered in {one} and in {other}")
                if look[one].services[node] and look[other].services[node]:
                    yield Violation(Kind.ENABLED_TWICE, node, f"{node} is enabled in {one} and in {other}")


def _servers(
    before: Mapping[tuple[str, str], Server], now: Mapping[tuple[str, str], Server], ended: AbstractSet[str]
) -> Iterator[Violation]:
    for (cloud, identity), server in before.items():
        if identity in ended:
            continue
        what = f"{cloud}: {server.name} ({identity})"
        current = now.get((cloud, identity))
        if current is None:
            yield Violation(Kind.GONE, identity, f"{what} on {server.host} is gone, and its owner did not end it")
        elif current.status in STOPPED:
            yield Violation(Kind.STOPPED, identity, f"{what} is {current.status}, and its owner did not stop it")
        elif current.host != server.host:
            yield Violation(Kind.MOVED, identity, f"{what} moved from {server.host} to {current.host or 'nowhere'}")


def _probation(look: Look) -> Iterator[Violation]:
    for cloud, seen in look.items():
        for identity, server in seen.servers.items():
            if not server.probe and server.host in seen.probation:
                where = f"{server.host}, which is in probation"
                yield Violation(Kind.PROBATION, identity, f"{cloud}: {server.name} ({identity}) is on {where}")
