"""Find the engine, the language host and the provider, or build them once into the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain import cache, commands, golang, pins

_HOST_FILES = ("pulumi-language-python", "pulumi-resource-pulumi-python")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Tools that are there.

    Attributes:
        engine: the ``pulumi`` program.
        home: PULUMI_HOME with the OpenStack plugin, or None where the user's own has the official one.
    """

    engine: Path
    home: Path | None

    def environment(self) -> dict[str, str]:
        """Return the variables to add to a process that is to use these tools."""
        path = os.environ.get("PATH", os.defpath)
        directory = str(self.engine.parent)
        variables = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
        if directory not in path.split(os.pathsep):
            variables["PATH"] = f"{directory}{os.pathsep}{path}"
        else:
            variables["PATH"] = path
        if self.home:
            variables["PULUMI_HOME"] = str(self.home)
            variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return variables


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that the cache holds.

    Attributes:
        name: what people call it.
        key: its key in the cache.
        build: fills its directory.
        note: what building it takes.
    """

    name: str
    key: str
    build: Callable[[Path, cache.Progress], None]
    note: str

    def ensure(self, progress: cache.Progress) -> Path:
        """Return its directory, built first if it is not there."""
        took = None

        def build(directory: Path) -> None:
            nonlocal took
            progress(f"{self.name}: building; {self.note}")
            started = time.monotonic()
            self.build(directory, progress)
            took = time.monotonic() - started

        directory = cache.built(self.key, build, progress)
        progress(f"{self.name}: ready" if took is None else f"{self.name}: built in {took:.0f} s")
        return directory


def ensure(progress: cache.Progress = lambda _: None) -> Toolchain:
    """Return the tools: the official ones of the right version if they are installed, else built once into the cache.

    Arguments:
        progress: is told a line for each part.

    Returns:
        The tools.

    Raises:
        ToolchainError: something cannot be had; says what, why and what to do.
    """
    official = _official_engine()
    if official and _has_official_plugin(official):
        progress(f"engine {pins.ENGINE}, language host and provider {pins.PROVIDER}: the installed ones ({official})")
        return Toolchain(official, None)
    together = _tools(official)
    if cache.present(together.key) is None:
        for part in _parts(official):
            part.ensure(progress)
    tools = together.ensure(progress)
    return Toolchain(official or tools / "bin" / "pulumi", tools / "home")


def status() -> list[str]:
    """Return a line for each part: where it is, or that it has yet to be built."""
    official = _official_engine()
    lines = [f"cache: {cache.root()}", f"official pulumi {pins.ENGINE}: {official or 'not on PATH'}"]
    if official and _has_official_plugin(official):
        return [*lines, f"official openstack plugin {pins.PROVIDER}: installed"]
    parts = _parts(official)
    lines += [f"{part.name}: {cache.present(part.key) or 'not built yet'}" for part in [*parts, _tools(official)]]
    if not all(cache.present(part.key) for part in parts):
        lines.append(f"go: {golang.find() or 'none new enough on PATH; PyPI has it'}")
    return lines


def _official_engine() -> Path | None:
    """Return an installed ``pulumi`` of our version that has its language host beside it."""
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("pulumi", path=directory)
        if found is None or Path(found).resolve().is_relative_to(cache.root().resolve()):
            continue  # ours, from an earlier `python -m toolchain env`
        host = Path(found).resolve().parent / "pulumi-language-python"
        asked = subprocess.run([found, "version"], capture_output=True, text=True, check=False)
        # Only the first one counts: it is what a person gets who types `pulumi`.
        return Path(found) if host.exists() and asked.stdout.strip() == f"v{pins.ENGINE}" else None
    return None


def _has_official_plugin(engine: Path) -> bool:
    """Say whether the user's own PULUMI_HOME has the OpenStack plugin of our version."""
    asked = subprocess.run([engine, "plugin", "ls", "--json"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return False
    plugins = json.loads(asked.stdout or "[]")
    return any((plugin["name"], plugin.get("version")) == ("openstack", pins.PROVIDER) for plugin in plugins)


def _parts(official: Path | None) -> list[Part]:
    """Return what has to be built beside an official engine, or without one."""
    return [_provider()] if official else [_engine(), _host(), _provider()]


def _files(directory: str, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in (pins.HERE / directory).glob(pattern)]


def _engine() -> Part:
    def build(directory: Path, progress: cache.Progress) -> None:
        golang.build(
            pins.HERE / "engine",
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{pins.ENGINE}",
            directory / "pulumi",
            f"the Pulumi engine {pins.ENGINE}",
            progress,
        )

    key = pins.digest(_files("engine", "go.*", "*.go"), pins.ENGINE)
    return Part(f"engine {pins.ENGINE}", f"engine-{key}", build, "the first time takes some minutes")


def _provider() -> Part:
    def build(directory: Path, progress: cache.Progress) -> None:
        golang.build(
            pins.HERE / "provider",
            ".",
            f"main.version={pins.PROVIDER}",
            directory / "pulumi-resource-openstack",
            f"the OpenStack provider {pins.PROVIDER}",
            progress,
        )

    key = pins.digest(_files("provider", "go.*", "*.go", "*.json"), pins.PROVIDER)
    return Part(f"provider openstack {pins.PROVIDER}", f"provider-{key}", build, "the first time takes some minutes")


def _host() -> Part:
    """Return the language host; its virtual environment is its own, for no clone of the project owns the cache."""
    source = pins.HERE / "host"

    def build(directory: Path, _progress: cache.Progress) -> None:
        for path in [*source.glob("*.py"), source / "requirements.txt"]:
            shutil.copy(path, directory)
        for name in _HOST_FILES:
            launcher = directory / name
            launcher.write_text((source / name).read_text().replace("@HOST@", str(directory)))
            launcher.chmod(0o755)
        mend = "PyPI, or the index that pip is configured for, must be reachable."
        venv = directory / "venv"
        commands.run("make the language host's Python", [sys.executable, "-m", "venv", str(venv)], directory, mend)
        install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        commands.run("install the language host", [*install, "-r", "requirements.txt"], directory, mend)

    files = _files("host", "*.py", "requirements.txt", "pulumi-*")
    key = pins.digest(files, sys.version, sys.base_prefix)
    return Part(f"language host {pins.ENGINE}", f"host-{key}", build, "takes half a minute")


def _tools(official: Path | None) -> Part:
    """Return the directory with everything in its place: ``bin`` for PATH, ``home`` for PULUMI_HOME."""

    def build(directory: Path, _progress: cache.Progress) -> None:
        (directory / "bin").mkdir()
        if official is None:
            # Not linked by name: the engine looks for its plugins beside the file that it really is.
            _place(_engine().ensure(_quietly) / "pulumi", directory / "bin" / "pulumi")
            for name in _HOST_FILES:
                _place(_host().ensure(_quietly) / name, directory / "bin" / name)
        provider = _provider().ensure(_quietly) / "pulumi-resource-openstack"
        home = directory / "home"
        home.mkdir()
        selected = cache.root() / "workspaces"  # which stack is selected in which clone: outlives these tools
        selected.mkdir(exist_ok=True)
        (home / "workspaces").symlink_to(selected)
        engine = official or directory / "bin" / "pulumi"
        # From $PATH the engine would use the plugin too, with a warning at every run.
        commands.run(
            "install the OpenStack provider for the engine",
            [str(engine), "plugin", "install", "resource", "openstack", pins.PROVIDER, "--file", str(provider)],
            directory,
            "Run `python -m toolchain ensure` again.",
            {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )

    key = pins.digest([Path(__file__)], *(part.key for part in _parts(official)))
    return Part("tools", f"tools-{key}", build, "puts the parts together")


def _quietly(_line: str) -> None:
    """Say nothing: of this part a line has been said already."""


def _place(source: Path, target: Path) -> None:
    """Let the file be at both places; the engine alone is 115 MB."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
