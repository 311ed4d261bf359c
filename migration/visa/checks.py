"""What must hold between the settings of VISA."""

from __future__ import annotations

from collections.abc import Iterator

from migration.errors import Problem
from migration.raw import Raw


def problems(_raw: Raw) -> Iterator[Problem]:
    """Check what the stack file says; yields every mistake, without lines."""
    yield from ()
