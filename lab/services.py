"""Start and stop the services of a lab's clouds."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import control, processes
from lab.errors import LabError
from lab.layout import SERVICES, Cloud
from lab.releases import RELEASES
from lab.state import State
from toolchain import cache

CLOUDSIDE = Path(__file__).parent / "cloudside"


def environment(venv: Path) -> dict[str, str]:
    """Return the environment of a cloud's processes: nothing of the user's own leaks into them."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "PATH": f"{venv}/bin:{os.defpath}",
        "PYTHONPATH": str(CLOUDSIDE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "EVENTLET_NO_GREENDNS": "yes",
        "XDG_CACHE_HOME": str(cache.root() / "lab-services"),
    }


def start(state: State, cloud: Cloud, progress: cache.Progress, services: Iterable[str] = SERVICES) -> None:
    """Start services of a cloud, and with nova the nova-compute of each of its nodes; return when all answer.

    Arguments:
        state: the lab.
        cloud: one of its clouds.
        progress: is told when it is up.
        services: which; all by default.

    Raises:
        LabError: a service died or did not answer, or a nova-compute did not start.
    """
    venv = RELEASES[cloud.name].installed(progress)
    started = {service: _spawn(state, cloud, service, venv) for service in services}
    for service, process in started.items():
        what = f"{cloud.name}: {service}"
        port = cloud.ports["control" if service == "nova" else service]  # nova's control port comes last
        processes.wait_answer(port, what, process, [cloud.log(f"{service}.out"), cloud.log(service)])
    if "nova" in started and (nodes := cloud.computes()):
        failed = {node: said for node, said in control.start_computes(cloud, nodes).items() if said.startswith("error")}
        if failed:
            why = "; ".join(f"{node}: {said}" for node, said in failed.items())
            raise LabError(f"{cloud.name}: nova-compute does not start: {why}; {processes.tail(cloud.log('nova'))}")
    progress(f"{cloud.name}: up, {len(cloud.computes())} nodes")


def _spawn(state: State, cloud: Cloud, service: str, venv: Path) -> subprocess.Popen[bytes]:
    if service == "nova":
        arguments: list[str | Path] = [CLOUDSIDE / "nova_all.py", "--config-file", cloud.etc / "nova.conf"]
    else:
        arguments = [CLOUDSIDE / "wsgi_run.py", service, str(cloud.ports[service]), cloud.etc]
    command = [venv / "bin" / "python", *arguments]
    log = cloud.log(f"{service}.out")
    return processes.start(command, state.directory, cloud.name, service, log, environment(venv))


def both(state: State, act: Callable[[Cloud], None]) -> None:
    """Do something with both clouds at once.

    Raises:
        Exception: of the first cloud that failed, after both have ended.
    """
    with ThreadPoolExecutor(len(state.clouds)) as pool:
        for done in [pool.submit(act, cloud) for cloud in state.clouds]:
            done.result()


def freeze(state: State, cloud: Cloud, number: signal.Signals) -> None:
    """Stop or continue all processes of a cloud, as the kernel does it."""
    for handle in processes.send(state.directory, number, lambda each: each.cloud == cloud.name):
        os.close(handle)
