"""What the stack file says of VISA, and the images that it offers."""

from __future__ import annotations

from migration.model import Model


class Image(Model):
    """An image of the new cloud's Glance."""


class Visa(Model):
    """VISA, and which cloud is its default backend."""
