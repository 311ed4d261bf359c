"""What VISA shall have of the new cloud: the objects that settings and facts ask for. Pure.

An image and a flavour are told apart by what they are on the new cloud (Glance's UUID, Nova's id) and by their name in
VISA. Neither is ever changed: another one is another object.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from migration.visa.facts import Flavour, GlanceImage, Image, Project, SecurityGroup, VisaFacts
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.marks import restored
from migration.visa.settings import OfferedFlavour, OfferedImage, Visa
from migration.visa.steps import Filter


@dataclass(frozen=True, slots=True)
class Wanted:
    """What VISA shall have of the new cloud.

    Attributes:
        images: by the key in the settings; with id 0 where VISA has it not yet.
        flavours: the same.
        groups: security groups by name, with what each is limited to; none means that everybody's servers get it.
        missing: what the new cloud lacks still, a sentence each.
        mistakes: what cannot be meant, a sentence each.
        warnings: what a person should know, a sentence each.
    """

    images: Mapping[str, Image]
    flavours: Mapping[str, Flavour]
    groups: Mapping[str, tuple[Filter, ...]]
    missing: tuple[str, ...]
    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]


def provider_configuration(visa: Visa, project: Project) -> dict[str, str]:
    """Return what VISA is told of the new cloud, without the credential.

    The placement endpoint is left out: with two clouds VISA would match hypervisors by Nova's number alone.

    Arguments:
        visa: the settings.
        project: VISA's project in the new cloud, with its networks.

    Returns:
        The fields of ``OpenStackProviderConfigurationInput``, but for ``applicationId`` and ``applicationSecret``.
    """
    ids = [project.networks[name] for name in visa.cloud.networks if name in project.networks]
    return {
        **{f"{service}Endpoint": url for service, url in project.endpoints.items()},
        "addressProvider": visa.cloud.networks[0],
        "addressProviderUUID": ",".join(ids),
    }


def digest(configuration: Mapping[str, str]) -> str:
    """Return a short digest of a provider configuration: what is written down beside the credential."""
    return hashlib.sha256(json.dumps(dict(configuration), sort_keys=True).encode()).hexdigest()[:16]


def wanted(visa: Visa, facts: VisaFacts, project: Project, cloud: int) -> Wanted:
    """Say what VISA shall have of the new cloud.

    Arguments:
        visa: the settings.
        facts: one look.
        project: VISA's project in the new cloud.
        cloud: the id of the new cloud's client, or 0 where it is not registered yet.

    Returns:
        The objects, and what stands in their way.
    """
    notes = _Notes()
    images = {key: _image(key, one, facts, project, cloud, notes) for key, one in visa.images.items()}
    flavours = {key: _flavour(key, one, facts, project, cloud, notes) for key, one in visa.flavours.items()}
    old_groups = [group for group in facts.objects.groups if group.cloud == DEFAULT_CLOUD]
    groups = {group.name: _filters(group, visa, facts, flavours) for group in old_groups}
    for name in sorted(group.name for group in old_groups if group.filters and not groups[group.name]):
        groups.pop(name)
        notes.warnings.append(
            f"security group {name} is left out: in the old cloud it is limited to flavours that no flavour under"
            " visa.flavours is like; without a limit everybody's servers would get it"
        )
    for name in sorted(groups.keys() - project.groups):
        notes.missing.append(
            f"security group {name}, which VISA gives to servers of the old cloud, is not in project"
            f" {visa.cloud.project}; VISA matches them by name: declare it under security_groups with this project"
        )
    for name in visa.cloud.networks:
        if name not in project.networks:
            notes.missing.append(
                f"network {name} (visa.cloud.networks) is none that project {visa.cloud.project} may use"
            )
    return Wanted(
        {key: image for key, image in images.items() if image is not None},
        {key: flavour for key, flavour in flavours.items() if flavour is not None},
        groups,
        tuple(notes.missing),
        tuple(notes.mistakes),
        tuple(notes.warnings),
    )


class _Notes:
    def __init__(self) -> None:
        self.missing: list[str] = []
        self.mistakes: list[str] = []
        self.warnings: list[str] = []


def _filters(
    group: SecurityGroup, visa: Visa, facts: VisaFacts, flavours: Mapping[str, Flavour | None]
) -> tuple[Filter, ...]:
    """Return what limits a group in the old cloud, with the new cloud's flavours in the place of the old ones."""
    found = []
    for object_id, kind in sorted(group.filters):
        if kind != "FLAVOUR":
            found.append(Filter(group.name, kind, object_id, f"{kind.lower()} {object_id}"))
            continue
        old = facts.objects.flavour(object_id)
        for key, one in visa.flavours.items():
            new = flavours[key]
            if old is not None and new is not None and old.cloud == DEFAULT_CLOUD and old.name == (one.like or key):
                found.append(Filter(group.name, kind, new.id, f"flavour {key}"))
    return tuple(found)


def _image(key: str, one: OfferedImage, facts: VisaFacts, project: Project, cloud: int, notes: _Notes) -> Image | None:
    source = _newest(project, one.image)
    if source is None:
        notes.missing.append(f"image {one.image} (visa.images.{key}) is not in the new cloud's Glance, or not active")
        return None
    like = _like(key, one, facts)
    name = one.name or key
    old = facts.objects.images
    for image in old:
        same = image.cloud == cloud and image.compute == source.id and image.name == name
        if cloud and same and one.version in {None, image.version}:
            explicit = {"description": one.description, "boot_command": one.boot_command}
            return replace(image, **{field: text for field, text in explicit.items() if text is not None})  # type: ignore[arg-type]
    if like is None:
        known = ", ".join(sorted(image.label for image in old if image.cloud == DEFAULT_CLOUD)) or "none"
        notes.mistakes.append(
            f"visa.images.{key}.like: VISA has no image {one.like or key} on its default cloud, or more than one of"
            f" that name; it has {known}. Name one, with its version"
        )
        return None
    return replace(
        like,
        id=0,
        name=name,
        version=like.version if one.version is None else one.version,
        description=like.description if one.description is None else one.description,
        boot_command=like.boot_command if one.boot_command is None else one.boot_command,
        cloud=cloud,
        compute=source.id,
        visible=False,
    )


def _newest(project: Project, name: str) -> GlanceImage | None:
    """Return the newest active image of a name: one that changed at its source is a new image beside the old one."""
    found = [image for image in project.images if image.name == name and image.active]
    return max(found, key=lambda image: (image.made, image.id), default=None)


def _like(key: str, one: OfferedImage, facts: VisaFacts) -> Image | None:
    label = one.like or key
    found = [i for i in facts.objects.images if i.cloud == DEFAULT_CLOUD and label in {i.name, i.label}]
    exact = [image for image in found if image.label == label]
    found = exact if len(exact) == 1 else found
    # what we hid it with is no example
    return restored(found[0]) if len(found) == 1 else None


def _flavour(
    key: str, one: OfferedFlavour, facts: VisaFacts, project: Project, cloud: int, notes: _Notes
) -> Flavour | None:
    source = next((flavor for flavor in project.flavors if flavor.name == one.flavor), None)
    if source is None:
        notes.missing.append(f"flavor {one.flavor} (visa.flavours.{key}) is none that VISA's project may use")
        return None
    old = [f for f in facts.objects.flavours if f.cloud == DEFAULT_CLOUD and f.name == (one.like or key)]
    like = old[0] if len(old) == 1 else None
    here = [
        flavour
        for flavour in facts.objects.flavours
        if cloud and flavour.cloud == cloud and flavour.compute == source.id and flavour.name == key
    ]
    if like is None and not here:
        sentence = f"visa.flavours.{key}: VISA has no flavour {one.like or key} on its default cloud"
        if one.like is not None or len(old) > 1:
            notes.mistakes.append(f"{sentence}, or more than one; its limits cannot be copied. Name another one")
            return None
        notes.warnings.append(f"{sentence}; it will have no limits: everybody may use it")
    now = here[0] if here else Flavour(0, key, source.ram, source.vcpus, cloud, source.id)
    # Limits are only ever added: an administrator may have narrowed it meanwhile.
    return replace(
        now,
        memory=source.ram,
        cpu=source.vcpus,
        lifetimes=now.lifetimes or (like.lifetimes if like else ()),
        instruments=_narrowed(now.instruments, like.instruments if like else frozenset()),
        roles=_narrowed(now.roles, like.roles if like else frozenset()),
    )


def _narrowed(now: frozenset[int], like: frozenset[int]) -> frozenset[int]:
    """Return the limits of a flavour: as its example where it has none, for no limit means everybody."""
    return now or like


# ------------------------------------------------------------------------- keys of our own records, in the ledger


def made_image_key(image: Image) -> str:
    """Return the key under which it is written that an image is ours to hide again."""
    return f"made-image-{image.compute}-{_short(image.label)}"


def made_plan_key(image: Image, flavour: Flavour) -> str:
    """Return the key under which it is written that a plan is ours to take back."""
    return f"made-plan-{_short(image.compute + image.label)}-{_short(flavour.compute + flavour.name)}"


def banner_key(message: str) -> str:
    """Return the key under which it is written that a banner is ours to take away."""
    return f"banner-{_short(message)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
