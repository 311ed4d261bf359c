"""Galera, RabbitMQ and HAProxy of each controller over HTTP, as kolla-ansible 18 deploys them.

Source: kolla-ansible 18.8, roles mariadb (mariadb-clustercheck), rabbitmq (management plugin) and loadbalancer (stats);
RabbitMQ's management HTTP API; HAProxy's CSV statistics (management guide, 9.1). All listen on a host's API address.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from migration.errors import MemberSilent

TIMEOUT = 5.0
"""Seconds for a connection, and between two bytes of an answer."""

TRIES = 3
"""clustercheck answers without reading the request, so now and then its kernel resets the connection."""

OWN = frozenset({"stats", "status", "metrics"})
"""HAProxy's own frontends in Kolla's configuration; all others listen on the VIPs alone."""


def galera(address: str, port: int = 4569) -> tuple[int, str]:
    """Ask clustercheck of one host.

    Arguments:
        address: where it listens.
        port: its port (``mariadb_clustercheck_port``).

    Returns:
        HTTP status and text: 200 where its database is synced, 503 where it is not; 0 and why where nobody answered.
    """
    for left in reversed(range(TRIES)):
        try:
            answer = _get(f"http://{_host(address)}:{port}/", None)
        except MemberSilent as error:
            if not left:
                return 0, str(error)
        else:
            return answer.status_code, answer.text.strip()[:200]
    raise AssertionError


class RabbitMQ:
    """RabbitMQ's management API on one host.

    Arguments:
        address: where it listens.
        user: a user that may read it.
        password: its password.
        port: its port (``rabbitmq_management_port``).

    All methods raise ``MemberSilent``.
    """

    def __init__(self, address: str, user: str, password: str, port: int = 15672) -> None:
        self._url = f"http://{_host(address)}:{port}/api"
        self._auth = (user, password)

    def nodes(self) -> dict[str, str]:
        """Return what is wrong with each node of its cluster, by short host name; "" where nothing is."""
        rows = self._json("/nodes?columns=name,running,partitions", {200})
        try:
            return {row["name"].partition("@")[2].partition(".")[0]: _wrong(row) for row in rows}
        except (TypeError, KeyError, AttributeError) as error:
            raise MemberSilent(f"{self._url}/nodes was answered with something else") from error

    def critical(self) -> str:
        """Return which queues would lose their majority without this node, or ""."""
        answer = self._json("/health/checks/node-is-quorum-critical", {200, 503})
        if not isinstance(answer, dict) or answer.get("status") not in {"ok", "failed"}:
            raise MemberSilent(f"{self._url}/health/checks was answered with something else")
        return "" if answer["status"] == "ok" else str(answer.get("reason", "no reason given"))

    def _json(self, path: str, fine: set[int]) -> Any:
        answer = _get(self._url + path, self._auth)
        if answer.status_code not in fine:
            raise MemberSilent(f"{self._url}{path} was answered {answer.status_code}")
        try:
            return answer.json()
        except ValueError:
            raise MemberSilent(f"{self._url}{path} was answered with something that is not JSON") from None


class HAProxy:
    """HAProxy's statistics on one controller.

    Arguments:
        address: where they are served.
        user: the user of its statistics (``haproxy_user``).
        password: its password.
        port: their port (``haproxy_stats_port``).
    """

    def __init__(self, address: str, user: str, password: str, port: int = 1984) -> None:
        self._url = f"http://{_host(address)}:{port}/;csv"
        self._auth = (user, password)

    def read(self) -> tuple[dict[str, dict[str, str]], int]:
        """Ask once.

        Returns:
            The status of each server (short host name) by backend, and how many connections came in through the VIPs.

        Raises:
            MemberSilent: it did not answer.
        """
        answer = _get(self._url, self._auth)
        rows = list(csv.DictReader(answer.text.removeprefix("# ").splitlines()))
        if answer.status_code != 200 or not rows or not {"pxname", "svname", "status", "stot"} <= rows[0].keys():
            raise MemberSilent(f"{self._url} was answered {answer.status_code}, and not with statistics")
        servers: dict[str, dict[str, str]] = {}
        connections = 0
        for row in rows:
            if row["svname"] == "FRONTEND" and row["pxname"] not in OWN:
                connections += int(row["stot"] or 0)
            elif row["svname"] not in {"FRONTEND", "BACKEND"}:
                servers.setdefault(row["pxname"], {})[row["svname"].partition(".")[0]] = row["status"]
        return servers, connections


def _wrong(row: Mapping[str, Any]) -> str:
    if row["running"] is not True:
        return "not running"
    if row.get("partitions") is None:  # some seconds after its start
        return "running, and has not reported yet"
    return f"parted from {', '.join(row['partitions'])}" if row["partitions"] else ""


def _get(url: str, auth: tuple[str, str] | None) -> requests.Response:
    session = requests.Session()
    session.trust_env = False  # no proxy stands between us and a controller
    with session:
        try:
            return session.get(url, auth=auth, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise MemberSilent(f"{url} did not answer ({type(error).__name__})") from error


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else quote(address, safe="")
