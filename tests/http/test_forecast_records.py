"""Sizes, and what has ended, as Nova and Placement tell them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from answers import Answers

from migration.facts import FlavorFacts
from migration.observe import open_cloud
from migration.records import Inventory, ServerRecord

# As Stein and Caracal answered for a server that was deleted: its metadata is gone, its node and flavor are not.
DELETED: dict[str, Any] = {
    "id": "0fb557aa-94cd-4034-9d0c-bef2e9b38c22",
    "name": "visa-3",
    "status": "DELETED",
    "created": "2026-11-23T09:35:19Z",
    "updated": "2026-11-23T09:37:27Z",
    "OS-SRV-USG:terminated_at": "2026-11-23T09:37:27.198729",
    "OS-EXT-SRV-ATTR:host": "cmp01",
    "metadata": {},
    "flavor": {"vcpus": 1, "ram": 2048, "disk": 10, "ephemeral": 0, "swap": 0, "original_name": "visa.tiny"},
}
CREATED = datetime(2026, 11, 23, 9, 35, 19, tzinfo=UTC)


def test_what_was_deleted_is_asked_for_since_a_time(stein: Answers) -> None:
    stein.list("nova", "/servers/detail", "servers", [DELETED])
    since = datetime(2026, 9, 24, tzinfo=UTC)
    assert open_cloud("stein").nova.records(since) == [
        ServerRecord(
            DELETED["id"], "visa-3", "cmp01", "visa.tiny", FlavorFacts(1, 2048, 10), CREATED,
            datetime(2026, 11, 23, 9, 37, 27, 198729, tzinfo=UTC),
        )
    ]  # fmt: skip
    (asked,) = [request for request in stein.asked("nova") if "/servers/detail" in request]
    assert "all_tenants=1&changes-since=2026-09-24T00%3A00%3A00%2B00%3A00" in asked


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"status": "ACTIVE", "OS-SRV-USG:terminated_at": None}, None),
        ({"OS-SRV-USG:terminated_at": None}, datetime(2026, 11, 23, 9, 37, 27, tzinfo=UTC)),
    ],
)
def test_when_a_server_ended(stein: Answers, changes: dict[str, Any], ended: datetime | None) -> None:
    stein.list("nova", "/servers/detail", "servers", [{**DELETED, **changes}])
    assert [one.ended for one in open_cloud("stein").nova.records()] == [ended]


def test_novas_dates_are_utc_wherever_this_runs(stein: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    stein.list("nova", "/servers/detail", "servers", [DELETED])
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        (found,) = open_cloud("stein").nova.records()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found.ended == datetime(2026, 11, 23, 9, 37, 27, 198729, tzinfo=UTC)


def test_servers_of_a_cell_that_is_down_have_no_size(stein: Answers) -> None:
    stein.list(
        "nova", "/servers/detail", "servers", [{"id": "x", "status": "UNKNOWN", "created": "2026-11-23T09:35:19Z"}]
    )
    assert open_cloud("stein").nova.records() == []


def test_inventories_say_what_may_be_placed(caracal: Answers) -> None:
    rows = {"VCPU": {"total": 64, "reserved": 4, "allocation_ratio": 4.0, "min_unit": 1}}
    caracal.mocker.get(caracal.url("placement", "/resource_providers/abc/inventories"), json={"inventories": rows})
    found = open_cloud("caracal").placement.inventories("abc")
    assert found == {"VCPU": Inventory(64, 4, 4.0)}
    assert found["VCPU"].room == 240
