# ruff: noqa: N802, ARG002 - the protocol gives the calls their names and arguments
"""Answer a Pulumi engine that wants to run programs written in Python.

Started by the engine: ``server.py [...] [ENGINE]``, with the engine's address. Prints the port that it serves on, and
ends with the engine, or at once on SIGINT or SIGTERM: the engine waits 5 s for each plugin that does not.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

if TYPE_CHECKING:
    from toolchain.host import children, environment
    from toolchain.host.end_with_parent import end_with_parent
else:  # run by path: the files beside this one
    import children
    import environment
    from end_with_parent import end_with_parent

SHOWN = 32  # exit code of program.py: the error has been shown
_MESSAGE_LIMIT = 400 * 1024 * 1024  # bytes, as in the engine
_CALLS = 32  # at a time: each policy pack or plugin of a run holds one


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """The calls of ``pulumirpc.LanguageRuntime`` that running programs and plugins takes.

    Arguments:
        engine: the engine's address.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(self, request: language_pb2.LanguageHandshakeRequest, context: Any) -> Any:
        """Learn the engine's address."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """Tell the version."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def Cancel(self, request: Any, context: Any) -> Any:
        """Interrupt the running program."""
        threading.Thread(target=children.end_all).start()  # the engine does not wait for it
        return empty_pb2.Empty()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """Tell which plugins the program's packages need."""
        needed = []
        for plugin in environment.plugins(_described(request.info, context)["packages"]):
            package = plugin_pb2.PackageDependency(
                name=plugin["name"], kind="resource", version=plugin["version"], server=plugin["server"]
            )
            parameter = plugin["parameterization"]
            if parameter:
                package.parameterization.name = parameter["name"]
                package.parameterization.version = parameter["version"]
                package.parameterization.value = base64.b64decode(parameter.get("value") or "")
            needed.append(package)
        return language_pb2.GetRequiredPackagesResponse(packages=needed)

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        """Tell an older engine the same as ``GetRequiredPackages``."""
        plugins = [
            plugin_pb2.PluginDependency(name=p["name"], kind="resource", version=p["version"], server=p["server"])
            for p in environment.plugins(_described(request.info, context)["packages"])
        ]
        return language_pb2.GetRequiredPluginsResponse(plugins=plugins)

    def About(self, request: Any, context: Any) -> Any:
        """Tell which Python the program runs with."""
        if not request.info.root_directory:  # asked outside a project
            return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())
        found = _described(request.info, context)
        return language_pb2.AboutResponse(executable=found["executable"], version=found["version"])

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """Tell the installed packages: all of them, or those that no other one requires."""
        packages = _described(request.info, context)["packages"]
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=package["name"], version=package["version"])
                for package in packages
                if request.transitiveDependencies or not package["required"]
            ]
        )

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        """Ask nothing when a project is created."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Make the virtual environment and install what the program requires, telling all the time how it goes."""
        info = request.info
        answer = language_pb2.InstallDependenciesResponse
        try:
            commands = environment.install_commands(
                _options(info), Path(info.root_directory), Path(info.program_directory), plugin=request.is_plugin
            )
        except environment.EnvironmentProblem as problem:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        for command in commands:
            yield answer(stdout=f"{' '.join(command)}\n".encode())
            with children.started(
                command, cwd=info.program_directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                yield from _streamed(process, answer)
            if process.returncode != 0:
                context.abort(
                    grpc.StatusCode.UNKNOWN, f"{' '.join(command)} ended with exit code {process.returncode}, see above"
                )

    def Run(self, request: Any, context: Any) -> Any:
        """Run a program until it ends."""
        info = request.info
        interpreter = _python(info, context)
        settings = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "stack": request.stack,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "organization": request.organization,
            "root_directory": info.root_directory,
        }
        program = os.path.normpath(Path(info.program_directory) / info.entry_point)
        command = [interpreter.executable, str(environment.HERE / "program.py"), json.dumps(settings), program]
        variables = interpreter.variables() | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        # The program writes straight into the engine's pipes: nothing stands between to reorder or lose its lines.
        with children.started(
            [*command, *request.args], cwd=request.pwd or info.program_directory, env=variables
        ) as process:
            _end_with_call(context, process)
            code = process.wait()
        if code == 0:
            return language_pb2.RunResponse()
        if code == SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program {_ending(code)}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin written in Python until it ends."""
        info = request.info
        if request.kind == "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                "this Python language host runs no policy packs; the one that comes with the official pulumi does",
            )
        interpreter = _python(info, context, plugin=True)
        program = Path(info.program_directory)
        if not (program / "__main__.py").is_file():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{program} has no __main__.py, where a plugin starts")
        variables = interpreter.variables() | dict(pair.split("=", 1) for pair in request.env)
        variables["PATH"] = interpreter.variables()["PATH"]
        with children.started(
            [interpreter.executable, "-u", str(program), *request.args],
            cwd=request.pwd or program,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            _end_with_call(context, process)
            yield from _streamed(process, language_pb2.RunPluginResponse)
        yield language_pb2.RunPluginResponse(exitcode=process.returncode)


def _options(info: Any) -> dict[str, Any]:
    options: dict[str, Any] = json_format.MessageToDict(info.options)
    return options


def _python(info: Any, context: Any, *, plugin: bool = False) -> environment.Python:
    """Return the Python for a program; end the call where there is none."""
    options = _options(info)
    if plugin:
        options.setdefault("virtualenv", "venv")  # where Pulumi puts a plugin's, unless told otherwise
    try:
        return environment.python(options, Path(info.root_directory))
    except environment.EnvironmentProblem as problem:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        raise


def _described(info: Any, context: Any) -> dict[str, Any]:
    """Return what the program's Python has installed; end the call where it cannot be asked."""
    try:
        return environment.describe(_python(info, context))
    except environment.EnvironmentProblem as problem:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        raise


def _ending(code: int) -> str:
    """Say how a process ended."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _end_with_call(context: Any, process: subprocess.Popen[bytes]) -> None:
    """End the process when the call that it answers is cancelled."""
    if not context.add_callback(lambda: children.end(process)):
        children.end(process)  # the call is over already


def _streamed(process: subprocess.Popen[bytes], answer: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a process writes, as it comes, until it has ended."""
    chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read(stream: IO[bytes], name: str) -> None:
        for line in stream:
            chunks.put(answer(**{name: line}))
        chunks.put(None)

    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        threading.Thread(target=read, args=(stream, name), daemon=True).start()
    for _ in streams:
        yield from iter(chunks.get, None)
    process.wait()


def main() -> None:
    """Serve until the engine ends us."""
    end_with_parent()

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        children.end_all()
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)]
    server = grpc.server(ThreadPoolExecutor(_CALLS), options=options)
    address = sys.argv[-1] if len(sys.argv) > 1 else ""
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
