"""One cloud over HTTP: log in, ask, page, and turn every failure into an error of ours.

openstacksdk does the log-in, the catalog, TLS and the transport retries. Lists are read as plain JSON because a fleet
is thousands of rows and we need six fields of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import keystoneauth1.exceptions as keystone
import openstack
import openstack.exceptions
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from migration.errors import CloudError, CloudRefused, CloudUnreachable

TIMEOUT = 60.0
"""Seconds until a request to a cloud counts as unanswered, unless clouds.yaml says otherwise."""

PAGE = 1000
"""Rows a page: Nova's own limit (osapi max_limit)."""


class Proxy(Protocol):
    """The part of an openstacksdk proxy that we use."""

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        """Send one request and return its response."""
        ...


class Rest:
    """One service of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        proxy: an openstacksdk proxy (``connection.compute`` …).
        microversion: sent with every request, or None.
    """

    def __init__(self, cloud: str, proxy: Proxy, microversion: str | None = None) -> None:
        self.cloud = cloud
        self._proxy = proxy
        self._microversion = microversion

    def call(self, method: str, path: str, *, microversion: str | None = None, body: Any = None) -> Any:
        """Send one request.

        Arguments:
            method: HTTP method.
            path: path below the service's endpoint, with its query.
            microversion: instead of this service's usual one.
            body: JSON body, or None.

        Returns:
            The decoded JSON body, or None where there is none.

        Raises:
            CloudUnreachable: no answer, or the log-in failed.
            CloudRefused: the cloud answered with an error.
        """
        arguments: dict[str, Any] = {"raise_exc": False}
        version = microversion or self._microversion
        if version is not None:
            arguments["microversion"] = version
        if body is not None:
            arguments["json"] = body
        with translated(self.cloud):
            response = self._proxy.request(path, method, **arguments)
        if response.status_code >= 400:
            raise CloudRefused(
                self.cloud,
                f"{method} {path} was answered {response.status_code}: {_reason(response)}. See the log of that"
                f" service,"
                " then run again",
                response.status_code,
            )
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise self._strange(f"{method} {path}", "something that is not JSON") from None

    def pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """Read a whole list, page by page.

        Arguments:
            path: path of the list with its query, without limit and marker.
            key: the list's key in the answer; ``KEY_links`` tells of a next page.

        Yields:
            The rows, as the cloud sent them.

        Raises:
            CloudError: as ``call``.
        """
        glue = "&" if "?" in path else "?"
        url = f"{path}{glue}limit={PAGE}"
        while url:
            answer = self.call("GET", url)
            rows = self._under(key, answer, url)
            yield from rows
            more = any(link.get("rel") == "next" for link in answer.get(f"{key}_links", ()))
            url = f"{path}{glue}limit={PAGE}&marker={rows[-1].get('uuid') or rows[-1]['id']}" if more and rows else ""

    def get(self, path: str, key: str) -> Any:
        """Return what stands under ``key`` in the JSON at ``path``; raises as ``call``."""
        return self._under(key, self.call("GET", path), path)

    def _under(self, key: str, answer: Any, path: str) -> Any:
        if not isinstance(answer, dict) or answer.get(key) is None:
            raise self._strange(f"GET {path}", f"JSON that has no {key}")
        return answer[key]

    def _strange(self, request: str, found: str) -> CloudUnreachable:
        return CloudUnreachable(self.cloud, f"{request} was answered with {found}; is it the right endpoint?")


# NotSupported is what openstacksdk says of a service whose versions it could not read.
_NO_ANSWER = (
    keystone.ConnectFailure,
    keystone.RetriableConnectionFailure,
    keystone.DiscoveryFailure,
    openstack.exceptions.NotSupported,
)


class translated:  # noqa: N801 - reads as a word where it is used
    """Turn what openstacksdk and keystoneauth raise into errors of ours.

    Arguments:
        cloud: the cloud's name.

    Raises:
        CloudUnreachable: no answer, no log-in, no such service in the catalog.
        CloudError: anything else that the libraries report.
    """

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate ``error``, if there is one."""
        if isinstance(error, keystone.Unauthorized):
            raise CloudUnreachable(
                self._cloud,
                f"Keystone refused the log-in ({error}); check the user and password of this cloud in clouds.yaml",
            ) from error
        if isinstance(error, _NO_ANSWER):
            raise CloudUnreachable(
                self._cloud,
                f"no answer ({error}); check that the cloud is up and auth_url in clouds.yaml is right, then run again",
            ) from error
        if isinstance(error, keystone.ClientException | openstack.exceptions.SDKException):
            raise CloudError(self._cloud, f"{error}; see the log of this service, then run again") from error


def connect(cloud: str) -> Connection:
    """Open a connection to a cloud of clouds.yaml; nothing is asked yet.

    Arguments:
        cloud: its name in clouds.yaml.

    Returns:
        The connection.

    Raises:
        CloudUnreachable: there is no such entry, or it lacks something.
    """
    try:
        config = OpenStackConfig()
        region = config.get_one(cloud=cloud)
    # openstacksdk lets most of what is wrong in an entry through as it comes.
    except (openstack.exceptions.ConfigException, keystone.ClientException, AttributeError, TypeError) as error:
        raise CloudUnreachable(
            cloud,
            f"clouds.yaml has no usable entry of this name ({error}); expected it in the current directory,"
            " ~/.config/openstack, /etc/openstack, or where OS_CLIENT_CONFIG_FILE says",
        ) from error
    if region.config.get("api_timeout") is None:
        region.config["api_timeout"] = TIMEOUT
    with translated(cloud):
        return Connection(config=region)


def _reason(response: Any) -> str:
    """Return the human part of an error answer: Nova's, Neutron's and Placement's differ."""
    try:
        body = response.json()
    except ValueError:
        return str(response.text)[:300]
    if isinstance(body, dict):
        for value in body.values():
            if isinstance(value, dict) and "message" in value:
                return str(value["message"])
            if isinstance(value, list) and value and isinstance(value[0], dict) and "detail" in value[0]:
                return str(value[0]["detail"]).strip()
    return str(body)[:300]
