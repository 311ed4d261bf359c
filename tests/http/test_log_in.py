"""Logging in, and every way in which that fails: an error of ours that says what to mend, and never a password."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
from answers import PASSWORD, Answers, write_clouds_yaml

from migration import observe
from migration.adapters.rest import TIMEOUT, connect
from migration.errors import CloudError, CloudUnreachable
from migration.observe import look, look_at_cloud, look_at_node, open_cloud
from migration.settings import CaracalSettings, parse

TYPES = {"placement": "placement", "glance": "image"}
UNAUTHORIZED = {"error": {"code": 401, "message": "The request you have made requires authentication."}}


def settings(**nodes: str) -> CaracalSettings:
    raw = {
        "clouds": {"old": "stein", "new": "caracal"},
        "datacenters": {"dc1": {}},
        "nodes": {name: {"membership": wanted, "datacenter": "dc1"} for name, wanted in nodes.items()},
    }
    found = parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(found, CaracalSettings)
    return found


def fails(cloud: str = "stein") -> CloudUnreachable:
    """Log in and look, and return how it fails."""
    with pytest.raises(CloudUnreachable) as error:
        look_at_cloud(open_cloud(cloud))
    assert str(error.value).startswith(f"{cloud}: ")
    assert PASSWORD not in str(error.value)
    assert PASSWORD not in repr(error.value)
    return error.value


def test_one_log_in_for_the_whole_look(stein: Answers, mocker: requests_mock.Mocker) -> None:
    look_at_cloud(open_cloud("stein"))
    log_ins = [request for request in mocker.request_history if request.path == "/v3/auth/tokens"]
    assert len(log_ins) == 1
    assert log_ins[0].json()["auth"]["identity"]["password"]["user"]["password"] == PASSWORD


def test_both_clouds_are_looked_at(stein: Answers, caracal: Answers) -> None:
    facts = look(settings(cmp01="caracal"))
    assert facts.old is not None
    assert facts.new is not None
    assert (facts.old.name, facts.new.name) == ("stein", "caracal")
    assert (facts.old_error, facts.new_error) == (None, None)


def test_one_cloud_that_cannot_be_asked_leaves_the_other(stein: Answers, mocker: requests_mock.Mocker) -> None:
    mocker.get("http://keystone.caracal.test/v3", exc=requests.exceptions.ConnectionError("refused"))
    mocker.post("http://keystone.caracal.test/v3/auth/tokens", exc=requests.exceptions.ConnectionError("refused"))
    facts = look(settings(cmp01="stein"))
    assert facts.old is not None
    assert facts.new is None
    assert facts.new_error is not None
    assert facts.new_error.startswith("caracal: no answer")


def test_a_retired_cloud_is_not_asked(caracal: Answers) -> None:
    retired = settings().model_copy(update={"clouds": settings().clouds.model_copy(update={"old": None})})
    facts = look(retired)
    assert (facts.old, facts.old_error) == (None, None)
    assert facts.new is not None


def test_a_wrong_password(stein: Answers) -> None:
    stein.mocker.post("http://keystone.stein.test/v3/auth/tokens", status_code=401, json=UNAUTHORIZED)
    assert "check the user and password of this cloud in clouds.yaml" in str(fails())


def test_a_session_that_keystone_ends_is_renewed(stein: Answers, mocker: requests_mock.Mocker) -> None:
    cloud = open_cloud("stein")
    path = "/os-services?binary=nova-compute"
    stein.answer("GET", "nova", path, response_list=[{"status_code": 401}, {"json": {"services": []}}])
    assert cloud.nova.services() == []
    assert sum(request.path == "/v3/auth/tokens" for request in mocker.request_history) == 2


@pytest.mark.parametrize(
    "error", [requests.exceptions.ConnectionError("refused"), requests.exceptions.ConnectTimeout("slow")]
)
@pytest.mark.parametrize("service", ["keystone", "nova", "neutron", "placement", "glance"])
def test_a_service_that_does_not_answer(stein: Answers, service: str, error: Exception) -> None:
    stein.mocker.register_uri(requests_mock.ANY, requests_mock.ANY, additional_matcher=_to(service), exc=error)
    assert "no answer" in str(_fails_somehow())


@pytest.mark.parametrize("service", ["keystone", "nova", "neutron", "placement", "glance"])
def test_a_service_that_answers_with_a_web_page(stein: Answers, service: str) -> None:
    page = {"text": "<html>It works!</html>", "headers": {"Content-Type": "text/html"}}
    stein.mocker.register_uri(requests_mock.ANY, requests_mock.ANY, additional_matcher=_to(service), **page)
    message = str(_fails_somehow())
    assert "stein: " in message
    assert "<html>" not in message


@pytest.mark.parametrize("service", ["keystone", "nova", "neutron", "placement", "glance"])
def test_a_service_that_is_broken(stein: Answers, service: str) -> None:
    stein.mocker.register_uri(requests_mock.ANY, requests_mock.ANY, additional_matcher=_to(service), status_code=503)
    message = str(_fails_somehow())
    assert "503" in message or f"no answer (The {TYPES[service]} service for stein" in message


def _to(service: str) -> Callable[[Any], bool]:
    return lambda request: request.hostname == f"{service}.stein.test"


def _fails_somehow() -> CloudError:
    """Log in, look at all and at one node, and ask Glance too; return how it fails."""
    with pytest.raises(CloudError) as error:
        _everything(open_cloud("stein"))
    assert PASSWORD not in str(error.value)
    return error.value


def _everything(cloud: observe.Cloud) -> None:
    look_at_cloud(cloud)
    look_at_node(cloud, "cmp01")
    cloud.glance.image_id("cirros")


def test_a_catalog_without_the_service(stein: Answers) -> None:
    url = "http://keystone.stein.test/v3/auth/tokens"
    recorded = json.loads((Path(__file__).parent / "recorded" / "stein.json").read_text())[f"POST {url}"]["body"]
    catalog = [service for service in recorded["token"]["catalog"] if service["type"] != "placement"]
    token = {"token": {**recorded["token"], "catalog": catalog}}
    stein.mocker.post(url, status_code=201, json=token, headers={"X-Subject-Token": "t"})
    assert "placement" in str(_fails_somehow())


# --------------------------------------------------------------------------------------------------------- clouds.yaml


def test_no_clouds_yaml(clouds_yaml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clouds_yaml.unlink()
    monkeypatch.setenv("HOME", str(clouds_yaml.parent))
    message = str(fails())
    assert "clouds.yaml has no usable entry of this name" in message
    assert "OS_CLIENT_CONFIG_FILE" in message


def test_no_such_entry() -> None:
    assert "clouds.yaml has no usable entry of this name" in str(fails("nowhere"))


@pytest.mark.parametrize(
    "text",
    [
        "clouds: [",
        "clouds:\n\tstein: x",
        "just words",
        "",
        "clouds: {stein: nonsense}",
        f"clouds: {{stein: {{auth: {{password: {PASSWORD}}}}}}}",
        "clouds: {stein: {auth_type: nonsense, auth: {auth_url: http://x}}}",
    ],
)
def test_a_clouds_yaml_that_is_none(clouds_yaml: Path, text: str) -> None:
    clouds_yaml.write_text(text)
    with pytest.raises(CloudUnreachable, match=r"^stein: ") as error:
        open_cloud("stein")
    assert PASSWORD not in str(error.value)


def test_an_unanswered_request_ends(clouds_yaml: Path) -> None:
    assert connect("stein").config.config["api_timeout"] == TIMEOUT
    entry = json.loads(clouds_yaml.read_text())["clouds"]["stein"]
    write_clouds_yaml(clouds_yaml.parent, stein={**entry, "api_timeout": 7})
    assert connect("stein").config.config["api_timeout"] == 7
