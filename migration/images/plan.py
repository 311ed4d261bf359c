"""What has to be done for each image: a pure function of settings and facts.

An image is known by what it was made from: a source whose checksum is another is another image. So nothing is ever
overwritten; the image before stays as it is, hidden, for the instances and plans that use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from migration.images.facts import CONTENT, Checksum, ImageFacts, ImagesFacts
from migration.images.settings import Image, Source
from migration.names import IMAGE_PREFIX
from migration.settings import CaracalSettings


class ImageStep(StrEnum):
    """One idempotent act on one image."""

    COPY = "copy"
    """Fetch, convert, upload and compare; unfinished remains of ours are cleared away first."""
    UPDATE = "update"
    """Give it the properties, visibility and protection that the settings say."""
    HIDE_OLDER = "hide-older"
    """Take images of ours with the same name and other content out of the lists."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What one image is, and what will be done about it now.

    Attributes:
        name: its name in the new cloud.
        steps: what is done now.
        message: why, for a person.
        source: where it comes from: the id in the old Glance, the file's path or the address.
        checksum: what the source gives.
        source_format: the disk format of the source, or "" where only its content tells.
        format: the disk format in the new Glance, or "" for that of the source.
        properties: all that it shall have, ours included.
        min_disk: the smallest root disk for it in GiB.
        min_ram: the least memory for it in MiB.
        refusal: why nothing may be touched, or "".
        attention: whether it needs a person.
    """

    name: str
    steps: tuple[ImageStep, ...] = ()
    message: str = ""
    source: str = ""
    checksum: Checksum | None = None
    source_format: str = ""
    format: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    min_disk: int = 0
    min_ram: int = 0
    refusal: str = ""
    attention: bool = False


def plan_images(settings: CaracalSettings, facts: ImagesFacts) -> Mapping[str, ImagePlan]:
    """Decide what has to be done for every image.

    Arguments:
        settings: what is wanted.
        facts: what was read, in one look.

    Returns:
        A plan for each image, in the order of the settings.
    """
    if facts.error:
        message = f"nothing is known of it: {facts.error}"
        return {name: ImagePlan(name, message=message, attention=True) for name in settings.images}
    return {name: _plan(name, image, settings, facts) for name, image in settings.images.items()}


def _plan(name: str, image: Image, settings: CaracalSettings, facts: ImagesFacts) -> ImagePlan:
    present = facts.present.get(name, ())
    if foreign := [each for each in present if each.content is None]:
        listed = ", ".join(each.id for each in foreign)
        return ImagePlan(
            name,
            refusal=f"images.{name}: {settings.clouds.new} has an image of this name that visa-migration did not make"
            f" ({listed}); rename that one, or take this one out of the config",
        )
    source = _source(name, image, settings, facts)
    if isinstance(source, str):
        done = [each for each in present if each.status == "active" and not each.hidden]
        if len(done) == 1:  # what is there stays, whatever became of its source
            return ImagePlan(name, message=f"there; of its source: {source}")
        return ImagePlan(name, refusal=f"images.{name}: {source}")
    wanted_format = image.format or ("raw" if settings.ceph is not None else source.format)
    content = f"{source.checksum} as {wanted_format or 'it comes'}"
    planned = ImagePlan(
        name,
        source=source.origin,
        checksum=source.checksum,
        source_format=source.format,
        format=wanted_format,
        properties={**source.properties, **image.properties, CONTENT: content},
        min_disk=max(image.min_disk, source.min_disk),
        min_ram=max(image.min_ram, source.min_ram),
    )
    done = [each for each in present if each.content == content and each.status == "active"]
    changed = differences(done[0], image, planned) if done else []
    older = any(each.content != content and not each.hidden for each in present)
    steps = [ImageStep.COPY, ImageStep.UPDATE] if not done else [ImageStep.UPDATE] if changed else []
    steps += [ImageStep.HIDE_OLDER] if older else []
    if not done:
        message = f"copied from {image.source}{'; the one before stays, hidden' if older else ''}"
    elif changed:
        message = f"differs in {', '.join(changed)}"
    else:
        message = "there; the one before is hidden" if older else "there"
    return replace(planned, steps=tuple(steps), message=message)


@dataclass(frozen=True, slots=True)
class _Source:
    origin: str
    checksum: Checksum
    format: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    min_disk: int = 0
    min_ram: int = 0


def _source(name: str, image: Image, settings: CaracalSettings, facts: ImagesFacts) -> _Source | str:
    """Return what is known of the source, or why that is not enough."""
    if image.source is not Source.STEIN:
        return _Source(image.path or image.url or "", Checksum("sha512", image.sha512 or ""))
    if settings.clouds.old is None:
        return "the old cloud is retired"
    wanted = image.name or name
    found = facts.sources.get(wanted, ())
    if len(found) != 1:
        count = "no active image" if not found else f"{len(found)} active images"
        return f"{settings.clouds.old} has {count} named {wanted}; expected one. Name another, or tell them apart there"
    one = found[0]
    if one.checksum is None:
        return f"{settings.clouds.old} knows no checksum of {wanted}; upload it there anew, or use from: file"
    theirs = {key: value for key, value in one.properties.items() if not key.startswith(IMAGE_PREFIX)}
    return _Source(one.id, one.checksum, one.format, theirs, one.min_disk, one.min_ram)


def differences(present: ImageFacts, image: Image, planned: ImagePlan) -> list[str]:
    """Say what an image has otherwise than it shall.

    Arguments:
        present: the image.
        image: what the settings say of it.
        planned: what is planned for it.

    Returns:
        The names of fields and properties, sorted. Properties that nobody asked for are left alone: Glance and its
        tools add some.
    """
    shall = {
        "visibility": image.visibility,
        "protected": image.protected,
        "hidden": False,
        "min_disk": planned.min_disk,
        "min_ram": planned.min_ram,
    }
    fields = {key for key, value in shall.items() if getattr(present, key) != value}
    return sorted(fields | {key for key, value in planned.properties.items() if present.properties.get(key) != value})
