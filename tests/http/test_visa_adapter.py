"""VISA over HTTP: every way in which a log-in or an answer fails is an error of ours, and no secret is in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
from visa_world import World, make_settings

from migration.adapters import visa_rest
from migration.adapters.visa import PAGE, Visa
from migration.adapters.visa_project import NewCredential, open_project, without_version
from migration.adapters.visa_rest import VisaRest
from migration.adapters.visa_token import read_token
from migration.errors import CloudUnreachable, VisaError, VisaRefused, VisaUnreachable
from migration.visa.facts import CloudClient
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.settings import Token

URL = "https://visa.test/api"
GRAPHQL = f"{URL}/graphql"
TOKEN, SECRET = "t0ken-never-shown", "s3cret-never-shown"
PROVIDER = {"applicationId": "id", "applicationSecret": SECRET}


@pytest.fixture
def visa() -> Visa:
    return Visa(VisaRest(URL, lambda: TOKEN))


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.session.close()


# ------------------------------------------------------------------------------------------------------------ the token


def test_a_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISA_TOKEN", f" {TOKEN}\n")
    assert read_token(Token(environment="VISA_TOKEN")) == TOKEN


def test_a_token_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(f"{TOKEN}\n")
    assert read_token(Token(file=str(file))) == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(mode)
    with pytest.raises(VisaRefused, match=r"expected 0600.*chmod 600") as error:
        read_token(Token(file=str(file)))
    assert TOKEN not in str(error.value)


def test_a_token_from_a_command() -> None:
    assert read_token(Token(command=(sys.executable, "-c", f"print('{TOKEN}')"))) == TOKEN


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Token(environment="NO_SUCH"), "NO_SUCH .* is empty or not set"),
        (Token(file="/no/such/file"), "cannot be read"),
        (Token(command=("/no/such/command",)), "/no/such/command"),
        (Token(command=(sys.executable, "-c", "print('oops " + TOKEN + "'); exit(3)")), "ended with 3, expected 0"),
        (Token(command=(sys.executable, "-c", f"print('two {TOKEN}')")), "white space"),
    ],
)
def test_no_token(source: Token, says: str) -> None:
    with pytest.raises(VisaRefused, match=says) as error:
        read_token(source)
    assert TOKEN not in str(error.value)


def test_a_token_that_is_refused_is_asked_for_again(mocker: requests_mock.Mocker) -> None:
    tokens = iter(["stale", TOKEN])
    mocker.post(GRAPHQL, [{"status_code": 401}, {"json": {"data": {"cloudLimits": []}}}])
    assert Visa(VisaRest(URL, lambda: next(tokens))).lives() == {}
    assert [one.headers["Authorization"] for one in mocker.request_history] == ["Bearer stale", f"Bearer {TOKEN}"]


def test_no_netrc_takes_the_place_of_the_token(
    visa: Visa, mocker: requests_mock.Mocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.touch(0o600)
    netrc.write_text("machine visa.test login me password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    mocker.post(GRAPHQL, json={"data": {"cloudLimits": []}})
    visa.lives()
    assert mocker.request_history[0].headers["Authorization"] == f"Bearer {TOKEN}"


# --------------------------------------------------------------------------------------------------------------- errors


FAILURES: list[tuple[dict[str, Any], type[VisaError], str]] = [
    ({"exc": requests.exceptions.ConnectTimeout("slow")}, VisaUnreachable, "no answer"),
    ({"exc": requests.exceptions.ConnectionError("refused")}, VisaUnreachable, "no answer"),
    ({"exc": requests.exceptions.SSLError("self-signed")}, VisaUnreachable, "REQUESTS_CA_BUNDLE"),
    ({"status_code": 502, "text": "<html>"}, VisaUnreachable, "answered 502"),
    ({"status_code": 302, "headers": {"Location": "https://login.test/"}}, VisaUnreachable, "answered 302"),
    ({"text": "<html>It works!</html>"}, VisaUnreachable, "not JSON"),
    ({"json": ["x"]}, VisaUnreachable, "no GraphQL"),
    ({"status_code": 401}, VisaRefused, "refused the token .401."),
    ({"status_code": 403}, VisaRefused, "role ADMIN"),
    ({"status_code": 404, "text": "nothing"}, VisaRefused, "answered 404: nothing"),
    ({"json": {"data": None}}, VisaRefused, "answered with nothing"),
    ({"json": {"data": None, "errors": [{"message": "System error"}]}}, VisaRefused, "token is no administrator's, or"),
    (
        {"json": {"data": {"cloudLimits": []}, "errors": [{"message": "x", "path": ["cloudLimits", 0]}]}},
        VisaRefused,
        "x at cloudLimits.0",
    ),
]


@pytest.mark.parametrize(("answer", "kind", "says"), FAILURES)
def test_a_failure_is_an_error_of_ours(
    visa: Visa, mocker: requests_mock.Mocker, answer: dict[str, Any], kind: type[VisaError], says: str
) -> None:
    mocker.post(GRAPHQL, **answer)
    with pytest.raises(kind, match=says) as error:
        visa.lives()
    assert TOKEN not in str(error.value)
    assert {one.hostname for one in mocker.request_history} == {"visa.test"}, "no redirect is followed"


def test_every_request_is_bounded_and_verified(
    visa: Visa, mocker: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    mocker.post(GRAPHQL, json={"data": {"cloudLimits": []}})
    visa.lives()
    assert mocker.request_history[0].timeout == (visa_rest.CONNECT_TIMEOUT, visa_rest.READ_TIMEOUT)
    assert mocker.request_history[0].verify is True


@pytest.mark.parametrize("status", [200, 400])
def test_the_secret_is_never_in_an_error(visa: Visa, mocker: requests_mock.Mocker, status: int) -> None:
    # graphql-java repeats the value of a variable that it does not like
    said = f"Variable 'input' has an invalid value: {{applicationSecret: {SECRET}, token: {TOKEN}}}"
    mocker.post(GRAPHQL, status_code=status, json={"errors": [{"message": said}]})
    with pytest.raises(VisaRefused) as error:
        visa.create_client("Caracal", "car", PROVIDER)
    assert SECRET not in str(error.value)
    assert TOKEN not in str(error.value)
    assert "***" in str(error.value)


def test_a_new_credential_does_not_show_its_secret() -> None:
    assert SECRET not in repr(NewCredential("id", SECRET))
    assert SECRET not in f"{NewCredential('id', SECRET)}"


def test_the_default_cloud_is_never_written(visa: Visa, mocker: requests_mock.Mocker) -> None:
    with pytest.raises(VisaRefused, match="never written"):
        visa.update_client(CloudClient(DEFAULT_CLOUD, "Stein", "visa-old", visible=True), PROVIDER)
    assert mocker.request_history == []


# -------------------------------------------------------------------------------------------- what the lab's VISA says


def test_null_clouds_are_the_default_cloud_and_are_written_back_as_it(world: World) -> None:
    visa = world.hands(make_settings()).visa
    image = visa.objects().images[0]
    assert image.cloud == DEFAULT_CLOUD
    visa.save_image(replace(image, visible=False))
    assert world.ask("{images{id cloudId visible}}")["images"][0] == {"id": image.id, "cloudId": None, "visible": False}


def test_an_update_loses_nothing(world: World) -> None:
    visa = world.hands(make_settings()).visa
    image, flavour = visa.objects().images[0], visa.objects().flavours[0]
    every = {"description": "d", "version": "9", "icon": "i", "boot_command": "b", "autologin": "a", "secondary_vdi": 1}
    visa.save_image(replace(image, **every))  # type: ignore[arg-type]
    visa.save_flavour(replace(flavour, lifetimes=((None, 60), (1, 600)), roles=frozenset({1, 2})))
    before = visa.objects()
    assert before.images[0] == replace(image, **every)  # type: ignore[arg-type]
    assert before.flavours[0].roles == {1, 2}
    visa.save_image(before.images[0])
    visa.save_flavour(before.flavours[0])
    assert visa.objects() == before


def test_an_image_that_came_back_on_another_cloud_is_called_out(visa: Visa, world: World) -> None:
    image = world.hands(make_settings()).visa.objects().images[0]
    with requests_mock.Mocker() as mocker:
        mocker.post(GRAPHQL, json={"data": {"updateImage": {"id": 1, "cloudId": 7}}})
        with pytest.raises(VisaRefused, match="is on cloud 7 now, expected -1"):
            visa.save_image(image)


def test_all_pages_of_instances_are_read(world: World) -> None:
    started = [world.start("admin", 1) for _ in range(PAGE + 1)]
    visa = world.hands(make_settings()).visa
    assert [one.id for one in visa.instances()] == [1, 2, *started]
    assert sorted(visa.newest()) == started[1:]
    assert [one.staff for one in visa.instances()[:2]] == [False, True]
    created = visa.instances()[0].created
    assert created == datetime(2026, 11, 23, 8, tzinfo=UTC), "nine o'clock in Paris"


def test_a_cloud_whose_credential_is_wrong_has_no_life(world: World) -> None:
    visa = world.hands(make_settings()).visa
    told = {name: f"http://caracal:{port}" for name, port in (("identity", 5000), ("compute", 8774))}
    provider = {
        "identityEndpoint": told["identity"], "computeEndpoint": told["compute"], "imageEndpoint": "http://caracal:9292",
        "networkEndpoint": "http://caracal:9696", "addressProvider": "visa", "addressProviderUUID": "n",
        "applicationId": "x", "applicationSecret": "wrong",
    }  # fmt: skip
    visa.create_client("Caracal", "car", provider)
    lives = visa.lives()
    assert lives[DEFAULT_CLOUD].proved
    assert [life.proved for cloud, life in lives.items() if cloud != DEFAULT_CLOUD] == [False]


# ------------------------------------------------------------------------------------------------- VISA's project


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h:5000/v3", "https://h:5000"),
        ("https://h:8774/v2.1/abc", "https://h:8774"),
        ("https://h/identity/v3/", "https://h/identity"),
        ("https://h:9696", "https://h:9696"),
        ("https://h:9292/", "https://h:9292"),
    ],
)
def test_an_endpoint_without_its_version(url: str, expected: str) -> None:
    assert without_version(url) == expected


def test_the_log_in_is_to_visas_project(caracal: Any, mocker: requests_mock.Mocker) -> None:
    open_project("caracal", "visa")
    scopes = [one.json()["auth"]["scope"] for one in mocker.request_history if one.path == "/v3/auth/tokens"]
    assert [scope["project"]["name"] for scope in scopes] == ["visa"]


def test_no_role_in_visas_project(caracal: Any) -> None:
    caracal.mocker.post("http://keystone.caracal.test/v3/auth/tokens", status_code=401, json={"error": {}})
    with pytest.raises(CloudUnreachable, match=r"no log-in to project visa .*needs the role member there"):
        open_project("caracal", "visa")
