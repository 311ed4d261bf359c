"""A stack with three controllers over two datacenters, for tests of what Kolla is given."""

from __future__ import annotations

import copy
from typing import Any

from migration import settings
from migration.settings import CaracalSettings

STACK: dict[str, Any] = {
    "clouds": {"old": "stein", "new": "caracal"},
    "datacenters": {"dc1": {"zone": "north"}, "dc2": {"zone": "south"}},
    "controllers": {
        "ctl1": {"datacenter": "dc1", "address": "10.0.0.11"},
        "ctl2": {"datacenter": "dc1", "address": "10.0.0.12"},
        "ctl3": {"datacenter": "dc2", "address": "10.0.0.13", "interfaces": {"api": "bond7"}},
    },
    "kolla": {
        "vip": {"internal": "10.0.0.10", "external": "192.0.2.10", "external_name": "caracal.example.org"},
        "virtual_router_id": 77,
        "tls": {"external": True},
        "registry": "registry.example.org:4000",
        "passwords": "kolla-passwords.yml",
        "hosts": {
            "interfaces": {"network": "bond0", "tunnel": "bond1", "neutron_external": "bond2"},
            "vars": {"ansible_user": "kolla"},
        },
        "nodes": {"interfaces": {"network": "eno1"}},
        "datacenters": {"dc2": {"interfaces": {"tunnel": "bond3"}}},
        "vars": {"enable_neutron_qos": True},
        "overrides": {"config/nova.conf": "[DEFAULT]\ncpu_allocation_ratio = 4\n"},
    },
    "networks": {"visa": {"type": "vlan", "physical_network": "physnet1", "segmentation_id": 101}},
    "nodes": {
        "cmp01": {"membership": "caracal", "datacenter": "dc1", "address": "10.0.1.1"},
        "cmp02": {"membership": "caracal", "datacenter": "dc2", "address": "10.0.1.2", "vars": {"a": ["b", {"c": 1}]}},
        "cmp03": {"membership": "stein", "datacenter": "dc2", "address": "10.0.1.3"},
    },
}
ARBITER = {"name": "arb1", "datacenter": "site3", "address": "10.0.9.1"}


def changed(**places: Any) -> dict[str, Any]:
    """Return the stack with values at places such as ``kolla__vip__internal``; ``None`` takes one away."""
    raw = copy.deepcopy(STACK)
    for place, value in places.items():
        *way, last = place.split("__")
        target = raw
        for part in way:
            target = target.setdefault(part, {})
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value
    return raw


def parse(raw: dict[str, Any]) -> CaracalSettings:
    """Parse the settings of stack caracal."""
    parsed = settings.parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(parsed, CaracalSettings)
    return parsed
