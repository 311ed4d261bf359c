"""What the stack file says of images."""

from __future__ import annotations

from migration.model import Model


class Image(Model):
    """An image of the new cloud's Glance."""
