"""What we write into VISA about our own acts, so that the way back undoes only them.

An old image that we hid carries in its description what it was before: written with the same change, and readable as
long as VISA itself lives, also when the new cloud or any state file is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from migration.visa.facts import Image

_MARK: Final = re.compile(
    r"\n?\[visa-migration: hidden; was (?P<shown>visible|hidden), extensions (?P<extensions>[A-Z]+|none set)"
    r"(?:, preset plan (?P<plan>[0-9]+))?\]"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What an old image was before it was hidden.

    Attributes:
        visible: whether users were offered it.
        extensions: whose requests for more time were granted, or None.
        plan: VISA's number of its plan that was the preset, or None where none was.
    """

    visible: bool
    extensions: str | None
    plan: int | None


def mark_of(image: Image) -> Mark | None:
    """Return our mark on an image, or None where it has none."""
    found = _MARK.search(image.description or "")
    if found is None:
        return None
    extensions = found["extensions"] if found["extensions"] != "none set" else None
    return Mark(found["shown"] == "visible", extensions, int(found["plan"]) if found["plan"] else None)


def hidden(image: Image, preset: int | None) -> Image:
    """Return an old image hidden, without automatic extensions, and with our mark.

    Arguments:
        image: as it is.
        preset: VISA's number of its plan that is the preset, or None.

    Returns:
        The image to write; a mark that is there already stays: it tells of the time before us.
    """
    described = image.description
    if mark_of(image) is None:
        shown = "visible" if image.visible else "hidden"
        plan = f", preset plan {preset}" if preset is not None else ""
        mark = f"[visa-migration: hidden; was {shown}, extensions {image.extensions or 'none set'}{plan}]"
        described = f"{described}\n{mark}" if described else mark
    return replace(image, visible=False, extensions="NONE", description=described)


def restored(image: Image) -> Image:
    """Return an image as it was before we hid it; unchanged where we did not."""
    mark = mark_of(image)
    if mark is None:
        return image
    described = _MARK.sub("", image.description or "") or None
    return replace(image, visible=mark.visible, extensions=mark.extensions, description=described)
