"""The adapters, as the clouds see them: what is asked, and what becomes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests_mock
from answers import Answers

from migration.errors import CloudError, CloudRefused, CloudUnreachable
from migration.facts import Agent, FlavorFacts, Migration, Server, Service
from migration.observe import Cloud, look_at_cloud, look_at_node, open_cloud

CMP01 = "3c0e6e1b-e9da-4636-81cb-d5b35aeb2817"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def old(stein: Answers) -> Cloud:
    return open_cloud("stein")


@pytest.fixture
def new(caracal: Answers) -> Cloud:
    return open_cloud("caracal")


# --------------------------------------------------------------------------------------------------- what was recorded


def test_a_look_at_the_recorded_old_cloud(old: Cloud) -> None:
    facts = look_at_cloud(old, ["cmp01", "cmp02", "cmp03"])
    assert [(s.host, s.enabled, s.up, s.reason) for s in facts.services] == [
        ("cmp01", True, True, None),
        ("cmp02", True, True, None),
        ("cmp03", True, True, None),
    ]
    assert [(h.host, h.name, h.vms, len(h.servers)) for h in facts.hypervisors] == [
        ("cmp01", "cmp01", 2, 2),
        ("cmp02", "cmp02", 2, 2),
        ("cmp03", "cmp03", 2, 2),
    ]
    assert len(facts.servers) == 6
    assert {server.status for server in facts.servers} == {"ACTIVE"}
    assert {(agent.host, agent.binary, agent.alive) for agent in facts.agents} >= {
        ("cmp01", "neutron-openvswitch-agent", True)
    }
    assert facts.flavors["visa.tiny"] == FlavorFacts(1, 2048, 10)
    assert (facts.hidden, facts.migrations, facts.aggregates, dict(facts.ledger)) == (0, (), (), {})
    assert facts.allocations == {}, "Placement is asked only about nodes that look empty"


def test_a_look_at_one_node_asks_every_witness(old: Cloud) -> None:
    facts = look_at_node(old, "cmp01")
    assert [service.host for service in facts.services] == ["cmp01"]
    assert [hypervisor.id for hypervisor in facts.hypervisors] == [CMP01]
    assert facts.hypervisors[0].servers == {server.id for server in facts.servers}
    assert facts.allocations[CMP01] == facts.hypervisors[0].servers


def test_a_look_at_a_node_that_the_cloud_does_not_know(old: Cloud) -> None:
    facts = look_at_node(old, "new01")
    assert (facts.services, facts.hypervisors, facts.servers, facts.allocations) == ((), (), (), {})


def test_a_look_at_the_recorded_new_cloud(new: Cloud) -> None:
    facts = look_at_cloud(new)
    assert [service.host for service in facts.services] == ["new01"]
    assert [(h.host, h.vms) for h in facts.hypervisors] == [("new01", 0)]


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        (lambda c: c.nova.delete_service("123a2e86-d958-44fc-a622-0c2b40e2073a"), 409, "that is hosting instances"),
        (lambda c: c.nova.delete_service(NOBODY), 404, f"Service {NOBODY} not found"),
        (lambda c: c.nova.add_host(9999, "cmp01"), 404, "Aggregate 9999 could not be found"),
        (
            lambda c: c.nova.boot(name="x", host="h", flavor="f", image="i", network="n", metadata={}),
            406,
            "Version 2.74 is not supported",
        ),
    ],
)
def test_a_refusal_keeps_its_code_and_its_words(
    old: Cloud, act: Callable[[Cloud], object], status: int, words: str
) -> None:
    with pytest.raises(CloudRefused, match=words) as error:
        act(old)
    assert error.value.status == status
    assert str(error.value).startswith("stein: ")
    assert f"was answered {status}" in str(error.value)
    assert str(error.value).endswith(". See the log of that service, then run again")


def test_placements_own_words_are_kept(old: Cloud, stein: Answers) -> None:
    stein.answer("PUT", "placement", "/traits/CUSTOM_X", status_code=201)
    with pytest.raises(CloudRefused, match="generation already changed") as error:
        old.placement.set_trait(CMP01, "CUSTOM_X", present=True)
    assert error.value.status == 409


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda c: c.nova.server(NOBODY), None),
        (lambda c: c.placement.consumers(NOBODY), None),
        (lambda c: c.neutron.delete_agent(NOBODY), None),
        (lambda c: c.glance.image_id("cirros"), None),
        (lambda c: c.neutron.port_states("none"), []),
        (lambda c: c.placement.has_provider(CMP01), True),
        (lambda c: c.placement.providers_named("cmp01"), {CMP01: "cmp01"}),
        (lambda c: c.placement.aggregates(CMP01), frozenset()),
        (lambda c: c.nova.servers_named("x"), []),
        (lambda c: c.neutron.network_id("visa"), "9a3ab902-fa66-4277-a7c8-4692fba812cf"),
    ],
)
def test_what_is_not_there_is_an_answer(old: Cloud, ask: Callable[[Cloud], object], answer: object) -> None:
    assert ask(old) == answer


# ------------------------------------------------------------------------------------------------------- what is sent


def sent(mocker: requests_mock.Mocker) -> Any:
    return mocker.request_history[-1]


@pytest.mark.parametrize(
    ("act", "method", "path", "body"),
    [
        (
            lambda c: c.nova.disable("s1", "why"),
            "PUT",
            "/os-services/s1",
            {"status": "disabled", "disabled_reason": "why"},
        ),
        (lambda c: c.nova.enable("s1"), "PUT", "/os-services/s1", {"status": "enabled"}),
        (lambda c: c.nova.delete_service("s1"), "DELETE", "/os-services/s1", None),
        (lambda c: c.nova.add_host(7, "cmp01"), "POST", "/os-aggregates/7/action", {"add_host": {"host": "cmp01"}}),
        (
            lambda c: c.nova.remove_host(7, "cmp01"),
            "POST",
            "/os-aggregates/7/action",
            {"remove_host": {"host": "cmp01"}},
        ),
        (
            lambda c: c.nova.set_metadata(7, {"visa-migration:cmp01": None}),
            "POST",
            "/os-aggregates/7/action",
            {"set_metadata": {"metadata": {"visa-migration:cmp01": None}}},
        ),
        (lambda c: c.nova.delete_server("v1"), "DELETE", "/servers/v1", None),
    ],
)
def test_what_changes_nova(
    new: Cloud,
    caracal: Answers,
    mocker: requests_mock.Mocker,
    act: Callable[[Cloud], object],
    method: str,
    path: str,
    body: object,
) -> None:
    caracal.answer(method, "nova", path, status_code=200, json={})
    act(new)
    request = sent(mocker)
    assert (request.method, request.url) == (method, caracal.url("nova", path))
    assert (request.json() if body else request.body) == body
    assert request.headers["OpenStack-API-Version"] == "compute 2.72"
    assert request.headers["X-Auth-Token"] == "gAAAAA"


def test_a_probe_is_asked_for_on_its_node_through_the_scheduler(
    new: Cloud, caracal: Answers, mocker: requests_mock.Mocker
) -> None:
    caracal.answer("POST", "nova", "/servers", status_code=202, json={"server": {"id": "v1"}})
    found = new.nova.boot(
        name="p", host="cmp01", flavor="f", image="i", network="n", metadata={"visa-migration": "probe"}
    )
    assert found == "v1"
    assert sent(mocker).headers["OpenStack-API-Version"] == "compute 2.74"
    assert sent(mocker).json()["server"] == {
        "name": "p",
        "host": "cmp01",
        "flavorRef": "f",
        "imageRef": "i",
        "networks": [{"uuid": "n"}],
        "metadata": {"visa-migration": "probe"},
    }


def test_every_service_is_asked_at_the_version_that_both_releases_have(
    old: Cloud, mocker: requests_mock.Mocker
) -> None:
    look_at_cloud(old)
    look_at_node(old, "cmp01")
    versions = {
        request.hostname.split(".")[0]: request.headers.get("OpenStack-API-Version")
        for request in mocker.request_history
        if request.path not in {"", "/"}
    }
    assert versions["nova"] == "compute 2.72"
    assert versions["placement"] == "placement 1.19"


@pytest.mark.parametrize("present", [True, False])
def test_a_trait_is_written_with_the_generation_that_was_read(
    new: Cloud, caracal: Answers, mocker: requests_mock.Mocker, present: bool
) -> None:
    traits = ["COMPUTE_NODE"] if present else ["COMPUTE_NODE", "CUSTOM_X"]
    answer = {"traits": traits, "resource_provider_generation": 7}
    caracal.answer("GET", "placement", "/resource_providers/p1/traits", json=answer)
    caracal.answer("PUT", "placement", "/resource_providers/p1/traits", json=answer)
    caracal.answer("PUT", "placement", "/traits/CUSTOM_X", status_code=204)
    assert new.placement.set_trait("p1", "CUSTOM_X", present=present)
    assert sent(mocker).json() == {
        "resource_provider_generation": 7,
        "traits": ["COMPUTE_NODE", "CUSTOM_X"] if present else ["COMPUTE_NODE"],
    }
    assert not new.placement.set_trait("p1", "COMPUTE_NODE", present=True), "nothing to change, nothing written"


@pytest.mark.parametrize(("rows", "found"), [([], None), ([{"id": "i1"}], "i1"), ([{"id": "i1"}, {"id": "i2"}], None)])
def test_a_name_that_is_not_unique_is_no_name(new: Cloud, caracal: Answers, rows: Any, found: str | None) -> None:
    caracal.answer("GET", "glance", "/images?name=cirros%200.6&status=active", json={"images": rows})
    caracal.answer("GET", "neutron", "/networks?name=a%26b&fields=id", json={"networks": rows})
    assert new.glance.image_id("cirros 0.6") == found
    assert new.neutron.network_id("a&b") == found


# ------------------------------------------------------------------------------------------------------------- paging


def server(number: int, host: str | None = "cmp01", **more: Any) -> dict[str, Any]:
    return {"id": f"v{number}", "name": f"visa-{number}", "status": "ACTIVE", "OS-EXT-SRV-ATTR:host": host, **more}


@pytest.mark.parametrize(("rows", "page", "requests"), [(0, 3, 1), (3, 3, 1), (4, 3, 2), (9, 3, 3), (2500, 1000, 3)])
def test_lists_are_read_to_their_end(old: Cloud, stein: Answers, rows: int, page: int, requests: int) -> None:
    stein.list("nova", "/servers/detail", "servers", [server(number) for number in range(rows)], page=page)
    found, hidden = old.nova.servers()
    assert (len({one.id for one in found}), len(found), hidden) == (rows, rows, 0)
    asked = stein.asked("nova")
    assert len(asked) == requests
    assert asked[0] == "GET /v2.1/servers/detail?all_tenants=1&limit=1000"
    if requests > 1:
        assert asked[1] == f"GET /v2.1/servers/detail?all_tenants=1&limit=1000&marker=v{page - 1}"


def test_migrations_are_paged_by_their_uuid_and_ended_ones_left_out(old: Cloud, stein: Answers) -> None:
    words = [
        "running",
        "completed",
        "finished",
        "error",
        "queued",
        "cancelled",
        "confirmed",
        "reverted",
        "failed",
        "done",
    ]
    rows = [
        {
            "id": n,
            "uuid": f"m{n}",
            "instance_uuid": f"v{n}",
            "source_compute": "a",
            "dest_compute": None,
            "status": word,
        }
        for n, word in enumerate(words)
    ]
    stein.list("nova", "/os-migrations", "migrations", rows, page=4)
    assert old.nova.migrations() == [
        Migration("v0", "a", None, "running"),
        Migration("v2", "a", None, "finished"),
        Migration("v4", "a", None, "queued"),
    ]
    assert stein.asked("nova")[1].endswith("marker=m3")


def test_private_flavors_are_asked_for_too(new: Cloud, caracal: Answers) -> None:
    rows = [{"id": f"f{n}", "name": f"visa.{n}", "vcpus": n, "ram": n, "disk": n} for n in range(5)]
    caracal.list("nova", "/flavors/detail", "flavors", rows, page=2)
    assert new.nova.flavor_id("visa.4") == "f4"
    assert new.nova.flavor_id("visa.9") is None
    assert "is_public=None" in caracal.asked("nova")[0]


# ------------------------------------------------------------------------------------------------- what clouds may send


def test_servers_of_a_cell_that_is_down_are_counted_as_hidden(old: Cloud, stein: Answers) -> None:
    partial = {"id": "v9", "status": "UNKNOWN", "tenant_id": "t", "created": "2026-11-23T10:00:00Z", "links": []}
    shelved = server(3, None, status="SHELVED_OFFLOADED")
    stein.list("nova", "/servers/detail", "servers", [server(1), partial, shelved])
    assert old.nova.servers() == (
        [Server("v1", "visa-1", "cmp01", "ACTIVE"), Server("v3", "visa-3", None, "SHELVED_OFFLOADED")],
        1,
    )


def test_services_of_a_cell_that_is_down_do_not_answer(old: Cloud, stein: Answers) -> None:
    rows = [{"binary": "nova-compute", "host": "cmp01", "status": "UNKNOWN"}]
    stein.answer("GET", "nova", "/os-services?binary=nova-compute", json={"services": rows})
    assert old.nova.services() == [Service("", "cmp01", enabled=False, up=False, answers=False)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "disabled", "disabled_reason": "fan"}, {"enabled": False, "reason": "fan"}),
        ({"state": "down"}, {"up": False}),
        ({"forced_down": True}, {"forced_down": True}),
        ({"forced_down": True, "state": "down"}, {"forced_down": True, "up": False}),
    ],
)
def test_what_a_service_says(old: Cloud, stein: Answers, row: dict[str, Any], expected: dict[str, Any]) -> None:
    usual = {"id": "s1", "host": "cmp01", "status": "enabled", "state": "up", "disabled_reason": None}
    stein.answer("GET", "nova", "/os-services?binary=nova-compute", json={"services": [{**usual, **row}]})
    fields: dict[str, Any] = {"enabled": True, "up": True, "reason": None, **expected}
    assert old.nova.services() == [Service("s1", "cmp01", **fields)]


def test_a_hypervisor_is_found_by_its_service_and_not_by_its_name(old: Cloud, stein: Answers) -> None:
    rows = [
        {"id": "h1", "hypervisor_hostname": "cmp01", "service": {"host": "other"}},
        {"id": "h2", "hypervisor_hostname": "cmp01.facility.example", "service": {"host": "cmp01"}},
    ]
    stein.list("nova", "/os-hypervisors/detail", "hypervisors", rows)
    whole = {**rows[1], "servers": [{"uuid": "v1", "name": "i-1"}]}
    stein.answer("GET", "nova", "/os-hypervisors/h2?with_servers=true", json={"hypervisor": whole})
    (found,) = old.nova.hypervisors_of("cmp01")
    assert (found.id, found.name, found.vms, found.servers) == ("h2", "cmp01.facility.example", None, {"v1"})


def test_agents_of_a_node(old: Cloud, stein: Answers) -> None:
    row = {"id": "a1", "host": "cmp01", "binary": "neutron-openvswitch-agent", "alive": False, "agent_type": "x"}
    stein.answer("GET", "neutron", "/agents?host=cmp01", json={"agents": [row]})
    assert old.neutron.agents("cmp01") == [Agent("a1", "cmp01", "neutron-openvswitch-agent", alive=False)]


def test_a_probe_of_another_name_is_not_ours(new: Cloud, caracal: Answers) -> None:
    rows = [server(1, name="visa-probe-cmp01"), server(2, name="visa-probe-cmp011"), {"id": "v3", "status": "UNKNOWN"}]
    caracal.list("nova", "/servers/detail", "servers", rows)
    assert [row["id"] for row in new.nova.servers_named("visa-probe-cmp01")] == ["v1"]
    assert "name=%5Evisa-probe-cmp01%24" in caracal.asked("nova")[0]


@pytest.mark.parametrize("name", ["a.b", "x'; drop", "a b&c=d"])
def test_names_are_quoted_in_queries(old: Cloud, stein: Answers, name: str) -> None:
    stein.list("nova", "/servers/detail", "servers", [])
    old.nova.servers(name)
    assert " " not in stein.asked("nova")[0].removeprefix("GET ")
    assert stein.asked("nova")[0].count("&") == 2


# -------------------------------------------------------------------------------------------------- the cost of looking


@pytest.mark.parametrize(("nodes", "pages"), [(6, 1), (50, 1), (200, 1), (200, 3)])
def test_a_look_costs_pages_and_not_nodes(old: Cloud, stein: Answers, nodes: int, pages: int) -> None:
    names = [f"cmp{number:03}" for number in range(nodes)]
    service = {"status": "enabled", "state": "up", "disabled_reason": None}
    services = [{"id": f"s-{name}", "host": name, **service} for name in names]
    hypervisors = [
        {"id": f"h-{name}", "hypervisor_hostname": name, "service": {"host": name}, "running_vms": 1} for name in names
    ]
    servers = [server(number, names[number % nodes]) for number in range(pages * 1000)]
    stein.answer("GET", "nova", "/os-services?binary=nova-compute", json={"services": services})
    stein.list("nova", "/os-hypervisors/detail", "hypervisors", hypervisors)
    stein.list("nova", "/servers/detail", "servers", servers)
    facts = look_at_cloud(old, names)
    assert len(facts.services) == nodes
    assert len(facts.servers) == pages * 1000
    assert len(stein.asked()) == 6 + pages
    assert stein.asked("placement") == []


def test_placement_is_asked_once_for_each_node_that_looks_empty(old: Cloud, stein: Answers) -> None:
    rows = [
        {"id": f"h{n}", "hypervisor_hostname": f"e{n}", "service": {"host": f"e{n}"}, "running_vms": n % 2}
        for n in range(4)
    ]
    stein.list("nova", "/os-hypervisors/detail", "hypervisors", rows)
    for number in (0, 2):
        path = f"/resource_providers/h{number}/allocations"
        stein.answer("GET", "placement", path, json={"allocations": {"v1": {}} if number else {}})
    facts = look_at_cloud(old, ["e0", "e1", "e2"])
    assert facts.allocations == {"h0": frozenset(), "h2": frozenset({"v1"})}
    assert len([path for path in stein.asked("placement") if "allocations" in path]) == 2


def test_half_a_look_is_no_look(old: Cloud, stein: Answers) -> None:
    stein.answer("GET", "neutron", "/agents", status_code=503, text="<html>no</html>")
    with pytest.raises(CloudError, match="GET /agents was answered 503"):
        look_at_cloud(old)


def test_an_answer_that_is_json_but_not_the_list_is_an_error_of_ours(old: Cloud, stein: Answers) -> None:
    for answer in ({}, [], {"services": None}):
        stein.answer("GET", "nova", "/os-services?binary=nova-compute", text=json.dumps(answer))
        with pytest.raises(CloudUnreachable, match="is it the right endpoint"):
            old.nova.services()
