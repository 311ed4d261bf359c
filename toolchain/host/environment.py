"""The Python that a program runs with, and what is installed there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# Packages named like a provider's that have no plugin.
_NO_PLUGIN = {"pulumi-policy", "pulumi-esc-sdk"}


class EnvironmentProblem(Exception):
    """The program's Python cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Python:
    """A Python interpreter.

    Attributes:
        executable: its path.
        virtualenv: the virtual environment that it belongs to, or None.
    """

    executable: str
    virtualenv: Path | None = None

    def variables(self) -> dict[str, str]:
        """Return the environment of a process run with it: as if its virtual environment were activated."""
        variables = dict(os.environ)
        if self.virtualenv:
            variables["VIRTUAL_ENV"] = str(self.virtualenv)
            variables["PATH"] = f"{self.virtualenv / 'bin'}{os.pathsep}{variables.get('PATH', os.defpath)}"
            variables.pop("PYTHONHOME", None)
        return variables


def virtualenv(options: dict[str, Any], root: Path) -> Path | None:
    """Return the virtual environment that the project names.

    Arguments:
        options: ``runtime.options`` of Pulumi.yaml.
        root: the project's directory, which a relative path starts from.

    Returns:
        Its directory, which may not exist; None where the project names none.

    Raises:
        EnvironmentProblem: an option that only the official language host knows.
    """
    if options.get("toolchain", "pip") != "pip" or options.get("typechecker"):
        raise EnvironmentProblem(
            "Pulumi.yaml: this Python language host knows no runtime option but `virtualenv` (and `toolchain: pip`); "
            "for `toolchain` and `typechecker` install Pulumi's own, which comes with the official pulumi"
        )
    named = options.get("virtualenv")
    return (root / str(named)) if named else None


def python(options: dict[str, Any], root: Path) -> Python:
    """Return the Python for a program: of its virtual environment, or else of the PATH.

    Arguments:
        options: ``runtime.options`` of Pulumi.yaml.
        root: the project's directory.

    Returns:
        The Python.

    Raises:
        EnvironmentProblem: there is none; the text says how to get it.
    """
    directory = virtualenv(options, root)
    if directory is None:
        found = shutil.which("python3") or shutil.which("python")
        if not found:
            raise EnvironmentProblem(
                "there is no python3 on PATH; install Python or name a `virtualenv` in Pulumi.yaml"
            )
        return Python(found)
    executable = directory / "bin" / "python"
    if not executable.exists():
        what = "is not a virtual environment" if directory.exists() else "does not exist"
        raise EnvironmentProblem(
            f"the virtual environment {directory}, named in Pulumi.yaml, {what}; `pulumi install` makes it "
            "and installs requirements.txt into it"
        )
    return Python(str(executable), directory)


def describe(interpreter: Python) -> dict[str, Any]:
    """Return what an interpreter has installed.

    Arguments:
        interpreter: the Python to ask.

    Returns:
        ``executable``, ``version`` and ``packages``, each with ``name``, ``version``, ``required`` (by another one) and
        ``plugin`` (what its pulumi-plugin.json says).

    Raises:
        EnvironmentProblem: it could not be asked.
    """
    command = [interpreter.executable, str(HERE / "describe.py")]
    done = subprocess.run(command, env=interpreter.variables(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentProblem(f"{interpreter.executable} cannot list its packages: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def plugins(packages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the Pulumi plugins that packages need.

    Arguments:
        packages: as ``describe`` returns them.

    Returns:
        For each plugin ``name``, ``version`` (``v1.2.3``), ``server`` and ``parameterization`` (or None).
    """
    needed = []
    for package in packages:
        name = package["name"].replace("_", "-").lower()
        plugin = package["plugin"]
        if plugin is None:
            if not name.startswith("pulumi-") or name in _NO_PLUGIN:
                continue
            plugin = {"resource": True}
        version = plugin.get("version") or package["version"]
        # The version of a plugin cannot be told from that of a pre-release package.
        if not plugin.get("resource") or not (plugin.get("version") or re.fullmatch(r"\d+(\.\d+){2}", version)):
            continue
        needed.append(
            {
                "name": plugin.get("name") or name.removeprefix("pulumi-"),
                "version": version if version.startswith("v") else f"v{version}",
                "server": plugin.get("server") or "",
                "parameterization": plugin.get("parameterization"),
            }
        )
    return needed


def install_commands(options: dict[str, Any], root: Path, program: Path, *, plugin: bool) -> list[list[str]]:
    """Return the commands that install what a program requires.

    Arguments:
        options: ``runtime.options`` of Pulumi.yaml.
        root: the project's directory.
        program: the program's directory, which holds requirements.txt.
        plugin: the program is a plugin, whose virtual environment is ``venv`` unless it names another.

    Returns:
        The commands, to be run in the program's directory.

    Raises:
        EnvironmentProblem: there is no Python to begin with.
    """
    directory = virtualenv({"virtualenv": "venv", **options} if plugin else options, root)
    base = python({}, root).executable
    commands = []
    if directory is not None and not (directory / "bin" / "python").exists():
        commands.append([base, "-m", "venv", str(directory)])
    pip = [str(directory / "bin" / "python") if directory else base, "-m", "pip", "install"]
    if (program / "requirements.txt").is_file():
        commands.append([*pip, "-r", "requirements.txt"])
    elif plugin and (program / "pyproject.toml").is_file():
        commands.append([*pip, "."])
    return commands
