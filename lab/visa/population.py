"""What a lab's VISA begins with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from lab.visa import files


@dataclass(frozen=True, slots=True)
class Population:
    """What a lab's VISA begins with.

    Attributes:
        immortal: instances that never end.
        booked: instances of a course; each booking has a second voucher that nobody has used.
        unknown: servers that VISA does not know.
        factor: how fast its clock runs.
        at: what its clock shows at the beginning, as 2026-11-23T09:00; "": the machine's own time.
        seed: the same ages for the same number.
    """

    immortal: int = 0
    booked: int = 0
    unknown: int = 0
    factor: float = 1
    at: str = ""
    seed: int = 1

    @classmethod
    def load(cls, file: Path) -> Population:
        """Return what was saved in this file."""
        return cls(**json.loads(file.read_text()))

    def save(self, file: Path) -> None:
        """Save this in a file."""
        files.write_secret(file, json.dumps(asdict(self)))

    @property
    def now(self) -> datetime:
        """What its clock shows at the beginning."""
        return datetime.fromisoformat(self.at) if self.at else datetime.now()
