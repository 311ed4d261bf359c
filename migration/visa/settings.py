"""What the stack file says of VISA."""

from __future__ import annotations

from migration.model import Model


class Visa(Model):
    """VISA, and which cloud is its default backend."""
