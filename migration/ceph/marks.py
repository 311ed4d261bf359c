"""What we leave in Ceph itself, so that it is known as ours wherever our state went."""

from __future__ import annotations

from migration.ceph.facts import PoolFacts
from migration.ceph.users import entity

MARK, DECLARED = "visa-migration", "declared"
"""What a pool of ours carries in the metadata of its application."""


def is_ours(pool: PoolFacts) -> bool:
    """Return whether a pool carries our mark."""
    return any(metadata.get(MARK) == DECLARED for metadata in pool.applications.values())


def marked_application(pool: PoolFacts) -> str:
    """Return the application that carries our mark."""
    return next(name for name, metadata in pool.applications.items() if metadata.get(MARK) == DECLARED)


def rotation_key(user: str) -> str:
    """Return where Ceph keeps, for us, how often a user's key was rotated."""
    return f"{MARK}/rotation/{entity(user)}"
