"""The two releases of OpenStack: which Python, which packages, and where they are installed."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from toolchain import cache

HERE = Path(__file__).parent
UV = "uv==0.6.17"  # the last uv releases that still know Python 3.7 are of this line
NO_PYTHON37 = """\
no Python 3.7 found, and the old cloud's services run on nothing newer. Looked at $STEIN_PYTHON, python3.7 on PATH,
pyenv's versions, and uv ({why}).
Get one, then run this again:
  pyenv install 3.7.16                          (pyenv's own directory is found by itself), or
  pip install '{uv}' && uv python install 3.7   (needs access to github.com), or
  conda create -n py37 python=3.7, then export STEIN_PYTHON=/path/to/envs/py37/bin/python"""


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
            progress(f"{self.name}: installing its packages on Python {self.python} (minutes, once)")
            python = find_python37(progress) if self.python == "3.7" else Path(sys.executable)
            _run([python, "-m", "venv", directory], f"{self.name}: cannot make a virtual environment")
            pip = [directory / "bin" / "python", "-m", "pip", "install", "--quiet"]
            _run([*pip, "-r", self.build_requirements], f"{self.name}: cannot install pip and setuptools")
            _run([*pip, "--no-deps", "-r", self.requirements], f"{self.name}: cannot install its packages")

        return cache.built(self.key(), build, progress)


STEIN = Release("stein", "3.7")
CARACAL = Release("caracal", "3.11")
RELEASES = {release.name: release for release in (STEIN, CARACAL)}


def find_python37(progress: cache.Progress) -> Path:
    """Find a Python 3.7, or have uv fetch one.

    Arguments:
        progress: is told when one is fetched.

    Returns:
        The interpreter.

    Raises:
        LabError: none, and none can be fetched; the message says how to get one.
    """
    for candidate in _candidates():
        if _runs_as_37(candidate):
            return candidate
    return _from_uv(progress)


def _candidates() -> Iterator[Path]:
    named = os.environ.get("STEIN_PYTHON")
    if named:
        if not _runs_as_37(Path(named)):
            raise LabError(f"STEIN_PYTHON={named} does not run as Python 3.7: point it to one, or unset it")
        yield Path(named)
    on_path = shutil.which("python3.7")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from sorted(pyenv.glob("versions/3.7*/bin/python3.7"), reverse=True)


def _runs_as_37(python: Path) -> bool:
    """Say whether it really runs: pyenv's shims are on PATH even for versions that are switched off."""
    try:
        asked = subprocess.run([python, "-c", "import sys, ssl, sqlite3, venv; print(sys.version_info[:2])"],
                               capture_output=True, text=True, check=False, timeout=30)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == "(3, 7)"


def _from_uv(progress: cache.Progress) -> Path:
    def build(directory: Path) -> None:
        progress(f"stein: no Python 3.7 here; fetching one with {UV}")
        _run([sys.executable, "-m", "venv", directory / "uv"], "cannot make a virtual environment for uv")
        _run([directory / "uv" / "bin" / "python", "-m", "pip", "install", "--quiet", UV], f"cannot install {UV}")
        uv = directory / "uv" / "bin" / "uv"
        _run([uv, "python", "install", "--install-dir", directory / "python", "3.7"], "uv cannot fetch Python 3.7")

    try:
        fetched = cache.built(f"lab-python37-{UV.replace('==', '-')}", build, progress)
    except LabError as error:
        raise LabError(NO_PYTHON37.format(uv=UV, why=str(error).splitlines()[-1])) from error
    found = sorted(fetched.glob("python/cpython-3.7*/bin/python3.7"))
    if not found or not _runs_as_37(found[0]):
        raise LabError(NO_PYTHON37.format(uv=UV, why="what it fetched does not run on this machine"))
    return found[0]


def _run(command: list[str | Path], what: str) -> None:
    """Run a command; its last lines are the error when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"{what}: exit code {done.returncode}\n{tail}")
