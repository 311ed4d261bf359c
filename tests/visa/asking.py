"""Ask a lab's VISA over HTTP, and prepare the new cloud for it by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from openstack.connection import Connection

from lab import Lab, seed
from lab.clouds import administrator, identity, login
from lab.layout import NEW, REGION

CREATE_CLOUD = "mutation($i:CloudClientInput!){createCloudClient(input:$i){id}}"


class Visa:
    """A lab's VISA, asked as somebody."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._tokens = json.loads(lab.visa.files.tokens.read_text())

    def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        found = self._send("POST", "/graphql", "admin", body).json()
        assert "errors" not in found, found
        return found["data"]

    def rest(self, method: str, path: str, name: str, body: Any = None) -> requests.Response:
        return self._send(method, path, name, body)

    def _send(self, method: str, path: str, name: str, body: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._tokens[name]}"}
        return requests.request(method, f"{self.lab.visa.endpoint}/api{path}", json=body, headers=headers, timeout=60)

    def begin(self, plan: int, name: str = "admin") -> requests.Response:
        body = {
            "name": "mine", "comments": "", "planId": plan, "lifetimeMinutes": 2880, "screenWidth": 1920,
            "screenHeight": 1080, "acceptedTerms": True, "keyboardLayout": "en-gb-qwerty", "experiments": [],
        }  # fmt: skip
        return self.rest("POST", "/account/instances", name, body)

    def instances(self) -> dict[int, dict[str, Any]]:
        query = """{instances(filter:{},pagination:{limit:50,offset:0},orderBy:{name:"id",ascending:true}){
            data{id state computeId cloudId terminationDate lastSeenAt createdAt owner{id} bookingToken{uid}}}}"""
        return {each["id"]: each for each in self.ask(query)["instances"]["data"]}

    def now(self) -> datetime:
        return datetime.fromisoformat(self.rest("GET", "/lab/clock", "admin").json()["data"]["now"])

    def clock(self, **change: float) -> None:
        assert self.rest("PUT", "/lab/clock", "admin", change).ok

    def offer(self, cloud: int) -> int:
        """Let the new cloud offer one plan; return it."""
        flavour, image = self.ask("query($c:Int!){cloudFlavours(cloudId:$c){id} cloudImages(cloudId:$c){id name}}",
                                  c=cloud).values()  # fmt: skip
        group = {"name": "visa-default", "cloudId": cloud}
        self.ask("mutation($i:SecurityGroupInput!){createSecurityGroup(input:$i){id}}", i=group)
        given: dict[str, Any] = {
            "name": "tiny", "memory": 2048, "cpu": 1, "cloudId": cloud, "computeId": flavour[0]["id"],
            "instrumentIds": [], "roleIds": [], "roleLifetimes": [],
        }  # fmt: skip
        size = self.ask("mutation($i:FlavourInput!){createFlavour(input:$i){id}}", i=given)["createFlavour"]["id"]
        desktop = next(each["id"] for each in image if each["name"] == "visa-desktop")
        given = {"name": "desktop", "cloudId": cloud, "computeId": desktop, "visible": True, "protocolIds": [1, 2],
                 "defaultVdiProtocolId": 2}  # fmt: skip
        picture = self.ask("mutation($i:ImageInput!){createImage(input:$i){id}}", i=given)["createImage"]["id"]
        given = {"imageId": picture, "flavourId": size, "preset": False}
        return int(self.ask("mutation($i:PlanInput!){createPlan(input:$i){id}}", i=given)["createPlan"]["id"])


def prepare(lab: Lab) -> dict[str, Any]:
    """Make on the new cloud what VISA needs there; return the input for its registration, hidden."""
    cloud = lab.state.cloud(NEW)
    with administrator(cloud) as new:
        keystone = identity(new)
        project = keystone.create_project(name=seed.PROJECT, domain_id="default")
        user = keystone.create_user(name="visa-api", password=cloud.password, domain_id="default")
        member = keystone.find_role("member", ignore_missing=False)
        keystone.assign_project_role_to_user(project, user, member)
        new.compute.create_flavor(name="visa.tiny", vcpus=1, ram=2048, disk=10, is_public=True)
        network = new.network.create_network(name=seed.NETWORK, is_shared=True)
        new.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.20.0.0/16")
        new.network.create_security_group(name="visa-default", project_id=project.id)
    account = {**login(cloud, seed.PROJECT), "username": "visa-api"}
    with Connection(session=Session(auth=v3.Password(**account)), region_name=REGION) as connection:
        credential = identity(connection).create_application_credential(str(connection.current_user_id), "visa")
    return registration(lab, NEW, "visa-new", credential.id, credential.secret, network.id)


def registration(lab: Lab, name: str, prefix: str, key: str, secret: str, network: str) -> dict[str, Any]:
    cloud = lab.state.cloud(name)
    return {
        "type": "openstack", "name": name, "serverNamePrefix": prefix, "visible": False,
        "openStackProviderConfiguration": {
            "applicationId": key, "applicationSecret": secret, "identityEndpoint": cloud.url("keystone"),
            "computeEndpoint": cloud.url("nova"), "imageEndpoint": cloud.url("glance"),
            "networkEndpoint": cloud.url("neutron"), "addressProvider": seed.NETWORK, "addressProviderUUID": network,
        },
    }  # fmt: skip


def wait_for(condition: Callable[[], object], what: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout:g} s: {what}"
        time.sleep(0.2)
