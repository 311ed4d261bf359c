"""What was read from VISA, and from the project of the new cloud that VISA acts in: frozen, in one look.

Source: VISA's GraphQL admin API 3.8 (visa-web-graphql of visa-api-server). In these values VISA's null for the default
cloud is ``DEFAULT_CLOUD``: a null that is written back by mistake would move an object to that cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from migration.visa.instances import DEFAULT_CLOUD, VisaInstance


@dataclass(frozen=True, slots=True)
class CloudClient:
    """A cloud that VISA knows: id, name, how its servers' names begin, and whether users are offered its plans."""

    id: int
    name: str
    prefix: str
    visible: bool


@dataclass(frozen=True, slots=True)
class Image:
    """An image that VISA offers; everything that ``updateImage`` replaces, so that nothing is lost by a change.

    Attributes:
        id: VISA's number of it, or 0 for one that does not exist yet.
        cloud: id of its cloud client.
        compute: Glance's UUID.
        extensions: whose requests for more time are granted (``ALL``, ``STAFF``, ``NONE``), or None.
    """

    id: int
    name: str
    version: str | None
    description: str | None
    icon: str | None
    cloud: int
    compute: str
    visible: bool
    protocols: tuple[int, ...]
    default_vdi: int
    secondary_vdi: int | None
    boot_command: str | None
    autologin: str | None
    extensions: str | None

    @property
    def label(self) -> str:
        """Its name and version, as people say it."""
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class Flavour:
    """A flavour that VISA offers; everything that ``updateFlavour`` replaces.

    Attributes:
        id: VISA's number of it, or 0 for one that does not exist yet.
        memory: MiB.
        cpu: virtual CPUs.
        cloud: id of its cloud client.
        compute: Nova's id of the flavor.
        lifetimes: longest lives in minutes, by the role's id, or None for everybody else.
        instruments: the instruments that it is limited to; empty for no limit.
        roles: the roles that it is limited to; empty for no limit.
    """

    id: int
    name: str
    memory: int
    cpu: float
    cloud: int
    compute: str
    lifetimes: tuple[tuple[int | None, int], ...] = ()
    instruments: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OfferedPlan:
    """What users choose: an image with a flavour, each by VISA's number and with the id of its cloud client."""

    id: int
    image: int
    flavour: int
    preset: bool


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group that VISA gives to servers of a cloud; a group without filters goes to everybody's.

    Attributes:
        filters: what it is limited to, as (object's id, object's type).
    """

    id: int
    name: str
    cloud: int
    filters: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking request: its state word, last day (ISO 8601), and the cloud clients that its flavours are on."""

    id: int
    state: str
    end: str
    clouds: frozenset[int]


@dataclass(frozen=True, slots=True)
class Notification:
    """A system notification: a line that every user reads."""

    id: int
    message: str
    type: str


@dataclass(frozen=True, slots=True)
class Life:
    """What proves that VISA reaches a cloud.

    Attributes:
        limits: whether Nova told its limits; a credential that is refused shows as none.
        images: UUIDs that VISA sees in Glance; empty also where it could not ask.
    """

    limits: bool
    images: frozenset[str]

    @property
    def proved(self) -> bool:
        """Whether both Nova and Glance answered VISA."""
        return self.limits and bool(self.images)


@dataclass(frozen=True, slots=True)
class Objects:
    """Everything of VISA that a change may touch."""

    clients: tuple[CloudClient, ...] = ()
    images: tuple[Image, ...] = ()
    flavours: tuple[Flavour, ...] = ()
    plans: tuple[OfferedPlan, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    notifications: tuple[Notification, ...] = ()

    def client(self, id_: int) -> CloudClient | None:
        """Return the cloud client of that id, or None."""
        return next((client for client in self.clients if client.id == id_), None)

    def image(self, id_: int) -> Image | None:
        """Return the image of that id, or None."""
        return next((image for image in self.images if image.id == id_), None)

    def flavour(self, id_: int) -> Flavour | None:
        """Return the flavour of that id, or None."""
        return next((flavour for flavour in self.flavours if flavour.id == id_), None)

    def offers(self, cloud: int) -> bool:
        """Return whether users are offered a plan of a cloud."""
        client = self.client(cloud)
        shown = {image.id for image in self.images if image.cloud == cloud and image.visible}
        return client is not None and client.visible and any(plan.image in shown for plan in self.plans)

    @property
    def preset(self) -> OfferedPlan | None:
        """The plan that is chosen unless a user chooses, or None."""
        return next((plan for plan in self.plans if plan.preset), None)


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """An application credential of ours on the new cloud's Keystone, without its secret.

    Attributes:
        id: Keystone's id.
        prefix: the server-name prefix of the cloud client that it was made for.
        project: the id of the project that it acts in.
        rotation: ``visa.credential.rotation`` when it was made.
        endpoints: digest of what else VISA was told with it.
        made: when.
        expires: when, or None for never.
    """

    id: str
    prefix: str
    project: str
    rotation: int
    endpoints: str
    made: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class GlanceImage:
    """An image that VISA's project sees: UUID, whether it is active, its size in bytes if known, and its birth."""

    id: str
    name: str
    active: bool
    size: int | None
    made: str = ""


@dataclass(frozen=True, slots=True)
class NovaFlavor:
    """A flavor that VISA's project sees: id, name, virtual CPUs, MiB."""

    id: str
    name: str
    vcpus: int
    ram: int


@dataclass(frozen=True, slots=True)
class ProjectServer:
    """A server in VISA's project: UUID, name, and whether it boots from a volume."""

    id: str
    name: str
    from_volume: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """VISA's project in the new cloud, seen through the log-in that owns VISA's application credential.

    Attributes:
        id: the project's id.
        endpoints: URLs without version paths, by ``identity``, ``compute``, ``image`` and ``network``.
        networks: ids by name, of those that the project may use.
        groups: names of its security groups.
        images: what its Glance shows it.
        flavors: what its Nova shows it.
        servers: every server in it.
        credentials: the application credentials of ours, whatever project they act in.
    """

    id: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    images: tuple[GlanceImage, ...] = ()
    flavors: tuple[NovaFlavor, ...] = ()
    servers: tuple[ProjectServer, ...] = ()
    credentials: tuple[ApplicationCredential, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on the nodes of the old cloud that still take instances: virtual CPUs, and MiB of memory."""

    vcpus: int
    ram: int


@dataclass(frozen=True, slots=True)
class VisaFacts:
    """One look at VISA, and at its project in the new cloud.

    Attributes:
        now: when (aware).
        objects: what VISA has.
        lives: whether VISA reaches each cloud, by the cloud client's id.
        instances: every instance that has not ended.
        bookings: every booking request.
        project: VISA's project in the new cloud, or None where it cannot be seen.
        project_error: why it cannot be seen, or "".
        ledger: what we wrote down of our own acts (in the new cloud's ledger), by key.
        room: what is free in the old cloud; None where nobody asked or nobody answered.
        old_identity: the old cloud's Keystone, without its version path, or "".
    """

    now: datetime
    objects: Objects
    lives: Mapping[int, Life] = field(default_factory=dict)
    instances: tuple[VisaInstance, ...] = ()
    bookings: tuple[Booking, ...] = ()
    project: Project | None = None
    project_error: str = ""
    ledger: Mapping[str, str] = field(default_factory=dict)
    room: Room | None = None
    old_identity: str = ""

    def client(self, prefix: str) -> CloudClient | None:
        """Return the cloud client that was registered with a prefix, or None; never the default one."""
        return next((c for c in self.objects.clients if c.prefix == prefix and c.id != DEFAULT_CLOUD), None)

    def alive(self, cloud: int) -> bool:
        """Return whether VISA was seen to reach a cloud."""
        life = self.lives.get(cloud)
        return life is not None and life.proved


def default_backend(facts: VisaFacts | None, prefix: str) -> Literal["stein", "caracal"] | None:
    """Say where VISA starts new instances.

    Arguments:
        facts: one look at VISA, or None where it could not be asked.
        prefix: the new cloud's server-name prefix (``visa.prefixes.new``).

    Returns:
        ``caracal`` only where users are offered plans of the new cloud, one of them is the preset, and none of VISA's
        own default cloud; ``stein`` as long as any plan of that one is offered; None where neither is so.
    """
    if facts is None:
        return None
    objects = facts.objects
    offered = {client.id for client in objects.clients if objects.offers(client.id)}
    new = facts.client(prefix)
    preset = objects.image(objects.preset.image) if objects.preset is not None else None
    if new is not None and new.id in offered and preset is not None and preset.cloud == new.id:
        return "stein" if DEFAULT_CLOUD in offered else "caracal"
    return "stein" if DEFAULT_CLOUD in offered else None
