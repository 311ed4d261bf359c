"""What the admin API can be asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ariadne import ObjectType, QueryType, ScalarType
from graphql import GraphQLResolveInfo
from sqlalchemy.orm import InstrumentedAttribute

from lab.visa import store
from lab.visa.clouds import DEFAULT, CloudFlavour, CloudImage, CloudLimit
from lab.visa.context import admin
from lab.visa.errors import CloudDown, Refusal
from lab.visa.registry import Client
from lab.visa.tables import (
    BookingRequest,
    BookingToken,
    ExtensionRequest,
    FlavourLimit,
    ImageProtocol,
    Instance,
    Role,
    SecurityGroup,
    SecurityGroupFilter,
    SystemNotification,
    User,
)  # fmt: skip

Info = GraphQLResolveInfo
PAGE = 50
ORDERS: Mapping[str, InstrumentedAttribute[Any]] = {
    "id": Instance.id, "name": Instance.name, "createdAt": Instance.created_at, "state": Instance.state,
    "terminationDate": Instance.termination_date, "lastSeenAt": Instance.last_seen_at,
}  # fmt: skip

query = QueryType()
date_time = ScalarType("DateTime")


@date_time.serializer
def serialize(value: datetime) -> str:
    """Return a date as the real server writes it: local, without zone."""
    return value.isoformat(timespec="milliseconds" if value.microsecond >= 1000 else "seconds")


# -- clouds


@query.field("cloudClients")
def cloud_clients(_: object, info: Info) -> list[Client]:
    """Return all clouds."""
    context = admin(info)
    return context.visa.registry.all(context.session)


@query.field("cloudLimits")
def cloud_limits(_: object, info: Info) -> list[dict[str, Client | CloudLimit | None]]:
    """Return each cloud's limits: one that cannot be asked has none, and no error either."""
    context = admin(info)
    clients = context.visa.registry.all(context.session)
    return [{"cloud_client": each, "cloud_limit": each.access.limits(), "error": None} for each in clients]


@query.field("cloudImages")
def cloud_images(_: object, info: Info, cloud_id: int) -> list[CloudImage]:
    """Return a cloud's images: none where it cannot be asked."""
    return admin(info).client(cloud_id).access.images()


@query.field("cloudFlavours")
def cloud_flavours(_: object, info: Info, cloud_id: int | None = None) -> list[dict[str, Any]]:
    """Return a cloud's flavors."""
    client = admin(info).client(cloud_id)
    try:
        return [_flavour(each, client) for each in client.flavours()]
    except CloudDown as error:
        raise Refusal(str(error)) from error


def _flavour(each: CloudFlavour, client: Client) -> dict[str, Any]:
    return {"id": each.id, "name": each.name, "cpus": each.cpus, "disk": each.disk, "ram": each.ram,
            "cloud_client": client}  # fmt: skip


@query.field("cloudSecurityGroups")
def cloud_security_groups(_: object, info: Info, cloud_id: int | None = None) -> list[dict[str, str]]:
    """Return a cloud's security groups: none where it cannot be asked."""
    return [{"name": name} for name in admin(info).client(cloud_id).security_groups()]


@query.field("hypervisors")
def hypervisors(_: object, info: Info) -> list[object]:
    """Return nothing: the lab's clouds have no placement endpoint in VISA."""
    admin(info)
    return []


# -- what binds to a cloud


@query.field("images")
def images(_: object, info: Info) -> list[Any]:
    """Return the images, hidden ones too."""
    return store.images(admin(info).session)


@query.field("flavours")
def flavours(_: object, info: Info) -> list[Any]:
    """Return the flavours."""
    return store.flavours(admin(info).session)


@query.field("plans")
def plans(_: object, info: Info) -> list[Any]:
    """Return the plans, hidden ones too."""
    return store.plans(admin(info).session)


for _name, _table in (
    ("imageProtocols", ImageProtocol),
    ("flavourLimits", FlavourLimit),
    ("securityGroups", SecurityGroup),
    ("securityGroupFilters", SecurityGroupFilter),
    ("rolesAndGroups", Role),
    ("bookingRequests", BookingRequest),
    ("systemNotifications", SystemNotification),
    ("instanceExtensionRequests", ExtensionRequest),
):

    def _all(_: object, info: Info, table: Any = _table) -> Any:
        return store.rows(admin(info).session, table)

    query.set_field(_name, _all)


@query.field("roles")
def roles(_: object, info: Info) -> list[Role]:
    """Return the roles without the groups."""
    return [each for each in store.rows(admin(info).session, Role) if not each.is_group]


@query.field("groups")
def groups(_: object, info: Info) -> list[Role]:
    """Return the groups without the roles."""
    return [each for each in store.rows(admin(info).session, Role) if each.is_group]


@query.field("bookingRequest")
def booking_request(_: object, info: Info, id: int) -> BookingRequest:  # noqa: A002 - VISA's name
    """Return a booking."""
    found = admin(info).session.get(BookingRequest, id)
    if found is None:
        raise Refusal("Booking Request not found for the given id")
    return found


@query.field("bookingTokens")
def booking_tokens(_: object, info: Info, booking_request_id: int) -> list[BookingToken]:
    """Return the vouchers of a booking."""
    booking_request(_, info, booking_request_id)
    every = store.rows(admin(info).session, BookingToken)
    return [each for each in every if each.booking_request_id == booking_request_id]


# -- instances


@query.field("instances")
def instances(
    _: object, info: Info, pagination: Mapping[str, Any], filter: Mapping[str, Any] | None = None,  # noqa: A002
    order_by: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a page of instances. Without a filter, even an empty one, and with a limit of 0 the server stumbles."""
    context, limit, offset = admin(info), pagination.get("limit"), pagination["offset"]
    if limit is None or not 0 <= limit <= PAGE:
        raise Refusal("Limit must be between 0 and 200")  # sic
    order = order_by or {}
    column = ORDERS[order.get("name") or "name"]
    direction = column.desc() if order.get("ascending") is False else column.asc()
    found = store.living(context.session, *_conditions(filter), order=direction)
    if filter is None:
        raise TypeError("filter is null")
    pages = math.ceil(len(found) / limit)
    current = offset // limit + 1
    return {
        "data": found[offset : offset + limit],
        "page_info": {
            "count": len(found), "limit": limit, "offset": offset, "total_pages": pages, "current_page": current,
            "has_next_page": current < pages, "has_prev_page": current > 1,
        },
    }  # fmt: skip


def _conditions(wanted: Mapping[str, Any] | None) -> list[Any]:
    tests: Mapping[str, Any] = {
        "ids": Instance.id.in_,
        "name_like": Instance.name.contains,
        "image_id": lambda image: Instance.plan.has(image_id=image),
        "flavour_id": lambda flavour: Instance.plan.has(flavour_id=flavour),
        "state": lambda state: Instance.state == state,
        "owner_id": lambda owner: Instance.owner_id == owner,
    }
    return [tests[name](value) for name, value in (wanted or {}).items() if value is not None]


@query.field("instance")
def instance_(_: object, info: Info, id: int) -> Instance:  # noqa: A002 - VISA's name
    """Return an instance."""
    found = store.living(admin(info).session, Instance.id == id)
    if not found:
        raise Refusal("Instance not found for the given id")
    return found[0]


@query.field("countInstances")
def count_instances(_: object, info: Info, filter: Mapping[str, Any] | None = None) -> int:  # noqa: A002
    """Return how many instances there are."""
    return len(store.living(admin(info).session, *_conditions(filter)))


@query.field("countInstancesByCloudClients")
def count_by_cloud(_: object, info: Info) -> list[dict[str, Any]]:
    """Return how many instances each cloud has; those with none are left out."""
    context = admin(info)
    totals = Counter(each.cloud_id or DEFAULT for each in store.living(context.session))
    clients = {each.id: each for each in context.visa.registry.all(context.session)}
    return [{"id": one, "name": clients[one].name, "total": total} for one, total in totals.items()]


# -- what a row does not have by itself

instance = ObjectType("Instance")
user = ObjectType("User")
group_filter = ObjectType("SecurityGroupFilter")
bound = [ObjectType(name) for name in ("Image", "Flavour", "SecurityGroup")]


@instance.field("bookingToken")
def booking_token(found: Instance, info: Info) -> BookingToken | None:
    """Return the voucher that an instance was started with."""
    return admin(info).session.get(BookingToken, found.booking_token_id) if found.booking_token_id else None


@user.field("activeUserRoles")
def active_user_roles(found: User, _info: Info) -> list[dict[str, Role | None]]:
    """Return a user's roles, more than once each, as the real server does."""
    return [{"role": role, "expires_at": None} for role in [*found.roles, *found.roles]]


@group_filter.field("objectName")
def object_name(found: SecurityGroupFilter, info: Info) -> str | None:
    """Return the name of what a filter is about."""
    session = admin(info).session
    table: Any = {"ROLE": Role}.get(found.object_type)
    if found.object_type == "FLAVOUR":
        return next((each.name for each in store.flavours(session) if each.id == found.object_id), None)
    row = session.get(table, found.object_id) if table else None
    return row.name if row else None


def _cloud_client(found: Any, info: Info) -> Client | None:
    context = admin(info)
    return context.visa.registry.find(context.session, found.cloud_id)


for _object in bound:
    _object.set_field("cloudClient", _cloud_client)

BINDABLES = (query, date_time, instance, user, group_filter, *bound)
