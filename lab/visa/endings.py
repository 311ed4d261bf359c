"""What the admin API can be told about instances, and about who may look at VISA's health."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ariadne import MutationType
from graphql import GraphQLResolveInfo

from lab.visa import instances, store
from lab.visa.context import admin
from lab.visa.errors import Refusal
from lab.visa.tables import ApplicationCredential, ExtensionRequest, Instance, User

Info = GraphQLResolveInfo
mutation = MutationType()


def _instance(info: Info, identity: int) -> Instance:
    found = store.living(admin(info).session, Instance.id == identity)
    if not found:
        raise Refusal("Instance not found for the given id")
    return found[0]


@mutation.field("updateInstanceTerminationDate")
def update_termination(_: object, info: Info, id: int, date: str | None = None) -> dict[str, str]:  # noqa: A002
    """Set when an instance ends; null: never."""
    instance = _instance(info, id)
    instance.termination_date = None if date is None else _twelve_hours(date)
    admin(info).session.commit()
    return {"message": "Instance termination date has been updated"}


def _twelve_hours(date: str) -> datetime:
    """Read a date as the real server does: its hours are 1 to 12, so that 12:30 is half past midnight.

    13 and more overflow into what was meant. A date that cannot be read is an internal error.
    """
    day, _, clock = date.partition(" ")
    hour, minute = (int(part) for part in clock.split(":"))
    return datetime.strptime(day, "%Y-%m-%d") + timedelta(hours=0 if hour == 12 else hour, minutes=minute)


@mutation.field("handleInstanceExtensionRequest")
def handle_extension(_: object, info: Info, request_id: int, response: Mapping[str, Any]) -> ExtensionRequest:
    """Grant an extension or refuse it."""
    context = admin(info)
    request = context.session.get(ExtensionRequest, request_id)
    if request is None:
        raise Refusal("Extension request not found for the given id")
    if context.session.get(User, response["handler_id"]) is None:
        raise Refusal("The user who handled the request could not be found")
    if response["accepted"]:
        request.instance.termination_date = datetime.strptime(response["termination_date"], "%Y-%m-%d %H:%M")
    request.state = "ACCEPTED" if response["accepted"] else "REFUSED"
    context.session.commit()
    return request


@mutation.field("deleteInstance")
def delete_instance(_: object, info: Info, id: int) -> dict[str, str]:  # noqa: A002 - VISA's name
    """Delete an instance: it is shut down first, which takes a while."""
    context, instance = admin(info), _instance(info, id)
    instances.request_end(context.visa, context.session, instance, "administrator")
    return {"message": "Instance is scheduled for deletion"}


@mutation.field("createApplicationCredential")
def create_application_credential(_: object, info: Info, input: Mapping[str, str]) -> dict[str, Any]:  # noqa: A002
    """Let a machine look at VISA's health. The secret is told this once."""
    context, secret = admin(info), secrets.token_urlsafe(24)
    row = ApplicationCredential(
        name=input["name"], application_id=secrets.token_hex(16), secret_hash=store.hashed(secret)
    )
    context.session.add(row)
    context.session.commit()
    return {
        "id": row.id, "name": row.name, "application_id": row.application_id, "application_secret": secret
    }  # fmt: skip
