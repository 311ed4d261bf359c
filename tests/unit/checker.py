"""The invariants of the migration, checked at every change, from the truth of the world alone.

It shares no code with the plan: what counts as between the clouds, as accepted or as looked at is worked out here from
what the steps did, not from marks and records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migration.marks import OURS, REGISTERED_DISABLED, Mark
from migration.names import PROBATION_AGGREGATE

if TYPE_CHECKING:
    from world import Call, Guest, State, World

    from migration.facts import Service
    from migration.settings import CaracalSettings


class Violation(BaseException):
    """An invariant was broken; no except clause of ours may swallow it."""


@dataclass
class Line:
    """One line of the audit log, and the call before it."""

    tick: int
    cloud: str
    node: str
    step: str
    result: str
    detail: str


@dataclass
class Checker:
    """Watches one world.

    Attributes:
        settings: what holds now; the budget is read there.
        audit: the lines written so far.
        silent: since which call the old cloud's witnesses cannot answer, or None.
        between: the nodes that are between the clouds.
        accepted: the nodes that serve in the new cloud by our act.
    """

    world: World
    settings: CaracalSettings
    audit: list[Line] = field(default_factory=list)
    silent: int | None = None
    between: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)

    # ------------------------------------------------------------------------------------------- before a change

    def before_hook(self, kind: str, nodes: list[str]) -> None:
        for node in nodes:
            begun = self._begun(node)
            if kind == "leave":
                self._empty_when(begun, node, "its nova-compute is stopped")
                if not self._meddled_meanwhile(self.world.old, node):
                    self._enters(node)
            elif kind == "join":
                self._expect(node not in self.world.old.services, f"{node} is deployed anew, yet registered in stein")
                guests = [guest for guest in self.world.old.on(node) if not self._in_the_last_gap(node, guest)]
                self._expect(not guests, f"{node} is deployed anew with instances on it")
                self._expect(node not in self.world.old.running, f"{node} is deployed anew while stein runs there")
                self._serves_nobody(node, "is deployed anew")
                self._enters(node)

    def before_put(self, state: State, service: Service, reason: str | None) -> None:
        if self._meddled_meanwhile(state, service.host):
            return
        ours = service.reason is not None and service.reason.startswith(OURS)
        if state is self.world.old:
            self._expect(service.enabled or ours, f"{service.host}: somebody else's reason was overwritten: {service}")
        else:
            leaky = reason == Mark.NOT_ISOLATED and not self.world.isolates and service.host in self.between
            self._expect(reason is None or leaky, f"{service.host} was disabled in the new cloud")
            mine = service.reason in {REGISTERED_DISABLED, Mark.NOT_ISOLATED}
            self._expect(service.enabled or mine, f"enabled over {service.reason}")

    def before_delete(self, state: State, service: Service) -> None:
        self._expect(state is self.world.old, f"{service.host}: a service of the new cloud is deleted")
        self._empty_when(self._begun(service.host), service.host, "its service is deleted")
        ours = service.reason is not None and service.reason.startswith(OURS) and not service.enabled
        ours = ours or self._meddled_meanwhile(state, service.host)
        self._expect(ours, f"{service.host}: deleted, though it is not disabled by us: {service}")
        self._expect(service.host not in self.world.old.running, f"{service.host}: deleted while nova-compute runs")

    def before_delete_server(self, state: State, server: str) -> None:
        guest = state.guests.get(server)
        probe = guest is None or guest.metadata == {"visa-migration": "probe"}
        self._expect(probe, f"a user's server was deleted: {guest}")

    # ------------------------------------------------------------------------------------------- after a change

    def after(self, change: Call) -> None:
        world = self.world
        if change.cloud != "hook" or change.what != "join":
            self._begun(self._node(change))
        for node in world.old.services:
            self._expect(node not in world.new.services, f"{node} is registered in both clouds after {change}")
        for node in world.new.services:
            opened = world.open_to_users(node)
            if opened and node in self.between and (world.new.name, node) not in world.meddled:
                self._expect(node in world.proved, f"{node} was opened to users with no probe, by {change}")
        if change.what == "join-old" and change.args[0][0] in world.old.running:
            self.between.discard(change.args[0][0])
        if change.what == "add_host" and change.args[0] == PROBATION_AGGREGATE:
            self._serves_nobody(change.args[1], "is isolated")
        if change.what == "remove_host" and change.args[0] == PROBATION_AGGREGATE:
            self.between.discard(change.args[1])
            self.accepted.add(change.args[1])

    def after_up(self) -> None:
        """Every step that began has ended, as the audit log tells it."""
        begun: dict[tuple[str, str], int] = {}
        for line in self.audit:
            key = (line.node, line.step)
            begun[key] = begun.get(key, 0) + (1 if line.result == "begins" else -1)
        open_ = {key for key, count in begun.items() if count}
        self._expect(not open_, f"no end in the audit log: {open_}")

    def taken_over(self, node: str) -> None:
        """An operator of the old cloud took a node out of our hands: it is theirs, and not on its way any more."""
        if node in self.world.old.services:
            self.between.discard(node)

    # ------------------------------------------------------------------------------------------- helpers

    def _node(self, change: Call) -> str:
        """Return the node that a change is about."""
        words = [word for arg in change.args for word in (arg if isinstance(arg, (tuple, dict)) else (arg,))]
        text = " ".join(map(str, words))
        for cloud in (self.world.old, self.world.new):
            for host, provider in cloud.hypervisors.items():
                text = text.replace(provider, host)
        known = {line.node for line in self.audit}
        found = [node for node in known if node in text]
        # A probe is deleted by its id: it belongs to the step that runs now.
        return found[0] if found else self.audit[-1].node

    def _begun(self, node: str) -> Line:
        """Return the audit line of the step that runs on a node now; there must be one."""
        last = next((line for line in reversed(self.audit) if line.node == node), None)
        if last is None or last.result != "begins":
            raise Violation(f"{node}: changed outside of any step that the audit log knows: {self.world.changes[-1:]}")
        return last

    def _meddled_meanwhile(self, state: State, node: str) -> bool:
        """An operator between a step's look and its act is seen by the next step: Nova has no compare-and-swap."""
        return self.world.meddled.get((state.name, node), -1) >= self._begun(node).tick

    def _in_the_last_gap(self, node: str, guest: Guest) -> bool:
        """Between the last look and the deletion only Nova's own 409 guards, and it counts what Nova itself knows."""
        looked = [line.tick for line in self.audit if line.node == node and line.step == "delete-service"]
        return not guest.seen_by & {"servers", "cell"} and guest.since > min(looked, default=guest.since)

    def _empty_when(self, begun: Line, node: str, what: str) -> None:
        for guest in self.world.old.on(node):
            self._expect(guest.since > begun.tick, f"{node}: {what}, though {guest} was there before the step began")
        self._expect(self.silent is None or self.silent > begun.tick, f"{node}: {what}, though a witness is silent")

    def _serves_nobody(self, node: str, what: str) -> None:
        """Nothing that keeps users out may be done to a node of the new cloud that serves them."""
        self._expect(node not in self.accepted, f"{node} {what}, though it was accepted")
        begun = self._begun(node).tick
        users = [g for g in self.world.new.on(node) if g.metadata != {"visa-migration": "probe"} and g.since <= begun]
        self._expect(not users, f"{node} {what}, though users have servers there: {users}")

    def _enters(self, node: str) -> None:
        """A node is between the clouds from here on: is there room for it?"""
        if node in self.between:
            return
        self.between.add(node)
        limit = self.settings.budget.moving if self.accepted else 1
        self._expect(len(self.between) <= limit, f"{sorted(self.between)} are between the clouds, the limit is {limit}")
        sites = [n.datacenter for name, n in self.settings.nodes.items() if name in self.between]
        site = self.settings.nodes[node].datacenter
        self._expect(sites.count(site) <= self.settings.budget.per_datacenter, f"too many nodes between in {site}")

    @staticmethod
    def _expect(holds: Any, otherwise: str) -> None:
        if not holds:
            raise Violation(otherwise)
