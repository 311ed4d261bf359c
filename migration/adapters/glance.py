"""Glance, as little of it as the migration needs. Source: the Image API reference."""

from __future__ import annotations

from urllib.parse import quote

from openstack.connection import Connection

from migration.adapters.rest import Rest


class Glance:
    """Glance of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._rest = Rest(cloud, connection.image)

    def image_id(self, name: str) -> str | None:
        """Return the id of the one active image of that name, or None where there is none or more than one."""
        rows = self._rest.get(f"/images?name={quote(name)}&status=active", "images")
        return str(rows[0]["id"]) if len(rows) == 1 else None
