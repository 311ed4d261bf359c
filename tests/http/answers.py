"""One cloud over HTTP for the tests: recorded answers, written lists with Nova's paging, and every request kept.

The answers in ``recorded/`` are those of real Stein and Caracal services, with fields that nobody reads taken out and
the token's end put far away. What is not recorded is answered as the API references say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests_mock

PASSWORD = "s3cret-and-never-shown"
RECORDED = Path(__file__).parent / "recorded"


def write_clouds_yaml(directory: Path, **entries: Mapping[str, Any]) -> Path:
    """Write a clouds.yaml with entries ``stein`` and ``caracal``; ``entries`` replace or add some."""
    clouds = {
        name: {
            "auth": {
                "auth_url": f"http://keystone.{name}.test/v3",
                "username": "admin",
                "password": PASSWORD,
                "project_name": "admin",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
        }
        for name in ("stein", "caracal")
    }
    path = directory / "clouds.yaml"
    path.write_text(json.dumps({"clouds": {**clouds, **entries}}))
    return path


class Answers:
    """The HTTP side of one cloud.

    Arguments:
        cloud: ``stein`` or ``caracal``: whose recorded answers to give.
        mocker: where to answer.
    """

    def __init__(self, cloud: str, mocker: requests_mock.Mocker) -> None:
        self.cloud = cloud
        self.mocker = mocker
        for key, answer in json.loads((RECORDED / f"{cloud}.json").read_text()).items():
            method, url = key.split(" ", 1)
            headers = {"X-Subject-Token": "gAAAAA"} if url.endswith("/auth/tokens") else {}
            mocker.register_uri(
                method,
                url,
                complete_qs=True,
                status_code=answer["status"],
                headers={"Content-Type": "application/json", **headers},
                text="" if answer["body"] is None else json.dumps(answer["body"]),
            )

    def url(self, service: str, path: str) -> str:
        """Return the URL of a path below a service's endpoint."""
        version = {"nova": "/v2.1", "neutron": "/v2.0", "glance": "/v2"}.get(service, "")
        return f"http://{service}.{self.cloud}.test{version}{path}"

    def answer(self, method: str, service: str, path: str, **how: Any) -> None:
        """Answer a request in another way from now on."""
        self.mocker.register_uri(method, self.url(service, path), complete_qs="?" in path, **how)

    def list(self, service: str, path: str, key: str, rows: Sequence[Mapping[str, Any]], *, page: int = 1000) -> None:
        """Answer with a list, a page at a time, as Nova does: a link tells of a next page, after a marker."""

        def answered(request: Any, _context: object) -> dict[str, Any]:
            query = parse_qs(urlsplit(request.url).query)
            ids = [row.get("uuid") or row["id"] for row in rows]
            begin = ids.index(query["marker"][0]) + 1 if "marker" in query else 0
            end = begin + min(page, int(query.get("limit", ["1000"])[0]))
            if end >= len(rows):
                return {key: rows[begin:]}
            following = f"{request.url.partition('&marker')[0]}&marker={ids[end - 1]}"
            return {key: rows[begin:end], f"{key}_links": [{"rel": "next", "href": following}]}

        self.mocker.get(self.url(service, path), json=answered)

    def asked(self, service: str | None = None) -> list[str]:
        """Return the requests so far, as ``METHOD /path?query``, without those of the log-in and of discovery."""
        found = []
        for request in self.mocker.request_history:
            host, path = urlsplit(request.url).netloc.split(".")[0], request.url.partition(".test")[2]
            if host != "keystone" and path not in {"", "/"} and service in {None, host}:
                found.append(f"{request.method} {path}")
        return found
