"""Glance, as little of it as the migration needs. Source: the Image API v2 reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import requests
from openstack.connection import Connection

from migration.adapters.rest import Rest, translated
from migration.errors import CloudRefused, CloudUnreachable
from migration.images.facts import Checksum, ImageFacts

CHUNK: Final = 1 << 20
"""Bytes that are in memory at once while an image goes by."""

PATIENCE: Final = 3600
"""Seconds that a store may take to keep what was uploaded before Glance answers."""

_FIELDS: Final = frozenset(
    {
        "id",
        "name",
        "status",
        "disk_format",
        "container_format",
        "size",
        "virtual_size",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "visibility",
        "protected",
        "os_hidden",
        "min_disk",
        "min_ram",
        "owner",
        "created_at",
        "updated_at",
        "tags",
        "self",
        "file",
        "schema",
        "direct_url",
        "locations",
        "stores",
    }
)
"""What Glance says of every image; all else is a property that somebody gave it."""

_OF_ITS_CLOUD: Final = ("os_glance_", "owner_specified.", "base_image_ref", "image_location", "instance_uuid")
"""How properties begin that mean something only in the cloud that they come from."""


class Glance:
    """Glance of one cloud.

    Arguments:
        cloud: the cloud's name, for errors.
        connection: an open connection to it.

    All methods raise ``CloudError``.
    """

    def __init__(self, cloud: str, connection: Connection) -> None:
        self._cloud = cloud
        self._proxy = connection.image
        self._rest = Rest(cloud, connection.image)

    def image_id(self, name: str) -> str | None:
        """Return the id of the one active image of that name, or None where there is none or more than one."""
        rows = self._rest.get(f"/images?name={quote(name, safe='')}&status=active", "images")
        return str(rows[0]["id"]) if len(rows) == 1 else None

    def images(self, name: str) -> list[ImageFacts]:
        """Return all images of that name, hidden ones too, oldest first."""
        query = f"/images?name={quote(name, safe='')}&limit=1000&sort=created_at:asc"
        rows = [*self._rest.get(query, "images"), *self._rest.get(f"{query}&os_hidden=true", "images")]
        return [_facts(row) for row in rows]

    def image(self, identity: str) -> ImageFacts | None:
        """Return one image, or None where there is none of that id."""
        try:
            return _facts(self._rest.call("GET", f"/images/{quote(identity, safe='')}"))
        except CloudRefused as error:
            if error.status == 404:
                return None
            raise

    def create(self, name: str, disk_format: str, properties: Mapping[str, str]) -> str:
        """Create an image without content, private and unprotected.

        Returns:
            Its id.
        """
        body = {**properties, "name": name, "disk_format": disk_format, "container_format": "bare",
                "visibility": "private", "protected": False}  # fmt: skip
        return str(self._rest.call("POST", "/images", body=body)["id"])

    def update(self, identity: str, changes: Mapping[str, object]) -> None:
        """Set fields and properties of an image, adding those that it does not have."""
        patch = [{"op": "add", "path": f"/{_pointer(key)}", "value": value} for key, value in changes.items()]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self._send("PATCH", f"/images/{quote(identity, safe='')}", json=patch, headers=headers)

    def delete(self, identity: str) -> None:
        """Delete an image."""
        self._rest.call("DELETE", f"/images/{quote(identity, safe='')}")

    def upload(self, identity: str, content: Iterable[bytes]) -> None:
        """Send the content of an image, chunk by chunk; answered once it is stored."""
        headers = {"Content-Type": "application/octet-stream"}
        self._send("PUT", f"/images/{identity}/file", data=content, headers=headers, timeout=PATIENCE)

    def download(self, identity: str, start: int) -> tuple[int, Iterator[bytes]]:
        """Read the content of an image from a place on.

        Arguments:
            identity: its id.
            start: the first byte that is wanted.

        Returns:
            The byte at which it really begins (0 where Glance has no ranges), and the content, chunk by chunk.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        # Without identity no length would be known, and a range would be one of something else.
        headers["Accept-Encoding"] = "identity"
        response = self._send("GET", f"/images/{identity}/file", headers=headers, stream=True)
        return (start if response.status_code == 206 else 0), self._chunks(response)

    def _chunks(self, response: Any) -> Iterator[bytes]:
        try:
            yield from response.iter_content(CHUNK)
        except (requests.RequestException, OSError) as error:
            raise CloudUnreachable(
                self._cloud, f"the download broke off ({error}); run again, it goes on where it ended"
            ) from error
        finally:
            response.close()

    def _send(self, method: str, path: str, **how: Any) -> Any:
        with translated(self._cloud):
            response = self._proxy.request(path, method, raise_exc=False, log=False, **how)
        if response.status_code >= 400:
            message = f"{method} {path} was answered {response.status_code}: {response.text[:300]}. See Glance's log"
            raise CloudRefused(self._cloud, message, response.status_code)
        return response


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _facts(row: Mapping[str, Any]) -> ImageFacts:
    return ImageFacts(
        id=str(row["id"]),
        name=str(row.get("name") or ""),
        status=str(row["status"]),
        format=str(row.get("disk_format") or ""),
        size=row.get("size"),
        checksum=_checksum(row),
        visibility=str(row.get("visibility") or ""),
        protected=bool(row.get("protected")),
        hidden=bool(row.get("os_hidden")),
        min_disk=int(row.get("min_disk") or 0),
        min_ram=int(row.get("min_ram") or 0),
        properties=_properties(row),
    )


def _checksum(row: Mapping[str, Any]) -> Checksum | None:
    if row.get("os_hash_algo") and row.get("os_hash_value"):
        return Checksum(str(row["os_hash_algo"]), str(row["os_hash_value"]))
    # Images from before Rocky have nothing better.
    return Checksum("md5", str(row["checksum"])) if row.get("checksum") else None


def _properties(row: Mapping[str, Any]) -> dict[str, str]:
    kept: Sequence[str] = [key for key in row if key not in _FIELDS and not key.startswith(_OF_ITS_CLOUD)]
    return {key: str(row[key]) for key in kept if row[key] is not None}
