"""Whether the control plane is healthy: what was seen of it, and what that allows. What is not known is not healthy.

An API that answers through the VIP proves one controller, not all. So beside the catalog's APIs HAProxy is asked about
each controller's share of them, and Galera, RabbitMQ and the services about each member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from migration.kolla.roll import Member, quorum


class System(StrEnum):
    """Who was asked."""

    API = "API"
    """A service of the catalog, through the VIP."""

    SERVICE = "service"
    """A service or agent of Nova, Neutron or Cinder, by its heartbeat."""

    GALERA = "Galera"
    RABBITMQ = "RabbitMQ"
    HAPROXY = "HAProxy"
    CEPH = "Ceph"


VOTING = (System.GALERA, System.RABBITMQ, System.CEPH)
"""Systems that stop without a majority of their members."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was seen.

    Attributes:
        system: who was asked.
        where: the host that it is about, or "" for the cloud as a whole.
        what: what it is about there, such as ``nova-scheduler`` or ``member``.
        healthy: whether it is as it must be; False also where nobody answered.
        detail: what was seen.
        beat: the time of the last heartbeat, or "" where there is none.
        guards: whether it forbids to change the very controller that it is about.
    """

    system: System
    where: str
    what: str
    healthy: bool
    detail: str = ""
    beat: str = ""
    guards: bool = False

    @property
    def about(self) -> tuple[str, str, str]:
        """What it is about, whatever was seen."""
        return self.system, self.where, self.what

    def __str__(self) -> str:
        """Return it as a person reads it."""
        at = f" on {self.where}" if self.where else ""
        return f"{self.system} {self.what}{at}: {self.detail or ('well' if self.healthy else 'not healthy')}"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the control plane.

    Attributes:
        signs: everything that was seen.
        holder: who holds the VIPs, or None where that could not be told.
    """

    signs: tuple[Sign, ...]
    holder: str | None = None


def forbids(look: Look, members: Sequence[Member], controller: str) -> list[str]:
    """Return why a controller must not change now.

    Everything but the controller itself has to be healthy: it may be ill, for a change may be what mends it.

    Arguments:
        look: what was seen just now.
        members: the controllers and the arbiter.
        controller: the one that would change.

    Returns:
        A sentence for each reason; empty where it may change.
    """
    found = [str(sign) for sign in look.signs if not sign.healthy and (sign.where != controller or sign.guards)]
    for system in VOTING:
        of_system = [sign for sign in look.signs if sign.system is system and sign.what == MEMBER]
        voters = {sign.where for sign in of_system}
        if system is not System.CEPH:  # these have one on each that votes, asked or not
            voters |= {member.name for member in members if member.votes}
        left = {sign.where for sign in of_system if sign.healthy} - {controller}
        if voters and len(left) < quorum(len(voters)):
            needed = quorum(len(voters))
            found.append(f"{system}: {len(left)} of {len(voters)} members would be left, a majority is {needed}")
    return found


def ills(look: Look, *, known: Look, after: Look, controller: str) -> list[str]:
    """Return what is not healthy once a controller has changed.

    Arguments:
        look: what was seen just now.
        known: what was seen before the change: what the controller had then it must have again.
        after: the first look after the change: what stands on the controller must have reported since, so that no
            heartbeat of before is taken for life.
        controller: the one that changed.

    Returns:
        A sentence for each; empty where all is healthy.
    """
    now = {sign.about: sign for sign in look.signs}
    found = [str(sign) for sign in look.signs if not sign.healthy]
    found += [
        f"{sign.system} {sign.what} on {controller}: gone since the change"
        for sign in known.signs
        if sign.where == controller and sign.about not in now
    ]
    for before in after.signs:
        sign = now.get(before.about)
        if sign and sign.where == controller and sign.healthy and before.beat and sign.beat == before.beat:
            found.append(f"{sign.system} {sign.what} on {controller}: no heartbeat yet since the change")
    return found


MEMBER = "member"
"""What the signs of a system with votes are about."""


def of_galera(answers: Mapping[str, tuple[int, str]]) -> list[Sign]:
    """Read what clustercheck said on each host; 200 means synced within the primary component.

    Kolla takes a host whose database is stopped or empty for a cluster of its own where only that host is in its limit:
    it fails, or founds a second, empty database (roles/mariadb/tasks/lookup_cluster.yml and bootstrap.yml). So such a
    host must not change alone.

    Arguments:
        answers: HTTP status and text by host; status 0 where nobody answered.

    Returns:
        A sign for each host.
    """
    return [
        Sign(System.GALERA, host, MEMBER, status == 200, f"{status or ''} {text}".strip(), guards=True)
        for host, (status, text) in answers.items()
    ]


def of_rabbitmq(views: Mapping[str, Mapping[str, str] | str]) -> list[Sign]:
    """Read what each RabbitMQ says of all.

    Arguments:
        views: by host what its node says of each node, by short host name: "" for well, else what is wrong; or, where
            it did not answer, why.

    Returns:
        A sign for each host: healthy if its node answers, and every node that answers sees it well.
    """
    found = []
    for host, own in views.items():
        if isinstance(own, str):
            found.append(Sign(System.RABBITMQ, host, MEMBER, healthy=False, detail=own))
            continue
        seen = {
            asked: view.get(short(host), "not a member of its cluster")
            for asked, view in views.items()
            if not isinstance(view, str)
        }
        wrong = [f"{asked} says: {said}" for asked, said in seen.items() if said]
        found.append(Sign(System.RABBITMQ, host, MEMBER, not wrong, "; ".join(wrong)))
    return found


def of_haproxy(views: Mapping[str, Mapping[str, Mapping[str, str]] | str], members: Sequence[Member]) -> list[Sign]:
    """Read what each HAProxy says of the services behind it.

    Arguments:
        views: by controller what its HAProxy says: backend to server (short host name) to status; or, where it did not
            answer, why.
        members: the controllers and the arbiter.

    Returns:
        Whether the HAProxy of each controller answers, and for each member whether all that answer reach every service
        on it.
    """
    found = [
        Sign(System.HAPROXY, controller, "itself", not isinstance(own, str), own if isinstance(own, str) else "")
        for controller, own in views.items()
    ]
    answering = [view for view in views.values() if not isinstance(view, str)]
    for member in members:
        down = {
            f"{backend} is {status}"
            for view in answering
            for backend, servers in view.items()
            for server, status in servers.items()
            if server == short(member.name) and not status.startswith(("UP", "no check"))
        }
        found.append(Sign(System.HAPROXY, member.name, "services behind it", not down, ", ".join(sorted(down))))
    return found


def of_ceph(monitors: Mapping[str, bool], members: Sequence[Member]) -> list[Sign]:
    """Read which monitors are in quorum; one that is named after a controller stands there."""
    hosts = {short(member.name): member.name for member in members}
    return [
        Sign(System.CEPH, hosts.get(short(name), name), MEMBER, inside, "in quorum" if inside else "out of quorum")
        for name, inside in monitors.items()
    ]


def short(host: str) -> str:
    """Return a host's name without its domain, as HAProxy, RabbitMQ and a host itself call it."""
    return host.partition(".")[0]
