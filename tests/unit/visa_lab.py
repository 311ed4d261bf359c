"""The lab's VISA on two clouds of memory, asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import requests
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from lab.visa.app import make_app
from lab.visa.clock import Clock
from lab.visa.clouds import Provider
from lab.visa.context import Visa
from lab.visa.fakes import NOW, FakeClouds, filled, provider
from lab.visa.serving import serving

ADMIN = "token-admin"
CAMEL = {
    "application_id": "applicationId", "application_secret": "applicationSecret", "compute_endpoint": "computeEndpoint",
    "image_endpoint": "imageEndpoint", "network_endpoint": "networkEndpoint", "identity_endpoint": "identityEndpoint",
    "address_provider": "addressProvider", "address_provider_uuid": "addressProviderUUID",
}  # fmt: skip


class Lab:
    """VISA, its clouds, and who asks it."""

    def __init__(self, url: str, visa: Visa, clouds: FakeClouds) -> None:
        self.url, self.visa, self.clouds = url, visa, clouds

    def post(self, query: str, token: str | None = ADMIN, **variables: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        return requests.post(f"{self.url}/api/graphql", json=body, headers=headers, timeout=10)

    def answer(self, query: str, token: str | None = ADMIN, **variables: Any) -> Any:
        found = self.post(query, token, **variables)
        assert found.status_code == 200
        return found.json()

    def data(self, query: str, **variables: Any) -> Any:
        found = self.answer(query, **variables)
        assert "errors" not in found, found
        return found["data"]

    def refused(self, query: str, **variables: Any) -> str:
        found = self.answer(query, **variables)
        return str(found["errors"][0]["message"])

    def rest(self, method: str, path: str, name: str | None = "ada", body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer token-{name}"} if name else {}
        return requests.request(method, f"{self.url}/api{path}", json=body, headers=headers, timeout=10)

    def advance(self, **time: float) -> None:
        self.visa.clock.advance(timedelta(**time))

    def register(self, given: Provider | None = None, **changed: Any) -> int:
        made = self.data("mutation($i:CloudClientInput!){createCloudClient(input:$i){id}}",
                         i=cloud_input(given or provider("caracal"), **changed))  # fmt: skip
        return int(made["createCloudClient"]["id"])

    def offer(self, cloud: int) -> dict[str, int]:
        """Let the new cloud have a group, a flavour, an image and a plan; return their ids."""
        i = {"name": "visa-default", "cloudId": cloud}
        group = self.data("mutation($i:SecurityGroupInput!){createSecurityGroup(input:$i){id}}", i=i)
        i = flavour_input(cloudId=cloud, computeId="caracal-tiny")
        flavour = self.data("mutation($i:FlavourInput!){createFlavour(input:$i){id}}", i=i)["createFlavour"]["id"]
        i = image_input(cloudId=cloud, computeId="caracal-image1")
        image = self.data("mutation($i:ImageInput!){createImage(input:$i){id}}", i=i)["createImage"]["id"]
        i = {"imageId": image, "flavourId": flavour, "preset": False}
        plan = self.data("mutation($i:PlanInput!){createPlan(input:$i){id}}", i=i)["createPlan"]["id"]
        return {"group": group["createSecurityGroup"]["id"], "flavour": flavour, "image": image, "plan": plan}

    def names(self, path: str = "/plans", name: str = "ada") -> list[int]:
        return [plan["id"] for plan in self.rest("GET", path, name).json()["data"]]

    def begin(self, plan: int, name: str = "ada", **changed: Any) -> requests.Response:
        body = {
            "name": "mine", "comments": "", "planId": plan, "lifetimeMinutes": 2880, "screenWidth": 1920,
            "screenHeight": 1080, "acceptedTerms": True, "keyboardLayout": "en-gb-qwerty",
            "experiments": ["experiment-ada"] if name == "ada" else [], **changed,
        }  # fmt: skip
        return self.rest("POST", "/account/instances", name, body)

    def states(self) -> dict[int, str]:
        found = self.data('{instances(filter:{},pagination:{limit:50,offset:0},orderBy:{name:"id"}){data{id state}}}')
        return {each["id"]: each["state"] for each in found["instances"]["data"]}


def cloud_input(given: Provider, **changed: Any) -> dict[str, Any]:
    configuration = {CAMEL[name]: value for name, value in asdict(given).items() if name in CAMEL}
    return {"type": "openstack", "name": "Caracal", "serverNamePrefix": "visa-new", "visible": False,
            "openStackProviderConfiguration": configuration, **changed}  # fmt: skip


def flavour_input(**changed: Any) -> dict[str, Any]:
    return {"name": "tiny", "memory": 2048, "cpu": 1, "computeId": "stein-tiny", "instrumentIds": [], "roleIds": [],
            "roleLifetimes": [], **changed}  # fmt: skip


def image_input(**changed: Any) -> dict[str, Any]:
    return {"name": "image1", "computeId": "stein-image1", "visible": True, "protocolIds": [1, 2],
            "defaultVdiProtocolId": 2, **changed}  # fmt: skip


class Served:
    """One server for many labs, one after the other: starting and ending it takes longer than a test."""

    def __init__(self) -> None:
        self.app: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)

    @contextmanager
    def running(self) -> Iterator[Callable[[], Lab]]:
        with serving(self) as url:
            yield lambda: self._fresh(url)

    def _fresh(self, url: str) -> Lab:
        clouds = FakeClouds()
        self.app = make_app(filled(clouds), clouds, Clock(NOW, 0))
        return Lab(url, self.app.state.visa, clouds)
