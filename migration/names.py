"""Names in the new cloud that are ours: the stack declares them, the steps use them."""

from __future__ import annotations

from typing import Final

PROBATION_TRAIT: Final = "CUSTOM_VISA_PROBATION"
"""Trait of a node's resource provider while only the probe server may land there."""

PROBATION_AGGREGATE: Final = "visa-probation"
"""Isolated aggregate that holds the nodes in probation."""

LEDGER_AGGREGATE: Final = "visa-migration-ledger"
"""Aggregate without zone and hosts; its metadata records how far each node has come."""

PROBE_FLAVOR: Final = "visa-probe"
"""The only flavor that lands on a node in probation."""

COUNTERPROBE_FLAVOR: Final = "visa-counterprobe"
"""A flavor without the trait: what it boots must not land on a node in probation."""

REQUIRED_TRAIT: Final = f"trait:{PROBATION_TRAIT}"
"""Key by which an aggregate's metadata or a flavor's extra specs require the trait."""

IMAGE_PREFIX: Final = "visa_migration_"
"""How the properties begin that we give our images in Glance."""


def probe_names(node: str) -> tuple[str, str]:
    """Return the names of our servers on a node: the probe, and the one that must not boot there."""
    return f"visa-probe-{node}", f"visa-counterprobe-{node}"
