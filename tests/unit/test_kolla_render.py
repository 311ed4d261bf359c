"""What Kolla is given: the same settings, the same bytes; who is in the inventory; no secret anywhere."""

from __future__ import annotations

import ast
import itertools
import random
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from migration.ceph.access import CephAccess
from migration.facts import CloudFacts, Facts, Service
from migration.kolla.inventory import _quoted, to_yaml
from migration.kolla.render import CEPH_CONF, CONDUCTOR, SCHEDULER, computes_of, render
from migration.kolla.variables import CEPH_DECIDES, DECIDED, SAID_ELSEWHERE
from migration.marks import Record, Stage
from migration.plan import NodePlan, Phase, Plan
from migration.settings import Membership
from tests.unit.kolla_stack import ARBITER, changed, parse

CONF = CephAccess("[global]\nfsid = x\n")
CEPH = {
    "crush": {"datacenters": {"dc1": ["a", "b"], "dc2": ["c", "d"]}},
    "rule": {"name": "r"},
    "pools": {name: {} for name in ("images", "volumes", "vms", "backups")},
    "users": {"glance": {}, "cinder": {}, "cinder-backup": {}},
}


def contents(raw: dict[str, Any], *computes: str, ceph: CephAccess | None = None) -> dict[str, str]:
    return {path: file.content for path, file in render(parse(raw), computes, ceph).items()}


def section(inventory: str, name: str) -> list[str]:
    _, found, rest = inventory.partition(f"\n[{name}]\n")
    assert found, name
    return list(itertools.takewhile(bool, rest.splitlines()))


def variables(raw: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load(contents(raw)["globals.yml"]))


# ------------------------------------------------------------------------------------------------------ the same bytes


def shuffled(value: Any, order: random.Random) -> Any:
    """Return the same with every mapping in another order; lists mean their order."""
    if isinstance(value, Mapping):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return value


@checked(deadline=None)
@given(st.randoms(use_true_random=False), st.permutations(["cmp01", "cmp02", "cmp03"]))
def test_the_order_of_the_file_makes_no_difference(order: random.Random, computes: list[str]) -> None:
    raw = changed(arbiter=ARBITER, ceph=CEPH)
    there = contents(shuffled(raw, order), *computes, ceph=CONF)
    assert there == contents(raw, "cmp01", "cmp02", "cmp03", ceph=CONF)
    assert list(there) == sorted(there)


def test_without_kolla_nothing_is_rendered() -> None:
    assert render(parse(changed(kolla=None, controllers=None)), (), None) == {}


# ------------------------------------------------------------------------------------------------------- who is in it


@checked(deadline=None)
@given(st.sets(st.sampled_from(["cmp01", "cmp02", "cmp03"])))
def test_compute_hosts_are_exactly_those_given(computes: set[str]) -> None:
    files = contents(changed(), *computes)
    inventory = files["inventory/multinode"]
    assert [line.split()[0] for line in section(inventory, "compute")] == sorted(computes)
    for node in {"cmp01", "cmp02", "cmp03"} - computes:
        assert node not in "".join([*files, *files.values()])


def plan_of(**deploys: bool) -> Plan:
    return Plan(
        {
            node: NodePlan(node, Membership.CARACAL, "dc1", Phase.UNKNOWN, "", deploys=does)
            for node, does in deploys.items()
        }
    )


def record(stage: Stage) -> Record:
    return Record(stage, "2026-11-23T10:00:00Z")


def test_a_node_is_listed_when_it_is_there_or_comes_now() -> None:
    service = Service(id="1", host="there", enabled=False, up=True, reason=None)
    ledger = {stage.value: record(stage) for stage in Stage} | {"gone-from-the-file": record(Stage.ACCEPTED)}
    facts = Facts(old=None, new=CloudFacts("caracal", services=(service,), ledger=ledger))
    plan = plan_of(there=False, comes=True, stays=False, left=False, deployed=False, proved=False, accepted=False)
    assert computes_of(plan, facts) == ["accepted", "comes", "deployed", "proved", "there"]
    # before there is a new cloud to ask
    assert computes_of(plan_of(stays=False), Facts(old=None, new=None)) == []


def test_with_an_arbiter_as_many_vote_in_each_datacenter() -> None:
    inventory = contents(changed(arbiter=ARBITER))["inventory/multinode"]
    for group in ("mariadb", "rabbitmq"):
        assert section(inventory, group) == ["ctl1", "ctl3", "arb1"]
        assert f"[{group}:children]" not in inventory
    assert section(inventory, "arbiter") == ["arb1 ansible_host=10.0.9.1"]
    assert "arb1" not in "".join(section(inventory, "control") + section(inventory, "network"))
    assert "arbiter" in section(inventory, "common:children")


# --------------------------------------------------------------------------------------------- where what differs goes


def test_what_differs_is_never_global() -> None:
    files = contents(changed(), "cmp01", "cmp02")
    assert "_interface" not in files["globals.yml"]
    assert "ansible_" not in files["globals.yml"]
    assert section(files["inventory/multinode"], "control")[2] == "ctl3 ansible_host=10.0.0.13 api_interface=bond7"
    first, second = (yaml.safe_load(files[f"inventory/group_vars/controllers_dc{n}.yml"]) for n in (1, 2))
    assert (first["tunnel_interface"], second["tunnel_interface"]) == ("bond1", "bond3")
    options = "mariadb_wsrep_extra_provider_options"
    assert (first[options], second[options]) == (["gmcast.segment=0"], ["gmcast.segment=1"])
    assert yaml.safe_load(files["inventory/group_vars/nodes_dc1.yml"])["network_interface"] == "eno1"
    assert yaml.safe_load(files["inventory/host_vars/cmp02.yml"]) == {"a": ["b", {"c": 1}]}


def test_the_more_specific_wins() -> None:
    raw = changed(
        kolla__hosts__vars={"a": 1, "b": 1, "c": 1},
        kolla__nodes={"vars": {"b": 2, "c": 2}},
        kolla__datacenters={"dc2": {"vars": {"c": 3}}},
    )
    files = contents(raw, "cmp01", "cmp02")
    seen = {name: yaml.safe_load(files[f"inventory/group_vars/{name}.yml"]) for name in ("nodes_dc1", "nodes_dc2")}
    assert [[seen[name][key] for key in "abc"] for name in seen] == [[1, 2, 2], [1, 2, 3]]
    assert yaml.safe_load(files["inventory/group_vars/controllers_dc2.yml"])["c"] == 3
    assert yaml.safe_load(files["inventory/group_vars/controllers_dc1.yml"])["b"] == 1


@checked(deadline=None)
@given(st.text(min_size=1))
def test_a_value_on_a_line_is_read_back_as_the_same_text(value: str) -> None:
    # as ansible.plugins.inventory.ini does it: shell words, then a Python literal where it is one
    (word,) = shlex.split(f"key={_quoted(value)}", comments=True)
    read = word.removeprefix("key=")
    try:
        assert ast.literal_eval(read) == value
    except (ValueError, SyntaxError):
        assert read == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@checked(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), JSON, min_size=1))
def test_variables_are_read_back_with_their_types(wanted: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(wanted)) == wanted


@pytest.mark.parametrize("text", ["yes", "no", "on", "1:30", "0o17", "1e3", "null", "~", "2024-01-01", "{{ a }}", "'"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert yaml.safe_load(to_yaml({"a": text})) == {"a": text}


# -------------------------------------------------------------------------------------------------------------- globals


def test_globals_say_what_the_settings_say() -> None:
    said = variables(changed(kolla__tag="2024.1-7", kolla__tls={"internal": True, "certificates": "certs/prod"}))
    assert said == {
        "docker_registry": "registry.example.org:4000",
        "enable_neutron_provider_networks": True,
        "enable_neutron_qos": True,
        "keepalived_traffic_mode": "unicast",
        "keepalived_virtual_router_id": "77",
        "kolla_base_distro": "rocky",
        "kolla_certificates_dir": "{{ node_config }}/../certs/prod",
        "kolla_enable_tls_backend": False,
        "kolla_enable_tls_external": False,
        "kolla_enable_tls_internal": True,
        "kolla_external_fqdn": "caracal.example.org",
        "kolla_external_vip_address": "192.0.2.10",
        "kolla_internal_vip_address": "10.0.0.10",
        "openstack_release": "2024.1",
        "openstack_tag": "2024.1-7",
    }


def test_whoever_says_provider_networks_is_heard() -> None:
    assert "enable_neutron_provider_networks" not in variables(changed(networks=None))
    raw = changed(kolla__vars={"enable_neutron_provider_networks": False})
    assert variables(raw)["enable_neutron_provider_networks"] is False


def test_ceph_serves_those_whose_users_are_declared() -> None:
    shared = variables(changed(ceph=CEPH))
    assert {name: shared.get(name) for name in CEPH_DECIDES} == {
        "ceph_nova_keyring": None,
        "ceph_nova_user": None,
        "cinder_backend_ceph": True,
        "enable_cinder": True,
        "enable_cinder_backup": True,
        "glance_backend_ceph": True,
        "nova_backend_ceph": True,
    }
    own = variables(changed(ceph={**CEPH, "users": {"nova": {}}}))
    assert {name: own.get(name) for name in CEPH_DECIDES} == {
        "ceph_nova_keyring": "client.nova.keyring",
        "ceph_nova_user": "nova",
        "cinder_backend_ceph": False,
        "enable_cinder": False,
        "enable_cinder_backup": False,
        "glance_backend_ceph": False,
        "nova_backend_ceph": True,
    }


def test_hosts_are_told_where_ceph_is_once_it_has_answered() -> None:
    files = contents(changed(ceph=CEPH), ceph=CONF)
    assert {path for path in files if path.endswith("ceph.conf")} == set(CEPH_CONF)
    assert not set(CEPH_CONF) & set(contents(changed(ceph=CEPH)))


def test_all_that_is_said_of_globals_is_refused_elsewhere() -> None:
    """What is rendered from a key of its own cannot be said again under vars, where it would be lost."""
    raw = changed(
        ceph={**CEPH, "users": {**CEPH["users"], "nova": {}}},
        kolla__vars={},
        kolla__tag="t",
        kolla__namespace="n",
        kolla__vip__internal_name="i",
        kolla__tls={"certificates": "c"},
        networks=None,
    )
    assert set(variables(raw)) == {*SAID_ELSEWHERE, *DECIDED, *CEPH_DECIDES} - {
        "ansible_host",
        "mariadb_wsrep_extra_provider_options",
        *(name for name in SAID_ELSEWHERE if name.endswith("_interface")),
    }


# -------------------------------------------------------------------------------------------------------------- secrets


def test_no_file_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hunter2")
    files = contents(changed(arbiter=ARBITER, ceph=CEPH), "cmp01", "cmp02", ceph=CONF)
    text = "\n".join([*files, *files.values()]).lower()
    for word in ("password", "secret", "keyring", "private key", "hunter2"):
        assert word not in text
    assert "passwords.yml" not in files


def test_probation_stands_on_files_that_win_over_nova_conf() -> None:
    files = contents(changed())
    assert "[scheduler]\nenable_isolated_aggregate_filtering = true\n" in files[SCHEDULER]
    assert "[DEFAULT]\nenable_new_services = false\n" in files[CONDUCTOR]
    assert files["config/nova.conf"] == "[DEFAULT]\ncpu_allocation_ratio = 4\n"
