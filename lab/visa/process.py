"""A lab's VISA from outside: started, found, reached."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from lab import ports, processes
from lab.errors import LabError
from lab.state import State
from lab.visa import files
from lab.visa.population import Population

ROOT = Path(__file__).parents[2]
NAME = "visa"
PASSED_ON = ("HOME", "LANG", "PATH", "TMPDIR", "TZ", "VISA_MIGRATION_CACHE")


class VisaLab:
    """A lab's VISA, which may not be there.

    Arguments:
        directory: the lab's.
        progress: is told what takes long.

    Attributes:
        files: what it keeps where.
    """

    def __init__(self, directory: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        self.directory = directory
        self.files = files.of(directory)
        self._progress = progress

    @property
    def made(self) -> bool:
        """Whether the lab has a VISA."""
        return self.files.population.exists()

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return any(each.cloud == NAME for each in processes.running(self.directory))

    def up(self, population: Population | None = None) -> None:
        """Start it; one that runs goes on, and one that has run before goes on from where its clock stood.

        Arguments:
            population: what it begins with, where it is new.

        Raises:
            LabError: there is no lab, or VISA does not start.
        """
        state = self._state()
        if not self.made:
            self.files.directory.mkdir(mode=0o700, exist_ok=True)
            (population or Population()).save(self.files.population)
        if self.running:
            return
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command: list[str | Path] = [sys.executable, "-m", "lab.visa.main", self.directory]
        process = processes.start(command, self.directory, NAME, NAME, self.files.log, environment)
        processes.wait_answer(ports.visa(state.port), NAME, process, [self.files.log])
        self._progress(f"visa: up at {self.endpoint}")

    def down(self) -> None:
        """End it; what it has stays.

        Raises:
            LabError: it does not end.
        """
        processes.end(self.directory, lambda each: each.cloud == NAME)

    @property
    def endpoint(self) -> str:
        """Where it answers.

        Raises:
            LabError: there is no lab.
        """
        return f"http://127.0.0.1:{ports.visa(self._state().port)}"

    def environment(self) -> dict[str, str]:
        """Return the variables to set in order to use it as an administrator."""
        return {"VISA_ENDPOINT": self.endpoint, "VISA_TOKEN_FILE": str(self.files.admin_token)}

    def _state(self) -> State:
        state = State.load(self.directory)
        if state is None:
            raise LabError(f"there is no lab in {self.directory}")
        return state
