"""VISA over HTTP: the log-in, bounded waiting, and every failure as an error of ours.

VISA answers 200 with "System error" where the token is missing, where it is no administrator's, and where VISA itself
failed; and one row that cannot be shown makes a field null in all of them. So ``errors`` is looked at in every answer,
and an answer with any error in it is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import requests

from migration.errors import VisaRefused, VisaUnreachable

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a connection counts as refused."""

READ_TIMEOUT: Final = 60.0
"""Seconds until a request counts as unanswered: a page of 50 instances took up to 3."""

_SYSTEM_ERROR: Final = "System error"
_SHOWN: Final = 3


class Bearer(requests.auth.AuthBase):
    """The token as a header; given as ``auth`` so that a netrc file of whoever runs this does not replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class VisaRest:
    """The HTTP side of one VISA.

    Arguments:
        url: its API, as in ``https://visa.example.org/api``.
        token: gives the access token of an administrator; asked again where VISA refuses the one it gave.
        session: for tests, a session of their own; TLS is verified by it.
    """

    def __init__(self, url: str, token: Callable[[], str], session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        self._source = token
        self._token: str | None = None
        self._session = session or requests.Session()

    def graphql(
        self, document: str, variables: Mapping[str, Any] | None = None, *, secrets: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Run one GraphQL operation.

        Arguments:
            document: the operation.
            variables: its variables.
            secrets: what must not appear in an error, whatever VISA says.

        Returns:
            What is under ``data``.

        Raises:
            VisaUnreachable: no answer, or none of VISA's.
            VisaRefused: the answer has errors in it, or the token was refused.
        """
        answer = self.post("graphql", {"query": document, "variables": dict(variables or {})}, secrets=secrets)
        name = (
            document.split("{")[1].split("(", maxsplit=1)[0].strip() if document.startswith("mutation") else "a query"
        )
        if not isinstance(answer, dict) or ("data" not in answer and "errors" not in answer):
            raise VisaUnreachable(f"{name} was answered with JSON that is no GraphQL; check visa.endpoint and api_path")
        if errors := answer.get("errors"):
            raise VisaRefused(f"{name} was answered with errors: {_said(errors, [*secrets, self._token or ''])}")
        if not isinstance(answer["data"], dict):
            raise VisaRefused(f"{name} was answered with nothing; see the log of VISA's server")
        return answer["data"]

    def post(self, path: str, body: Any, *, secrets: Sequence[str] = ()) -> Any:
        """Send JSON and return the JSON of the answer; raises as ``graphql``."""
        response = self._send(path, body)
        if response.status_code == requests.codes.unauthorized:
            # a file or a command may have a newer one by now
            self._token = None
            response = self._send(path, body)
        url, status = f"{self._url}/{path}", response.status_code
        if status in {401, 403}:
            raise VisaRefused(
                f"{url} refused the token ({status}); expected the access token of a user with the role ADMIN. See"
                " visa.token, and whether the token has expired"
            )
        if 300 <= status < 400 or status >= 500:
            raise VisaUnreachable(f"{url} answered {status}; check that VISA is up, and visa.endpoint and api_path")
        if status >= 400:
            said = _masked(response.text[:300], [*secrets, self._token or ""])
            raise VisaRefused(f"{url} answered {status}: {said}; see the log of VISA's server")
        try:
            return response.json()
        except ValueError:
            raise VisaUnreachable(
                f"{url} answered with something that is not JSON; check visa.endpoint and api_path"
            ) from None

    def _send(self, path: str, body: Any) -> requests.Response:
        if self._token is None:
            self._token = self._source()
        url = f"{self._url}/{path}"
        try:
            # a redirect would be followed with the token, and as a GET
            return self._session.post(
                url,
                json=body,
                auth=Bearer(self._token),
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise VisaUnreachable(
                f"{url}: its certificate is not trusted ({_reason(error)}); put the authority that signed it into a"
                " file and name that in REQUESTS_CA_BUNDLE"
            ) from None
        except requests.exceptions.RequestException as error:
            raise VisaUnreachable(
                f"{url}: no answer ({_reason(error)}); check that VISA is up, then run again"
            ) from None


def _operation(document: str) -> str:
    """Return what an operation does, for a message: the first field that it selects."""
    return re.split(r"[({\s]", document.partition("{")[2].strip(), maxsplit=1)[0]


def _reason(error: Exception) -> str:
    return str(error).partition("(Caused by ")[2].rstrip(")") or type(error).__name__


def _said(errors: Any, secrets: Sequence[str]) -> str:
    """Return what VISA said, the three meanings of its favourite word spelt out."""
    rows = errors if isinstance(errors, list) else [errors]
    words = []
    for row in rows:
        message = str(row.get("message")) if isinstance(row, dict) else str(row)
        path = row.get("path") if isinstance(row, dict) else None
        where = f" at {'.'.join(map(str, path))}" if isinstance(path, list) else ""
        words.append(f"{message}{where}")
    said = _masked("; ".join(list(dict.fromkeys(words))[:_SHOWN]), secrets)
    if _SYSTEM_ERROR in said:
        said += ". This means that the token is no administrator's, or that VISA failed: see the log of its server"
    return said


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
