"""VISA's project in the new cloud, through the log-in that owns VISA's application credential.

Source: the Identity (application credentials), Compute, Network and Image API references. An application credential
cannot be changed, and its secret is told once, when it is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from keystoneauth1.identity import v3 as keystone_v3
from keystoneauth1.session import Session
from openstack.connection import Connection

from migration.adapters.rest import TIMEOUT, Rest, connect, translated
from migration.errors import CloudRefused, CloudUnreachable
from migration.visa.facts import ApplicationCredential, GlanceImage, NovaFlavor, Project, ProjectServer

OURS: Final = "visa-migration:visa:"
"""How the names of our application credentials begin."""

ROLE: Final = "member"
"""All that VISA needs in its project, and all that its credential may do."""

READER: Final = "reader"
"""What ``member`` implies. Keystone does not follow what a role implies in the token of an application credential that
names its roles, and without it Glance refuses to list images (seen on Caracal)."""

SERVICES: Final = ("identity", "compute", "image", "network")
_VERSION: Final = re.compile(r"v[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A new application credential; its secret is shown nowhere."""

    id: str
    secret: str

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"NewCredential(id={self.id!r})"


class ProjectLogin:
    """A log-in to one project.

    Arguments:
        cloud: the entry's name in clouds.yaml, for errors.
        project: the project's name, for errors.
        connection: an open connection, scoped to the project.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, project: str, connection: Connection) -> None:
        self._cloud, self._project, self._connection = cloud, project, connection
        self._identity = Rest(cloud, connection.identity)
        self._compute = Rest(cloud, connection.compute)
        self._network = Rest(cloud, connection.network)
        self._image = Rest(cloud, connection.image)

    def look(self, interface: str) -> Project:
        """Look at the project; ``interface`` says which endpoints VISA uses."""
        access = self._access()
        servers = self._compute.pages("/servers/detail", "servers")
        networks = self._network.get("/networks?fields=name&fields=id", "networks")
        groups = self._network.get(f"/security-groups?project_id={access.project_id}&fields=name", "security_groups")
        return Project(
            id=access.project_id,
            endpoints={service: self._endpoint(access, service, interface) for service in SERVICES},
            networks={row["name"]: row["id"] for row in networks},
            groups=frozenset(row["name"] for row in groups),
            images=tuple(
                GlanceImage(row["id"], row["name"] or "", row["status"] == "active", row["size"], row["created_at"])
                for row in self._images()
            ),
            flavors=tuple(
                NovaFlavor(row["id"], row["name"], row["vcpus"], row["ram"])
                for row in self._compute.pages("/flavors/detail", "flavors")
            ),
            # Nova shows a server that boots from a volume with an empty text for its image
            servers=tuple(ProjectServer(row["id"], row["name"], not row["image"]) for row in servers),
            credentials=tuple(self._credentials(access.user_id)),
        )

    def _endpoint(self, access: Any, service: str, interface: str) -> str:
        with translated(self._cloud):
            url = access.service_catalog.url_for(
                service_type=service, interface=interface, region_name=self._connection.config.get_region_name()
            )
        return without_version(url)

    def _images(self) -> Iterator[dict[str, Any]]:
        path: str | None = "/images?limit=1000"
        while path:
            answer = self._image.call("GET", path)
            yield from answer["images"]
            # Glance gives the next page as a path that begins with its version
            path = answer.get("next") and answer["next"].removeprefix("/v2")

    def _credentials(self, user: str) -> Iterator[ApplicationCredential]:
        rows = self._identity.get(f"/users/{quote(user)}/application_credentials", "application_credentials")
        for row in rows:
            if row["name"].startswith(OURS) and (said := _said(row.get("description"))):
                yield ApplicationCredential(
                    id=row["id"],
                    prefix=str(said["prefix"]),
                    project=row["project_id"],
                    rotation=int(said["rotation"]),
                    endpoints=str(said["endpoints"]),
                    made=datetime.fromisoformat(str(said["made"])),
                    expires=_utc(row["expires_at"]) if row["expires_at"] else None,
                )

    def create_credential(
        self, prefix: str, rotation: int, endpoints: str, *, now: datetime, expires: datetime
    ) -> NewCredential:
        """Make an application credential that may do in this project what a member may, and nothing else.

        Arguments:
            prefix: the server-name prefix of the cloud client that it is for.
            rotation: ``visa.credential.rotation``.
            endpoints: digest of what else VISA is told with it.
            now: this moment (aware).
            expires: when it ends (aware).

        Returns:
            Its id and its secret.
        """
        user = self._access().user_id
        said = {"prefix": prefix, "rotation": rotation, "endpoints": endpoints, "made": now.isoformat()}
        wanted = {
            "name": f"{OURS}{prefix}:{rotation}:{now:%Y%m%dT%H%M%S.%fZ}",
            "description": json.dumps(said),
            "roles": [{"name": ROLE}, {"name": READER}],
            "expires_at": f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "unrestricted": False,
        }
        try:
            answer = self._identity.call(
                "POST", f"/users/{quote(user)}/application_credentials", body={"application_credential": wanted}
            )
        except CloudRefused as error:
            raise CloudRefused(
                self._cloud,
                f"no application credential for project {self._project}: {error}. The log-in (visa.cloud.login) must be"
                f" one with a password, of a user with the role {ROLE} there",
                error.status,
            ) from error
        made = answer["application_credential"]
        return NewCredential(made["id"], made["secret"])

    def prove_credential(self, credential: NewCredential, identity: str) -> str:
        """Log in with an application credential where VISA will; returns the id of the project that it leads to."""
        plugin = keystone_v3.ApplicationCredential(
            auth_url=f"{identity}/v3",
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )
        verify = self._connection.session.verify
        with translated(self._cloud):
            return str(Session(plugin, verify=verify, timeout=TIMEOUT).get_project_id())

    def delete_credential(self, credential: str) -> None:
        """Delete an application credential; nothing happens where it is gone."""
        try:
            self._identity.call(
                "DELETE", f"/users/{quote(self._access().user_id)}/application_credentials/{quote(credential)}"
            )
        except CloudRefused as error:
            if error.status != 404:
                raise

    def _access(self) -> Any:
        with translated(self._cloud):
            auth: Any = self._connection.session.auth
            return auth.get_access(self._connection.session)


def open_project(cloud: str, project: str) -> ProjectLogin:
    """Log in to one project.

    Arguments:
        cloud: an entry's name in clouds.yaml.
        project: the project's name.

    Returns:
        The log-in.

    Raises:
        CloudUnreachable: no such entry or project, no role there, or no answer.
    """
    connection = connect(cloud)
    with translated(cloud):
        scoped = connection.connect_as_project(project)
    try:
        with translated(cloud):
            scoped.session.get_token()
            return ProjectLogin(cloud, project, scoped)
    except CloudUnreachable as error:
        raise CloudUnreachable(
            cloud, f"no log-in to project {project} (visa.cloud.project): {error}. Its user needs the role {ROLE} there"
        ) from error


def without_version(url: str) -> str:
    """Return an endpoint as VISA wants it: it adds ``/v3``, ``/v2`` and so on by itself."""
    parts = urlsplit(url)
    kept: list[str] = []
    for part in filter(None, parts.path.split("/")):
        if _VERSION.fullmatch(part):
            break
        kept.append(part)
    return "/".join([f"{parts.scheme}://{parts.netloc}", *kept])


def _said(description: str | None) -> dict[str, Any] | None:
    """Return what we wrote into a credential's description, or None where it is none of ours."""
    try:
        found = json.loads(description or "")
    except ValueError:
        return None
    wanted = {"prefix", "rotation", "endpoints", "made"}
    return found if isinstance(found, dict) and wanted <= found.keys() else None


def _utc(text: str) -> datetime:
    """Read one of Keystone's dates: UTC, with or without saying so."""
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
