"""A tiny project, and the real engine to run it with."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_project import Project

from toolchain import Toolchain, ensure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("toolchain")


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    return ensure(lambda line: print(line, file=sys.stderr))


@pytest.fixture
def project(tools: Toolchain, tmp_path: Path) -> Iterator[Project]:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: tiny\nruntime: {name: python, options: {virtualenv: some/venv}}\n")
    (directory / "some").mkdir()
    (directory / "some" / "venv").symlink_to(sys.prefix)  # relative to the project, as in Pulumi.yaml
    (tmp_path / "state").mkdir()
    mark = f"TOOLCHAIN_TEST={uuid.uuid4()}"
    name, value = mark.split("=")
    environment = {
        **os.environ,
        **tools.environment(),
        name: value,
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
    }
    project = Project(directory, environment, mark)
    made = project.pulumi("stack", "init", "dev")
    assert made.returncode == 0, made.stdout
    yield project
    for process in project.processes():
        os.kill(process, 9)
