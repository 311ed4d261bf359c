"""What must hold between the settings of an image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from migration import raw as raws
from migration.complaints import path, shown
from migration.errors import Problem
from migration.names import IMAGE_PREFIX
from migration.raw import Raw

_SHA512: Final = re.compile(r"[0-9a-f]{128}")
_NEEDS: Final = {"stein": (), "file": ("path", "sha512"), "url": ("url", "sha512")}
_KEYS: Final = ("name", "path", "url", "sha512")
_HERE: Final = {"localhost", "127.0.0.1", "::1"}


def problems(raw: Raw) -> Iterator[Problem]:
    """Check what the stack file says of images; yields every mistake, without lines."""
    for name, image in raws.entries(raw, "images"):
        source = raws.text(image, "from")
        place = ["images", name]
        if source in _NEEDS:
            yield from _source(source, image, place)
        for key in raws.mapping(image, "properties"):
            if key.startswith(IMAGE_PREFIX):
                yield Problem(path([*place, "properties", key]), f"{IMAGE_PREFIX}… is visa-migration's own; drop it")


def _source(source: str, image: Raw, place: list[str]) -> Iterator[Problem]:
    for key in _NEEDS[source]:
        if image.get(key) is None:
            yield Problem(path([*place, key]), f"missing; from: {source} needs it")
    for key in _KEYS:
        if image.get(key) is not None and key not in (*_NEEDS[source], *(["name"] if source == "stein" else [])):
            yield Problem(path([*place, key]), f"says nothing with from: {source}; drop it")
    checksum = raws.text(image, "sha512")
    if checksum is not None and not _SHA512.fullmatch(checksum):
        yield Problem(
            path([*place, "sha512"]), f"{shown(checksum)} is no SHA-512; give its 128 hex digits in lower case"
        )
    address = raws.text(image, "url")
    if source == "url" and address is not None:
        parts = urlsplit(address)
        if parts.username or parts.password:
            yield Problem(path([*place, "url"]), "has a user or a password in it; secrets do not belong into this file")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE):
            yield Problem(
                path([*place, "url"]), f"{shown(address)} is not https; use an address that begins with https://"
            )
