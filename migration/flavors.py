"""How the flavors of the two clouds differ: pure."""

from __future__ import annotations

from collections.abc import Mapping

from migration.facts import FlavorFacts
from migration.settings import Flavor


def flavor_differences(old: Mapping[str, FlavorFacts], new: Mapping[str, Flavor]) -> list[str]:
    """Find flavors that have the same name and another size in the new cloud.

    Arguments:
        old: the old cloud's flavors, by name.
        new: the flavors that the new cloud's file declares, by name.

    Returns:
        A sentence for each flavor that differs, in the file's order.
    """
    sentences = []
    for name, flavor in new.items():
        if (before := old.get(name)) is None:
            continue
        changes = [
            f"{was} -> {is_} {unit}"
            for was, is_, unit in (
                (before.vcpus, flavor.vcpus, "vCPU"),
                (before.ram, flavor.ram, "MiB of memory"),
                (before.disk, flavor.disk, "GiB of disk"),
            )
            if was != is_
        ]
        if changes:
            sentences.append(f"flavor {name} is another size in the new cloud: {', '.join(changes)}")
    return sentences
