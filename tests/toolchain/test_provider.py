"""The provider that we build offers what the Python SDK asks for."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sdk_names

from toolchain import Toolchain


@pytest.fixture(scope="module")
def sdk() -> sdk_names.Sdk:
    found = find_spec("pulumi_openstack")  # not imported: it warns of its own deprecated names
    assert found
    assert found.origin
    return sdk_names.read(Path(found.origin).parent)


@pytest.fixture(scope="module")
def provider(tools: Toolchain) -> Any:
    if tools.home is None:
        pytest.skip("the official plugin is installed; ours is not built")
    (binary,) = tools.home.glob("plugins/resource-openstack-v*/pulumi-resource-openstack")
    return json.loads(subprocess.run([binary, "--names"], capture_output=True, check=True).stdout)


def test_every_resource_has_the_sdks_token_and_properties(sdk: sdk_names.Sdk, provider: Any) -> None:
    assert len(sdk.resources) > 100  # the SDK has been read at all
    assert provider["resources"] == {token: vars(names) for token, names in sdk.resources.items()}


def test_every_function_has_the_sdks_token_and_properties(sdk: sdk_names.Sdk, provider: Any) -> None:
    assert len(sdk.functions) > 50
    for names in provider["functions"].values():
        names["outputs"]["id"] = "string"  # Terraform has it on every data source without saying so in its schema
    assert provider["functions"] == {token: vars(names) for token, names in sdk.functions.items()}


def test_the_providers_own_settings_are_those_of_the_sdk(sdk: sdk_names.Sdk, provider: Any) -> None:
    assert sdk.config
    assert provider["config"] == sdk.config
