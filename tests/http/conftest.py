"""Every HTTP test has its own clouds.yaml, and no way to a real network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests_mock
from answers import Answers, write_clouds_yaml


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let openstacksdk announce what it will drop: it does so for every connection, whatever the settings."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning"))


@pytest.fixture(autouse=True)
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clouds.yaml of our own, and nothing from the environment of who runs the tests."""
    for variable in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(variable)
    path = write_clouds_yaml(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def mocker() -> Iterator[requests_mock.Mocker]:
    """HTTP that answers only what a test says."""
    with requests_mock.Mocker() as mocker:
        yield mocker


@pytest.fixture
def stein(mocker: requests_mock.Mocker) -> Answers:
    """The old cloud."""
    return Answers("stein", mocker)


@pytest.fixture
def caracal(mocker: requests_mock.Mocker) -> Answers:
    """The new cloud."""
    return Answers("caracal", mocker)
