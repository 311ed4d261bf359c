"""What tests of the migration share: settings, a world with nodes, and one ``up`` as the components compose it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self, TypeVar
from unittest import mock

from checker import Checker, Line
from world import World

from components import provider, providers
from migration import audit, observe
from migration.actor import Actor, Orders
from migration.errors import EngineGone
from migration.plan import NodePlan, Plan, make_plan
from migration.settings import CaracalSettings, parse
from migration.steps import Report

T = TypeVar("T")

HOOK = {"argv": ["hook", "{nodes}"], "timeout": 60}
LOOKS = 4
"""How often something that is awaited is looked at, instead of seconds."""


def make_settings(nodes: Mapping[str, str], **changes: Any) -> CaracalSettings:
    """Return settings where node NAME has membership nodes[NAME]; "NAME@dc2" stands in another datacenter."""
    sites = {name.partition("@")[0]: name.partition("@")[2] or "dc1" for name in nodes}
    raw = {
        "clouds": {"old": "stein", "new": "caracal"},
        "datacenters": {"dc1": {}, "dc2": {}},
        "networks": {"visa": {"type": "flat", "physical_network": "physnet1"}},
        "nodes": {
            n.partition("@")[0]: {"membership": m, "datacenter": sites[n.partition("@")[0]]} for n, m in nodes.items()
        },
        "hooks": {"leave": HOOK, "join": HOOK, "join_old": HOOK},
        "probe": {"image": "cirros", "network": "visa", "timeout": 300},
        "audit": "audit.jsonl",
        **changes,
    }
    settings = parse("caracal", {k: v for k, v in raw.items() if v is not None}, source="Pulumi.caracal.yaml")
    assert isinstance(settings, CaracalSettings)
    return settings


def make_world(*hosts: str) -> World:
    """Return a world where these nodes serve in the old cloud, and the new one has a host of its own."""
    world = World()
    world.declare_zones("dc1", "dc2")
    for host in hosts:
        world.start("stein", host)
    return world


class FakeEngine:
    """An engine that is gone when a test says so, and never ends the process of the tests."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    @contextmanager
    def step(self) -> Iterator[None]:
        self.check()
        yield

    def check(self) -> None:
        if self.gone.is_set():
            raise EngineGone("gone")


class FakeLock:
    """A lock that is always free."""

    handle = None

    def take(self, *, patience: float) -> None: ...


@dataclass
class SwiftActor(Actor):
    """An actor that waits for looks instead of seconds, and runs the hooks of a world."""

    world: World = field(default_factory=World)
    checker: Checker | None = None

    def until(self, look: Callable[[], T | None], *, seconds: float) -> T | None:
        for _ in range(LOOKS):
            self.engine.check()
            if (seen := look()) is not None:
                return seen
        return None

    def hook(self, hook: Any, name: str, nodes: Any) -> Any:
        return self.world.hook(hook, name, list(nodes))

    def tell(self, cloud: str, node: str, step: str, result: str, detail: str = "") -> None:
        self.world._alive()
        entry = audit.Entry("abc1234", cloud, node, step, result, detail, who="test", when="")
        if self.checker is not None:
            line = Line(self.world.tick, entry.cloud, entry.node, str(entry.step), entry.result, entry.detail)
            self.checker.audit.append(line)


def make_actor(world: World, orders: Orders, checker: Checker | None = None) -> SwiftActor:
    """Return the actor of a new provider process."""
    return SwiftActor(orders, FakeEngine(), FakeLock(), world.open, pause=0, settle=0, world=world, checker=checker)  # type: ignore[arg-type]


def make_orders(settings: CaracalSettings) -> Orders:
    """Return the orders that the components give."""
    return Orders.of(settings)


class InTurn:
    """A thread pool without threads: calls come in the same order every time."""

    def __init__(self, _workers: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
            future.set_exception(error)
        return future


def look(world: World, settings: CaracalSettings) -> observe.Facts:
    """Look at both clouds, one list after the other."""
    with mock.patch.object(observe, "ThreadPoolExecutor", InTurn):
        return observe.look(settings, world.open)  # type: ignore[arg-type]


@dataclass
class Ran:
    """How one ``up`` went."""

    plan: Plan
    changes: int
    reports: dict[str, Report] = field(default_factory=dict)

    def failed(self) -> dict[str, str]:
        return {name: report.failed for name, report in self.reports.items() if report.failed}


def make_plan_of(world: World, settings: CaracalSettings) -> Plan:
    """Look and plan, as a preview does."""
    return make_plan(settings, look(world, settings))


def up(
    world: World,
    settings: CaracalSettings,
    *,
    checker: Checker | None = None,
    between: Callable[[], None] | None = None,
    saved: Plan | None = None,
) -> Ran:
    """Look, plan, and run what the plan says through the providers, wired as ``components/nodes.py`` wires them.

    Arguments:
        world: the clouds.
        settings: what is wanted.
        checker: who watches.
        between: what happens between the look and the first step.
        saved: a plan that was made earlier, carried out instead of a fresh one.
    """
    before = len(world.changes)
    plan = saved or make_plan_of(world, settings)
    if between is not None:
        between()
        world.tick += 1  # it happened before the first step began
    if plan.refusals:
        return Ran(plan, 0)
    orders = make_orders(settings)
    with process(world, orders, checker):
        reports = _run(plan, settings, orders)
    return Ran(plan, len(world.changes) - before, reports)


@contextmanager
def process(world: World, orders: Orders, checker: Checker | None) -> Iterator[None]:
    """A new provider process: its own actor, which remembers nothing of the one before."""

    def actor(parsed: Orders, _engine: object, _lock: object) -> Actor:
        assert parsed == orders
        return make_actor(world, parsed, checker)

    provider._actor.cache_clear()
    config = SimpleNamespace(config={"auth": {"auth_url": "http://keystone"}})

    def connect(_name: str) -> Any:
        return SimpleNamespace(config=config)

    def lock(_path: object) -> FakeLock:
        return FakeLock()

    with (
        mock.patch.object(provider, "Actor", actor),
        mock.patch.object(provider, "_engine", FakeEngine),
        mock.patch.object(provider, "connect", connect),
        mock.patch.object(provider.guardian, "ActorLock", lock),
    ):
        yield


def _run(plan: Plan, settings: CaracalSettings, orders: Orders) -> dict[str, Report]:
    departures = {
        name: _act(providers.DepartureProvider(orders), _inputs(one, one.departure))["report"]
        for name, one in plan.nodes.items()
    }
    held = {
        name: departures[name]["failed"] or departures[name]["stays"]
        for name, one in plan.nodes.items()
        if one.departure and one.arrival
    }
    joining = {name: held.get(name, "") for name, one in plan.nodes.items() if one.deploys}
    hook = {"nodes": list(joining), "held": joining}
    results = _act(providers.HostHookProvider(orders), hook)["results"] if joining else {}
    reports = {}
    for name, one in plan.nodes.items():
        more = {
            "datacenter": one.datacenter,
            "held": held.get(name, ""),
            "deployed": results.get(name) if one.deploys else None,
        }
        arrival = _act(providers.ArrivalProvider(orders), {**_inputs(one, one.arrival), **more})["report"]
        reports[name] = _report(departures[name] if departures[name]["failed"] or not one.arrival else arrival)
    return reports


def _inputs(one: NodePlan, steps: Any) -> dict[str, Any]:
    return {"node": one.node, "membership": one.membership.value, "steps": [s.value for s in steps]}


def _act(provider: Any, props: dict[str, Any]) -> dict[str, Any]:
    """Create the resource with inputs as the engine hands them on: through protobuf, where every number is a float."""
    outputs = provider.create(json.loads(json.dumps(props), parse_int=float)).outs
    return json.loads(json.dumps(outputs))  # type: ignore[no-any-return]


def _report(props: dict[str, Any]) -> Report:
    return Report(tuple(props["done"]), props["stays"], props["failed"])
