"""What VISA asks of a cloud, whatever the cloud is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

DEFAULT = -1
"""The id of the cloud that VISA's environment describes. Rows that belong to it have no cloud id at all."""


@dataclass(frozen=True, slots=True)
class Provider:
    """How VISA reaches a cloud: endpoints without the version in their path, and an application credential.

    Attributes:
        application_id: the credential's id.
        application_secret: its secret.
        compute_endpoint: Nova.
        image_endpoint: Glance.
        network_endpoint: Neutron.
        identity_endpoint: Keystone.
        address_provider: the name of the network whose addresses instances are reached by.
        address_provider_uuid: the ids of the networks that a server gets, separated by commas.
        placement_endpoint: Placement, if VISA shall show hypervisors.
    """

    application_id: str
    application_secret: str = field(repr=False)
    compute_endpoint: str
    image_endpoint: str
    network_endpoint: str
    identity_endpoint: str
    address_provider: str
    address_provider_uuid: str
    placement_endpoint: str | None = None

    @property
    def networks(self) -> list[str]:
        """The ids of the networks that a server gets."""
        return self.address_provider_uuid.split(",")


@dataclass(frozen=True, slots=True)
class Default:
    """The cloud of VISA's environment (``VISA_CLOUD_*``).

    Attributes:
        name: what administrators see.
        prefix: what the names of its servers begin with.
        provider: how it is reached.
    """

    name: str
    prefix: str
    provider: Provider


@dataclass(frozen=True, slots=True)
class CloudImage:
    """An image of Glance's: id, name, size in MiB."""

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class CloudFlavour:
    """A flavor of Nova's: id, name, vCPUs, GiB of disk, MiB of memory."""

    id: str
    name: str
    cpus: int
    disk: int
    ram: int


@dataclass(frozen=True, slots=True)
class CloudLimit:
    """What Nova lets the project have, and what it has; -1: no limit."""

    max_total_ram_size: int
    total_ram_used: int
    total_instances_used: int
    max_total_instances: int
    max_total_cores: int
    total_cores_used: int


@dataclass(frozen=True, slots=True)
class Server:
    """A server of Nova's, its state in VISA's words."""

    id: str
    name: str
    state: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ServerInput:
    """What VISA asks Nova to make: the user data is plain text."""

    name: str
    image: str
    flavour: str
    networks: Sequence[str]
    security_groups: Sequence[str]
    metadata: Mapping[str, str]
    user_data: str | None = None


STATES: Mapping[str, str] = {
    "ACTIVE": "ACTIVE", "BUILD": "BUILDING", "REBUILD": "BUILDING", "SHUTOFF": "STOPPED", "ERROR": "ERROR",
    "DELETED": "DELETED", "SOFT_DELETED": "DELETED", "SHELVED": "DELETED", "SHELVED_OFFLOADED": "DELETED",
    "REBOOT": "REBOOTING", "HARD_REBOOT": "REBOOTING", "MIGRATING": "MIGRATING", "PAUSED": "STOPPED",
    "SUSPENDED": "STOPPED",
}  # fmt: skip
"""VISA's words for Nova's; a shelved server counts as deleted. What is not here is UNKNOWN."""


class Access(Protocol):
    """A cloud, reached by one credential.

    Every method but :meth:`images` and :meth:`security_groups` raises CloudDown where the cloud does not answer as it
    should. The real server swallows that for lists of images and of security groups: they are empty then.
    """

    def images(self) -> list[CloudImage]:
        """Return the images."""
        ...

    def image(self, identity: str) -> CloudImage | None:
        """Return an image; None if it is not there or the cloud cannot be asked."""
        ...

    def flavours(self) -> list[CloudFlavour]:
        """Return the flavors."""
        ...

    def security_groups(self) -> list[str]:
        """Return the names of the project's security groups."""
        ...

    def limits(self) -> CloudLimit | None:
        """Return the project's limits; None where the cloud cannot be asked."""
        ...

    def server(self, identity: str) -> Server | None:
        """Return a server; None if Nova knows none of this id."""
        ...

    def servers(self) -> list[Server]:
        """Return the project's servers."""
        ...

    def create(self, wanted: ServerInput) -> str:
        """Let Nova make a server and return its id."""
        ...

    def stop(self, identity: str) -> None:
        """Shut a server down."""
        ...

    def delete(self, identity: str) -> None:
        """Delete a server."""
        ...


class Clouds(Protocol):
    """Where VISA gets access to clouds from."""

    @property
    def default(self) -> Default:
        """The cloud of VISA's environment."""
        ...

    def access(self, provider: Provider) -> Access:
        """Return the access that a provider configuration describes; nothing is asked yet."""
        ...
