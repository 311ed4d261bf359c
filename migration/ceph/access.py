"""How a service of OpenStack reaches Ceph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migration.ceph.plan import CephPlan

RENDERED = "config/nova/ceph.conf"
"""Where Kolla's directory has it from the last run."""


@dataclass(frozen=True, slots=True)
class CephAccess:
    """What a service needs to know of Ceph beside its key.

    Attributes:
        conf: a minimal ceph.conf, without leading tabs (Kolla's parser of INI files takes them for a mistake).
    """

    conf: str


def access_of(plan: CephPlan, directory: Path) -> CephAccess | None:
    """Return how Ceph is reached, also while it cannot be asked: then as the last run has rendered it.

    Arguments:
        plan: the plan of Ceph.
        directory: Kolla's directory.

    Returns:
        What services need to know, or None where Ceph has never been asked.
    """
    if plan.conf:
        return CephAccess(plan.conf)
    try:
        return CephAccess(without_comments((directory / RENDERED).read_text()))
    except FileNotFoundError:
        return None


def without_comments(conf: str) -> str:
    """Return the text of a ceph.conf without comments, empty lines and indents."""
    lines = (line.strip() for line in conf.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("#", ";")))
