"""What a lab's VISA keeps where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a lab's VISA.

    Attributes:
        directory: where they are.
    """

    directory: Path

    @property
    def database(self) -> Path:
        """Its database; it is there once VISA has begun."""
        return self.directory / "visa.sqlite"

    @property
    def population(self) -> Path:
        """What it begins with."""
        return self.directory / "population.json"

    @property
    def environment(self) -> Path:
        """Its ``VISA_CLOUD_*`` variables, secret included."""
        return self.directory / "environment"

    @property
    def admin_token(self) -> Path:
        """The administrator's token."""
        return self.directory / "admin.token"

    @property
    def tokens(self) -> Path:
        """Everybody's token, by name, as JSON."""
        return self.directory / "tokens.json"

    @property
    def owners(self) -> Path:
        """The log of who ended and started which server."""
        return self.directory / "owners.jsonl"

    @property
    def log(self) -> Path:
        """What it has to say."""
        return self.directory / "visa.log"


def of(lab: Path) -> Files:
    """Return the files of a lab's VISA, by the lab's directory."""
    return Files(lab / "visa")


def write_secret(file: Path, content: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(content)
    fresh.replace(file)
