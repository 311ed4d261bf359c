"""Mistakes in what the stack file says of controllers and Kolla: each has its place and its sentence."""
# ruff: noqa: E501 - the table reads better with a line for each case

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migration.errors import SettingsError
from migration.kolla import settings as kolla
from migration.kolla.variables import secret_in
from migration.model import Model
from tests.unit.kolla_stack import ARBITER, changed, parse
from tests.unit.test_settings import matches

CASES: list[tuple[dict[str, Any], list[str]]] = [
    # the whole
    ({"controllers": None}, ["controllers: missing; kolla deploys controllers, so declare them, three over two datacenters"]),
    ({"kolla": None}, ["kolla: missing; controllers are deployed by Kolla, so say how"]),
    ({"kolla__passwords": None}, ["kolla.passwords: missing; give the path of Kolla's passwords.yml, relative to the project"]),
    ({"kolla__virtual_router_id": 0}, ["kolla.virtual_router_id: 0 is too small; use 1 or more"]),
    ({"kolla__virtual_router_id": 256}, ["kolla.virtual_router_id: 256 is too large; use 255 or less"]),
    ({"kolla__release": "2025.1"}, ['kolla.release: "2025.1" is not a release; use 2024.1']),
    ({"kolla__apply": "now"}, ['kolla.apply: "now" is not a apply; use render or deploy']),
    # names and sites
    ({"controllers__ctl1__datacenter": "dc3"}, ['controllers.ctl1.datacenter: "dc3" is not declared under datacenters; *']),
    ({"kolla__datacenters": {"dc9": {}}}, ['kolla.datacenters.dc9: "dc9" is not declared under datacenters; *']),
    ({"arbiter": {**ARBITER, "datacenter": "dc2"}}, ['arbiter.datacenter: "dc2" is one of the datacenters; an arbiter helps only at a site of its own']),
    ({"controllers__a b": {"datacenter": "dc1", "address": "10.0.0.9"}}, ['controllers["a b"]: "a b" is no host name; *']),
    ({"controllers__cmp01": {"datacenter": "dc1", "address": "10.0.0.9"}}, ['nodes.cmp01: "cmp01" is controllers.cmp01 too; a host is one or the other']),
    ({"controllers__CTL1": {"datacenter": "dc1", "address": "10.0.0.9"}}, ['controllers.CTL1: "CTL1" is controllers.ctl1 too; a host is one or the other']),
    ({"arbiter": {**ARBITER, "name": "ctl1"}}, ['arbiter: "ctl1" is controllers.ctl1 too; a host is one or the other']),
    ({"controllers__rabbitmq": {"datacenter": "dc1", "address": "10.0.0.9"}}, ['controllers.rabbitmq: "rabbitmq" is a group of Kolla\'s inventory; *']),
    ({"datacenters__dc-1": {}, "datacenters__dc_1": {}}, ['datacenters.dc_1: Ansible cannot tell it from "dc-1": *']),
    # addresses
    ({"kolla__vip__internal": "10.0.0.300"}, ['kolla.vip.internal: "10.0.0.300" is no IP address; write one as in 10.10.0.1']),
    ({"controllers__ctl1__address": "ctl1"}, ['controllers.ctl1.address: "ctl1" is no IP address; *']),
    ({"controllers__ctl2__address": "10.0.0.11"}, ['controllers.ctl2.address: "10.0.0.11" is controllers.ctl1.address too; every host and VIP has its own']),
    ({"nodes__cmp01__address": "10.0.0.10"}, ['nodes.cmp01.address: "10.0.0.10" is kolla.vip.internal too; *']),
    ({"arbiter": {**ARBITER, "address": "10.0.1.1"}}, ['nodes.cmp01.address: "10.0.1.1" is arbiter.address too; *']),
    ({"kolla__vip__external": "10.0.0.12"}, ['controllers.ctl2.address: "10.0.0.12" is kolla.vip.external too; *']),
    # interfaces
    ({"kolla__hosts__interfaces__network": "bond 0"}, ['kolla.hosts.interfaces.network: "bond 0" is no network interface; *']),
    ({"controllers__ctl3__interfaces__api": "x" * 16}, ['controllers.ctl3.interfaces.api: "xxxxxxxxxxxxxxxx" is no network interface; *']),
    ({"kolla__hosts__interfaces__netwrok": "e0"}, ['kolla.hosts.interfaces.netwrok: unknown key; did you mean "network"?']),
    ({"kolla__hosts__interfaces__network": None}, ["kolla.hosts.interfaces.network: missing, and ctl1, ctl2, ctl3 do not say it either; give the interface's name"]),
    ({"kolla__hosts__interfaces__network": None, "kolla__nodes": None}, ["kolla.hosts.interfaces.network: missing, and ctl1, ctl2, ctl3 and 3 more do not say it either; *"]),
    # variables
    ({"kolla__vars": {"kolla_internal_vip_address": "1"}}, ["kolla.vars.kolla_internal_vip_address: kolla.vip.internal says it; drop it here"]),
    ({"kolla__vars": {"api_interface": "e0"}}, ["kolla.vars.api_interface: interfaces.api says it; drop it here"]),
    ({"kolla__vars": {"dns_interface": "e0"}}, ["kolla.vars.dns_interface: globals.yml wins over what is said for a host; *"]),
    ({"kolla__vars": {"ansible_user": "me"}}, ["kolla.vars.ansible_user: globals.yml wins over *", "kolla.hosts.vars.ansible_user: kolla.vars has it too and wins over every host; keep one"]),
    ({"kolla__vars": {"keepalived_traffic_mode": "multicast"}}, ["kolla.vars.keepalived_traffic_mode: nobody has to say it: *"]),
    ({"kolla__vars": {"database_password": "x"}}, ["kolla.vars.database_password: a secret; put it into Kolla's passwords.yml, or name its file"]),
    ({"kolla__hosts__vars": {"ansible_become_password": "x"}}, ["kolla.hosts.vars.ansible_become_password: a secret; *"]),
    ({"nodes__cmp01__vars": {"a": [{"nova_ssh_key": "x"}]}}, ["nodes.cmp01.vars.a: a secret; *"]),
    ({"nodes__cmp01__vars": {"a": "-----BEGIN RSA PRIVATE KEY-----\nx"}}, ["nodes.cmp01.vars.a: a secret; *"]),
    ({"kolla__vars": {"a-b": 1}}, ['kolla.vars.a-b: "a-b" is no name of a variable; *']),
    ({"kolla__vars": {"om_enable_rabbitmq_high_availability": True}}, ["kolla.vars.om_enable_rabbitmq_high_availability: mirrored and quorum queues exclude each other; *"]),
    # paths and overrides
    ({"kolla__directory": "/etc/kolla"}, ['kolla.directory: "/etc/kolla" is no directory below the project; name one, as in kolla']),
    ({"kolla__directory": "a/../../b"}, ['kolla.directory: "a/../../b" is no directory below the project; *']),
    ({"kolla__directory": "."}, ['kolla.directory: "." is no directory below the project; *']),
    ({"kolla__passwords": "kolla/globals.yml"}, ['kolla.passwords: "kolla/globals.yml" is a file that is rendered; *']),
    ({"kolla__overrides": {"../x": ""}}, ['kolla.overrides["../x"]: "../x" is no path below Kolla\'s directory; *']),
    ({"kolla__overrides": {"config/../../x": ""}}, ['kolla.overrides["config/../../x"]: * is no path below Kolla\'s directory; *']),
    ({"kolla__overrides": {"/etc/x": ""}}, ['kolla.overrides["/etc/x"]: "/etc/x" is no path below Kolla\'s directory; *']),
    ({"kolla__overrides": {"globals.yml": ""}}, ['kolla.overrides["globals.yml"]: is rendered from other keys; *']),
    ({"kolla__overrides": {"passwords.yml": ""}}, ['kolla.overrides["passwords.yml"]: is rendered from other keys; *']),
    ({"kolla__overrides": {"inventory/group_vars/all.yml": ""}}, ['kolla.overrides["inventory/group_vars/all.yml"]: is rendered from other keys; *']),
    ({"kolla__overrides": {"config/nova/nova-scheduler.conf": ""}}, ['kolla.overrides["config/nova/nova-scheduler.conf"]: is rendered from other keys; *']),
    ({"kolla__overrides": {"config/nova": ""}}, ['kolla.overrides["config/nova"]: is a file and a directory at once; rename it']),
    ({"kolla__overrides": {"config/a": "", "config/a/b": ""}}, ['kolla.overrides["config/a/b"]: is a file and a directory at once; rename it']),
    ({"kolla__overrides": {"config/nova/ceph.client.nova.keyring": ""}}, ["kolla.overrides[*]: a key of Ceph is a secret; declare its user under ceph.users"]),
    ({"kolla__overrides": {"config/heat.conf": "[a]\npassword = hunter2\n"}}, ['kolla.overrides["config/heat.conf"]: holds a secret; *']),
]  # fmt: skip


@pytest.mark.parametrize(("places", "expected"), CASES, ids=["+".join(case[0]) for case in CASES])
def test_each_mistake_has_its_sentence(places: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(changed(**places))
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == len(expected), found
    for pattern in expected:
        assert any(matches(pattern.replace("[", "[[]"), text) for text in found), found


def test_what_is_right_is_not_complained_of() -> None:
    parse(changed())
    parse(changed(arbiter=ARBITER, kolla__passwords="kolla/passwords.yml", kolla__vip__external="10.0.0.10"))
    parse(changed(kolla__hosts__vars={"ansible_ssh_private_key_file": "~/.ssh/kolla"}))
    parse(changed(kolla__vars={"keystone_token_provider": "fernet", "fernet_token_expiry": 86400}))
    filled_in = (
        "[database]\nconnection = mysql+pymysql://heat:{{ heat_database_password }}@{{ database_address }}/heat\n"
    )
    parse(changed(kolla__overrides={"config/heat.conf": filled_in + "password = {{ heat_keystone_password }}\n"}))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("[a]\nadmin_password=x\n", True),
        ("[a]\npassword: x\n", True),
        ("connection = mysql://nova:hunter2@10.0.0.1/nova", True),
        ("[client.nova]\n\tkey = AQDk3s2nAAAAEBAAm5fIuAl4nbtmXz8A1FzyRg==\n", True),
        ("-----BEGIN PRIVATE KEY-----", True),
        ("password = {{ nova_database_password }}", False),
        ("transport_url = rabbit://{{ rabbitmq_user }}:{{ rabbitmq_password }}@10.0.0.1", False),
        ("auth_url = http://10.0.0.10:5000/v3", False),
        ("# the password is in passwords.yml", False),
        ("ssh_key = yes", False),
    ],
)
def test_secrets_in_files_are_told_as_far_as_they_can_be(text: str, secret: bool) -> None:
    assert secret_in(text) is secret


def test_the_reference_names_every_key() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    text = reference[reference.index("## `controllers`") : reference.index("## `ceph`")]
    models = [
        one for one in vars(kolla).values() if isinstance(one, type) and issubclass(one, Model) and one is not Model
    ]
    assert len(models) > 5
    fields = {name: field for model in models for name, field in model.model_fields.items()}
    assert all(field.description for field in fields.values())
    assert not {name for name in fields if f"`{name}`" not in text}
