"""What the stack file says of Ceph, the storage of the new cloud."""

from __future__ import annotations

from migration.model import Model


class Ceph(Model):
    """The storage of the new cloud."""
