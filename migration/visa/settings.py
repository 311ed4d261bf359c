"""What the stack file says of VISA: how to reach it, what it offers of the new cloud, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from migration.model import Count, Model, Name, Text


class Backend(StrEnum):
    """Where VISA starts new instances."""

    STEIN = "stein"
    """In the old cloud, which is VISA's own default one: its environment configures it."""
    CARACAL = "caracal"
    """In the new cloud."""


class Offer(StrEnum):
    """To whom VISA offers the plans of the new cloud."""

    HIDDEN = "hidden"
    """To nobody: VISA knows the cloud, its security groups, flavours and images, and makes no new plans of them."""
    ADMINS = "admins"
    """To VISA's administrators, who try them."""
    USERS = "users"
    """To everybody whom security groups and flavour limits allow."""


class Token(Model):
    """Where the access token of a VISA administrator comes from: one of the three."""

    environment: Name | None = Field(default=None, description="the environment variable that holds the token")
    file: Name | None = Field(default=None, description="path of a file that holds the token; only its owner may read")
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None, description="the command that prints the token, as a list of program and arguments"
    )


def _never_in_clear(value: object) -> object:
    """Refuse a token that was written into the stack file, and do not repeat it."""
    if isinstance(value, str):
        kind, message = "token", "found text; never write the token itself here, say where it comes from"
        raise PydanticCustomError(kind, message)
    return value


class Prefixes(Model):
    """How the names of VISA's servers begin in each cloud."""

    old: Name = Field(description="the prefix in the old cloud, as VISA has it (VISA_CLOUD_SERVER_NAME_PREFIX)")
    new: Name = Field(description="the prefix in the new cloud")


class NewCloud(Model):
    """The new cloud as a cloud client of VISA."""

    name: Name = Field(description="the name that VISA's administrators see")
    project: Name = Field(description="the project of the new cloud that VISA's servers run in, and nothing else")
    networks: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="the names of the networks that VISA's servers are put on"
    )
    login: Name | None = Field(
        default=None,
        description="the entry of clouds.yaml whose user owns VISA's application credential (default: clouds.new)",
    )
    interface: Literal["public", "internal", "admin"] = Field(
        default="public", description="which endpoints of the new cloud VISA uses"
    )


class Credential(Model):
    """The application credential by which VISA acts in the new cloud."""

    rotation: Count = Field(default=1, description="raise it, and the credential is replaced")
    days: Count = Field(default=365, description="after how many days it expires")
    renew_before: Count = Field(default=60, description="how many days before that it is replaced")


class OfferedImage(Model):
    """An image that VISA offers on the new cloud."""

    image: Name = Field(description="the name of the image in the new cloud's Glance")
    name: Name | None = Field(default=None, description="its name in VISA (default: the key)")
    like: Name | None = Field(
        default=None,
        description="the image of the old cloud whose icon, protocols, boot command and so on it has, as VISA names it"
        ' ("Name" or "Name Version"; default: the key)',
    )
    version: Text | None = Field(default=None, description="its version in VISA (default: as like)")
    description: Text | None = Field(default=None, description="what users read of it (default: as like)")
    boot_command: Text | None = Field(default=None, description="what its servers run at boot (default: as like)")


class OfferedFlavour(Model):
    """A flavour that VISA offers on the new cloud."""

    flavor: Name = Field(description="the name of the flavor in the new cloud's Nova")
    like: Name | None = Field(
        default=None,
        description="the flavour of the old cloud whose limits and lifetimes it has, as VISA names it (default: the"
        " key)",
    )


class OfferedPlan(Model):
    """An image and a flavour that users may choose together."""

    image: Name = Field(description="a key under images")
    flavour: Name = Field(description="a key under flavours")


class Acceptance(Model):
    """The instance that is tried through VISA before anything is offered to users."""

    enabled: StrictBool = Field(default=True, description="whether one is tried")
    timeout: Count = Field(default=900, description="how many seconds it may take to become active, and to go")
    keyboard: Name = Field(default="en-gb-qwerty", description="a keyboard layout that this VISA knows")


class Banner(Model):
    """What every user reads in VISA."""

    before: Name | None = Field(default=None, description="the text until the new cloud is the default backend")
    after: Name | None = Field(default=None, description="the text from then on")


class Limits(Model):
    """How long VISA lets instances live, for the forecast; in hours."""

    lifetime_users: Count = Field(default=336, description="the longest life of a user's instance")
    lifetime_staff: Count = Field(default=1440, description="the longest life of a staff member's instance")
    inactivity_users: Count = Field(default=96, description="how long a user's instance may lie idle")
    inactivity_staff: Count = Field(default=192, description="how long a staff member's instance may lie idle")


class Visa(Model):
    """VISA, and which cloud is its default backend."""

    endpoint: Name = Field(description="where VISA is, as in https://visa.example.org")
    api_path: Name = Field(default="/api", description="the path of its API below that")
    timezone: Name = Field(default="UTC", description="the time zone of VISA's server: its dates carry none")
    token: Annotated[Token, BeforeValidator(_never_in_clear)] = Field(
        description="where the administrator's token comes from: environment, file or command"
    )
    prefixes: Prefixes = Field(description="how the names of VISA's servers begin, as in {old: visa, new: car}")
    cloud: NewCloud = Field(description="the new cloud as VISA shall know it")
    credential: Credential = Field(default=Credential(), description="how VISA's application credential is kept")
    images: Mapping[Name, OfferedImage] = Field(default={}, description="images of the new cloud that VISA offers")
    flavours: Mapping[Name, OfferedFlavour] = Field(
        default={}, description="flavours of the new cloud that VISA offers, by their name in VISA"
    )
    plans: tuple[OfferedPlan, ...] = Field(default=(), description="which image is offered with which flavour")
    preset: OfferedPlan | None = Field(default=None, description="the plan that is chosen unless a user chooses")
    offer: Offer = Field(default=Offer.HIDDEN, description="to whom the new cloud is offered: hidden, admins or users")
    default_backend: Backend = Field(
        default=Backend.STEIN, description="where VISA starts new instances: stein or caracal"
    )
    acceptance: Acceptance = Field(default=Acceptance(), description="what is tried before anything is offered")
    banner: Banner = Field(default=Banner(), description="what every user reads in VISA")
    limits: Limits = Field(default=Limits(), description="how long VISA lets instances live, for the forecast")
    looked_at_bookings: tuple[Annotated[StrictInt, Field(ge=1)], ...] = Field(
        default=(), description="booking requests that hold up the switch no longer, by VISA's number"
    )
    force_back: Name | None = Field(
        default=None, description="why the old cloud becomes the default backend although it has too little room"
    )
