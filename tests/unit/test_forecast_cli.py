"""``visa-migration forecast``: what it gathers, what it prints, and what it keeps to itself."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from fleet import make_settings
from rich.console import Console

from migration.errors import CloudRefused, VisaRefused
from migration.facts import CloudFacts, Facts, FlavorFacts, Hypervisor, Server, Service
from migration.records import Inventory, ServerRecord
from migration.room import Sizes, history_of
from migration.settings import CaracalSettings
from migration.visa.instances import VisaInstance
from scripts import cli, forecast, forecast_table
from scripts.forecast import Gathered, Outlook

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SIZE = FlavorFacts(2, 8192, 20)
INVENTORY = {
    "VCPU": Inventory(64, 0, 4.0),
    "MEMORY_MB": Inventory(131072, 512, 1.0),
    "DISK_GB": Inventory(1000, 0, 1.0),
}
VISA = {
    "endpoint": "https://visa.test",
    "token": {"environment": "VISA_TOKEN"},
    "prefixes": {"old": "visa", "new": "car"},
    "cloud": {"name": "New", "project": "visa", "networks": ["visa"]},
}


def instance(number: int, **more: Any) -> VisaInstance:
    return VisaInstance(
        **{
            "id": number, "name": "work", "state": "ACTIVE", "server": f"s{number}", "cloud": -1,
            "created": NOW - 3 * DAY, "termination": NOW + 9 * DAY, "last_seen": NOW - DAY,
            "owner_name": "Marie Curie", **more,
        }
    )  # fmt: skip


def record(number: int, *, name: str = "", ended: float | None = None, created: float = 3) -> ServerRecord:
    end = NOW - ended * DAY if ended is not None else None
    return ServerRecord(f"s{number}", name or f"visa-{number}", "cmp01", "small", SIZE, NOW - created * DAY, end)


class FakeCloud:
    """A cloud with one node and the servers that a test gives it."""

    def __init__(self, name: str, records: list[ServerRecord], *, breaks: bool = False) -> None:
        self.name, self.breaks = name, breaks
        self._records = records
        self.nova = SimpleNamespace(records=self._asked)
        self.placement = SimpleNamespace(inventories=lambda _provider: INVENTORY)

    def _asked(self, since: datetime | None = None) -> list[ServerRecord]:
        if self.breaks:
            raise CloudRefused(self.name, "no list", 403)
        return [one for one in self._records if since is not None or one.ended is None]


def _facts() -> Facts:
    servers = tuple(Server(f"s{number}", f"visa-{number}", "cmp01", "ACTIVE") for number in (1, 2))
    old = CloudFacts(
        "stein",
        services=(Service("1", "cmp01", enabled=True, up=True),),
        hypervisors=(Hypervisor("h1", "cmp01", "cmp01", 2, frozenset({"s1", "s2"})),),
        servers=servers,
    )
    new = CloudFacts(
        "caracal",
        services=(Service("2", "new01", enabled=True, up=True),),
        hypervisors=(Hypervisor("h2", "new01", "new01", 0),),
        flavors={"small": SIZE},
    )
    return Facts(old, new)


class World:
    """What the clouds and VISA answer in a test."""

    def __init__(self) -> None:
        self.settings: CaracalSettings = make_settings({"cmp01": "draining"}, visa=VISA, projects={"visa": {}})
        self.facts = _facts()
        self.records = [record(1), record(2), *(record(n, ended=n, created=n + 6) for n in range(10, 40))]
        self.visa: tuple[VisaInstance, ...] | Exception | threading.Event = (instance(1), instance(2))
        self.breaks = False

    def open(self, name: str) -> FakeCloud:
        return FakeCloud(name, self.records if name == "stein" else [], breaks=self.breaks and name == "stein")

    def instances(self) -> tuple[VisaInstance, ...]:
        if isinstance(self.visa, threading.Event):
            self.visa.wait()
            return ()
        if isinstance(self.visa, Exception):
            raise self.visa
        return self.visa


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(forecast, "load", lambda _path: world.settings)
    monkeypatch.setattr(forecast, "look", lambda _settings, _open: world.facts)
    monkeypatch.setattr(forecast, "open_cloud", world.open)
    monkeypatch.setattr(forecast.Visa, "of", lambda _wanted: world)
    yield world
    if isinstance(world.visa, threading.Event):
        world.visa.set()


def gathered() -> Gathered:
    return forecast.gather(Path(), NOW)


def shown(outlook: Outlook, *, width: int = 160, at: datetime | None = None, owners: bool = False) -> str:
    out = io.StringIO()
    forecast_table.show(outlook, Console(file=out, width=width), at=at, owners=owners)
    return out.getvalue()


def test_everything_is_joined(world: World) -> None:
    found = gathered()
    assert [(one.server, one.visa) for one in found.given.placed] == [("s1", instance(1)), ("s2", instance(2))]
    assert found.given.history is not None
    assert (len(found.given.history.ended), found.given.history.since) == (30, NOW - 39 * DAY)
    outlook = forecast.outlook(found)
    assert outlook.advice is not None
    assert outlook.advice.configured.order == ("cmp01",)
    assert outlook.forecast.notes == ()


def test_a_visa_that_refuses_is_reported_and_the_forecast_goes_on(world: World) -> None:
    world.visa = VisaRefused("the token has expired")
    text = shown(forecast.outlook(gathered()))
    assert (
        "not known: VISA did not answer, so nobody can say when an instance ends: VISA: the token has expired" in text
    )
    assert [line.split()[3:8] for line in text.splitlines() if line.startswith("cmp01")] == [["2", "?", "?", "?", "?"]]


def test_a_visa_that_hangs_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.visa = threading.Event()
    monkeypatch.setattr(forecast, "PATIENCE", 0.05)
    found = gathered()
    assert any("https://visa.test has not answered within" in note for note in found.given.notes)
    assert not forecast.outlook(found).forecast.nodes["cmp01"].known


def test_sizes_that_cannot_be_had_are_a_sentence(world: World) -> None:
    world.breaks = True
    outlook = forecast.outlook(gathered())
    assert outlook.advice is None
    notes = " ".join(outlook.forecast.notes)
    assert "sizes and history are missing: stein: no list" in notes
    assert "nobody knows whether there will be room" in notes
    assert outlook.forecast.nodes["cmp01"].ends


def test_what_is_not_visas_is_no_history(world: World) -> None:
    records = [record(1, name="batch-1", ended=2), record(2, name="visa2-1", ended=2), record(3)]
    assert history_of(records, world.settings) is None
    assert history_of([*records, record(4, name="car-1", ended=1)], world.settings) is not None


def test_nodes_that_come_have_the_room_that_the_new_cloud_would_promise(world: World) -> None:
    found = gathered()
    stein = {"VCPU": Inventory(64, 0, 16.0), "MEMORY_MB": Inventory(131072, 512, 1.5)}
    sizes = Sizes(found.sizes.records, {"h1": stein}, {"h2": INVENTORY})
    given = forecast.room_input(found.settings, found.given, forecast.outlook(found).forecast, sizes)
    assert given is not None
    assert [(one.room.vcpus, one.room.ram) for one in given.coming] == [(256, 130560)]
    assert [(one.node, one.room.vcpus) for one in given.hosts] == [("new01", 256)]


# ------------------------------------------------------------------------------------------------------------- output


def test_owners_are_named_only_where_asked_for(world: World) -> None:
    world.visa = (instance(1, termination=None), instance(2))
    outlook = forecast.outlook(gathered())
    for text in (shown(outlook), forecast_table.as_json(outlook, at=None, owners=False)):
        assert "Curie" not in text
    for text in (shown(outlook, owners=True), forecast_table.as_json(outlook, at=None, owners=True)):
        assert "Marie Curie" in text


def test_json_promises_no_date_where_there_is_none(world: World) -> None:
    world.visa = (instance(1, termination=None), instance(2))
    said = json.loads(forecast_table.as_json(forecast.outlook(gathered()), at=NOW + DAY, owners=False))
    node = said["nodes"]["cmp01"]
    assert (node["ends_by_itself"], node["empty"], node["chance"]) == (False, None, None)
    assert node["others_ended"]["latest"] == (NOW + 9 * DAY).isoformat()
    assert [one["name"] for one in node["never"]] == ["visa-1"]
    assert (said["fleet"], said["at"]["empty"]) == (None, {"low": 0, "median": 0, "high": 0})


def test_a_day_may_be_asked_about(world: World) -> None:
    outlook = forecast.outlook(gathered())
    late = NOW + 10 * DAY
    assert json.loads(forecast_table.as_json(outlook, at=late, owners=False))["nodes"]["cmp01"]["chance"] == 1
    assert "empty on 2026-12-03: 1 likely; 1 to 1 in eight of ten cases" in shown(outlook, at=late)
    assert "100%" in shown(outlook, at=late)


def test_the_table_fits_into_a_small_terminal_and_draws_in_a_large_one(world: World) -> None:
    outlook = forecast.outlook(gathered())
    narrow = shown(outlook, width=80)
    assert "│" not in narrow
    assert "cmp01 is held by visa-1 until 2026-12-02" in narrow
    assert "│" in shown(outlook, width=160)


def test_an_open_node_says_that_its_dates_are_conditional(world: World) -> None:
    text = shown(forecast.outlook(gathered()))
    assert "stein +" in text
    assert "+ takes new instances while VISA's default backend is the old cloud" in text


def test_without_an_old_cloud_there_is_nothing_to_forecast(world: World) -> None:
    world.settings = make_settings({"cmp01": "caracal"}, clouds={"new": "caracal"})
    world.facts = replace(world.facts, old=None)
    outlook = forecast.outlook(gathered())
    assert "no node is in the old cloud" in shown(outlook)
    assert json.loads(forecast_table.as_json(outlook, at=None, owners=False))["nodes"] == {}


def test_the_line_of_time_is_as_long_as_the_time(world: World) -> None:
    made = forecast.outlook(gathered()).forecast
    span = made.nodes["cmp01"].span
    line = forecast_table.line_of_time(span, made.now, span.latest)
    assert (len(line), line[-1]) == (forecast_table.WIDTH + 1, "│")
    assert forecast_table.line_of_time(span, made.now, made.now + 2 * (span.latest - made.now)).index("│") == 15


def test_the_curve_rises_from_no_node_to_all(world: World) -> None:
    made = forecast.outlook(gathered()).forecast
    drawn = forecast_table.curve(made, NOW + 9 * DAY)
    assert (drawn[0], drawn[-1]) == (" ", "█")
    assert list(drawn) == sorted(drawn)


@pytest.mark.parametrize(
    ("words", "code"), [([], 0), (["--json"], 0), (["--at", "2026-12-01", "--seed", "3"], 0), (["--at", "soon"], 2)]
)
def test_the_command(world: World, words: list[str], code: int) -> None:
    ended = CliRunner().invoke(cli.main, ["forecast", "--directory", ".", *words])
    assert ended.exit_code == code, ended.output
    if "--json" in words:
        assert json.loads(ended.stdout)["seed"] == 1


def test_an_old_cloud_that_does_not_answer_is_exit_code_3(world: World) -> None:
    world.facts = Facts(None, world.facts.new, "stein: no answer")
    ended = CliRunner().invoke(cli.main, ["forecast", "--directory", "."])
    assert (ended.exit_code, ended.stderr) == (3, "visa-migration: stein: no answer\n")
