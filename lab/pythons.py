"""Find the Pythons that the two releases need, or have uv fetch one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from toolchain import cache

UV = "uv==0.6.17"  # later ones do not know Python 3.7 any more
MISSING = """\
no Python {version} found, and {cloud}'s services run on nothing else. Looked at ${variable}, python{version} on PATH,
pyenv's versions, and uv ({why}).
Get one, then run this again:
  pyenv install {version}                         (pyenv's versions are found even when they are switched off), or
  pip install '{uv}' && uv python install {version}   (needs access to github.com), or
  conda create -n py{version} python={version}, then export {variable}=/path/to/envs/py{version}/bin/python"""


def find(version: str, cloud: str, progress: cache.Progress) -> Path:
    """Find a Python of this version, or have uv fetch one.

    Arguments:
        version: such as ``3.7``.
        cloud: the cloud that needs it.
        progress: is told when one is fetched.

    Returns:
        The interpreter.

    Raises:
        LabError: there is none, and none can be fetched; the message says how to get one.
    """
    for candidate in _candidates(version, cloud):
        if _runs(candidate, version):
            return candidate
    try:
        return _from_uv(version, progress)
    except LabError as error:
        why = str(error).splitlines()[-1].strip()
        message = MISSING.format(version=version, cloud=cloud, variable=_variable(cloud), why=why, uv=UV)
        raise LabError(message) from error


def _variable(cloud: str) -> str:
    return f"{cloud.upper()}_PYTHON"


def _candidates(version: str, cloud: str) -> Iterator[Path]:
    named = os.environ.get(_variable(cloud))
    if named:
        if not _runs(Path(named), version):
            raise LabError(f"{_variable(cloud)}={named} does not run as Python {version}: point it to one, or unset it")
        yield Path(named)
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _runs(python: Path, version: str) -> bool:
    """Say whether it really runs: pyenv's shims are on PATH even for versions that are switched off."""
    ask: list[str | Path] = [python, "-c", "import ssl, sqlite3, venv, sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        asked = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version


def _from_uv(version: str, progress: cache.Progress) -> Path:
    def build(directory: Path) -> None:
        progress(f"no Python {version} here; fetching one with {UV}")
        run([sys.executable, "-m", "venv", directory / "uv"], "cannot make a virtual environment for uv")
        run([directory / "uv" / "bin" / "python", "-m", "pip", "install", "--quiet", UV], f"cannot install {UV}")
        uv = directory / "uv" / "bin" / "uv"
        run([uv, "python", "install", "--install-dir", directory / "python", version], f"uv cannot fetch {version}")

    fetched = cache.built(f"lab-python-{version}-{UV.replace('==', '-')}", build, progress)
    found = sorted(fetched.glob(f"python/*/bin/python{version}"))
    if not found or not _runs(found[0], version):
        raise LabError(f"what uv fetched to {fetched} does not run on this machine")
    return found[0]


def run(command: list[str | Path], what: str) -> None:
    """Run a command that installs something; its last lines are the error when it fails.

    Arguments:
        command: the command.
        what: the error's first words.

    Raises:
        LabError: it failed.
    """
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"{what}: exit code {done.returncode}\n{tail}")
