"""Print as JSON what the Python that runs this file has installed.

Started by path with the program's own Python; needs nothing but the standard library.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from importlib import metadata
from typing import Any


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _plugin(distribution: metadata.Distribution, name: str) -> dict[str, Any] | None:
    """Return what a package says about its Pulumi plugin, or None where it says nothing."""
    module = name.replace("-", "_")
    try:
        with open(str(distribution.locate_file(f"{module}/pulumi-plugin.json")), encoding="utf-8") as file:  # noqa: PTH123
            found: dict[str, Any] = json.load(file)
    except OSError:
        return None
    return found


def main() -> None:
    """Print the executable, its version and the packages."""
    packages: dict[str, dict[str, Any]] = {}
    required: set[str] = set()
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if not name or _normal(name) in packages:  # a package that an earlier entry of sys.path hides
            continue
        packages[_normal(name)] = {
            "name": name,
            "version": distribution.version,
            "plugin": _plugin(distribution, name),
        }
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement:
                required.add(_normal(re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0]))
    listed = [{**package, "required": key in required} for key, package in sorted(packages.items())]
    json.dump({"executable": sys.executable, "version": platform.python_version(), "packages": listed}, sys.stdout)


if __name__ == "__main__":
    main()
