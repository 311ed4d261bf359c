"""The services of the control plane, as the cloud's own APIs report them.

Source: the Compute API (os-services), the Block Storage API v3 (os-services) and the Network API (agents).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keystoneauth1.exceptions as keystone
from openstack.connection import Connection

from migration.adapters.nova import MICROVERSION
from migration.adapters.rest import Rest, translated

TIMEOUT = 20.0
"""Seconds for one API to answer; HAProxy itself waits 10 for a service that it believes to be up."""

BLOCK_STORAGE = ("block-storage", "volumev3")
"""What Cinder may be called in the catalog."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service or agent.

    Attributes:
        binary: such as ``nova-scheduler``.
        host: where it says it runs; Cinder adds ``@BACKEND``.
        up: whether the cloud believes that it lives.
        beat: when it last reported, as the cloud writes it.
    """

    binary: str
    host: str
    up: bool
    beat: str


class Control:
    """The control plane of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._cloud = cloud
        self._connection = connection

    def apis(self) -> dict[str, str]:
        """Ask every service of the catalog for any answer at all, after a new log-in.

        Returns:
            What is wrong with it, by the service's type; "" where it answers.
        """
        session = self._connection.session
        with translated(self._cloud):
            session.invalidate()
            interface = self._connection.config.get_interface() or "public"
            endpoints = self._catalog().get_endpoints_data(
                interface=interface, region_name=self._connection.config.get_region_name()
            )
            return {type_: self._answers(data[0].url) for type_, data in endpoints.items() if data}

    def services(self) -> list[Service]:
        """Return every service of Nova and Cinder, and every agent of Neutron."""
        nova = Rest(self._cloud, self._connection.compute, MICROVERSION).get("/os-services", "services")
        found = [_service(row) for row in nova]
        if self._has_block_storage():
            found += [
                _service(row)
                for row in Rest(self._cloud, self._connection.block_storage).get("/os-services", "services")
            ]
        for row in Rest(self._cloud, self._connection.network).get("/agents", "agents"):
            found.append(Service(row["binary"], row["host"], row["alive"] is True, str(row["heartbeat_timestamp"])))
        return found

    def _has_block_storage(self) -> bool:
        with translated(self._cloud):
            return any(entry.get("type") in BLOCK_STORAGE for entry in self._catalog().catalog)

    def _catalog(self) -> Any:
        auth: Any = self._connection.session.auth
        return auth.get_access(self._connection.session).service_catalog

    def _answers(self, url: str) -> str:
        session = self._connection.session
        try:
            answer = session.get(url, raise_exc=False, timeout=TIMEOUT, connect_retries=0)
        except keystone.ClientException as error:
            return f"{url} did not answer ({type(error).__name__})"
        # a service that knows no such path answers, too; HAProxy without a service says 502, 503 or 504
        return f"{url} was answered {answer.status_code}" if answer.status_code >= 500 else ""


def _service(row: dict[str, Any]) -> Service:
    return Service(row["binary"], row["host"], row["state"] == "up", str(row["updated_at"]))
