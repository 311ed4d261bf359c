"""The steps on VISA: their words, their parts, and how one is told from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from migration.visa.facts import CloudClient, Flavour, Image, OfferedPlan


class Part(StrEnum):
    """What is done together, in this order; each waits for the one before."""

    CLOUD = "cloud"
    FLAVOURS = "flavours"
    SECURITY_GROUPS = "security-groups"
    IMAGES = "images"
    PLANS = "plans"
    ACCEPTANCE = "acceptance"
    OFFER = "offer"
    SWITCH = "switch"
    WITHDRAWAL = "withdrawal"
    BANNER = "banner"


class Word(StrEnum):
    """One small idempotent act on VISA."""

    REGISTER = "register"
    ROTATE = "rotate"
    PROVE = "prove"
    SAVE_FLAVOUR = "save-flavour"
    CREATE_GROUP = "create-group"
    LIMIT_GROUP = "limit-group"
    SAVE_IMAGE = "save-image"
    CREATE_PLAN = "create-plan"
    TRY = "try"
    SHOW_IMAGE = "show-image"
    SHOW = "show"
    PRESET = "preset"
    HIDE_OLD = "hide-old"
    RESTORE_OLD = "restore-old"
    HIDE = "hide"
    HIDE_IMAGE = "hide-image"
    DELETE_PLAN = "delete-plan"
    ANNOUNCE = "announce"
    WITHDRAW = "withdraw"


CHECKS = frozenset({Word.PROVE, Word.TRY})
"""Words that change nothing that lasts: what they are planned for is not their own end."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a security group of the new cloud is limited to.

    Attributes:
        group: the group's name.
        kind: VISA's word for the sort of object (``ROLE``, ``INSTRUMENT``, ``FLAVOUR`` …).
        object: its id; 0 for a flavour that VISA does not have yet.
        label: the object as people call it.
    """

    group: str
    kind: str
    object: int
    label: str


Target = CloudClient | Image | Flavour | OfferedPlan | Filter | tuple[Image, Flavour] | str | int | None


@dataclass(frozen=True, slots=True)
class VisaStep:
    """One step.

    Attributes:
        part: what it belongs to.
        word: what is done.
        subject: to what, as people call it.
        detail: how, or why, or "".
        target: the object as it shall be, or what else the act needs; not part of what the step is called.
    """

    part: Part
    word: Word
    subject: str
    detail: str = ""
    target: Target = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the line that a preview shows, and by which a step is known again."""
        return f"{self.word} {self.subject}" + (f": {self.detail}" if self.detail else "")
