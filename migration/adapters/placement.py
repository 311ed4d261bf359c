"""Placement, as little of it as the migration needs.

Source: the Placement API reference. Microversion 1.19 has generations on aggregates; Stein has up to 1.31.
"""

from __future__ import annotations

from urllib.parse import quote

from openstack.connection import Connection

from migration.adapters.rest import Rest
from migration.errors import CloudRefused
from migration.records import Inventory

MICROVERSION = "1.19"


class Placement:
    """Placement of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._rest = Rest(cloud, connection.placement, MICROVERSION)

    def providers_named(self, name: str) -> dict[str, str]:
        """Return the resource providers of that name, by UUID."""
        rows = self._rest.get(f"/resource_providers?name={quote(name)}", "resource_providers")
        return {row["uuid"]: row["name"] for row in rows}

    def has_provider(self, provider: str) -> bool:
        """Return whether a provider of that UUID exists."""
        return bool(self._rest.get(f"/resource_providers?uuid={quote(provider)}", "resource_providers"))

    def consumers(self, provider: str) -> frozenset[str] | None:
        """Return the UUIDs that hold something of a provider, or None where it does not exist."""
        try:
            answer = self._rest.get(f"/resource_providers/{quote(provider)}/allocations", "allocations")
        except CloudRefused as error:
            if error.status == 404:
                return None
            raise
        return frozenset(answer)

    def inventories(self, provider: str) -> dict[str, Inventory]:
        """Return what a provider has for servers, by resource class (``VCPU``, ``MEMORY_MB``, ``DISK_GB`` …)."""
        rows = self._rest.get(f"/resource_providers/{quote(provider)}/inventories", "inventories")
        return {kind: Inventory(row["total"], row["reserved"], row["allocation_ratio"]) for kind, row in rows.items()}

    def room(self, provider: str) -> tuple[int, int]:
        """Return what is free on a provider: virtual CPUs and MiB of memory, after reserve and overcommit."""
        base = f"/resource_providers/{quote(provider)}"
        have = self._rest.get(f"{base}/inventories", "inventories")
        used = self._rest.get(f"{base}/usages", "usages")

        def free(kind: str) -> int:
            one = have.get(kind, {"total": 0, "reserved": 0, "allocation_ratio": 1.0})
            return int((one["total"] - one["reserved"]) * one["allocation_ratio"]) - int(used.get(kind, 0))

        return max(0, free("VCPU")), max(0, free("MEMORY_MB"))

    def aggregates(self, provider: str) -> frozenset[str]:
        """Return the UUIDs of the aggregates that a provider is in."""
        return frozenset(self._rest.get(f"/resource_providers/{quote(provider)}/aggregates", "aggregates"))

    def set_trait(self, provider: str, trait: str, *, present: bool) -> bool:
        """Put a trait on a provider or take it off, creating the trait where it is missing.

        Arguments:
            provider: UUID of the provider.
            trait: a ``CUSTOM_`` trait.
            present: whether the provider shall have it.

        Returns:
            Whether something was changed.

        Raises:
            CloudRefused: among others 409, where somebody changed the provider meanwhile.
        """
        answer = self._rest.call("GET", f"/resource_providers/{quote(provider)}/traits")
        traits = set(answer["traits"])
        if (trait in traits) is present:
            return False
        if present:
            self._rest.call("PUT", f"/traits/{trait}")
        self._rest.call(
            "PUT",
            f"/resource_providers/{quote(provider)}/traits",
            body={
                "resource_provider_generation": answer["resource_provider_generation"],
                "traits": sorted(traits | {trait} if present else traits - {trait}),
            },
        )
        return True
