"""What the stack file may say of VISA, and what it is told otherwise."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from migration.errors import SettingsError
from migration.settings import CaracalSettings, parse
from migration.visa import settings as visa_settings

GOOD: dict[str, Any] = {
    "endpoint": "https://visa.example.org",
    "token": {"environment": "VISA_TOKEN"},
    "prefixes": {"old": "visa-old", "new": "car"},
    "cloud": {"name": "Caracal", "project": "visa", "networks": ["visa"]},
    "images": {"desktop": {"image": "desktop"}, "jupyter": {"image": "jupyter", "like": "Jupyter 20.04"}},
    "flavours": {"Small": {"flavor": "visa.small"}},
    "plans": [{"image": "desktop", "flavour": "Small"}],
    "preset": {"image": "desktop", "flavour": "Small"},
    "offer": "users",
    "default_backend": "caracal",
}


def read(**changes: Any) -> CaracalSettings:
    visa = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    raw = {"clouds": {"old": "stein", "new": "caracal"}, "visa": visa}
    found = parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(found, CaracalSettings)
    return found


def test_good_settings() -> None:
    visa = read().visa
    assert visa is not None
    assert (visa.offer, visa.default_backend) == ("users", "caracal")
    assert (visa.limits.lifetime_users, visa.limits.inactivity_staff) == (336, 192)


CASES: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": "visa.example.org"}, "visa.endpoint: .*is not where a VISA is"),
    ({"endpoint": "https://visa.example.org/api"}, "visa.endpoint: .*under api_path"),
    ({"endpoint": "http://visa.example.org"}, "visa.endpoint: .*token in clear; use https"),
    ({"endpoint": "https://me:pw@visa.example.org"}, "visa.endpoint: holds a user or password"),
    ({"api_path": "api"}, 'visa.api_path: "api" is no path'),
    ({"timezone": "Europe/Pariss"}, 'visa.timezone: .*did you mean "Europe/Paris"'),
    ({"token": {}}, "visa.token: found none; give one of environment, file or command"),
    ({"token": {"file": "a", "environment": "B"}}, "visa.token: found environment and file"),
    ({"prefixes": {"old": "visa", "new": "visa-new"}}, 'visa.prefixes: "visa" begins "visa-new"'),
    ({"prefixes": {"old": "visa-old", "new": "visa"}}, "visa.prefixes"),
    ({"prefixes": {"old": "old", "new": "visa"}}, "visa.prefixes.new: .*own servers"),
    ({"prefixes": {"old": "old", "new": "new cloud"}}, "visa.prefixes.new: .*begins no server's name"),
    ({"credential": {"days": 30}}, "visa.credential.renew_before: 60 is not less than days, 30"),
    ({"plans": [{"image": "dektop", "flavour": "Small"}]}, 'visa.plans\\[0\\].image: .*did you mean "desktop"'),
    ({"plans": [*GOOD["plans"], *GOOD["plans"]]}, "visa.plans\\[1\\]: the same as plans\\[0\\]"),
    ({"preset": {"image": "jupyter", "flavour": "Small"}}, "visa.preset: .*not under plans"),
    ({"preset": None}, "visa.preset: missing"),
    ({"offer": "admins"}, "visa.default_backend: .*its offer is admins"),
    ({"plans": None, "preset": None, "default_backend": "stein"}, "visa.plans: empty, but offer is users"),
    ({"force_back": "because"}, "visa.force_back: .*drop it"),
    ({"images": {**GOOD["images"], "x": {"image": "y", "name": "desktop"}}}, "visa.images.x: has the name and version"),
    ({"default_backend": "new"}, 'visa.default_backend: "new" is not a default backend; use stein or caracal'),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_a_mistake_is_told_with_its_place(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        read(**changes)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read(api_path="api", timezone="Nowhere", token={})
    assert {problem.place for problem in caught.value.problems} == {"visa.api_path", "visa.timezone", "visa.token"}


def test_a_token_in_the_file_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        read(token="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "visa.token: found text; never write the token itself here" in str(caught.value)


def test_a_lab_on_this_machine_needs_no_tls() -> None:
    assert read(endpoint="http://127.0.0.1:8086").visa is not None
    assert read(endpoint="http://localhost:8086").visa is not None


def test_the_old_cloud_is_retired() -> None:
    raw = {"clouds": {"new": "caracal"}, "visa": {**GOOD, "default_backend": "stein"}}
    with pytest.raises(SettingsError, match=r"visa\.default_backend: the old cloud is retired"):
        parse("caracal", raw, source="Pulumi.caracal.yaml")


def test_the_reference_names_every_key() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    section = reference.partition("## `visa`")[2].partition("\n## ")[0]
    models = [
        value
        for _, value in inspect.getmembers(visa_settings, inspect.isclass)
        if issubclass(value, BaseModel) and value.__module__ == visa_settings.__name__
    ]
    assert all(field.description for model in models for field in model.model_fields.values())
    missing = {key for model in models for key in model.model_fields if f"`{key}`" not in section}
    assert not missing
