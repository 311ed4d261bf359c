from __future__ import annotations

from migration.facts import FlavorFacts
from migration.flavors import flavor_differences
from migration.settings import Flavor


def test_flavors_of_the_same_size_say_nothing() -> None:
    assert flavor_differences({"a": FlavorFacts(2, 8192, 20)}, {"a": Flavor(vcpus=2, ram=8192, disk=20)}) == []


def test_flavors_that_only_one_cloud_has_say_nothing() -> None:
    assert flavor_differences({"a": FlavorFacts(2, 8192, 20)}, {"b": Flavor(vcpus=1, ram=1, disk=0)}) == []


def test_each_difference_is_named() -> None:
    old = {"b": FlavorFacts(2, 8192, 20), "a": FlavorFacts(4, 16384, 40)}
    new = {"b": Flavor(vcpus=2, ram=4096, disk=20), "a": Flavor(vcpus=8, ram=1, disk=0)}
    assert flavor_differences(old, new) == [
        "flavor b is another size in the new cloud: 8192 -> 4096 MiB of memory",
        "flavor a is another size in the new cloud: 4 -> 8 vCPU, 16384 -> 1 MiB of memory, 40 -> 0 GiB of disk",
    ]
