"""Which hooks run where the stack file names none: our own, where what they need is declared."""

from __future__ import annotations

from typing import Final

from migration.settings import CaracalSettings, Hook, Hooks

COMMAND: Final = ("visa-migration", "hook")
JOIN_TIMEOUT: Final = 7200
"""Seconds for one wave: pulling all images of a compute host over a slow line takes most of it."""

LEAVE_TIMEOUT: Final = 600


def own_hooks(settings: CaracalSettings) -> Hooks:
    """Fill in our own hooks.

    Arguments:
        settings: what the stack file says.

    Returns:
        Its hooks; ``join`` is ours where ``kolla`` is declared, ``leave`` and ``join_old`` where ``hooks.old_ansible``
        is, unless the file names others.
    """
    hooks = settings.hooks
    own: dict[str, Hook] = {}
    if settings.kolla is not None:
        own["join"] = Hook(argv=(*COMMAND, "join", "{nodes}"), timeout=JOIN_TIMEOUT)
    if hooks.old_ansible is not None:
        own["leave"] = Hook(argv=(*COMMAND, "leave", "{node}"), timeout=LEAVE_TIMEOUT)
        own["join_old"] = Hook(argv=(*COMMAND, "join-old", "{node}"), timeout=LEAVE_TIMEOUT)
    return hooks.model_copy(update={kind: hook for kind, hook in own.items() if getattr(hooks, kind) is None})
