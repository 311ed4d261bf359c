"""VISA's access to a real cloud: the same requests that the real server sends."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Any

from keystoneauth1.exceptions import ClientException, NotFound
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from lab.visa.clouds import STATES, Access, CloudFlavour, CloudImage, CloudLimit, Default, Provider, Server, ServerInput
from lab.visa.errors import CloudDown

TIMEOUT = 30
MIB = 2**20
LOG = logging.getLogger(__name__)


class OpenStack:
    """One cloud, through one application credential.

    Arguments:
        provider: its endpoints and the credential.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        auth = v3.ApplicationCredential(
            auth_url=f"{provider.identity_endpoint}/v3",
            application_credential_id=provider.application_id,
            application_credential_secret=provider.application_secret,
        )
        self._session = Session(auth=auth, timeout=TIMEOUT)

    def images(self) -> list[CloudImage]:
        """Return the images: the first page of Glance's, as the real server does."""
        try:
            listed = self._json("GET", f"{self._provider.image_endpoint}/v2/images")["images"]
        except CloudDown:
            return []
        return [_image(each) for each in listed]

    def image(self, identity: str) -> CloudImage | None:
        """Return an image; None if it is not there or the cloud cannot be asked."""
        try:
            return _image(self._json("GET", f"{self._provider.image_endpoint}/v2/images/{identity}"))
        except CloudDown:
            return None

    def flavours(self) -> list[CloudFlavour]:
        """Return the flavors."""
        listed = self._compute("GET", "/flavors/detail")["flavors"]
        return [CloudFlavour(each["id"], each["name"], each["vcpus"], each["disk"], each["ram"]) for each in listed]

    def security_groups(self) -> list[str]:
        """Return the names of the project's security groups."""
        try:
            found = self._json("GET", f"{self._provider.network_endpoint}/v2.0/security-groups?fields=name")
        except CloudDown:
            return []
        return sorted({each["name"] for each in found["security_groups"]}, key=str.casefold)

    def limits(self) -> CloudLimit | None:
        """Return the project's limits; None where the cloud cannot be asked."""
        try:
            found = self._compute("GET", "/limits")["limits"]["absolute"]
        except CloudDown:
            return None
        return CloudLimit(
            found["maxTotalRAMSize"], found["totalRAMUsed"], found["totalInstancesUsed"], found["maxTotalInstances"],
            found["maxTotalCores"], found["totalCoresUsed"],
        )  # fmt: skip

    def server(self, identity: str) -> Server | None:
        """Return a server; None if Nova knows none of this id."""
        try:
            answer = self._session.get(f"{self._provider.compute_endpoint}/v2/servers/{identity}")
        except NotFound:
            return None
        except ClientException as error:
            raise CloudDown(str(error)) from error
        return self._server(answer.json()["server"])

    def servers(self) -> list[Server]:
        """Return the project's servers."""
        found: list[Server] = []
        while True:
            after = f"?marker={found[-1].id}" if found else ""
            page = self._compute("GET", f"/servers/detail{after}")["servers"]
            if not page:
                return found
            found += [self._server(each) for each in page]

    def create(self, wanted: ServerInput) -> str:
        """Let Nova make a server and return its id."""
        body: dict[str, Any] = {
            "name": wanted.name,
            "imageRef": wanted.image,
            "flavorRef": wanted.flavour,
            "networks": [{"uuid": each} for each in wanted.networks],
            "security_groups": [{"name": each} for each in wanted.security_groups],
            "metadata": dict(wanted.metadata),
        }
        if wanted.user_data:
            body["user_data"] = base64.b64encode(wanted.user_data.encode()).decode()
        return str(self._compute("POST", "/servers", {"server": body})["server"]["id"])

    def stop(self, identity: str) -> None:
        """Shut a server down."""
        self._ask("POST", f"{self._provider.compute_endpoint}/v2/servers/{identity}/action", {"os-stop": None})

    def delete(self, identity: str) -> None:
        """Delete a server."""
        self._ask("DELETE", f"{self._provider.compute_endpoint}/v2/servers/{identity}")

    def _server(self, raw: Mapping[str, Any]) -> Server:
        addresses = raw["addresses"].get(self._provider.address_provider) or [{}]
        return Server(raw["id"], raw["name"], STATES.get(raw["status"], "UNKNOWN"), addresses[0].get("addr"))

    def _compute(self, method: str, path: str, body: object = None) -> Any:
        return self._json(method, f"{self._provider.compute_endpoint}/v2{path}", body)

    def _json(self, method: str, url: str, body: object = None) -> Any:
        return self._ask(method, url, body).json()

    def _ask(self, method: str, url: str, body: object = None) -> Any:
        try:
            return self._session.request(url, method, json=body)
        except ClientException as error:
            LOG.warning("%s %s: %s", method, url, error)
            raise CloudDown(str(error)) from error


class RealClouds:
    """Access to OpenStack clouds.

    Arguments:
        default: the cloud of VISA's environment.
    """

    def __init__(self, default: Default) -> None:
        self.default = default

    def access(self, provider: Provider) -> Access:
        """Return the access that a provider configuration describes; nothing is asked yet."""
        return OpenStack(provider)


def _image(raw: Mapping[str, Any]) -> CloudImage:
    return CloudImage(raw["id"], raw["name"], int(raw["size"] / MIB))  # an image without a size breaks VISA, too
