"""systemd's bus, as far as Kolla's modules ask it: a unit is a container of the stand-in engine."""

from __future__ import annotations

from typing import Any

import docker


class SystemBus:
    def get_object(self, _name: str, _path: str) -> None:
        return None


class Interface:
    def __init__(self, _object: Any, _name: str) -> None:
        pass

    def StartUnit(self, unit: str, _mode: str) -> None:  # noqa: N802 - systemd's names
        docker.start(unit.removeprefix("kolla-").removesuffix("-container.service"))

    RestartUnit = StartUnit

    def StopUnit(self, unit: str, _mode: str) -> None:  # noqa: N802
        docker.APIClient().stop(unit.removeprefix("kolla-").removesuffix("-container.service"), 0)

    def Reload(self, *_: Any) -> None:  # noqa: N802
        pass

    def EnableUnitFiles(self, *_: Any) -> None:  # noqa: N802
        pass

    def ListUnits(self) -> list[tuple[str, ...]]:  # noqa: N802
        return [
            (f"kolla-{name}-container.service", "", "loaded", "active", "running" if entry["running"] else "dead")
            for name, entry in docker.state()["containers"].items()
        ]
