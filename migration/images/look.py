"""Look at the images of both clouds."""

from __future__ import annotations

from collections.abc import Callable

from migration.errors import CloudError
from migration.images.facts import ImagesFacts
from migration.images.settings import Source
from migration.observe import Cloud, open_cloud
from migration.settings import CaracalSettings


def look_at_images(settings: CaracalSettings, open_: Callable[[str], Cloud] = open_cloud) -> ImagesFacts:
    """Look once at all images that the settings name.

    Arguments:
        settings: which ones, and the clouds.
        open_: how to log in to a cloud.

    Returns:
        The facts; where a cloud cannot be asked, only why.
    """
    if not settings.images:
        return ImagesFacts()
    wanted = {image.name or name: image for name, image in settings.images.items() if image.source is Source.STEIN}
    try:
        new = open_(settings.clouds.new).glance
        present = {name: tuple(new.images(name)) for name in settings.images}
        if not wanted or settings.clouds.old is None:
            return ImagesFacts(present=present)
        old = open_(settings.clouds.old).glance
        sources = {name: tuple(each for each in old.images(name) if each.status == "active") for name in wanted}
    except CloudError as error:
        return ImagesFacts(error=str(error))
    return ImagesFacts(sources, present)
