"""Nova, as little of it as the migration needs.

Source: the Compute API reference. Everything is asked at microversion 2.72, which both releases have (Stein's newest);
what needs more names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from openstack.connection import Connection

from migration.adapters.rest import Rest
from migration.errors import CloudRefused
from migration.facts import Aggregate, FlavorFacts, Hypervisor, Migration, Server, Service
from migration.records import ServerRecord

MICROVERSION = "2.72"
BOOT_ON_HOST = "2.74"  # the first one with "host" in a server create

# A migration in one of these has ended; "finished" has not: the server waits for its resize to be confirmed and holds
# both nodes (nova/objects/migration.py, the in-progress filter).
ENDED = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})


class Nova:
    """Nova of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._rest = Rest(cloud, connection.compute, MICROVERSION)

    def services(self, host: str | None = None) -> list[Service]:
        """Return every nova-compute, or the one of ``host``."""
        query = f"&host={quote(host)}" if host is not None else ""
        rows = self._rest.get(f"/os-services?binary=nova-compute{query}", "services")
        return [_service(row) for row in rows]

    def hypervisors(self) -> list[Hypervisor]:
        """Return every hypervisor with its servers."""
        return [_hypervisor(row) for row in self._rest.pages("/os-hypervisors/detail?with_servers=true", "hypervisors")]

    def hypervisors_of(self, host: str) -> list[Hypervisor]:
        """Return the hypervisors of one service host with their servers; their names need not resemble the host's."""
        rows = self._rest.pages("/os-hypervisors/detail", "hypervisors")
        ids = [row["id"] for row in rows if row["service"]["host"] == host]
        return [_hypervisor(self._rest.get(f"/os-hypervisors/{id_}?with_servers=true", "hypervisor")) for id_ in ids]

    def servers(self, host: str | None = None) -> tuple[list[Server], int]:
        """Return the servers of all projects in all states.

        Arguments:
            host: only the servers on this node.

        Returns:
            The servers, and how many more Nova listed without saying where they are (their cell is down).
        """
        query = f"&host={quote(host)}" if host is not None else ""
        found: list[Server] = []
        hidden = 0
        for row in self._rest.pages(f"/servers/detail?all_tenants=1{query}", "servers"):
            if "OS-EXT-SRV-ATTR:host" not in row:
                hidden += 1
                continue
            found.append(Server(id=row["id"], name=row["name"], host=row["OS-EXT-SRV-ATTR:host"], status=row["status"]))
        return found, hidden

    def records(self, since: datetime | None = None) -> list[ServerRecord]:
        """Return the servers of all projects with sizes and dates.

        Arguments:
            since: aware; with it, only what has changed since then, and also what was deleted.

        Returns:
            The servers; those whose cell does not answer are left out.
        """
        query = f"&changes-since={quote(since.astimezone(UTC).isoformat())}" if since is not None else ""
        rows = self._rest.pages(f"/servers/detail?all_tenants=1{query}", "servers")
        return [_record(row) for row in rows if "flavor" in row and "created" in row]

    def migrations(self, host: str | None = None) -> list[Migration]:
        """Return the migrations that have not ended, of all hosts or with ``host`` at either end."""
        query = f"?host={quote(host)}" if host is not None else ""
        return [
            Migration(row["instance_uuid"], row["source_compute"], row["dest_compute"], row["status"])
            for row in self._rest.pages(f"/os-migrations{query}", "migrations")
            if row["status"] not in ENDED
        ]

    def aggregates(self) -> list[Aggregate]:
        """Return every host aggregate."""
        return [_aggregate(row) for row in self._rest.get("/os-aggregates", "aggregates")]

    def flavors(self) -> dict[str, FlavorFacts]:
        """Return the sizes of all flavors, public and private, by name."""
        return {
            row["name"]: FlavorFacts(row["vcpus"], row["ram"], row["disk"])
            for row in self._rest.pages("/flavors/detail?is_public=None", "flavors")
        }

    def flavor_id(self, name: str) -> str | None:
        """Return the id of the flavor of that name, or None."""
        rows = self._rest.pages("/flavors/detail?is_public=None", "flavors")
        return next((str(row["id"]) for row in rows if row["name"] == name), None)

    def disable(self, service: str, reason: str) -> None:
        """Close the service of that UUID to the scheduler, with a reason."""
        self._rest.call("PUT", f"/os-services/{service}", body={"status": "disabled", "disabled_reason": reason})

    def enable(self, service: str) -> None:
        """Open the service of that UUID to the scheduler; its reason goes."""
        self._rest.call("PUT", f"/os-services/{service}", body={"status": "enabled"})

    def delete_service(self, service: str) -> None:
        """Delete a service record; Nova refuses with 409 while it counts servers on it."""
        self._rest.call("DELETE", f"/os-services/{service}")

    def set_metadata(self, aggregate: int, metadata: Mapping[str, str | None]) -> None:
        """Set keys of an aggregate's metadata; None takes a key away, other keys stay."""
        self._rest.call(
            "POST", f"/os-aggregates/{aggregate}/action", body={"set_metadata": {"metadata": dict(metadata)}}
        )

    def add_host(self, aggregate: int, host: str) -> None:
        """Put a host into an aggregate; 404 where no cell has the host, 409 where it is in."""
        self._rest.call("POST", f"/os-aggregates/{aggregate}/action", body={"add_host": {"host": host}})

    def remove_host(self, aggregate: int, host: str) -> None:
        """Take a host out of an aggregate."""
        self._rest.call("POST", f"/os-aggregates/{aggregate}/action", body={"remove_host": {"host": host}})

    def boot(self, *, name: str, host: str, flavor: str, image: str, network: str, metadata: dict[str, str]) -> str:
        """Ask for a server on one host, through the scheduler.

        Arguments:
            name: the server's name.
            host: the node it must land on.
            flavor: flavor id.
            image: image id.
            network: network id.
            metadata: the server's metadata.

        Returns:
            The server's UUID.
        """
        body = {
            "server": {
                "name": name,
                "host": host,
                "flavorRef": flavor,
                "imageRef": image,
                "networks": [{"uuid": network}],
                "metadata": metadata,
            }
        }
        return str(self._rest.call("POST", "/servers", microversion=BOOT_ON_HOST, body=body)["server"]["id"])

    def server(self, server: str) -> dict[str, Any] | None:
        """Return one server as Nova shows it, or None where it is gone."""
        try:
            found: dict[str, Any] = self._rest.get(f"/servers/{server}", "server")
        except CloudRefused as error:
            if error.status == 404:
                return None
            raise
        return found

    def servers_named(self, name: str) -> list[dict[str, Any]]:
        """Return the servers of all projects with exactly this name."""
        rows = self._rest.pages(f"/servers/detail?all_tenants=1&name={quote(f'^{name}$')}", "servers")
        return [row for row in rows if row.get("name") == name]

    def delete_server(self, server: str) -> None:
        """Ask for the end of a server; nothing happens where it is gone."""
        try:
            self._rest.call("DELETE", f"/servers/{server}")
        except CloudRefused as error:
            if error.status != 404:
                raise


def _service(row: dict[str, Any]) -> Service:
    if row["status"] == "UNKNOWN":  # since 2.69, for the hosts of a cell that is down
        return Service(id="", host=row["host"], enabled=False, up=False, answers=False)
    return Service(
        id=str(row["id"]),
        host=row["host"],
        enabled=row["status"] == "enabled",
        up=row["state"] == "up",
        reason=row["disabled_reason"],
        forced_down=row.get("forced_down", False),
    )


def _record(row: dict[str, Any]) -> ServerRecord:
    flavor = row["flavor"]
    ended = row.get("OS-SRV-USG:terminated_at") or (row["updated"] if row["status"] == "DELETED" else None)
    return ServerRecord(
        id=row["id"],
        name=row["name"],
        host=row.get("OS-EXT-SRV-ATTR:host"),
        flavor=flavor["original_name"],
        size=FlavorFacts(flavor["vcpus"], flavor["ram"], flavor["disk"]),
        created=_utc(row["created"]),
        ended=_utc(ended) if ended is not None else None,
    )


def _utc(text: str) -> datetime:
    """Read one of Nova's dates: some carry a Z, some carry nothing, all are UTC."""
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _hypervisor(row: dict[str, Any]) -> Hypervisor:
    return Hypervisor(
        id=row["id"],
        name=row["hypervisor_hostname"],
        host=row["service"]["host"],
        vms=row.get("running_vms"),
        servers=frozenset(server["uuid"] for server in row.get("servers", ())),
    )


def _aggregate(row: dict[str, Any]) -> Aggregate:
    return Aggregate(
        id=row["id"],
        uuid=row["uuid"],
        name=row["name"],
        zone=row["availability_zone"],
        hosts=frozenset(row["hosts"]),
        metadata=dict(row["metadata"]),
    )
