"""Two clouds in memory, that answer as Stein and Caracal were seen to answer, and can be made to fail anywhere.

``World`` is the truth: physical nodes, what runs on them, who owns which server. ``world.open`` logs in to its clouds,
with the methods of ``migration.adapters``. Every call has a number; what shall happen at a call (a server appears, an
answer is lost, the process is killed) is told by that number. ``checker.py`` watches every call that changes something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from migration.adapters.hooks import HookResult
from migration.errors import CloudError, CloudRefused, CloudUnreachable
from migration.facts import Agent, Aggregate, FlavorFacts, Hypervisor, Migration, Server, Service
from migration.marks import LEDGER_KEY, REGISTERED_DISABLED, Mark, Record
from migration.names import COUNTERPROBE_FLAVOR, LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBATION_TRAIT, PROBE_FLAVOR

WITNESSES = frozenset({"servers", "cell", "vms", "migrations", "placement"})
BY_HAND = "broken fan, do not use -- jane"


class Killed(BaseException):
    """SIGKILL: nothing after it is carried out, not even what stands in a finally."""


@dataclass
class Guest:
    """A server; only the witnesses in ``seen_by`` know of it."""

    id: str
    name: str
    host: str | None
    since: int
    seen_by: frozenset[str] = WITNESSES - {"migrations"}
    status: str = "ACTIVE"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Group:
    """A host aggregate."""

    id: int
    uuid: str
    name: str
    zone: str | None = None
    hosts: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """One cloud's databases."""

    name: str
    registers_disabled: bool = False
    services: dict[str, Service] = field(default_factory=dict)  # by host; enabled, reason and id are kept here
    hypervisors: dict[str, str] = field(default_factory=dict)  # UUID by host
    unmapped: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    guests: dict[str, Guest] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)  # host by id
    binaries: dict[str, str] = field(default_factory=dict)  # by id of an agent: what it is, where not Open vSwitch
    reporting: set[str] = field(default_factory=set)  # agents that report though nova-compute is stopped
    groups: list[Group] = field(default_factory=list)
    traits: dict[str, set[str]] = field(default_factory=dict)  # by provider
    flavors: dict[str, str] = field(default_factory=dict)
    down: bool = False
    cell_down: bool = False
    mute: set[str] = field(default_factory=set)  # witnesses that cannot answer: "vms", "placement"

    def group(self, name: str) -> Group:
        return next(group for group in self.groups if group.name == name)

    def on(self, host: str) -> list[Guest]:
        return [guest for guest in self.guests.values() if guest.host == host]


@dataclass(frozen=True)
class Call:
    """One call of an adapter, or one hook."""

    number: int
    cloud: str
    what: str
    args: tuple[Any, ...]


@dataclass
class World:
    """Both clouds, and the nodes below them."""

    old: State = field(default_factory=lambda: State("stein"))
    new: State = field(default_factory=lambda: State("caracal", registers_disabled=True))
    tick: int = 0
    calls: list[Call] = field(default_factory=list)
    changes: list[Call] = field(default_factory=list)
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    after: dict[int, Callable[[], object]] = field(default_factory=dict)
    faults: dict[tuple[str, str], Exception] = field(default_factory=dict)  # by cloud and method: raised every time
    dead: bool = False
    hook_fails: dict[str, str] = field(default_factory=dict)  # by "leave", "join" or "join-old", and node: "join cmp01"
    hook_lies: set[str] = field(default_factory=set)  # nodes whose leave hook ends well, yet nova-compute runs on
    forced_down: set[str] = field(default_factory=set)  # nodes whose old service somebody calls down
    never_up: set[str] = field(default_factory=set)
    stays_unmapped: set[str] = field(default_factory=set)
    probe_fails: set[str] = field(default_factory=set)
    port_down: set[str] = field(default_factory=set)
    probe_stuck: set[str] = field(default_factory=set)
    isolates: bool = True
    orphan: set[str] = field(default_factory=set)  # nodes whose provider stays in the old cloud
    proved: set[str] = field(default_factory=set)  # nodes on which a probe was ACTIVE since they were deployed
    meddled: dict[tuple[str, str], int] = field(default_factory=dict)  # when an operator last touched a service
    checker: Any = None
    names: int = 0

    # ------------------------------------------------------------------------------------------- what there is

    def uuid(self) -> str:
        self.names += 1
        return str(UUID(int=self.names))

    def state(self, cloud: str) -> State:
        return self.old if cloud == self.old.name else self.new

    def open(self, cloud: str) -> FakeCloud:
        self.call(cloud, "log-in")
        return FakeCloud(self, self.state(cloud))

    def declare_zones(self, *zones: str) -> None:
        """Declare what stack caracal declares."""
        for name in (*zones, PROBATION_AGGREGATE, LEDGER_AGGREGATE):
            zone = name if name in zones else None
            self.new.groups.append(Group(len(self.new.groups) + 1, self.uuid(), name, zone))
        self.new.flavors |= {PROBE_FLAVOR: "f-probe", COUNTERPROBE_FLAVOR: "f-counterprobe"}

    def start(self, cloud: str, host: str) -> None:
        """Start nova-compute, which registers where it is not known."""
        state = self.state(cloud)
        state.running.add(host)
        if host not in state.services:
            disabled = state.registers_disabled
            state.services[host] = Service(
                self.uuid(), host, not disabled, up=True, reason=REGISTERED_DISABLED if disabled else None
            )
            state.hypervisors[host] = self.uuid()
            state.traits[state.hypervisors[host]] = {"COMPUTE_NODE"}
        if not any(h == host for h in state.agents.values()):
            state.agents[self.uuid()] = host

    def isolated(self, host: str) -> bool:
        return host in self.new.group(PROBATION_AGGREGATE).hosts

    def open_to_users(self, host: str) -> bool:
        """Whether an ordinary server could land on a node of the new cloud now."""
        service = self.new.services.get(host)
        mapped = host not in self.new.unmapped
        return (
            service is not None and service.enabled and mapped and host in self.new.running and not self.isolated(host)
        )

    # ------------------------------------------------------------------------------------------- what happens

    def boot(self, cloud: str, host: str, seen_by: frozenset[str] = WITNESSES - {"migrations"}) -> Guest | None:
        """A user's server lands on a node, if the scheduler of that release lets it (Stein: forced, even disabled)."""
        state = self.state(cloud)
        allowed = host in state.services if state is self.old else self.open_to_users(host)
        if not allowed:
            return None
        guest = Guest(self.uuid(), f"visa-{self.names}", host, self.tick, seen_by)
        state.guests[guest.id] = guest
        return guest

    def end_guests(self, cloud: str = "stein", host: str | None = None) -> None:
        guests = self.state(cloud).guests
        for guest in list(guests.values()):
            if host in {None, guest.host}:
                del guests[guest.id]

    def by_hand(self, cloud: str, host: str, *, enabled: bool, reason: str | None = BY_HAND) -> None:
        """An operator enables or disables a service."""
        services = self.state(cloud).services
        if host in services:
            found = services[host]
            self.meddled[cloud, host] = self.tick
            if self.checker is not None and cloud == self.old.name:
                self.checker.taken_over(host)
            services[host] = Service(found.id, host, enabled, found.up, None if enabled else reason)

    # ------------------------------------------------------------------------------------------- every call

    def call(self, cloud: str, what: str, *args: Any) -> None:
        """Note a call; whatever shall happen at it happens now."""
        self._alive()
        self.tick += 1
        if happens := self.before.get(self.tick):
            happens()
        self.calls.append(Call(self.tick, cloud, what, args))
        if self.state(cloud).down and cloud != "hook":
            raise CloudUnreachable(cloud, "no answer")
        if fault := self.faults.get((cloud, what)):
            raise fault

    def changed(self, cloud: str, what: str, *args: Any) -> None:
        """Note that a call has changed something."""
        change = Call(self.tick, cloud, what, args)
        self.changes.append(change)
        if self.checker is not None:
            self.checker.after(change)
        if happens := self.after.get(self.tick):
            happens()

    def kill(self) -> None:
        self.dead = True
        raise Killed

    def _alive(self) -> None:
        if self.dead:
            raise Killed

    # ------------------------------------------------------------------------------------------- hooks

    def hook(self, _hook: object, name: str, nodes: list[str]) -> dict[str, HookResult]:
        """Run a hook: ``leave-NODE`` and ``join-old-NODE`` act on the old cloud's nova-compute, ``join`` on the new."""
        kind = name.removesuffix(f"-{nodes[0]}")
        try:
            self.call("hook", kind, tuple(nodes))
        except CloudError as error:  # a hook does not raise: it fails
            return dict.fromkeys(nodes, HookResult(ok=False, message=str(error)))
        if self.checker is not None:
            self.checker.before_hook(kind, nodes)
        results = {}
        for node in nodes:
            if why := self.hook_fails.get(f"{kind} {node}"):
                results[node] = HookResult(ok=False, message=why)
                continue
            results[node] = HookResult(ok=True)
            if kind == "leave":
                if node not in self.hook_lies:
                    self.old.running.discard(node)
            elif kind == "join-old":
                self.old.running.add(node)
            else:
                self._deploy(node)
        self.changed("hook", kind, tuple(nodes))
        return results

    def _deploy(self, node: str) -> None:
        self.proved.discard(node)
        if node in self.never_up:
            return
        self.start(self.new.name, node)
        (self.new.unmapped.add if node in self.stays_unmapped else self.new.unmapped.discard)(node)

    # ------------------------------------------------------------------------------------------- to compare

    def summary(self) -> dict[str, Any]:
        """The state that users and operators care about, without ids and times."""
        ledger = self.new.group(LEDGER_AGGREGATE).metadata
        return {
            cloud.name: {
                "services": {h: (s.enabled, s.reason) for h, s in sorted(cloud.services.items())},
                "running": sorted(cloud.running),
                "agents": sorted(cloud.agents.values()),
                "groups": {g.name: sorted(g.hosts) for g in cloud.groups},
                "traits": {h: sorted(cloud.traits.get(p, ())) for h, p in sorted(cloud.hypervisors.items())},
                "guests": sorted((g.name, str(g.host)) for g in cloud.guests.values()),
            }
            for cloud in (self.old, self.new)
        } | {"ledger": {key.removeprefix(LEDGER_KEY): value.split()[0] for key, value in sorted(ledger.items())}}

    def record(self, node: str, record: Record) -> None:
        self.new.group(LEDGER_AGGREGATE).metadata[LEDGER_KEY + node] = str(record)

    def mark(self, node: str, mark: Mark) -> None:
        self.by_hand(self.old.name, node, enabled=False, reason=mark)


class FakeCloud:
    """The services of one cloud, as ``migration.observe.Cloud`` has them."""

    def __init__(self, world: World, state: State) -> None:
        self.name = state.name
        self.nova = FakeNova(world, state)
        self.neutron = FakeNeutron(world, state)
        self.placement = FakePlacement(world, state)
        self.glance = FakeGlance(world, state)


class _Fake:
    def __init__(self, world: World, state: State) -> None:
        self.world, self.state = world, state

    def _call(self, what: str, *args: Any) -> None:
        self.world.call(self.state.name, what, *args)

    def _changed(self, what: str, *args: Any) -> None:
        self.world.changed(self.state.name, what, *args)

    def _refuse(self, status: int, why: str) -> None:
        raise CloudRefused(self.state.name, why, status)


class FakeNova(_Fake):
    """Nova."""

    def services(self, host: str | None = None) -> list[Service]:
        self._call("services", host)
        if self.state.cell_down:
            known = [h for h in self.state.services if host in {None, h}]
            return [Service("", h, enabled=False, up=False, answers=False) for h in known]
        return [
            Service(s.id, h, s.enabled, h in self.state.running, s.reason, forced_down=h in self._forced_down())
            for h, s in self.state.services.items()
            if host in {None, h}
        ]

    def _forced_down(self) -> set[str]:
        return self.world.forced_down if self.state is self.world.old else set()

    def hypervisors(self) -> list[Hypervisor]:
        self._call("hypervisors")
        return [self._hypervisor(h) for h in self._visible()]

    def hypervisors_of(self, host: str) -> list[Hypervisor]:
        self._call("hypervisors_of", host)
        return [self._hypervisor(h) for h in self._visible() if h == host]

    def _visible(self) -> list[str]:
        hosts = [] if self.state.cell_down else list(self.state.hypervisors)
        return [host for host in hosts if host not in self.state.unmapped]

    def _hypervisor(self, host: str) -> Hypervisor:
        guests = self.state.on(host)
        return Hypervisor(
            self.state.hypervisors[host],
            host,
            host,
            None if "vms" in self.state.mute else sum("vms" in guest.seen_by for guest in guests),
            frozenset(guest.id for guest in guests if "cell" in guest.seen_by),
        )

    def servers(self, host: str | None = None) -> tuple[list[Server], int]:
        self._call("servers", host)
        seen = [g for g in self.state.guests.values() if "servers" in g.seen_by]
        if self.state.cell_down:
            return [], len(seen) if host is None else 0  # a filter by host leaves them out in silence
        return [Server(g.id, g.name, g.host, g.status) for g in seen if host in {None, g.host}], 0

    def migrations(self, host: str | None = None) -> list[Migration]:
        self._call("migrations", host)
        return [
            Migration(g.id, "elsewhere", g.host, "migrating")
            for g in self.state.guests.values()
            if "migrations" in g.seen_by and host in {None, g.host}
        ]

    def aggregates(self) -> list[Aggregate]:
        self._call("aggregates")
        return [
            Aggregate(g.id, g.uuid, g.name, g.zone, frozenset(g.hosts), dict(g.metadata)) for g in self.state.groups
        ]

    def flavors(self) -> dict[str, FlavorFacts]:
        self._call("flavors")
        return {name: FlavorFacts(1, 128, 0) for name in self.state.flavors}

    def flavor_id(self, name: str) -> str | None:
        self._call("flavor_id", name)
        return self.state.flavors.get(name)

    def _put(self, what: str, service: str, *, enabled: bool, reason: str | None) -> None:
        self._call(what, service)
        found = next((s for s in self.state.services.values() if s.id == service), None)
        if found is None:
            self._refuse(404, "service not found")
        else:
            if self.world.checker is not None:
                self.world.checker.before_put(self.state, found, reason)
            self.state.services[found.host] = Service(service, found.host, enabled, found.up, reason)
            self._changed(what, found.host, reason)

    def disable(self, service: str, reason: str) -> None:
        self._put("disable", service, enabled=False, reason=str(reason))

    def enable(self, service: str) -> None:
        self._put("enable", service, enabled=True, reason=None)

    def delete_service(self, service: str) -> None:
        self._call("delete_service", service)
        found = next((s for s in self.state.services.values() if s.id == service), None)
        if found is None:
            self._refuse(404, "service not found")
            return
        if any(guest.seen_by & {"servers", "cell"} for guest in self.state.on(found.host)):
            self._refuse(409, "Unable to delete compute service that is hosting instances.")
        if self.world.checker is not None:
            self.world.checker.before_delete(self.state, found)
        del self.state.services[found.host]
        provider = self.state.hypervisors.pop(found.host)
        if found.host in self.world.orphan:
            self.state.hypervisors[f"orphan of {found.host}"] = provider
            self.state.unmapped.add(f"orphan of {found.host}")
        self._changed("delete_service", found.host)

    def set_metadata(self, aggregate: int, metadata: Mapping[str, str | None]) -> None:
        self._call("set_metadata", aggregate, dict(metadata))
        group = next(g for g in self.state.groups if g.id == aggregate)
        for key, value in metadata.items():
            if value is None:
                group.metadata.pop(key, None)
            else:
                group.metadata[key] = value
        self._changed("set_metadata", group.name, dict(metadata))

    def add_host(self, aggregate: int, host: str) -> None:
        self._call("add_host", aggregate, host)
        group = next(g for g in self.state.groups if g.id == aggregate)
        if host not in self.state.services or host in self.state.unmapped:
            self._refuse(404, f"compute host {host} could not be found")
        if host in group.hosts:
            self._refuse(409, f"host {host} is in the aggregate")
        group.hosts.add(host)
        self._changed("add_host", group.name, host)

    def remove_host(self, aggregate: int, host: str) -> None:
        self._call("remove_host", aggregate, host)
        group = next(g for g in self.state.groups if g.id == aggregate)
        if host not in group.hosts:
            self._refuse(404, f"host {host} is not in the aggregate")
        group.hosts.discard(host)
        self._changed("remove_host", group.name, host)

    def boot(self, *, name: str, host: str, flavor: str, image: str, network: str, metadata: dict[str, str]) -> str:
        self._call("boot", name, host)
        service = self.state.services.get(host)
        trait = PROBATION_TRAIT in self.state.traits.get(self.state.hypervisors.get(host, ""), ())
        shut = self.world.isolates and self.world.isolated(host)
        fits = service is not None and service.enabled and host in self.state.running
        fits = fits and (trait if flavor == "f-probe" else not shut)
        broken = not fits or host in self.world.probe_fails
        status = "BUILD" if host in self.world.probe_stuck else "ERROR" if broken else "ACTIVE"
        guest = Guest(self.world.uuid(), name, host if fits else None, self.world.tick, status=status)
        guest.metadata = dict(metadata)
        self.state.guests[guest.id] = guest
        if status == "ACTIVE" and flavor == "f-probe" and host not in self.world.port_down:
            self.world.proved.add(host)
        self._changed("boot", name, host)
        return guest.id

    def server(self, server: str) -> dict[str, Any] | None:
        self._call("server", server)
        guest = self.state.guests.get(server)
        if guest is None:
            return None
        row = {"id": guest.id, "name": guest.name, "status": guest.status, "OS-EXT-SRV-ATTR:host": guest.host}
        return row | ({"fault": {"message": "No valid host was found."}} if guest.status == "ERROR" else {})

    def servers_named(self, name: str) -> list[dict[str, Any]]:
        self._call("servers_named", name)
        found = [g for g in self.state.guests.values() if g.name == name]
        return [{"id": g.id, "name": g.name, "metadata": dict(g.metadata)} for g in found]

    def delete_server(self, server: str) -> None:
        self._call("delete_server", server)
        if self.world.checker is not None:
            self.world.checker.before_delete_server(self.state, server)
        if self.state.guests.pop(server, None) is not None:
            self._changed("delete_server", server)


class FakeNeutron(_Fake):
    """Neutron."""

    def agents(self, host: str | None = None) -> list[Agent]:
        self._call("agents", host)
        return [
            Agent(
                id_,
                h,
                self.state.binaries.get(id_, "neutron-openvswitch-agent"),
                h in self.state.running or id_ in self.state.reporting,
            )
            for id_, h in self.state.agents.items()
            if host in {None, h}
        ]

    def delete_agent(self, agent: str) -> None:
        self._call("delete_agent", agent)
        if host := self.state.agents.pop(agent, None):
            self._changed("delete_agent", host)

    def network_id(self, name: str) -> str | None:
        self._call("network_id", name)
        return "n-visa" if name == "visa" else None

    def port_states(self, server: str) -> list[str]:
        self._call("port_states", server)
        guest = self.state.guests.get(server)
        return [] if guest is None else ["DOWN" if guest.host in self.world.port_down else "ACTIVE"]


class FakePlacement(_Fake):
    """Placement."""

    def providers_named(self, name: str) -> dict[str, str]:
        self._call("providers_named", name)
        return {p: h for h, p in self.state.hypervisors.items() if h == name}

    def has_provider(self, provider: str) -> bool:
        self._call("has_provider", provider)
        return provider in self.state.hypervisors.values()

    def consumers(self, provider: str) -> frozenset[str] | None:
        self._call("consumers", provider)
        host = next((h for h, p in self.state.hypervisors.items() if p == provider), None)
        if host is None or "placement" in self.state.mute:
            return None
        return frozenset(g.id for g in self.state.on(host) if "placement" in g.seen_by)

    def aggregates(self, provider: str) -> frozenset[str]:
        self._call("placement aggregates", provider)
        host = next((h for h, p in self.state.hypervisors.items() if p == provider), None)
        return frozenset(g.uuid for g in self.state.groups if host in g.hosts)

    def set_trait(self, provider: str, trait: str, *, present: bool) -> bool:
        self._call("set_trait", provider, trait, present)
        traits = self.state.traits.setdefault(provider, set())
        if (trait in traits) is present:
            return False
        (traits.add if present else traits.discard)(trait)
        self._changed("set_trait", provider, trait, present)
        return True


class FakeGlance(_Fake):
    """Glance."""

    def image_id(self, name: str) -> str | None:
        self._call("image_id", name)
        return "i-cirros" if name == "cirros" else None
