"""What was read from the clouds in one look: frozen, and asked by host.

Source: the Compute, Network and Placement API references; what each list leaves out was measured on Stein and Caracal
(docs/adr/0003-witnesses.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from migration.marks import Record


@dataclass(frozen=True, slots=True)
class Service:
    """A nova-compute as its cloud's service list shows it.

    Attributes:
        id: UUID of the service record.
        host: the node's name.
        enabled: whether the scheduler may use it.
        up: whether it reported lately.
        reason: why it is disabled, as somebody wrote it, or None.
        answers: whether its cell answered; where not, Nova tells no more of it than its host.
        forced_down: whether somebody told Nova to call it down, whatever it reports.
    """

    id: str
    host: str
    enabled: bool
    up: bool
    reason: str | None = None
    answers: bool = True
    forced_down: bool = False


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """A compute node record, which is also a resource provider of the same UUID.

    Attributes:
        id: UUID.
        name: the name that the hypervisor gave itself.
        host: the service host that it belongs to.
        vms: how many guests the hypervisor counted itself, or None where the release does not say.
        servers: UUIDs of the servers that Nova's cell database has on it.
    """

    id: str
    name: str
    host: str
    vms: int | None = None
    servers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Server:
    """A server of any project in any state.

    Attributes:
        id: UUID.
        name: its name.
        host: the node it is on, or None (not scheduled yet, or shelved and offloaded).
        status: Nova's status word (``ACTIVE``, ``SHUTOFF`` …).
    """

    id: str
    name: str
    host: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration that has not ended.

    Attributes:
        server: UUID of the server.
        source: the node it comes from.
        dest: the node it goes to, or None while none is chosen.
        status: Nova's status word.
    """

    server: str
    source: str | None
    dest: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A Neutron agent: its UUID, host, binary, and whether it reported lately."""

    id: str
    host: str
    binary: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A host aggregate: id, name, availability zone or None, its hosts and its metadata."""

    id: int
    uuid: str
    name: str
    zone: str | None
    hosts: frozenset[str]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlavorFacts:
    """A flavor's size as the cloud has it: vcpus, ram in MiB, disk in GiB."""

    vcpus: int
    ram: int
    disk: int


@dataclass(frozen=True)
class CloudFacts:
    """One look at one cloud.

    Attributes:
        name: the cloud's name in clouds.yaml.
        services: every nova-compute.
        hypervisors: every hypervisor.
        servers: every server of every project that has not been deleted.
        hidden: servers that Nova lists without a host because their cell does not answer.
        migrations: the migrations that have not ended.
        agents: every Neutron agent.
        aggregates: every host aggregate.
        allocations: for the providers that were asked: the UUIDs that hold something there.
        flavors: sizes of the public and private flavors, by name.
        ledger: our records of nodes that have left, by node.
    """

    name: str
    services: tuple[Service, ...] = ()
    hypervisors: tuple[Hypervisor, ...] = ()
    servers: tuple[Server, ...] = ()
    hidden: int = 0
    migrations: tuple[Migration, ...] = ()
    agents: tuple[Agent, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    allocations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flavors: Mapping[str, FlavorFacts] = field(default_factory=dict)
    ledger: Mapping[str, Record] = field(default_factory=dict)

    @cached_property
    def _services(self) -> dict[str, Service]:
        return {service.host: service for service in self.services}

    @cached_property
    def _hypervisors(self) -> dict[str, list[Hypervisor]]:
        found: dict[str, list[Hypervisor]] = {}
        for hypervisor in self.hypervisors:
            found.setdefault(hypervisor.host, []).append(hypervisor)
        return found

    @cached_property
    def _servers(self) -> dict[str | None, list[Server]]:
        found: dict[str | None, list[Server]] = {}
        for server in self.servers:
            found.setdefault(server.host, []).append(server)
        return found

    @cached_property
    def _agents(self) -> dict[str, list[Agent]]:
        found: dict[str, list[Agent]] = {}
        for agent in self.agents:
            found.setdefault(agent.host, []).append(agent)
        return found

    def service(self, host: str) -> Service | None:
        """Return the nova-compute of ``host``, or None."""
        return self._services.get(host)

    def hypervisors_of(self, host: str) -> list[Hypervisor]:
        """Return the hypervisors that belong to ``host``: one, unless something is wrong."""
        return self._hypervisors.get(host, [])

    def servers_on(self, host: str) -> list[Server]:
        """Return the servers that Nova says are on ``host``."""
        return self._servers.get(host, [])

    def agents_of(self, host: str) -> list[Agent]:
        """Return the Neutron agents of ``host``."""
        return self._agents.get(host, [])

    def migrations_of(self, host: str) -> list[Migration]:
        """Return the unended migrations that touch ``host`` at either end."""
        return [migration for migration in self.migrations if host in (migration.source, migration.dest)]

    def aggregate(self, name: str) -> Aggregate | None:
        """Return the aggregate of that name, or None."""
        return next((aggregate for aggregate in self.aggregates if aggregate.name == name), None)

    def zones_of(self, host: str) -> list[str]:
        """Return the availability zones that aggregates give ``host``, sorted."""
        return sorted({a.zone for a in self.aggregates if a.zone and host in a.hosts})

    def knows(self, host: str) -> bool:
        """Return whether Nova has a service, a hypervisor or a server under this name."""
        return host in self._services or host in self._hypervisors or host in self._servers


@dataclass(frozen=True, slots=True)
class DefaultBackend:
    """Where VISA starts new instances.

    Attributes:
        cloud: the cloud's name in clouds.yaml, or None where VISA could not be asked or names none of the two.
        why: what is known of it, or why nothing is, in words for a person.
    """

    cloud: str | None
    why: str


@dataclass(frozen=True)
class Facts:
    """One look at both clouds, and at VISA.

    Attributes:
        old: the old cloud, or None where it is retired or could not be asked.
        new: the new cloud, or None where it could not be asked.
        old_error: why the old cloud could not be asked, or None.
        new_error: why the new cloud could not be asked, or None.
        backend: VISA's default backend, or None where VISA is not configured.
    """

    old: CloudFacts | None
    new: CloudFacts | None
    old_error: str | None = None
    new_error: str | None = None
    backend: DefaultBackend | None = None
