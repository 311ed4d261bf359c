"""A container engine that has no containers: what Kolla-Ansible's own modules ask of Docker's library, kept in a file.

It stands in for the engine alone. Kolla's modules, playbooks and templates are the real ones. It runs on a host of
tests/kolla/hosts.py, under the Python that Ansible uses there; VISA_TEST_HOST is that host's directory.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__version__ = "7.0.0"

HOST = Path(os.environ["VISA_TEST_HOST"])
STATE = HOST / "engine.json"
VOLUMES = Path("/var/lib/docker/volumes")


CELLS = b"""\
| Name  |                 UUID                 |   Transport URL   |  Database Connection   | Disabled |
|       | 00000000-0000-0000-0000-000000000001 | rabbit://x:5672// | mysql+pymysql://x/nova |  False   |
"""

TOOLBOX = b'{"plays": [{"tasks": [{"hosts": {"localhost": {"changed": true}}}]}]}'
"""What Ansible in the container kolla_toolbox says: here, of Open vSwitch's settings."""


class APIError(Exception):
    def is_client_error(self) -> bool:
        return True


class DockerException(Exception):
    pass


class Ulimit(dict[str, Any]):
    """A limit of a container, as Docker's library has it."""

    def __init__(self, name: str, soft: int, hard: int) -> None:
        super().__init__(Name=name, Soft=soft, Hard=hard)
        self.name, self.soft, self.hard = name, soft, hard


errors = SimpleNamespace(APIError=APIError, DockerException=DockerException)
types = SimpleNamespace(
    Ulimit=Ulimit,
    LogConfig=type("LogConfig", (), {"types": SimpleNamespace(NONE="none"), "__init__": lambda self, **_: None}),
)
utils = SimpleNamespace(parse_repository_tag=lambda name: tuple(name.rsplit(":", 1)))


def state() -> dict[str, Any]:
    if STATE.exists():
        return dict(json.loads(STATE.read_text()))
    return {"images": [], "containers": {}, "volumes": []}


def save(new: dict[str, Any]) -> None:
    STATE.write_text(json.dumps(new))


def broken(what: str) -> bool:
    """Whether a test wants this to go wrong on this host."""
    return what in (HOST / "broken").read_text().splitlines() if (HOST / "broken").exists() else False


def start(name: str) -> None:
    now = state()
    if broken(f"start {name}"):
        raise APIError(f"{name} does not start")
    now["containers"][name]["running"] = True
    save(now)
    if name == "nova_compute":  # as the real one does when it starts for the first time
        identity = VOLUMES / "nova_compute" / "_data" / "compute_id"
        identity.parent.mkdir(parents=True, exist_ok=True)
        if not identity.exists():
            identity.write_text(str(uuid.uuid4()))


class APIClient:
    def __init__(self, **_: object) -> None:
        pass

    def images(self, name: str | None = None, quiet: bool = False) -> list[Any]:
        found = [image for image in state()["images"] if name in (None, image)]
        return found if quiet else [{"RepoTags": [image], "Id": image} for image in found]

    def pull(self, repository: str, tag: str, stream: bool) -> list[bytes]:
        image = repository.rsplit("/", 1)[-1]
        if broken(f"pull {image}"):
            return [b'{"error": "the registry says no"}']
        now = state()
        now["images"] = sorted({*now["images"], f"{repository}:{tag}"})
        save(now)
        return [b'{"status": "pulled"}']

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": [{"Name": name} for name in state()["volumes"]]}

    def create_volume(self, name: str, driver: str) -> None:
        now = state()
        now["volumes"].append(name)
        save(now)
        (VOLUMES / name / "_data").mkdir(parents=True, exist_ok=True)

    def containers(self, all: bool = True, filters: dict[str, str] | None = None) -> list[dict[str, Any]]:  # noqa: A002
        return [
            {
                "Names": [f"/{name}"],
                "Status": "Up 5 seconds" if entry["running"] else "Exited (0)",
                "State": "running" if entry["running"] else "exited",
            }
            for name, entry in state()["containers"].items()
            if (filters or {}).get("name", name) == name
        ]

    def inspect_container(self, name: str) -> dict[str, Any]:
        return dict(state()["containers"][name]["inspect"])

    def create_host_config(self, **what: Any) -> dict[str, Any]:
        return what

    def create_container(self, **what: Any) -> None:
        config = what["host_config"]
        binds = [f"{path}:{bind['bind']}:{bind['mode']}" for path, bind in (config.get("binds") or {}).items()]
        environment = [f"{key}={value}" for key, value in what["environment"].items()]
        now = state()
        now["containers"][what["name"]] = {
            "running": False,
            "inspect": {
                "Image": what["image"],
                "Config": {
                    "Image": what["image"],
                    "Env": environment,
                    "Labels": what["labels"],
                    "Volumes": {key: {} for key in what["volumes"] or []},
                    "Cmd": what["command"],
                    "Tty": what["tty"],
                },
                "HostConfig": {
                    "Binds": binds,
                    "PidMode": config.get("pid_mode") or "",
                    "IpcMode": config.get("ipc_mode") or "",
                    "Privileged": config.get("privileged"),
                    "CapAdd": config.get("cap_add"),
                    "SecurityOpt": config.get("security_opt"),
                    "Tmpfs": {},
                    "Ulimits": config.get("ulimits"),
                    "VolumesFrom": config.get("volumes_from"),
                    "CgroupnsMode": config.get("CgroupnsMode"),
                },
                "State": {"Status": "running"},
                "HostnamePath": "",
            },
        }
        save(now)

    def start(self, container: str) -> None:
        start(container)

    def stop(self, container: str, timeout: int) -> None:
        now = state()
        now["containers"][container]["running"] = False
        save(now)

    def remove_container(self, container: str, force: bool) -> None:
        now = state()
        del now["containers"][container]
        save(now)

    def wait(self, container: str) -> int:
        return 0

    def logs(self, container: str, stdout: bool, stderr: bool) -> bytes:
        return CELLS if stdout and container == "nova_list_cells" else b""

    def exec_create(self, container: Any, command: Any, user: str = "", environment: object = None) -> str:
        if isinstance(container, str) and container not in state()["containers"]:
            raise APIError(container)
        return "" if isinstance(container, str) else "toolbox"

    def exec_start(self, job: str) -> bytes:
        return TOOLBOX if job == "toolbox" else b""

    def exec_inspect(self, job: str) -> dict[str, int]:
        return {"ExitCode": 0}
