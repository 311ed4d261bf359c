"""The acts on an image: copied with checksums compared at both ends, described, and the one before hidden.

Source: the Image API v2 reference (data, ranges, os_hash, os_hidden).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from migration.actor import Actor
from migration.adapters.glance import Glance
from migration.adapters.qemu import inspect
from migration.errors import ImageError
from migration.images.facts import CONTENT, Checksum, ImageFacts
from migration.images.plan import ImagePlan, ImageStep, differences
from migration.images.settings import Image, Source
from migration.images.stage import Progress, checksum_of, converted, fetch, from_glance, from_url, pieces
from migration.steps import DONE, NOTHING, Act, Outcome, stays

_ALGORITHM: Final = "sha512"
"""What Glance uses unless it is told otherwise."""


class ImageOrder(BaseModel):
    """What one image shall be: the input of its resource.

    Attributes:
        image: what the settings say of it.
        origin: its id in the old Glance, the file's path or the address.
        algorithm: of the source's checksum.
        value: the source's checksum.
        source_format: the source's format, or "" where only the content tells.
        format: the format in the new Glance, or "" for that of the source.
        properties: all that it shall have, ours included.
        min_disk: the smallest root disk for it in GiB.
        min_ram: the least memory for it in MiB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Image
    origin: str
    algorithm: str
    value: str
    source_format: str
    format: str
    properties: Mapping[str, str]
    min_disk: int
    min_ram: int

    @classmethod
    def of(cls, image: Image, plan: ImagePlan) -> ImageOrder | None:
        """Take from a plan what the steps are told; None where nothing is known of the source."""
        if plan.checksum is None:
            return None
        return cls(
            image=image,
            origin=plan.source,
            algorithm=plan.checksum.algorithm,
            value=plan.checksum.value,
            source_format=plan.source_format,
            format=plan.format,
            properties=dict(plan.properties),
            min_disk=plan.min_disk,
            min_ram=plan.min_ram,
        )

    def as_input(self) -> dict[str, Any]:
        """Return it as the engine takes it: without what is None, and every number where a float will do."""
        twice = {"min_disk", "min_ram"}
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"image": twice})

    @property
    def content(self) -> str:
        """What it is known by."""
        return self.properties[CONTENT]

    @property
    def checksum(self) -> Checksum:
        """What its source must give."""
        return Checksum(self.algorithm, self.value)


def acts_of(order: ImageOrder) -> Mapping[ImageStep, Act]:
    """Return what each step does for an image.

    Arguments:
        order: what the image shall be.

    Returns:
        The acts; each raises ImageError and CloudError.
    """
    return {
        ImageStep.COPY: lambda actor, name: _copy(actor, name, order),
        ImageStep.UPDATE: lambda actor, name: _update(actor, name, order),
        ImageStep.HIDE_OLDER: lambda actor, name: _hide_older(actor, name, order),
    }


def _copy(actor: Actor, name: str, order: ImageOrder) -> Outcome:
    glance = actor.new.glance
    for each in glance.images(name):
        if each.content == order.content:
            if each.status == "active":
                return NOTHING
            glance.delete(each.id)  # what a run left that was killed: only we make images with this property
    if order.image.source is Source.STEIN:
        source = actor.old.glance.image(order.origin)
        if source is None or source.checksum != order.checksum:
            return stays("its source has changed since it was planned; the next up plans anew")
        fetched = fetch(
            name, from_glance(actor.old.glance, order.origin), order.checksum, source.size, actor.engine.check
        )
    else:
        fetched = _own(actor, name, order)
    disk = converted(name, fetched, order.source_format, order.format, actor.engine.check)
    stored = _upload(actor, name, order, disk)
    for path in {fetched, disk}:
        if order.image.source is not Source.FILE or path != fetched:
            path.unlink(missing_ok=True)
    return Outcome(DONE.result, f"{stored.id}, {(stored.size or 0) / 2**20:,.0f} MiB, {stored.checksum}")


def _own(actor: Actor, name: str, order: ImageOrder) -> Path:
    """Return the file of an image that does not come from the old cloud."""
    if order.image.source is Source.URL:
        return fetch(name, from_url(name, order.origin), order.checksum, None, actor.engine.check)
    path = Path(order.origin)
    if not path.is_file():
        raise ImageError(name, f"there is no file {path}; mend images.{name}.path")
    found = checksum_of(path, order.algorithm, Progress(name, "compared", path.stat().st_size, actor.engine.check))
    if found != order.checksum:
        raise ImageError(
            name, f"{path} gives {found}, expected {order.checksum}; mend images.{name}.sha512 or the file"
        )
    return path


def _upload(actor: Actor, name: str, order: ImageOrder, disk: Path) -> ImageFacts:
    glance = actor.new.glance
    found = order.format or order.source_format or inspect(name, disk, "").format
    disk_format = "vhd" if found == "vpc" else found  # Glance has another word for it than qemu-img
    identity = glance.create(name, disk_format, order.properties)
    sent = hashlib.new(_ALGORITHM)

    def content() -> Iterator[bytes]:
        for piece in pieces(disk, Progress(name, "uploaded", disk.stat().st_size, actor.engine.check)):
            sent.update(piece)
            yield piece

    glance.upload(identity, content())
    stored = glance.image(identity)
    ours = Checksum(_ALGORITHM, sent.hexdigest())
    if stored is not None and stored.checksum is not None and stored.checksum.algorithm != _ALGORITHM:
        size = disk.stat().st_size
        ours = checksum_of(disk, stored.checksum.algorithm, Progress(name, "compared", size, actor.engine.check))
    if stored is None or stored.status != "active" or stored.checksum != ours:
        _clear(glance, identity)
        found = f"{stored.status}, {stored.checksum}" if stored else "nothing"
        raise ImageError(name, f"after the upload {actor.orders.new} has {found}, expected active, {ours}; run again")
    return stored


def _clear(glance: Glance, identity: str) -> None:
    if glance.image(identity) is not None:
        glance.delete(identity)


def _update(actor: Actor, name: str, order: ImageOrder) -> Outcome:
    present = _ours(actor.new.glance, name, order)
    if present is None:
        return stays("it is gone since it was planned; the next up plans anew")
    planned = ImagePlan(name, properties=order.properties, min_disk=order.min_disk, min_ram=order.min_ram)
    changed = differences(present, order.image, planned)
    if not changed:
        return NOTHING
    fields: dict[str, object] = {
        "visibility": order.image.visibility,
        "protected": order.image.protected,
        "hidden": False,
        "min_disk": order.min_disk,
        "min_ram": order.min_ram,
        **order.properties,
    }
    actor.new.glance.update(present.id, {"os_hidden" if key == "hidden" else key: fields[key] for key in changed})
    return Outcome(DONE.result, ", ".join(changed))


def _hide_older(actor: Actor, name: str, order: ImageOrder) -> Outcome:
    glance = actor.new.glance
    if _ours(glance, name, order) is None:
        return stays("the one that replaces it is gone since it was planned; the next up plans anew")
    older = [each for each in glance.images(name) if each.content not in {None, order.content} and not each.hidden]
    for each in older:
        glance.update(each.id, {"os_hidden": True})
    return Outcome(DONE.result, ", ".join(each.id for each in older)) if older else NOTHING


def _ours(glance: Glance, name: str, order: ImageOrder) -> ImageFacts | None:
    found = [each for each in glance.images(name) if each.content == order.content and each.status == "active"]
    return found[0] if found else None
