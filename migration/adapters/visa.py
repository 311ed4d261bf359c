"""VISA's admin API, as little of it as the migration needs: typed, and without any decision.

Source: visa-web-graphql and visa-web-rest of visa-api-server 3.8. Creates are not idempotent (but for security groups)
and may have happened although VISA answered with an error: who calls them looks again before asking again. Updates
replace whole objects: they are given whole objects, and the cloud that comes back is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from migration.adapters import visa_documents as documents
from migration.adapters.visa_rest import VisaRest
from migration.adapters.visa_token import read_token
from migration.errors import VisaRefused
from migration.visa import settings
from migration.visa.facts import (
    Booking,
    CloudClient,
    Flavour,
    Image,
    Life,
    Notification,
    Objects,
    OfferedPlan,
    SecurityGroup,
)
from migration.visa.instances import DEFAULT_CLOUD, AutoExtension, VisaInstance

PAGE: Final = 50
"""Instances a page: VISA's own limit."""


class Visa:
    """One VISA.

    Arguments:
        rest: its HTTP side.
        zone: the time zone of its server: its dates carry none.

    All methods raise ``VisaUnreachable`` or ``VisaRefused``.
    """

    def __init__(self, rest: VisaRest, zone: str = "UTC") -> None:
        self._rest = rest
        self._zone = ZoneInfo(zone)

    @classmethod
    def of(cls, wanted: settings.Visa) -> Self:
        """Take from the settings how to reach it; nothing is asked yet."""
        return cls(
            VisaRest(wanted.endpoint.rstrip("/") + wanted.api_path, lambda: read_token(wanted.token)), wanted.timezone
        )

    # ------------------------------------------------------------------------------------------------------- looking

    def objects(self) -> Objects:
        """Return everything that a change may touch."""
        data = self._rest.graphql(documents.OBJECTS)
        limits = [(row["flavour"]["id"], row["objectType"], row["objectId"]) for row in _rows(data, "flavourLimits")]
        filters = [
            (row["securityGroup"]["id"], (row["objectId"], row["objectType"]))
            for row in _rows(data, "securityGroupFilters")
        ]
        return Objects(
            clients=tuple(
                CloudClient(row["id"], row["name"], row["serverNamePrefix"], row["visible"])
                for row in _rows(data, "cloudClients")
            ),
            images=tuple(_image(row) for row in _rows(data, "images")),
            flavours=tuple(_flavour(row, limits) for row in _rows(data, "flavours")),
            plans=tuple(
                OfferedPlan(row["id"], row["image"]["id"], row["flavour"]["id"], row["preset"])
                for row in _rows(data, "plans")
            ),
            groups=tuple(
                SecurityGroup(
                    row["id"],
                    row["name"],
                    _cloud(row),
                    frozenset(limit for group, limit in filters if group == row["id"]),
                )
                for row in _rows(data, "securityGroups")
            ),
            notifications=tuple(
                Notification(row["id"], row["message"], row["type"]) for row in _rows(data, "systemNotifications")
            ),
        )

    def lives(self) -> dict[int, Life]:
        """Return what proves that VISA reaches each cloud, by the cloud client's id."""
        limits = {
            row["cloudClient"]["id"]: row["cloudLimit"] is not None
            for row in _rows(self._rest.graphql(documents.LIMITS), "cloudLimits")
        }
        return {cloud: Life(told, self._images_seen(cloud)) for cloud, told in limits.items()}

    def _images_seen(self, cloud: int) -> frozenset[str]:
        try:
            data = self._rest.graphql(documents.CLOUD_IMAGES, {"cloud": cloud})
        except VisaRefused:  # an image whose size Glance does not know breaks the whole list: then there is no proof
            return frozenset()
        return frozenset(row["id"] for row in _rows(data, "cloudImages"))

    def bookings(self) -> tuple[Booking, ...]:
        """Return every booking request."""
        return tuple(
            Booking(
                row["id"],
                row["state"],
                row["endDate"][:10],
                frozenset(_cloud(one["flavour"]) for one in row["flavours"] if one is not None),
            )
            for row in _rows(self._rest.graphql(documents.BOOKINGS), "bookingRequests")
        )

    def instances(self) -> tuple[VisaInstance, ...]:
        """Return every instance that has not ended."""
        asking = frozenset(
            row["instance"]["id"]
            for row in _rows(self._rest.graphql(documents.EXTENSIONS), "instanceExtensionRequests")
            if row["state"] == "PENDING"
        )
        found: dict[int, VisaInstance] = {}
        offset, more = 0, True
        while more:
            rows, more = self._page(offset, ascending=True)
            found |= {row["id"]: self._instance(row, asking) for row in rows}
            offset += PAGE
        return tuple(found.values())

    def newest(self) -> dict[int, VisaInstance]:
        """Return the newest 50 instances that have not ended, by id."""
        return {row["id"]: self._instance(row, frozenset()) for row in self._page(0, ascending=False)[0]}

    def _page(self, offset: int, *, ascending: bool) -> tuple[list[dict[str, Any]], bool]:
        variables = {"limit": PAGE, "offset": offset, "ascending": ascending}
        answer = self._rest.graphql(documents.INSTANCES, variables)["instances"]
        return _rows(answer, "data"), bool(answer["pageInfo"]["hasNextPage"])

    def _instance(self, row: dict[str, Any], asking: frozenset[int]) -> VisaInstance:
        owner, plan = row["owner"] or {}, row["plan"] or {"image": {}, "flavour": {}}
        created = self._date(row["createdAt"])
        if created is None:
            raise VisaRefused(f"instance {row['id']} has no date of creation; see the log of VISA's server")
        return VisaInstance(
            id=row["id"],
            name=row["name"],
            state=row["state"],
            server=row["computeId"],
            cloud=_cloud(row),
            created=created,
            termination=self._date(row["terminationDate"]),
            last_seen=self._date(row["lastSeenAt"]),
            # VISA repeats roles
            roles=frozenset(one["role"]["name"] for one in owner.get("activeUserRoles") or ()),
            flavor=plan["flavour"].get("name"),
            booked=row["bookingToken"] is not None,
            auto_extension=AutoExtension(plan["image"].get("autoAcceptExtensionRequest") or AutoExtension.NONE),
            extension_requested=row["id"] in asking,
            username=row["username"] or "",
            owner_name=owner.get("fullName") or "",
        )

    def _date(self, text: str | None) -> datetime | None:
        """Read one of VISA's dates: it carries no zone and means the server's own."""
        if text is None:
            return None
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=self._zone)).astimezone(UTC)

    # ------------------------------------------------------------------------------------------------------ changing

    def create_client(self, name: str, prefix: str, provider: Mapping[str, str]) -> None:
        """Register a cloud, hidden; ``provider`` is its whole provider configuration, secret included."""
        self._client(documents.CREATE_CLIENT, {}, CloudClient(0, name, prefix, visible=False), provider)

    def update_client(self, client: CloudClient, provider: Mapping[str, str]) -> None:
        """Replace a cloud client; the default one is never written."""
        if client.id == DEFAULT_CLOUD:
            raise VisaRefused("the default cloud (-1) is never written; this is a mistake of visa-migration, report it")
        self._client(documents.UPDATE_CLIENT, {"id": client.id}, client, provider)

    def _client(self, document: str, more: Mapping[str, int], client: CloudClient, provider: Mapping[str, str]) -> None:
        written = {
            "type": "openstack",
            "name": client.name,
            "serverNamePrefix": client.prefix,
            "visible": client.visible,
            "openStackProviderConfiguration": dict(provider),
        }
        self._rest.graphql(document, {**more, "input": written}, secrets=[provider["applicationSecret"]])

    def save_image(self, image: Image) -> None:
        """Create an image (id 0) or replace one; raises where its cloud is not the given one afterwards."""
        written = {
            "name": image.name,
            "version": image.version,
            "description": image.description,
            "icon": image.icon,
            "cloudId": image.cloud,
            "computeId": image.compute,
            "visible": image.visible,
            "protocolIds": list(image.protocols),
            "defaultVdiProtocolId": image.default_vdi,
            "secondaryVdiProtocolId": image.secondary_vdi,
            "bootCommand": image.boot_command,
            "autologin": image.autologin,
            "autoAcceptExtensionRequest": image.extensions,
        }
        if image.id:
            row = self._rest.graphql(documents.UPDATE_IMAGE, {"id": image.id, "input": written})["updateImage"]
        else:
            row = self._rest.graphql(documents.CREATE_IMAGE, {"input": written})["createImage"]
        _stayed(row, f"image {image.label}", image.cloud)

    def save_flavour(self, flavour: Flavour) -> None:
        """Create a flavour (id 0) or replace one; raises where its cloud is not the given one afterwards."""
        written = {
            "name": flavour.name,
            "memory": flavour.memory,
            "cpu": flavour.cpu,
            "cloudId": flavour.cloud,
            "computeId": flavour.compute,
            # without these three VISA says "System error" and creates the flavour all the same
            "instrumentIds": sorted(flavour.instruments),
            "roleIds": sorted(flavour.roles),
            "roleLifetimes": [{"roleId": role, "lifetimeMinutes": minutes} for role, minutes in flavour.lifetimes],
        }
        if flavour.id:
            row = self._rest.graphql(documents.UPDATE_FLAVOUR, {"id": flavour.id, "input": written})["updateFlavour"]
        else:
            row = self._rest.graphql(documents.CREATE_FLAVOUR, {"input": written})["createFlavour"]
        _stayed(row, f"flavour {flavour.name}", flavour.cloud)

    def create_plan(self, image: int, flavour: int) -> None:
        """Offer an image with a flavour; not as the preset."""
        self._rest.graphql(documents.CREATE_PLAN, {"input": {"imageId": image, "flavourId": flavour, "preset": False}})

    def make_preset(self, plan: OfferedPlan) -> None:
        """Make a plan the one that is chosen unless a user chooses; VISA clears the others."""
        written = {"imageId": plan.image, "flavourId": plan.flavour, "preset": True}
        self._rest.graphql(documents.UPDATE_PLAN, {"id": plan.id, "input": written})

    def delete_plan(self, plan: int) -> None:
        """Take a plan out of the offer; its instances live on."""
        self._rest.graphql(documents.DELETE_PLAN, {"id": plan})

    def create_group(self, name: str, cloud: int) -> None:
        """Let VISA give a cloud's security group to its servers; the only create that may be repeated."""
        row = self._rest.graphql(documents.CREATE_GROUP, {"input": {"name": name, "cloudId": cloud}})
        _stayed(row["createSecurityGroup"], f"security group {name}", cloud)

    def create_filter(self, group: int, object_id: int, object_type: str) -> None:
        """Limit a security group to an object (a role, an instrument …)."""
        written = {"securityGroupId": group, "objectId": object_id, "objectType": object_type}
        self._rest.graphql(documents.CREATE_FILTER, {"input": written})

    def create_banner(self, message: str, since: datetime) -> None:
        """Show every user a line; ``since`` should be past in every time zone, or it is not shown yet."""
        written = {"message": message, "level": "INFO", "type": "BANNER", "activatedAt": f"{since:%Y-%m-%d %H:%M:%S}"}
        self._rest.graphql(documents.CREATE_NOTIFICATION, {"input": written})

    def delete_notification(self, notification: int) -> None:
        """Take a line away."""
        self._rest.graphql(documents.DELETE_NOTIFICATION, {"id": notification})

    def start(self, name: str, plan: int, *, lifetime: int, keyboard: str) -> int:
        """Start an instance as the administrator, as VISA's own page does.

        Arguments:
            name: its name.
            plan: VISA's number of the plan.
            lifetime: minutes until VISA ends it at the latest.
            keyboard: a layout that VISA knows.

        Returns:
            VISA's number of the instance.
        """
        body = {
            "name": name,
            "comments": "Tried by visa-migration; it goes by itself",
            "planId": plan,
            "lifetimeMinutes": lifetime,
            "screenWidth": 1920,
            "screenHeight": 1080,
            "acceptedTerms": True,
            "experiments": [],
            "keyboardLayout": keyboard,
        }
        answer = self._rest.post("account/instances", body)
        try:
            return int(answer["data"]["id"])
        except (KeyError, TypeError, ValueError):
            raise VisaRefused("account/instances was answered without the new instance's id; see VISA's log") from None

    def delete_instance(self, instance: int) -> None:
        """Ask for the end of an instance; VISA stops it, then deletes it: 20 to 40 seconds."""
        self._rest.graphql(documents.DELETE_INSTANCE, {"id": instance})


def _rows(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return a list without the nulls that VISA's schema allows in it."""
    return [row for row in data[key] or () if row is not None]


def _cloud(row: Mapping[str, Any]) -> int:
    return DEFAULT_CLOUD if row["cloudId"] is None else int(row["cloudId"])


def _stayed(row: Mapping[str, Any], what: str, cloud: int) -> None:
    if _cloud(row) != cloud:
        raise VisaRefused(
            f"{what} is on cloud {_cloud(row)} now, expected {cloud}: VISA would look for its instances in the wrong"
            " cloud and mark them deleted. Give it back its cloud in VISA's administration at once"
        )


def _image(row: Mapping[str, Any]) -> Image:
    vdi = row["defaultVdiProtocol"] or {"id": 0}
    return Image(
        id=row["id"],
        name=row["name"],
        version=row["version"],
        description=row["description"],
        icon=row["icon"],
        cloud=_cloud(row),
        compute=row["computeId"],
        visible=row["visible"],
        protocols=tuple(one["id"] for one in row["protocols"] or () if one is not None),
        default_vdi=vdi["id"],
        secondary_vdi=row["secondaryVdiProtocol"]["id"] if row["secondaryVdiProtocol"] else None,
        boot_command=row["bootCommand"],
        autologin=row["autologin"],
        extensions=row["autoAcceptExtensionRequest"],
    )


def _flavour(row: Mapping[str, Any], limits: list[tuple[int, str, int]]) -> Flavour:
    def limited(kind: str) -> frozenset[int]:
        return frozenset(one for flavour, type_, one in limits if flavour == row["id"] and type_ == kind)

    lifetimes = [
        (one["role"]["id"] if one["role"] else None, one["lifetimeMinutes"])
        for one in row["roleLifetimes"] or ()
        if one is not None
    ]
    return Flavour(
        id=row["id"],
        name=row["name"],
        memory=row["memory"],
        cpu=row["cpu"],
        cloud=_cloud(row),
        compute=row["computeId"],
        lifetimes=tuple(sorted(lifetimes, key=lambda one: (one[0] is not None, one[0] or 0))),
        instruments=limited("INSTRUMENT"),
        roles=limited("ROLE"),
    )
