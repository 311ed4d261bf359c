"""Read values of a stack file before any type is settled, and skip what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from migration.complaints import did_you_mean, path, shown
from migration.errors import Problem

Raw = Mapping[str, object]
"""What stands under ``visa-migration:``, or below, by key."""


def mapping(raw: Raw, key: str) -> Raw:
    """Return what is under a key; empty where that is no mapping."""
    value = raw.get(key)
    return {str(name): entry for name, entry in value.items()} if isinstance(value, Mapping) else {}


def entries(raw: Raw, key: str) -> Iterator[tuple[str, Raw]]:
    """Yield the entries of a mapping that are mappings themselves, by name."""
    for name, entry in mapping(raw, key).items():
        if isinstance(entry, Mapping):
            yield name, entry


def listed(raw: Raw, key: str) -> Sequence[object]:
    """Return what is under a key; empty where that is no list."""
    value = raw.get(key)
    return value if isinstance(value, (list, tuple)) else ()


def text(raw: Raw, key: str) -> str | None:
    """Return what is under a key; None where that is no text, or empty."""
    value = raw.get(key)
    return value if isinstance(value, str) and value else None


def number(raw: Raw, key: str) -> int | None:
    """Return what is under a key; None where that is no whole number."""
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def unknown(name: str | None, known: Raw, section: str, place: Sequence[str | int]) -> Iterator[Problem]:
    """Yield the mistake where a name is declared nowhere in its section."""
    if name is not None and name not in known:
        hint = did_you_mean(name, known) if known else f"declare it under {section}"
        yield Problem(path(place), f"{shown(name)} is not declared under {section}; {hint}")
