"""Look at the control plane: ask everything that can be asked, at once, and take silence for illness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from migration.adapters.control import Control
from migration.adapters.members import HAProxy, RabbitMQ, galera
from migration.errors import CloudError, MemberSilent, MigrationError, PasswordsError
from migration.kolla import passwords
from migration.kolla.health import Look, Sign, System, of_ceph, of_galera, of_haproxy, of_rabbitmq, short
from migration.kolla.layout import layout
from migration.kolla.roll import Member
from migration.kolla.settings import Arbiter, Controller
from migration.settings import CaracalSettings

Monitors = Callable[[], Mapping[str, bool]]
"""Asks Ceph which monitors are in quorum, by their names."""

T = TypeVar("T")


class Ports(BaseModel):
    """Where Kolla's services listen, and who may ask them.

    Attributes:
        clustercheck: ``mariadb_clustercheck_port``.
        rabbitmq: ``rabbitmq_management_port``.
        haproxy: ``haproxy_stats_port``.
        rabbitmq_user: ``rabbitmq_user``.
        haproxy_user: ``haproxy_user``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clustercheck: int = 4569
    rabbitmq: int = 15672
    haproxy: int = 1984
    rabbitmq_user: str = "openstack"
    haproxy_user: str = "openstack"


_VARIABLES: Mapping[str, str] = {
    "clustercheck": "mariadb_clustercheck_port",
    "rabbitmq": "rabbitmq_management_port",
    "haproxy": "haproxy_stats_port",
    "rabbitmq_user": "rabbitmq_user",
    "haproxy_user": "haproxy_user",
}


def ports_of(settings: CaracalSettings) -> Ports:
    """Return what the settings say of Kolla's ports and users, else Kolla's own."""
    given = settings.kolla.vars if settings.kolla else {}
    return Ports.model_validate({ours: given[theirs] for ours, theirs in _VARIABLES.items() if theirs in given})


def members_of(settings: CaracalSettings) -> list[Member]:
    """Return the controllers and the arbiter, in the inventory's order.

    Their services are asked at ``api_interface_address`` of the host's vars, or else at its address.
    """
    hosts: list[tuple[str, Controller | Arbiter, bool]]
    hosts = [(name, host, True) for name, host in sorted(settings.controllers.items())]
    if settings.arbiter:
        hosts.append((settings.arbiter.name, settings.arbiter, False))
    voters = layout(settings).voters
    return [
        Member(name, host.datacenter, str(host.vars.get("api_interface_address", host.address)), apis, name in voters)
        for name, host, apis in hosts
    ]


@dataclass
class ControlPlane:
    """The control plane of the new cloud, to be looked at.

    Arguments:
        members: the controllers and the arbiter.
        ports: where their services listen.
        passwords: Kolla's ``passwords.yml``.
        control: the cloud's own APIs.
        monitors: asks Ceph, or None where the new cloud has none.
    """

    members: Sequence[Member]
    ports: Ports
    passwords: Path
    control: Callable[[], Control]
    monitors: Monitors | None = None

    def look(self, controller: str | None = None) -> Look:
        """Look once.

        Arguments:
            controller: the one that is about to change, or None.

        Returns:
            What was seen. Nothing is raised for what does not answer.
        """
        haproxies, connections = self._haproxies()  # the log-in below comes in through the VIPs, between the two
        asks: list[Callable[[], list[Sign]]] = [
            self._cloud,
            self._galera,
            lambda: self._rabbitmq(controller),
            self._ceph,
        ]
        with ThreadPoolExecutor(len(asks)) as pool:
            signs = [sign for answer in [pool.submit(ask) for ask in asks] for sign in answer.result()]
        return Look((*signs, *of_haproxy(haproxies, self.members)), self._holder(connections))

    def holder(self) -> str | None:
        """Return who holds the VIPs, or None where that cannot be told."""
        connections = self._haproxies()[1]
        self._apis()
        return self._holder(connections)

    @property
    def _voters(self) -> list[Member]:
        return [member for member in self.members if member.votes]

    def _cloud(self) -> list[Sign]:
        return [*self._apis(), *self._services()]

    def _apis(self) -> list[Sign]:
        try:
            apis = self.control().apis()
        except CloudError as error:
            return [Sign(System.API, "", "identity", healthy=False, detail=str(error))]
        return [Sign(System.API, "", type_, not wrong, wrong) for type_, wrong in apis.items()]

    def _services(self) -> list[Sign]:
        try:
            services = self.control().services()
        except CloudError as error:
            return [Sign(System.SERVICE, "", "lists", healthy=False, detail=str(error))]
        hosts = {short(member.name): member.name for member in self.members}
        found = []
        for service in services:
            name, _, backend = service.host.partition("@")
            where = hosts.get(short(name), "")
            if where:
                what = f"{service.binary} {backend}".strip()
            elif backend:  # Cinder's volumes in Ceph are served by all controllers under one name
                what = f"{service.binary} {service.host}"
            else:
                continue  # a compute host; the plan of the nodes looks at those
            state = "up" if service.up else "down"
            found.append(
                Sign(System.SERVICE, where, what, service.up, f"{state}, reported {service.beat}", service.beat)
            )
        seen = {sign.where for sign in found}
        return found + [
            Sign(System.SERVICE, member.name, "all", healthy=False, detail="none is registered")
            for member in self.members
            if member.apis and member.name not in seen
        ]

    def _galera(self) -> list[Sign]:
        return of_galera(self._each(self._voters, lambda member: galera(member.address, self.ports.clustercheck)))

    def _rabbitmq(self, controller: str | None) -> list[Sign]:
        try:
            password = passwords.password(self.passwords, "rabbitmq_password")
        except PasswordsError as error:
            return of_rabbitmq({member.name: f"not asked: {error}" for member in self._voters})
        apis = {
            member.name: RabbitMQ(member.address, self.ports.rabbitmq_user, password, self.ports.rabbitmq)
            for member in self._voters
        }
        signs = of_rabbitmq(self._each(self._voters, lambda member: _or_why(apis[member.name].nodes)))
        if any(sign.where == controller and sign.healthy for sign in signs) and controller:
            wrong = _or_why(apis[controller].critical)
            signs.append(Sign(System.RABBITMQ, controller, "queues", not wrong, wrong, guards=True))
        return signs

    def _haproxies(self) -> tuple[Mapping[str, Mapping[str, Mapping[str, str]] | str], Mapping[str, int]]:
        controllers = [member for member in self.members if member.apis]
        try:
            password = passwords.password(self.passwords, "haproxy_password")
        except PasswordsError as error:
            return {member.name: f"not asked: {error}" for member in controllers}, {}

        def read(member: Member) -> tuple[dict[str, dict[str, str]], int] | str:
            return _or_why(HAProxy(member.address, self.ports.haproxy_user, password, self.ports.haproxy).read)

        answers = self._each(controllers, read)
        views = {name: answer if isinstance(answer, str) else answer[0] for name, answer in answers.items()}
        return views, {name: answer[1] for name, answer in answers.items() if not isinstance(answer, str)}

    def _holder(self, before: Mapping[str, int]) -> str | None:
        """Tell by whose HAProxy has taken connections to the VIPs since."""
        now = self._haproxies()[1]
        grown = [name for name, connections in now.items() if connections > before.get(name, connections)]
        return grown[0] if len(grown) == 1 else None

    def _ceph(self) -> list[Sign]:
        if self.monitors is None:
            return []
        try:
            return of_ceph(self.monitors(), self.members)
        except MigrationError as error:
            return [Sign(System.CEPH, "", "monitors", healthy=False, detail=str(error))]

    @staticmethod
    def _each(members: Sequence[Member], ask: Callable[[Member], T]) -> dict[str, T]:
        with ThreadPoolExecutor(len(members) or 1) as pool:
            return dict(zip((member.name for member in members), pool.map(ask, members), strict=True))


def _or_why(ask: Callable[[], T]) -> T | str:
    try:
        return ask()
    except MemberSilent as error:
        return str(error)
