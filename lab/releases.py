"""The two releases of OpenStack: which Python, which packages, and where they are installed."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from lab import pythons
from toolchain import cache

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Release:
    """One release of OpenStack.

    Attributes:
        name: the cloud that runs it, ``stein`` or ``caracal``.
        python: the version that its services run on.
    """

    name: str
    python: str

    @property
    def requirements(self) -> Path:
        """The frozen list of its packages."""
        return HERE / f"requirements-{self.name}.txt"

    @property
    def build_requirements(self) -> Path:
        """The frozen list of what installs them."""
        return HERE / f"requirements-{self.name}-build.txt"

    def key(self) -> str:
        """Return what the installation depends on, as a cache key."""
        pins = self.requirements.read_bytes() + self.build_requirements.read_bytes()
        return f"lab-{self.name}-{hashlib.sha256(pins + platform.machine().encode()).hexdigest()[:12]}"

    def installed(self, progress: cache.Progress) -> Path:
        """Return the virtual environment with this release, built first if it is not there.

        Arguments:
            progress: is told what takes long.

        Returns:
            The virtual environment's directory.

        Raises:
            LabError: no such Python, or a package cannot be installed.
        """

        def build(directory: Path) -> None:
            python = pythons.find(self.python, self.name, progress)
            progress(f"{self.name}: installing its packages on {python} (minutes, once)")
            pythons.run([python, "-m", "venv", directory], f"{self.name}: cannot make a virtual environment")
            pip: list[str | Path] = [directory / "bin" / "python", "-m", "pip", "install", "--quiet"]
            pythons.run([*pip, "-r", self.build_requirements], f"{self.name}: cannot install pip and setuptools")
            pythons.run([*pip, "--no-deps", "-r", self.requirements], f"{self.name}: cannot install its packages")

        return cache.built(self.key(), build, progress)


STEIN = Release("stein", "3.7")
CARACAL = Release("caracal", "3.11")
RELEASES = {release.name: release for release in (STEIN, CARACAL)}
