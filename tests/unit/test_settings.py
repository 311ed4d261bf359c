"""Stack files: what parses, what each mistake says, and that nothing else ever comes out."""
# ruff: noqa: E501, ISC004 - the tables read better with a line for each case

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from migration import settings
from migration.errors import Problem, SettingsError

GOOD: dict[str, Any] = {
    "clouds": {"old": "stein", "new": "caracal"},
    "datacenters": {"dc1": {"zone": "north"}, "dc2": None},
    "projects": {"visa": {"description": "VISA", "quota": {"cores": 1600, "ram": -1}}},
    "flavors": {
        "visa.small": {"vcpus": 2, "ram": 8192, "disk": 20},
        "visa.gpu": {
            "vcpus": 8, "ram": 65536, "disk": 0, "public": False, "projects": ["visa"],
            "extra_specs": {"hw:numa_nodes": 1, "hw:mem_page_size": "large", "x": True},
        },
    },
    "networks": {
        "ext": {"type": "flat", "physical_network": "physnet1", "external": True},
        "visa": {
            "type": "vlan", "physical_network": "physnet1", "segmentation_id": 101, "shared": True, "mtu": 1500,
            "subnets": {
                "visa": {
                    "cidr": "10.10.0.0/16", "gateway": "10.10.0.1", "dns": ["10.1.0.53"],
                    "pools": [{"start": "10.10.1.0", "end": "10.10.2.0"}, {"start": "10.10.9.9", "end": "10.10.9.9"}],
                },
                "visa6": {"cidr": "fd00::/64", "gateway": "none", "dhcp": False},
            },
        },
    },
    "routers": {"visa": {"external_network": "ext", "subnets": ["visa"], "project": "visa"}},
    "security_groups": {
        "default-visa": {
            "project": "visa",
            "rules": [
                {"direction": "ingress", "protocol": "tcp", "port_min": 22, "port_max": 22, "remote": "0.0.0.0/0"},
                {"direction": "ingress", "remote_group": "default-visa"},
                {"direction": "ingress", "ethertype": "IPv6", "remote": "fd00::/64"},
                {"direction": "ingress", "protocol": "icmp", "port_min": 8},
            ],
        }
    },
    "nodes": {
        "cmp01": {"membership": "stein", "datacenter": "dc1"},
        "cmp-02.example.org": {"membership": "caracal", "datacenter": "dc2"},
    },
    "budget": {"moving": 2},
    "hooks": {"leave": {"argv": ["leave", "{node}"], "timeout": 600}, "join": {"argv": ["join", "--limit={nodes}"]}},
    "probe": {"image": "cirros", "network": "visa"},
    "audit": "audit.jsonl",
}  # fmt: skip

GOOD_STEIN: dict[str, Any] = {
    "clouds": {"old": "stein", "new": "caracal"},
    "flavors": {"visa.small": {"id": "1", "vcpus": 2, "ram": 8192, "disk": 20, "projects": ["gone"], "public": False}},
    "networks": {
        "ext": {"id": "n0", "type": "flat", "physical_network": "p", "external": True},
        "a": {"id": "n1", "name": "", "type": "vxlan", "segmentation_id": 7, "subnets": {"s": {"id": "s1", "cidr": "10.0.0.0/24"}}},
    },
    "routers": {"r": {"id": "r1", "external_network": "ext", "project": "gone", "subnets": ["s"], "interface_ids": {"s": "p1"}}},
    "security_groups": {
        "g": {
            "id": "g1", "name": "default", "project": "gone",
            "rules": [
                {"id": "x", "direction": "ingress", "protocol": "tcp", "port_min": 1, "port_max": 65535},
                {"id": "y", "direction": "egress"},
            ],
        }
    },
}  # fmt: skip


def parse(raw: dict[str, Any], stack: str = "caracal") -> Any:
    return settings.parse(stack, raw, source=f"Pulumi.{stack}.yaml")


def mistakes(raw: dict[str, Any], stack: str = "caracal") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(raw, stack)
    return [str(problem) for problem in caught.value.problems]


def put(raw: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """Return a copy with the value at a place such as ``nodes/cmp01/membership``; ``DROP`` takes it away."""
    changed = copy.deepcopy(raw)
    *path, last = [int(part) if part.isdigit() else part for part in place.split("|")]
    target: Any = changed
    for part in path:
        target = target[part]
    if value is DROP:
        del target[last]
    else:
        target[last] = value
    return changed


DROP = object()


def test_a_whole_file_parses_in_its_order() -> None:
    parsed = parse(GOOD)
    assert isinstance(parsed, settings.CaracalSettings)
    assert list(parsed.nodes) == ["cmp01", "cmp-02.example.org"]
    assert parsed.nodes["cmp01"].membership is settings.Membership.STEIN
    assert parsed.datacenters["dc1"].zone == "north"
    assert parsed.datacenters["dc2"].zone == "dc2"
    assert (parsed.budget.moving, parsed.budget.per_datacenter) == (2, 1)
    assert parsed.hooks.join is not None
    assert parsed.hooks.join.argv == ("join", "--limit={nodes}")
    assert parsed.flavors["visa.gpu"].extra_specs == {"hw:numa_nodes": "1", "hw:mem_page_size": "large", "x": "true"}
    assert [subnet.ip_version for subnet in parsed.networks["visa"].subnets.values()] == [4, 6]


def test_little_is_needed() -> None:
    parsed = parse({"clouds": {"new": "caracal"}})
    assert parsed.clouds.old is None
    assert parsed.nodes == {}
    assert parsed.probe is None
    assert parsed.hooks == settings.Hooks(leave=None, join=None)
    assert (parsed.budget.moving, parsed.budget.per_datacenter) == (1, 1)


def test_the_old_cloud_parses() -> None:
    parsed = parse(GOOD_STEIN, "stein")
    assert isinstance(parsed, settings.SteinSettings)
    assert parsed.clouds.old == "stein"
    assert parsed.networks["a"].name == ""
    assert parsed.routers["r"].interface_ids == {"s": "p1"}


def test_values_are_frozen() -> None:
    parsed = parse(GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        parsed.nodes["cmp01"].membership = settings.Membership.CARACAL


VISA = "networks|visa|subnets|visa"
RULE = "security_groups|default-visa|rules|0"
CASES: list[tuple[str, object, list[str]]] = [
    # membership and nodes
    ("nodes|cmp01|membership", "caracl",
     ['nodes.cmp01.membership: "caracl" is not a membership; use stein, draining or caracal']),
    ("nodes|cmp01|membership", 3, ["nodes.cmp01.membership: 3 is not a membership; use stein, draining or caracal"]),
    ("nodes|cmp01|membership", DROP,
     ["nodes.cmp01.membership: missing; give the node's membership: stein, draining or caracal"]),
    ("nodes|cmp01|datacenter", "dc3",
     ['nodes.cmp01.datacenter: "dc3" is not declared under datacenters; did you mean "dc2"?']),
    ("nodes|cmp01|datacenter", "paris",
     ['nodes.cmp01.datacenter: "paris" is not declared under datacenters; use dc1 or dc2']),
    ("nodes|cmp01|membershp", "stein", ['nodes.cmp01.membershp: unknown key; did you mean "membership"?']),
    ("nodes|cmp01", "stein", ['nodes.cmp01: found "stein", expected a mapping (keys and their values)']),
    ("nodes|cmp01", None, ["nodes.cmp01: found nothing, expected a mapping (keys and their values)"]),
    ("nodes", ["cmp01"], ["nodes: found a list, expected a mapping (names and their values)"]),
    ("nodes|a;rm -rf", {"membership": "stein", "datacenter": "dc1"},
     ['nodes["a;rm -rf"]: "a;rm -rf" is no name of a node; use 1 to 64 letters, digits, dots and hyphens, starting '
      "with a letter or digit"]),
    ("nodes|-x", {"membership": "stein", "datacenter": "dc1"}, ['nodes["-x"]: "-x" is no name of a node; *']),
    ("nodes|a\n", {"membership": "stein", "datacenter": "dc1"}, ['nodes["a\\n"]: "a\\n" is no name of a node; *']),
    ("nodes|" + "x" * 65, {"membership": "stein", "datacenter": "dc1"}, [f"nodes.{'x' * 65}: * is no name of a node; *"]),
    ("nodes|CMP01", {"membership": "stein", "datacenter": "dc1"},
     ['nodes.CMP01: differs from node "cmp01" only by case; keep one, as Nova spells it']),
    # clouds, datacenters, budget
    ("clouds", DROP, ["clouds: missing; give the clouds' names in clouds.yaml, as in {old: stein, new: caracal}"]),
    ("clouds|new", DROP, ["clouds.new: missing; give the new cloud's name in clouds.yaml"]),
    ("clouds|new", "stein", ['clouds: old and new are both "stein"; name two entries of clouds.yaml']),
    ("clouds|new", "", ["clouds.new: empty text; give a name"]),
    ("datacenters|dc1", "north", ['datacenters.dc1: found "north", expected a mapping (keys and their values)']),
    ("datacenters|dc1|zone", "a:b", ['datacenters.dc1: Nova takes no ":" in a zone such as "a:b"']),
    ("datacenters|visa-probation", None,
     ["datacenters.visa-probation: this aggregate is visa-migration's own; use another name"]),
    ("budget|moving", 0, ["budget.moving: 0 is too small; use 1 or more"]),
    ("budget|moving", "2", ['budget.moving: found "2", expected a whole number; write digits without quotes']),
    ("budget|moving", True, ["budget.moving: found true, expected a whole number; write digits without quotes"]),
    ("budget|moving", 1.5, ["budget.moving: found 1.5, expected a whole number; write digits without quotes"]),
    ("budget|datacenter", 1, ['budget.datacenter: unknown key; did you mean "per_datacenter"?']),
    # hooks, probe, audit
    ("hooks|leave|argv", ["leave"], ["hooks.leave.argv: no argument says which node; put {node} or {nodes} into one"]),
    ("hooks|join|argv", ["join", "{node}"],
     ["hooks.join.argv: the join hook runs once for all nodes; use {nodes} instead of {node}"]),
    ("hooks|join|argv", ["join"], ["hooks.join.argv: no argument says which node; put {nodes} into one"]),
    ("hooks|leave|argv", ["leave", "{host}", "{node}"],
     ["hooks.leave.argv: {host} is no placeholder; use {node} or {nodes}"]),
    ("hooks|leave|argv", "leave {node}", ['hooks.leave.argv: found "leave {node}", expected a list']),
    ("hooks|leave|argv", [], ["hooks.leave.argv: an empty list; give at least one entry"]),
    ("hooks|leave|argv|1", 5, ["hooks.leave.argv: no argument says which node; *",
                               "hooks.leave.argv[[]1]: found 5, expected text; put it in quotes"]),
    ("hooks|leave|timeout", 0, ["hooks.leave.timeout: 0 is too small; use 1 or more"]),
    ("hooks|leaves", {}, ['hooks.leaves: unknown key; did you mean "leave"?']),
    ("probe|network", "vsia", ['probe.network: "vsia" is not declared under networks; did you mean "visa"?']),
    ("probe|image", DROP, ["probe.image: missing; give the name of the image that the probe server boots"]),
    ("audit", 5, ["audit: found 5, expected text; put it in quotes"]),
    ("audits", "x", ['audits: unknown key; did you mean "audit"?']),
    # flavors and projects
    ("flavors|visa.small|vcpus", DROP, ['flavors["visa.small"].vcpus: missing; give the number of virtual CPUs']),
    ("flavors|visa.small|ram", -1, ['flavors["visa.small"].ram: -1 is too small; use 1 or more']),
    ("flavors|visa.small|public", "yes",
     ['flavors["visa.small"].public: found "yes", expected true or false; write true or false without quotes']),
    ("flavors|visa.small|projects", ["visa"],
     ['flavors["visa.small"].projects: a public flavor is open to every project; add public: false, or drop the projects']),
    ("flavors|visa.gpu|projects", ["vissa"],
     ['flavors["visa.gpu"].projects[[]0]: "vissa" is not declared under projects; did you mean "visa"?']),
    ("flavors|visa.gpu|projects", ["visa", "visa"], ['flavors["visa.gpu"].projects[[]1]: "visa" is listed twice; keep one']),
    ("flavors|visa.gpu|extra_specs|x", 1.5, ['flavors["visa.gpu"].extra_specs.x: found 1.5, expected text; put it in quotes']),
    ("flavors|visa.small|id", "1",
     ['flavors["visa.small"].id: belongs to the old cloud; only Pulumi.stein.yaml has it, so drop it here']),
    ("flavors|visa-probe", {"vcpus": 1, "ram": 1, "disk": 1},
     ["flavors.visa-probe: this flavor is visa-migration's own; use another name"]),
    ("projects|visa|quota|cores", -2, ["projects.visa.quota.cores: -2 is too small; use -1 or more"]),
    # networks
    ("networks|visa|type", "vlna", ['networks.visa.type: "vlna" is not a type; use vlan, flat, vxlan, gre, geneve or local']),
    ("networks|visa|segmentation_id", DROP, ["networks.visa.segmentation_id: missing; a vlan network needs its number"]),
    ("networks|visa|segmentation_id", 4095, ["networks.visa.segmentation_id: 4095 is no VLAN; use 1 to 4094"]),
    ("networks|visa|physical_network", DROP,
     ["networks.visa.physical_network: missing; a vlan network needs Neutron's name of its physical network"]),
    ("networks|ext|segmentation_id", 5,
     ["networks.ext.segmentation_id: a flat network has no number; drop it or use type: vlan"]),
    ("networks|visa|projects", ["visa"],
     ["networks.visa.projects: a shared network is open to every project; drop shared, or the projects"]),
    ("networks|ext|projects", ["nobody"], ['networks.ext.projects[[]0]: "nobody" is not declared under projects; use visa']),
    ("networks|ext|subnets", {"visa": {"cidr": "10.0.0.0/8"}},
     ['networks.visa.subnets.visa: network "ext" has a subnet of this name too; *use another name']),
    (f"{VISA}|cidr", "10.10.0.1/16", [f'{VISA.replace("|", ".")}.cidr: "10.10.0.1/16" is no CIDR; its network is "10.10.0.0/16"']),
    (f"{VISA}|cidr", "10.10/16", ['*.cidr: "10.10/16" is no CIDR; write an address and a length, as in 10.10.0.0/16']),
    (f"{VISA}|gateway", "10.11.0.1", ['*.gateway: "10.11.0.1" is outside 10.10.0.0/16; use an address inside it']),
    (f"{VISA}|gateway", "fd00::1", ['*.gateway: "fd00::1" is outside 10.10.0.0/16; use an address inside it']),
    (f"{VISA}|pools|0|end", "10.11.0.1", ['*.pools[[]0].end: "10.11.0.1" is outside 10.10.0.0/16; use an address inside it']),
    (f"{VISA}|pools|0|end", "10.10.0.9", ["*.pools[[]0]: starts at 10.10.1.0, after its end 10.10.0.9; swap them"]),
    (f"{VISA}|pools|0|end", DROP, ["*.pools[[]0].end: missing; give the last address of the pool"]),
    (f"{VISA}|dns|0", "dns.example", ['*.dns[[]0]: "dns.example" is no IP address; write one as in 10.10.0.1']),
    # routers
    ("routers|visa|external_network", "ex",
     ['routers.visa.external_network: "ex" is not declared under networks; did you mean "ext"?']),
    ("routers|visa|external_network", "visa",
     ['routers.visa.external_network: network "visa" is not external; add external: true to it']),
    ("routers|visa|subnets|0", "viza",
     ['routers.visa.subnets[[]0]: "viza" is not declared under a network\'s subnets; did you mean "visa"?']),
    ("routers|visa|project", "x", ['routers.visa.project: "x" is not declared under projects; use visa']),
    ("routers|visa|interface_ids", {}, ["routers.visa.interface_ids: belongs to the old cloud; *"]),
    # security groups
    ("security_groups|default", {"project": "visa"},
     ['security_groups.default: Neutron makes this group itself, for every project; call yours "default-visa"']),
    ("security_groups|default-visa|project", "x", ['security_groups.default-visa.project: "x" is not declared *']),
    (f"{RULE}|remote", "10.0.0.1", ['*.rules[[]0].remote: "10.0.0.1" is no CIDR; its network is "10.0.0.1/32"']),
    (f"{RULE}|remote", "::/0", ['*.rules[[]0].remote: "::/0" is not IPv4; use ethertype: IPv6']),
    (f"{RULE}|remote_group", "default-visa", ["*.rules[[]0]: has remote and remote_group; *"]),
    (f"{RULE}|direction", "in", ['*.rules[[]0].direction: "in" is not a direction; use ingress or egress']),
    (f"{RULE}|port_min", 23, ["*.rules[[]0].port_min: 23 is above port_max 22; swap them"]),
    (f"{RULE}|port_max", 65536, ["*.rules[[]0].port_max: 65536 is too large; use 65535 or less"]),
    (f"{RULE}|port_max", DROP, ["*.rules[[]0]: has one end of its ports only; give port_min and port_max"]),
    (f"{RULE}|protocol", DROP, ["*.rules[[]0]: has ports but no protocol; add protocol: tcp or udp"]),
    ("security_groups|default-visa|rules|1|remote_group", "none-such",
     ['*.rules[[]1].remote_group: "none-such" is not declared under security_groups; use default-visa']),
    ("security_groups|default-visa|rules|1",
     {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_min": 22, "port_max": 22, "remote": "0.0.0.0/0"},
     ["*.rules[[]1]: lets through the same as rules[[]0]; keep one"]),
    ("security_groups|default-visa|rules|1",
     {"direction": "ingress", "protocol": "udp", "port_min": 1, "port_max": 65535},
     ["*.rules[[]1]: lets every port through; say so by leaving out port_min and port_max"]),
]  # fmt: skip


def matches(pattern: str, text: str) -> bool:
    """Match with ``*`` for anything, and ``[[]`` for a bracket (as readable as the sentences allow)."""
    wanted = re.escape(pattern.replace("[[]", "[")).replace(r"\*", ".*")
    return re.fullmatch(wanted, text, re.DOTALL) is not None


@pytest.mark.parametrize(("place", "value", "expected"), CASES, ids=[f"{case[0]}={case[1]!r:.30}" for case in CASES])
def test_each_mistake_has_its_sentence(place: str, value: object, expected: list[str]) -> None:
    found = mistakes(put(GOOD, place, value))
    assert len(found) == len(expected), found
    for pattern in expected:
        assert any(matches(pattern, text) for text in found), found


STEIN_CASES: list[tuple[str, object, str]] = [
    ("flavors|visa.small|id", DROP, 'flavors["visa.small"].id: missing; give its id in the old cloud, or let *'),
    ("networks|a|id", DROP, "networks.a.id: missing; *"),
    ("networks|a|subnets|s|id", DROP, "networks.a.subnets.s.id: missing; *"),
    ("routers|r|id", DROP, "routers.r.id: missing; *"),
    ("routers|r|interface_ids", DROP, "routers.r.interface_ids.s: missing; give the id of the router's port on that subnet"),
    ("security_groups|g|id", DROP, "security_groups.g.id: missing; *"),
    ("security_groups|g|rules|0|id", DROP, "security_groups.g.rules[[]0].id: missing; *"),
    ("clouds|old", DROP, "clouds.old: missing; give the old cloud's name in clouds.yaml"),
    ("nodes", {}, "nodes: unknown key; *"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "expected"), STEIN_CASES, ids=[case[0] for case in STEIN_CASES])
def test_the_old_cloud_needs_ids(place: str, value: object, expected: str) -> None:
    found = mistakes(put(GOOD_STEIN, place, value), "stein")
    assert len(found) == 1, found
    assert matches(expected, found[0]), found


def test_a_stack_that_is_none() -> None:
    assert mistakes({}, "prod") == ['stack: "prod" is not a stack of this project; use stein or caracal']


def test_long_values_are_cut() -> None:
    (text,) = mistakes(put(GOOD, "nodes|cmp01|membership", "x" * 500))
    assert len(text) < 200


# Places that do not overlap, so that each mistake is there whatever the others do.
INDEPENDENT = [
    case
    for case in CASES
    if case[0] in {
        "nodes|cmp01|membership", "budget|moving", "probe|network", "hooks|leave|timeout", "flavors|visa.small|vcpus",
        f"{VISA}|dns|0", "routers|visa|project", f"{RULE}|direction", "projects|visa|quota|cores", "clouds|new",
        "networks|visa|type", "datacenters|dc1|zone",
    }
]  # fmt: skip


@given(st.lists(st.sampled_from(INDEPENDENT), min_size=1, unique_by=lambda case: case[0]))
def test_all_mistakes_are_reported_together(planted: list[tuple[str, object, list[str]]]) -> None:
    raw = GOOD
    for place, value, _ in planted:
        raw = put(raw, place, value)
    found = mistakes(raw)
    for _, _, expected in planted:
        for pattern in expected:
            assert any(matches(pattern, text) for text in found), (pattern, found)
    assert len(found) == sum(len(expected) for _, _, expected in planted)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["none", "10.0.0.0/8", "::"])
)
garbage = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
)
PLACES = [
    "nodes", "nodes|cmp01", "nodes|cmp01|datacenter", "networks", "networks|visa", "networks|visa|subnets", VISA,
    f"{VISA}|cidr", f"{VISA}|gateway", f"{VISA}|pools", f"{VISA}|pools|0", f"{VISA}|pools|0|start", f"{VISA}|dns",
    "routers|visa", "routers|visa|subnets", "security_groups|default-visa", "security_groups|default-visa|rules", RULE,
    f"{RULE}|remote", f"{RULE}|protocol", f"{RULE}|port_min", f"{RULE}|ethertype", "hooks", "hooks|join",
    "hooks|join|argv", "hooks|join|argv|0", "budget", "clouds", "flavors|visa.gpu|projects", "datacenters",
    "datacenters|dc1", "probe", "audit", "flavors|visa.gpu|extra_specs",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(PLACES), garbage, min_size=1, max_size=2))
def test_garbage_is_parsed_or_reported(planted: dict[str, object]) -> None:
    raw = GOOD
    for place, value in sorted(planted.items(), reverse=True):
        raw = put(raw, place, value)
    check_only_settings_errors(lambda: parse(raw))


@given(st.sampled_from(["stein", "caracal"]), st.dictionaries(st.sampled_from([*GOOD, "x"]), garbage))
def test_any_mapping_is_parsed_or_reported(stack: str, raw: dict[str, Any]) -> None:
    check_only_settings_errors(lambda: parse(raw, stack))


def check_only_settings_errors(act: Callable[[], object]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        act()
    except SettingsError as error:
        problems = error.problems or (Problem("", ""),)
    assert all(problem.place and problem.message for problem in problems)


def test_nested_without_end() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"x": deep}
    check_only_settings_errors(lambda: parse({"clouds": {"new": "c"}, "nodes": deep}))
    while deep:  # or freeing it would be the overflow
        deep = deep.pop("x")


# What the engine hands over: seen with engine 3.259.0.
def test_the_engine_hands_over_json() -> None:
    values = {f"visa-migration:{key}": json.dumps(value) for key, value in GOOD.items() if key != "audit"}
    values |= {"visa-migration:audit": "true", "other:nodes": "nonsense", "pulumi:disable-default-providers": "[]"}
    parsed = settings.from_pulumi_config("caracal", values)
    assert isinstance(parsed, settings.CaracalSettings)
    assert parsed.audit == "true"
    assert parsed.nodes == parse(GOOD).nodes


def test_a_key_with_nothing_behind_it() -> None:
    values = {"visa-migration:clouds": '{"new": "caracal"}', "visa-migration:nodes": "", "visa-migration:audit": ""}
    assert settings.from_pulumi_config("caracal", values).clouds.new == "caracal"


def test_a_scalar_where_entries_belong() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.from_pulumi_config("caracal", {"visa-migration:clouds": "{", "visa-migration:nodes": "7"})
    assert [str(problem) for problem in caught.value.problems] == [
        'clouds: found "{", expected a mapping (keys and their values)',
        "nodes: found 7, expected a mapping (names and their values)",
    ]
    assert str(caught.value).startswith("Pulumi.caracal.yaml: ")


def test_a_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.from_pulumi_config(
            "caracal",
            {"visa-migration:clouds": '{"new": "hunter2", "pw": "hunter2"}', "visa-migration:audit": "hunter2"},
            secret_keys=["visa-migration:clouds", "visa-migration:audit"],
        )
    assert "hunter2" not in str(caught.value)
    assert [problem.place for problem in caught.value.problems] == ["clouds", "audit"]


def test_lines_are_taken_where_they_are_known() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.parse(
            "caracal",
            put(put(GOOD, "nodes|cmp01|membership", "x"), "budget|moving", 0),
            source="Pulumi.caracal.yaml",
            lines={"nodes": 4, "nodes.cmp01": 5, "budget": 2},
        )
    assert str(caught.value).splitlines() == [
        "Pulumi.caracal.yaml: line 2: budget.moving: 0 is too small; use 1 or more",
        'Pulumi.caracal.yaml: line 5: nodes.cmp01.membership: "x" is not a membership; use stein, draining or caracal',
    ]


def every_field(model: type[BaseModel]) -> set[str]:
    assert all(field.description for field in model.model_fields.values()), model
    return set(model.model_fields)


def test_the_reference_names_every_key() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    models = [
        value
        for value in vars(settings).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == settings.__name__
    ]
    missing = {key for model in models for key in every_field(model) if f"`{key}`" not in reference}
    assert not missing
