"""The roll as a resource: when it acts, what it reports, and what a person records by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML
from test_components import Recorder, recorder, run

from components import roll
from components.roll import RollProvider, declare_roll
from migration.actor import Orders
from migration.ceph.access import CephAccess
from migration.errors import EngineGone, LockError, SettingsError, StepError
from migration.facts import Aggregate
from migration.kolla import applied
from migration.kolla.health import Look, Sign, System
from migration.kolla.look import ControlPlane, members_of, ports_of
from migration.kolla.render import render
from migration.kolla.roll import Change, Member, RollPlan
from migration.kolla.roll_orders import RollOrders, look_and_plan, wanted_of
from migration.kolla.rolling import Report
from migration.names import LEDGER_AGGREGATE
from scripts import controllers
from tests.unit.kolla_stack import ARBITER, changed, parse

__all__ = ["recorder"]

SETTINGS = parse(changed(kolla__apply="deploy"))
AT = "2026-11-23T06:28:10Z"
PLAN = RollPlan((Change("ctl3", "nova changed"), Change("ctl1", "nova changed")), "because")
CEPH = {
    "crush": {"datacenters": {"dc1": ["osd1", "osd2"], "dc2": ["osd3", "osd4"]}},
    "rule": {"name": "two-datacenters"},
    "pools": {name: {} for name in ("images", "volumes", "vms", "backups")},
    "users": {name: {} for name in ("glance", "cinder", "cinder-backup", "nova")},
}


def ledger(recorded: Mapping[str, str]) -> list[Aggregate]:
    return [Aggregate(7, "u", LEDGER_AGGREGATE, None, frozenset(), recorded)]


def all_applied(settings: Any, ceph: CephAccess | None = None) -> dict[str, str]:
    metadata: dict[str, str | None] = {}
    for name, parts in wanted_of(settings, ceph).items():
        metadata |= applied.parts(name, parts, {}) | applied.applied(name, AT)
    return {key: value for key, value in metadata.items() if value is not None}


# ------------------------------------------------------------------------------------------------------- what is wanted


def test_a_node_that_joins_rolls_no_controller() -> None:
    before = wanted_of(SETTINGS, None)
    cmp09 = {"membership": "caracal", "datacenter": "dc2", "address": "10.0.1.9", "vars": {"x": 1}}
    more = parse(changed(kolla__apply="deploy", nodes__cmp09=cmp09))
    assert render(more, ("cmp01", "cmp09"), None) != render(SETTINGS, ("cmp01",), None)
    assert wanted_of(more, None) == before


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("kolla__tag", "2024.1-2", {"globals.yml"}),
        ("kolla__overrides", {"config/nova.conf": "[DEFAULT]\n"}, {"nova"}),
        (
            "kolla__overrides",
            {"config/nova.conf": "[DEFAULT]\ncpu_allocation_ratio = 4\n", "config/glance.conf": "x"},
            {"glance"},
        ),
        ("controllers__ctl1__vars", {"x": 1}, {"inventory"}),
        ("kolla__nodes", {"interfaces": {"network": "eno7"}}, set()),
        ("kolla__apply", "render", set()),
    ],
)
def test_what_a_change_of_the_settings_changes(place: str, value: Any, parts: set[str]) -> None:
    one, other = wanted_of(SETTINGS, None), wanted_of(parse(changed(**{"kolla__apply": "deploy", place: value})), None)
    for name in ("ctl1", "ctl2", "ctl3"):
        assert {p for p in {*one[name], *other[name]} if one[name].get(p) != other[name].get(p)} == parts


def test_a_key_of_ceph_that_is_rotated_is_a_change_except_that_of_compute_hosts() -> None:
    access = CephAccess("[global]\n")
    plain = wanted_of(parse(changed(ceph=CEPH)), access)["ctl1"]
    for user, differ in (("glance", {"key of glance"}), ("nova", set())):
        users = {**CEPH["users"], user: {"rotation": 2}}  # type: ignore[dict-item]
        rotated = wanted_of(parse(changed(ceph={**CEPH, "users": users})), access)["ctl1"]
        assert {part for part in plain if plain[part] != rotated[part]} == differ


def test_who_votes_and_where_is_asked() -> None:
    own = {"datacenter": "dc2", "address": "10.0.0.13", "vars": {"api_interface_address": "10.7.0.13"}}
    settings = parse(
        changed(
            arbiter=ARBITER, controllers__ctl3=own, kolla__vars={"haproxy_stats_port": 1985, "rabbitmq_user": "rpc"}
        )
    )
    assert members_of(settings) == [
        Member("ctl1", "dc1", "10.0.0.11"),
        Member("ctl2", "dc1", "10.0.0.12", votes=False),
        Member("ctl3", "dc2", "10.7.0.13"),
        Member("arb1", "site3", "10.0.9.1", apis=False),
    ]
    ports = ports_of(settings)
    assert (ports.haproxy, ports.rabbitmq_user, ports.clustercheck) == (1985, "rpc", 4569)


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def ask(_: ControlPlane) -> str:
        asked.append("x")
        return "ctl1"

    monkeypatch.setattr(ControlPlane, "holder", ask)
    return asked


def test_nobody_is_asked_while_nothing_is_to_be_done(holder: list[str]) -> None:
    assert look_and_plan(SETTINGS, None, ledger(all_applied(SETTINGS)))[0] == RollPlan()
    assert look_and_plan(SETTINGS, None, None)[0] == RollPlan()
    assert look_and_plan(parse(changed(kolla=None, controllers=None)), None, [])[0] == RollPlan()
    assert holder == []


def test_the_holder_of_the_vips_is_asked_where_the_order_matters(holder: list[str]) -> None:
    plan, _ = look_and_plan(SETTINGS, None, [])
    assert (plan.controllers, plan.by_hand, holder) == (("ctl3", "ctl2", "ctl1"), "", ["x"])


def test_nothing_rolls_while_ceph_has_not_said_how_it_is_reached(holder: list[str]) -> None:
    settings = parse(changed(kolla__apply="deploy", ceph=CEPH))
    plan, _ = look_and_plan(settings, None, ledger(all_applied(settings, CephAccess("[global]\n"))))
    assert plan.steps == ()
    assert plan.by_hand == "Ceph has not said yet how it is reached, so files are missing"


# --------------------------------------------------------------------------------------------------------- the provider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> RollProvider:
    made = RollProvider(Orders.of(SETTINGS), RollOrders.of(SETTINGS))
    monkeypatch.setattr(RollProvider, "actor", lambda _self: SimpleNamespace())
    monkeypatch.setattr(roll, "_facts", lambda _orders: Path("facts"))
    return made


def rolls(monkeypatch: pytest.MonkeyPatch, how: Any) -> list[Any]:
    calls: list[Any] = []

    def made(_actor: object, orders: RollOrders, *_: object) -> Any:
        assert orders == RollOrders.of(SETTINGS)

        def run_it(order: list[str], wanted: Any) -> Report:
            calls.append((order, wanted))
            if isinstance(how, BaseException):
                raise how
            return Report(*how)

        return SimpleNamespace(run=run_it)

    monkeypatch.setattr(roll, "roll_of", made)
    return calls


PROPS = {
    "steps": ["ctl3: nova changed"],
    "order": ["ctl3"],
    "wanted": {"ctl3": {"nova": "a"}},
    "held": "",
    "report": None,
}


@pytest.mark.parametrize(
    ("props", "how", "report", "acts"),
    [
        (PROPS, (("ctl3",), ""), {"done": ("ctl3",), "failed": ""}, True),
        (PROPS, ((), "ctl3: no"), {"done": (), "failed": "ctl3: no"}, True),
        ({**PROPS, "steps": []}, ((), "x"), {"done": (), "failed": ""}, False),
        (
            {**PROPS, "held": "x.yml: no space"},
            ((), "x"),
            {"done": (), "failed": "controllers: not rolled, because not every file could be written: x.yml: no space"},
            False,
        ),
        (PROPS, OSError("odd"), {"done": (), "failed": "controllers: not rolled: OSError: odd"}, True),
        (PROPS, LockError("jane acts"), {"done": (), "failed": "controllers: not rolled: LockError: jane acts"}, True),
    ],
)  # fmt: skip
def test_what_the_provider_reports(
    provider: RollProvider, monkeypatch: pytest.MonkeyPatch, props: Any, how: Any, report: Any, acts: bool
) -> None:
    calls = rolls(monkeypatch, how)
    outs = provider.create(props).outs
    assert outs is not None
    assert outs["report"] == report
    assert bool(calls) is acts
    assert provider.diff("x", {}, props).changes is bool(props["steps"])


def test_an_engine_that_is_gone_reports_nothing(provider: RollProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    rolls(monkeypatch, EngineGone("gone"))
    with pytest.raises(EngineGone):
        provider.create(PROPS)


def test_what_is_declared_holds_no_secret_and_no_path_of_this_checkout() -> None:
    told = json.dumps(RollOrders.of(SETTINGS).model_dump())
    assert str(Path.cwd()) not in told
    assert json.loads(told)["passwords"] == "kolla-passwords.yml"


def test_the_commands_that_a_person_runs() -> None:
    where = "--configdir kolla --inventory kolla/inventory/multinode --passwords kolla-passwords.yml --limit ctl2"
    assert RollOrders.of(SETTINGS).commands("ctl2") == [
        *(f"kolla-ansible {action} {where}" for action in ("prechecks", "pull", "deploy")),
        "visa-migration controllers record ctl2",
    ]


@pytest.mark.parametrize("by_hand", ["", "kolla.apply is render"])
def test_the_roll_is_declared_with_its_steps(recorder: Recorder, by_hand: str) -> None:
    plan = RollPlan(PLAN.changes, PLAN.order, by_hand)
    accounts: list[Any] = []

    def declare() -> None:
        accounts.append(declare_roll(plan, {"ctl3": {"nova": "a"}, "ctl1": {"nova": "a"}}, SETTINGS, {})[1])

    made = run(recorder, declare).inputs("Roll", "controllers")
    acts = not by_hand
    assert made["steps"] == (["ctl3: nova changed", "ctl1: nova changed"] if acts else [])
    assert made["order"] == (["ctl3", "ctl1"] if acts else [])
    assert accounts[0].steps == ({"controllers": plan.steps} if acts else {})


# ------------------------------------------------------------------------------------------------------------ by hand


class Nova:
    def __init__(self, aggregates: list[Aggregate]) -> None:
        self._aggregates = aggregates
        self.written: list[Mapping[str, str | None]] = []

    def aggregates(self) -> list[Aggregate]:
        return self._aggregates

    def set_metadata(self, aggregate: int, metadata: Mapping[str, str | None]) -> None:
        assert aggregate == 7
        self.written.append(metadata)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    raw = changed(audit="audit/log.jsonl")
    with (tmp_path / "Pulumi.caracal.yaml").open("w") as file:
        YAML().dump({"config": {f"visa-migration:{key}": value for key, value in raw.items()}}, file)
    for path, rendered in render(parse(raw), ("cmp01",), None).items():
        (tmp_path / "kolla" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kolla" / path).write_text(rendered.content)
    return tmp_path


def say(project: Path, nova: Nova, *signs: Sign, controller: str = "ctl2") -> str:
    open_: Any = lambda name: SimpleNamespace(name=name, nova=nova)  # noqa: E731
    return controllers.record(project, controller, look=lambda _: Look(signs), open_=open_)


WELL, ILL = (Sign(System.API, "", "compute", healthy=healthy) for healthy in (True, False))


def test_what_a_person_deployed_is_on_record(project: Path) -> None:
    nova = Nova(ledger({"visa-migration-controller:ctl2": f"changing {AT}", "visa-migration-controller:ctl2:old": "x"}))
    assert say(project, nova, WELL) == "ctl2: recorded; the next preview says what is left"
    after: dict[str, str] = {}
    for metadata in nova.written:
        after |= {key: value for key, value in metadata.items() if value is not None}
    assert nova.written[0]["visa-migration-controller:ctl2:old"] is None
    wanted = wanted_of(parse(changed(audit="audit/log.jsonl")), None)["ctl2"]
    assert applied.read(after)["ctl2"].parts == wanted
    lines = [json.loads(line) for line in (project / "audit" / "log.jsonl").read_text().splitlines()]
    assert [(line["node"], line["step"], line["result"]) for line in lines] == [
        ("ctl2", "record", "begins"), ("ctl2", "record", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("breaks", "error", "says"),
    [
        ("nobody", SettingsError, "ctl9 is not declared; expected one of ctl1, ctl2, ctl3"),
        ("ill", StepError, "not everything is healthy: API compute: not healthy"),
        ("stale", StepError, "kolla/globals.yml: not what Pulumi.caracal.yaml says"),
        ("no ledger", StepError, "has no aggregate visa-migration-ledger"),
    ],
)
def test_what_cannot_be_recorded(project: Path, breaks: str, error: type[Exception], says: str) -> None:
    nova = Nova([] if breaks == "no ledger" else ledger({}))
    if breaks == "stale":
        with (project / "kolla" / "globals.yml").open("a") as file:
            file.write("x: 1\n")
    with pytest.raises(error, match=says), contextlib.chdir("/"):
        say(project, nova, ILL if breaks == "ill" else WELL, controller="ctl9" if breaks == "nobody" else "ctl2")
    assert nova.written == []
    assert not (project / "audit").exists()
