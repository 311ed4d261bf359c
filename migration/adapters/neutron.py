"""Neutron, as little of it as the migration needs. Source: the Network API reference."""

from __future__ import annotations

from urllib.parse import quote

from openstack.connection import Connection

from migration.adapters.rest import Rest
from migration.errors import CloudRefused
from migration.facts import Agent


class Neutron:
    """Neutron of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._rest = Rest(cloud, connection.network)

    def agents(self, host: str | None = None) -> list[Agent]:
        """Return every agent, or those of ``host``."""
        query = f"?host={quote(host)}" if host is not None else ""
        rows = self._rest.get(f"/agents{query}", "agents")
        return [Agent(row["id"], row["host"], row["binary"], row["alive"]) for row in rows]

    def delete_agent(self, agent: str) -> None:
        """Delete an agent's record; nothing happens where it is gone."""
        try:
            self._rest.call("DELETE", f"/agents/{agent}")
        except CloudRefused as error:
            if error.status != 404:
                raise

    def network_id(self, name: str) -> str | None:
        """Return the id of the one network of that name, or None where there is none or more than one."""
        rows = self._rest.get(f"/networks?name={quote(name)}&fields=id", "networks")
        return str(rows[0]["id"]) if len(rows) == 1 else None

    def port_states(self, server: str) -> list[str]:
        """Return the status of every port of a server (``ACTIVE``, ``DOWN`` …)."""
        rows = self._rest.get(f"/ports?device_id={quote(server)}&fields=status", "ports")
        return [str(row["status"]) for row in rows]
