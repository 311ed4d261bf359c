"""How many requests one look at both clouds takes."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

from benchmarks.measure import requests_counted
from lab import LabError
from migration.adapters import rest
from migration.observe import look
from migration.settings import CaracalSettings, Membership

LEAVING = 3
SMALL_PAGE = 20


def requests_of_looks(settings: CaracalSettings) -> dict[str, Counter[str]]:
    """Look at both clouds in three ways, and count.

    Arguments:
        settings: the stack's, with every node in the old cloud.

    Returns:
        The requests by kind; of a look while nobody leaves, while ``LEAVING`` nodes do, and with small pages.

    Raises:
        LabError: a cloud could not be asked.
    """
    leaving = dict(settings.nodes)
    for name in list(leaving)[:LEAVING]:
        leaving[name] = leaving[name].model_copy(update={"membership": Membership.CARACAL})
    counted = {
        "nobody leaves": _requests_of(settings),
        f"{LEAVING} nodes leave": _requests_of(settings.model_copy(update={"nodes": leaving})),
    }
    with patch.object(rest, "PAGE", SMALL_PAGE):
        counted[f"pages of {SMALL_PAGE}"] = _requests_of(settings)
    return counted


def _requests_of(settings: CaracalSettings) -> Counter[str]:
    with requests_counted() as counter:
        facts = look(settings)
    error = facts.old_error or facts.new_error
    if error:
        raise LabError(f"a cloud of the lab could not be asked, so the count is no look's: {error}")
    return counter
