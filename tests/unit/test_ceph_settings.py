"""What a stack file may say of Ceph, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from migration.ceph import settings as models
from migration.errors import SettingsError
from migration.settings import CaracalSettings, parse

HOSTS = {"dc1": ["s1", "s2"], "dc2": ["s3", "s4"]}
CEPH: dict[str, Any] = {
    "crush": {"datacenters": HOSTS},
    "rule": {"name": "two-and-two"},
    "pools": {"images": {}, "volumes": {}, "vms": {"quota": {"gib": 5}}, "backups": {"autoscale": True}},
    "users": {"glance": {}, "cinder": {"rotation": 2}, "cinder-backup": {}, "nova": {}},
}


def parsed(**changes: Any) -> CaracalSettings:
    raw: Mapping[str, object] = {
        "clouds": {"new": "caracal"},
        "datacenters": {"dc1": None, "dc2": None},
        "ceph": {**CEPH, **changes},
    }
    found = parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(found, CaracalSettings)
    return found


def test_what_is_not_said_follows_from_the_rule() -> None:
    ceph = parsed().ceph
    assert ceph is not None
    assert ceph.size == 4
    assert ceph.rule_steps == (
        "take default",
        "choose firstn 2 type datacenter",
        "chooseleaf firstn 2 type host",
        "emit",
    )
    assert (ceph.rule_of("vms"), ceph.size_of("vms"), ceph.pools["vms"].min_size) == ("two-and-two", 4, 2)
    assert ceph.pools["vms"].quota.bytes == 5 * 2**30
    assert ceph.pools["backups"].autoscale == "on"  # YAML makes true of it


def test_the_rule_is_general() -> None:
    ceph = parsed(crush={"datacenters": {"dc1": ["s1", "s2", "s3"]}}, rule={"name": "r", "copies": 3}).ceph
    assert ceph is not None
    assert ceph.size == 3
    assert ceph.rule_steps[1:3] == ("choose firstn 1 type datacenter", "chooseleaf firstn 3 type host")


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"pools": {"vms": {"min_size": 1}}, "users": {}}, "pools.vms.min_size", "onto a single copy"),
        ({"pools": {"vms": {"min_size": 5}}, "users": {}}, "pools.vms.min_size", "above the size 4"),
        ({"pools": {"vms": {"size": 3}}, "users": {}}, "pools.vms.size", "leave it out, or use 4"),
        ({"pools": {"vms": {"rule": "other"}}, "users": {}}, "pools.vms.size", "missing; how many copies rule"),
        ({"pools": {"vms": {"pg_num": 8}}, "users": {}}, "pools.vms.pg_num", "add autoscale: off"),
        ({"pools": {"v/ms": {}}, "users": {}}, 'pools["v/ms"]', "is no name in Ceph"),
        ({"crush": {"datacenters": {}}}, "crush.datacenters", "names no datacenter"),
        ({"crush": {"datacenters": {"dc1": ["s1", "s2"], "dc3": ["s3", "s4"]}}}, "crush.datacenters.dc3", "dc2"),
        ({"crush": {"datacenters": {"dc1": ["s1", "s2"], "dc2": ["s3"]}}}, "crush.datacenters.dc2", "names 1 hosts"),
        ({"crush": {"datacenters": {**HOSTS, "dc2": ["s3", "s1"]}}}, "crush.datacenters.dc2[1]", "dc1[0] already"),
        ({"rule": {"name": "two and two"}}, "rule.name", "is no name in Ceph"),
        ({"users": {"glanse": {}}}, "users.glanse", 'did you mean "glance"?'),
        ({"pools": {"images": {}}, "users": {"cinder": {}}}, "users.cinder", "name the pools volumes, vms"),
        ({"connection": {"client": "admin"}}, "connection.client", '"client.admin"'),
        ({"connection": {"key": "AQ=="}}, "connection.key", "unknown key"),
    ],
)
def test_mistakes_are_named_with_their_place(changes: dict[str, Any], place: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed(**changes)
    (problem,) = caught.value.problems
    assert problem.place == f"ceph.{place}"
    assert says in problem.message


def test_caps_of_ones_own_need_no_pool_of_that_name() -> None:
    given = {"caps": {"mon": "profile rbd", "osd": "profile rbd pool=other"}}
    assert parsed(pools={}, users={"cinder": given}).ceph


@pytest.mark.parametrize("damaged", ["text", 3, ["list"], {"pools": "x", "users": 3, "crush": {"datacenters": [1]}}])
def test_what_cannot_be_read_is_told_and_hides_nothing(damaged: object) -> None:
    raw: Mapping[str, object] = {"clouds": {"new": "caracal"}, "ceph": damaged, "nonsense": 1}
    with pytest.raises(SettingsError) as caught:
        parse("caracal", raw, source="Pulumi.caracal.yaml")
    places = [problem.place for problem in caught.value.problems]
    assert "nonsense" in places
    assert any(place.startswith("ceph") for place in places)


def test_the_reference_names_every_key() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    for model in vars(models).values():
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == models.__name__:
            for key, field in model.model_fields.items():
                assert field.description, (model, key)
                assert f"`{key}`" in reference, (model, key)
