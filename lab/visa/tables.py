"""VISA's tables. Dates are VISA's local time, without zone; ``cloud_id`` null is the default cloud."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ADMIN, STAFF = "ADMIN", "STAFF"
ACTIVE_STATES = frozenset({"ACTIVE", "PARTIALLY_ACTIVE", "ACTIVE_MIGRATING"})


class Base(DeclarativeBase):
    """Parent of the tables."""


class Setting(Base):
    """What the lab remembers for VISA: its clock."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class CloudProvider(Base):
    """A cloud that was registered through the API."""

    __tablename__ = "cloud_provider"
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    name: Mapped[str]
    server_name_prefix: Mapped[str]
    visible: Mapped[bool]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    deleted_at: Mapped[datetime | None]


user_roles = Table(
    "user_role", Base.metadata, Column("user_id", ForeignKey("user.id")), Column("role_id", ForeignKey("role.id"))
)


class Role(Base):
    """A role, or a group of users."""

    __tablename__ = "role"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str | None]
    is_group: Mapped[bool] = mapped_column(default=False)


class User(Base):
    """Somebody who can log in; of the token only a hash is kept."""

    __tablename__ = "user"
    id: Mapped[str] = mapped_column(primary_key=True)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    instance_quota: Mapped[int]
    last_seen_at: Mapped[datetime | None]
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    roles: Mapped[list[Role]] = relationship(secondary=user_roles)

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def experiments(self) -> list[str]:
        """The experiments that the user took part in."""
        return [f"experiment-{self.id}"]

    def has_role(self, name: str) -> bool:
        """Say whether the user has the role of this name."""
        return any(role.name == name for role in self.roles)


image_protocols = Table(
    "image_image_protocol", Base.metadata,
    Column("image_id", ForeignKey("image.id")), Column("protocol_id", ForeignKey("image_protocol.id")),
)  # fmt: skip


class ImageProtocol(Base):
    """A way to look into an instance."""

    __tablename__ = "image_protocol"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    port: Mapped[int]


class Image(Base):
    """An image that VISA may offer."""

    __tablename__ = "image"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str | None]
    description: Mapped[str | None]
    icon: Mapped[str | None]
    cloud_id: Mapped[int | None] = mapped_column(ForeignKey("cloud_provider.id"))
    compute_id: Mapped[str]
    visible: Mapped[bool]
    boot_command: Mapped[str | None]
    autologin: Mapped[str | None]
    auto_accept_extension_request: Mapped[str | None]
    default_vdi_protocol_id: Mapped[int] = mapped_column(ForeignKey("image_protocol.id"))
    secondary_vdi_protocol_id: Mapped[int | None] = mapped_column(ForeignKey("image_protocol.id"))
    deleted: Mapped[bool] = mapped_column(default=False)
    cloud: Mapped[CloudProvider | None] = relationship()
    protocols: Mapped[list[ImageProtocol]] = relationship(secondary=image_protocols)
    default_vdi_protocol: Mapped[ImageProtocol] = relationship(foreign_keys=default_vdi_protocol_id)
    secondary_vdi_protocol: Mapped[ImageProtocol | None] = relationship(foreign_keys=secondary_vdi_protocol_id)


class Flavour(Base):
    """A size of instances that VISA may offer."""

    __tablename__ = "flavour"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    memory: Mapped[int]
    cpu: Mapped[float]
    cloud_id: Mapped[int | None] = mapped_column(ForeignKey("cloud_provider.id"))
    compute_id: Mapped[str]
    deleted: Mapped[bool] = mapped_column(default=False)
    cloud: Mapped[CloudProvider | None] = relationship()
    role_lifetimes: Mapped[list[RoleLifetime]] = relationship(cascade="all, delete-orphan")
    limits: Mapped[list[FlavourLimit]] = relationship(back_populates="flavour", cascade="all, delete-orphan")


class RoleLifetime(Base):
    """How long instances of a flavour live; without a role: everybody's."""

    __tablename__ = "flavour_role_lifetime"
    id: Mapped[int] = mapped_column(primary_key=True)
    flavour_id: Mapped[int] = mapped_column(ForeignKey("flavour.id"))
    role_id: Mapped[int | None] = mapped_column(ForeignKey("role.id"))
    lifetime_minutes: Mapped[int]
    role: Mapped[Role | None] = relationship()


class FlavourLimit(Base):
    """Who is offered a flavour, where that is not everybody."""

    __tablename__ = "flavour_limit"
    id: Mapped[int] = mapped_column(primary_key=True)
    flavour_id: Mapped[int] = mapped_column(ForeignKey("flavour.id"))
    object_id: Mapped[int]
    object_type: Mapped[str]
    flavour: Mapped[Flavour] = relationship(back_populates="limits")


class Plan(Base):
    """What users choose: an image and a flavour."""

    __tablename__ = "plan"
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    flavour_id: Mapped[int] = mapped_column(ForeignKey("flavour.id"))
    preset: Mapped[bool]
    deleted: Mapped[bool] = mapped_column(default=False)
    image: Mapped[Image] = relationship()
    flavour: Mapped[Flavour] = relationship()


class SecurityGroup(Base):
    """A security group of a cloud's, by name."""

    __tablename__ = "security_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    cloud_id: Mapped[int | None] = mapped_column(ForeignKey("cloud_provider.id"))
    cloud: Mapped[CloudProvider | None] = relationship()
    filters: Mapped[list[SecurityGroupFilter]] = relationship(
        back_populates="security_group", cascade="all, delete-orphan"
    )


class SecurityGroupFilter(Base):
    """Whose instances get a security group: without any filter, everybody's."""

    __tablename__ = "security_group_filter"
    id: Mapped[int] = mapped_column(primary_key=True)
    security_group_id: Mapped[int] = mapped_column(ForeignKey("security_group.id"))
    object_id: Mapped[int]
    object_type: Mapped[str]
    security_group: Mapped[SecurityGroup] = relationship(back_populates="filters")


class Instance(Base):
    """An instance; its cloud is the cloud of its plan's image."""

    __tablename__ = "instance"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    comments: Mapped[str | None]
    state: Mapped[str]
    compute_id: Mapped[str | None]
    ip_address: Mapped[str | None]
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    username: Mapped[str]
    keyboard_layout: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    last_interaction_at: Mapped[datetime | None]
    termination_date: Mapped[datetime | None]
    lifetime_minutes: Mapped[int]
    delete_requested: Mapped[bool] = mapped_column(default=False)
    booking_token_id: Mapped[int | None]
    deleted_at: Mapped[datetime | None]
    plan: Mapped[Plan] = relationship()
    owner: Mapped[User] = relationship()

    @property
    def cloud_id(self) -> int | None:
        """The cloud that VISA looks for its server on."""
        return self.plan.image.cloud_id


class ExtensionRequest(Base):
    """The wish that an instance may live longer."""

    __tablename__ = "instance_extension_request"
    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instance.id"))
    comments: Mapped[str]
    created_at: Mapped[datetime]
    state: Mapped[str]
    instance: Mapped[Instance] = relationship()


class BookingRequest(Base):
    """Instances that are wanted for a time, for a course for example."""

    __tablename__ = "booking_request"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime]
    start_date: Mapped[str]
    end_date: Mapped[str]
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    state: Mapped[str]
    owner: Mapped[User] = relationship()
    flavours: Mapped[list[BookingFlavour]] = relationship()


class BookingFlavour(Base):
    """How many instances of a flavour were booked."""

    __tablename__ = "booking_request_flavour"
    id: Mapped[int] = mapped_column(primary_key=True)
    booking_request_id: Mapped[int] = mapped_column(ForeignKey("booking_request.id"))
    flavour_id: Mapped[int] = mapped_column(ForeignKey("flavour.id"))
    quantity: Mapped[int]
    flavour: Mapped[Flavour] = relationship()


class BookingToken(Base):
    """A voucher: its owner may start one instance of a flavour, whatever else is hidden."""

    __tablename__ = "booking_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str]
    booking_request_id: Mapped[int] = mapped_column(ForeignKey("booking_request.id"))
    flavour_id: Mapped[int] = mapped_column(ForeignKey("flavour.id"))
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("user.id"))
    instance_id: Mapped[int | None] = mapped_column(ForeignKey("instance.id"))
    booking_request: Mapped[BookingRequest] = relationship()
    flavour: Mapped[Flavour] = relationship()
    owner: Mapped[User | None] = relationship()
    instance: Mapped[Instance | None] = relationship()


class SystemNotification(Base):
    """A banner or a dialog that users see."""

    __tablename__ = "system_notification"
    id: Mapped[int] = mapped_column(primary_key=True)
    message: Mapped[str]
    level: Mapped[str]
    type: Mapped[str]
    activated_at: Mapped[datetime | None]


class ApplicationCredential(Base):
    """What a machine logs in with, to look at VISA's health."""

    __tablename__ = "application_credential"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    application_id: Mapped[str]
    secret_hash: Mapped[str]
