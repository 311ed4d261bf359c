"""What was read of images: frozen, once per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from migration.names import IMAGE_PREFIX

CONTENT: Final = f"{IMAGE_PREFIX}content"
"""Property that says what an image of ours was made from: the checksum of its source."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the content of an image must give.

    Attributes:
        algorithm: as hashlib spells it: ``sha512``, ``md5`` …
        value: in hex.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        """Return ``algorithm:value``."""
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image in a Glance.

    Attributes:
        id: its id.
        name: its name.
        status: ``queued``, ``saving``, ``active`` …
        format: its disk format.
        size: its bytes, or None while it has none.
        checksum: of its content, or None while it has none.
        visibility: who may use it.
        protected: whether Glance refuses to delete it.
        hidden: whether it is left out of lists (``os_hidden``).
        min_disk: the smallest root disk in GiB.
        min_ram: the least memory in MiB.
        properties: what was given to it beyond Glance's own fields, ours included.
    """

    id: str
    name: str
    status: str
    format: str
    size: int | None
    checksum: Checksum | None
    visibility: str
    protected: bool
    hidden: bool
    min_disk: int
    min_ram: int
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> str | None:
        """What we made it from, or None where it is not ours."""
        return self.properties.get(CONTENT)


@dataclass(frozen=True, slots=True)
class ImagesFacts:
    """One look at the images that the settings name.

    Attributes:
        sources: active images of the old cloud, by the name that they have there.
        present: images of the new cloud, hidden ones too, by name.
        error: why one of the clouds could not be asked, or "".
    """

    sources: Mapping[str, tuple[ImageFacts, ...]] = field(default_factory=dict)
    present: Mapping[str, tuple[ImageFacts, ...]] = field(default_factory=dict)
    error: str = ""
