"""What the stack file says of images."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt

from migration.model import Model, Name, Spec


class Source(StrEnum):
    """Where an image comes from."""

    STEIN = "stein"
    """The old cloud's Glance, which knows its checksum."""
    FILE = "file"
    """A file on the machine that runs ``pulumi up``."""
    URL = "url"
    """A web server."""


class Image(Model):
    """An image of the new cloud's Glance."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: Source = Field(alias="from", description="where it comes from: stein, file or url")
    name: Name | None = Field(default=None, description="its name in the old cloud where the key differs (from: stein)")
    path: Name | None = Field(default=None, description="the file, relative to the project (from: file)")
    url: Name | None = Field(default=None, description="its address, https unless it is on this machine (from: url)")
    sha512: Name | None = Field(default=None, description="checksum of the file or of what the url gives, in hex")
    format: Literal["raw", "qcow2"] | None = Field(
        default=None, description="raw or qcow2 (default: raw where ceph is declared, else as it comes)"
    )
    properties: Mapping[Name, Spec] = Field(
        default={}, description="Glance's properties, text to text, over those that the old cloud has"
    )
    visibility: Literal["public", "community", "shared", "private"] = Field(
        default="public", description="who may use it: public, community, shared or private"
    )
    protected: StrictBool = Field(default=True, description="whether Glance refuses to delete it")
    min_disk: Annotated[StrictInt, Field(ge=0)] = Field(default=0, description="the smallest root disk for it in GiB")
    min_ram: Annotated[StrictInt, Field(ge=0)] = Field(default=0, description="the least memory for it in MiB")
