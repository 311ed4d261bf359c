"""The language host, asked as an engine asks it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc
from tiny_project import wait_for

from toolchain import pins


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(pins.HERE / "host" / "server.py"), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.fixture
def host(server: subprocess.Popen[str]) -> Iterator[Any]:
    assert server.stdout
    with grpc.insecure_channel(f"127.0.0.1:{int(server.stdout.readline())}") as channel:
        yield language_pb2_grpc.LanguageRuntimeStub(channel)


@pytest.fixture
def info(tmp_path: Path) -> Any:
    return program_info(tmp_path, virtualenv="venv")


def program_info(directory: Path, **options: str) -> Any:
    made = language_pb2.ProgramInfo(root_directory=str(directory), program_directory=str(directory), entry_point=".")
    made.options.update(options)
    return made


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "venv").symlink_to(sys.prefix)
    return tmp_path / "venv"


def test_it_tells_the_plugins_of_the_installed_packages(host: Any, info: Any, venv: Path) -> None:
    packages = host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info)).packages
    plugins = host.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest(info=info)).plugins

    assert [(p.name, p.kind, p.version) for p in packages] == [("openstack", "resource", "v5.5.1")]
    assert [(p.name, p.kind, p.version) for p in plugins] == [("openstack", "resource", "v5.5.1")]


def test_it_tells_the_dependencies(host: Any, info: Any, venv: Path) -> None:
    def names(**which: bool) -> set[str]:
        request = language_pb2.GetProgramDependenciesRequest(info=info, **which)
        return {dependency.name for dependency in host.GetProgramDependencies(request).dependencies}

    assert {"pulumi", "pulumi_openstack"} <= names(transitiveDependencies=True)
    assert "hypothesis" in names()  # nothing requires it
    assert "pulumi" not in names()  # pulumi_openstack requires it


def test_it_installs_and_tells_how_it_goes(host: Any, info: Any, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-package-anywhere @ file:///nowhere\n")

    answers = host.InstallDependencies(language_pb2.InstallDependenciesRequest(info=info))
    said: list[bytes] = []
    with pytest.raises(grpc.RpcError, match="exit code 1, see above"):
        said.extend(answer.stdout + answer.stderr for answer in answers)

    assert (tmp_path / "venv" / "bin" / "python").exists()
    assert b"-m venv" in b"".join(said)
    assert b"/nowhere" in b"".join(said)


@pytest.mark.parametrize("option", [{"toolchain": "poetry"}, {"typechecker": "mypy"}])
def test_it_refuses_what_it_does_not_know(host: Any, tmp_path: Path, option: dict[str, str]) -> None:
    request = language_pb2.GetRequiredPackagesRequest(info=program_info(tmp_path, **option))

    with pytest.raises(grpc.RpcError, match="knows no runtime option but `virtualenv`"):
        host.GetRequiredPackages(request)


def test_it_runs_a_plugin(host: Any, info: Any, venv: Path, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import os, sys\n"
        "print(sys.argv[1:], os.environ['GIVEN'], os.getcwd(), flush=True)\n"
        "print('not well', file=sys.stderr)\n"
        "sys.exit(7)\n"
    )
    request = language_pb2.RunPluginRequest(info=info, args=["one", "two"], env=["GIVEN=a=b"], pwd="/", kind="resource")

    answers = list(host.RunPlugin(request))

    assert b"".join(answer.stdout for answer in answers) == b"['one', 'two'] a=b /\n"
    assert b"".join(answer.stderr for answer in answers) == b"not well\n"
    assert answers[-1].exitcode == 7


def test_a_plugin_ends_with_its_call(host: Any, info: Any, venv: Path, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(f"import os, time\n{SLEEPS}")
    call = host.RunPlugin(language_pb2.RunPluginRequest(info=info, kind="resource", pwd=str(tmp_path)))
    plugin = started(tmp_path)

    call.cancel()

    wait_for("the plugin's end", lambda: not alive(plugin))


SLEEPS = "open('part', 'w').write(str(os.getpid())); os.rename('part', 'pid'); time.sleep(600)\n"


def started(directory: Path) -> int:
    wait_for("the program's start", (directory / "pid").exists)
    return int((directory / "pid").read_text())


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def run_slow_plugin(host: Any, info: Any, directory: Path, first: str = "") -> tuple[Any, int]:
    (directory / "__main__.py").write_text(f"import os, signal, time\n{first}\n{SLEEPS}")
    call = host.RunPlugin(language_pb2.RunPluginRequest(info=info, kind="resource", pwd=str(directory)))
    return call, started(directory)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("first", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"], ids=["polite", "deaf"])
def test_a_signal_ends_it_and_what_it_runs(
    server: subprocess.Popen[str], host: Any, info: Any, venv: Path, tmp_path: Path, number: int, first: str
) -> None:
    _call, plugin = run_slow_plugin(host, info, tmp_path, first)

    server.send_signal(number)  # only the host: it has to end its program itself

    assert server.wait() == 0
    assert not alive(plugin)


def test_cancel_ends_the_program_and_not_the_host(
    server: subprocess.Popen[str], host: Any, info: Any, venv: Path, tmp_path: Path
) -> None:
    call, plugin = run_slow_plugin(host, info, tmp_path)

    host.Cancel(empty_pb2.Empty())

    wait_for("the program's end", lambda: not alive(plugin))
    list(call)
    assert server.poll() is None


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    server = str(pins.HERE / "host" / "server.py")
    engine = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import subprocess, sys, time
host = subprocess.Popen([sys.executable, {server!r}], process_group=0, stdout=subprocess.PIPE)
host.stdout.readline()
print(host.pid, flush=True)
time.sleep(600)
""",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with engine:
        assert engine.stdout
        host = int(engine.stdout.readline())
        os.kill(engine.pid, signal.SIGKILL)

    wait_for("the host's end", lambda: not alive(host))
