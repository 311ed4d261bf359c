"""What happens to instances because somebody wants it: they begin, they live longer, they end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from lab.visa import rules, store
from lab.visa.context import Visa
from lab.visa.tables import ADMIN, STAFF, BookingToken, ExtensionRequest, Instance, Plan, User

DIRECT = frozenset({"STOPPED", "ERROR", "UNKNOWN", "MIGRATING", "UNAVAILABLE"})
"""States from which an instance is deleted without being shut down first."""


class Denied(Exception):
    """401: this user may not do this."""


class Bad(Exception):
    """400: nobody may do this."""


def begin(visa: Visa, session: Session, user: User, wanted: Mapping[str, Any]) -> Instance:
    """Begin an instance: it is BUILDING, and its server is made some time later.

    Arguments:
        visa: VISA.
        session: of the database.
        user: who wants it, and will own it.
        wanted: the body of ``POST /api/account/instances``.

    Returns:
        The instance.

    Raises:
        Denied: the user is not offered this plan, or the voucher is not the user's to use now.
        Bad: there is no such plan or voucher, or the user has as many instances as allowed.
    """
    plan = session.get(Plan, wanted["planId"])
    if plan is None or plan.deleted:
        raise Bad("Invalid plan")
    token = _voucher(visa, session, user, wanted.get("bookingTokenId"))
    if token is None:
        _check(session, user, plan, wanted.get("experiments") or [])
    now, longest = visa.clock.now(), rules.lifetime(user, plan.flavour, visa.limits)
    minutes = wanted.get("lifetimeMinutes") or 0
    allowed = int(longest / timedelta(minutes=1))
    lasts = minutes if 0 < minutes <= allowed and token is None else allowed
    instance = Instance(
        uid=secrets.token_hex(4), name=wanted["name"], comments=wanted.get("comments"), state="BUILDING", plan=plan,
        owner=user, username=user.id, keyboard_layout=wanted["keyboardLayout"], created_at=now, last_seen_at=now,
        lifetime_minutes=lasts, termination_date=now + timedelta(minutes=lasts),
        booking_token_id=token.id if token else None,
    )  # fmt: skip
    if token is not None:
        instance.termination_date = datetime.fromisoformat(token.booking_request.end_date) + timedelta(days=1)
    session.add(instance)
    session.flush()
    if token is not None:
        token.instance_id = instance.id
    session.commit()
    visa.work.create(instance.id)
    return instance


def _voucher(visa: Visa, session: Session, user: User, identity: int | None) -> BookingToken | None:
    if identity is None:
        return None
    token = session.get(BookingToken, identity)
    if token is None:
        raise Bad("Booking token does not exist")
    today, request = visa.clock.now().date().isoformat(), token.booking_request
    if token.owner_id != user.id:
        raise Denied("Not authorized to create an instance: you are not the owner of the booking token")
    if token.instance_id is not None:
        raise Denied("Not authorized to create an instance: the booking token is already in use")
    if request.state != "ACCEPTED" or not request.start_date <= today <= request.end_date:
        raise Denied("Not authorized to create an instance: the booking request is not active")
    return token


def _check(session: Session, user: User, plan: Plan, experiments: list[str]) -> None:
    owned = store.living(session, Instance.owner_id == user.id)
    if user.instance_quota != -1 and len(owned) >= user.instance_quota:
        raise Bad("Instance quota exceeded")
    if not set(experiments) <= set(user.experiments):
        raise Denied("Not authorized to associate instance to requested experiments")
    if not experiments and not (user.has_role(ADMIN) or user.has_role(STAFF)):
        raise Denied("Not authorized to create an instance without any associated experiments")
    if plan not in rules.offered(store.plans(session), user):
        raise Denied("Not authorized to create an instance with the selected Plan for the requested experiments")


def extend(visa: Visa, session: Session, instance: Instance, comments: str) -> ExtensionRequest:
    """Ask for an instance to live longer: granted at once where its image says so, else an administrator decides.

    Arguments:
        visa: VISA.
        session: of the database.
        instance: which.
        comments: why.

    Returns:
        The request; the one that is there already, if one waits.
    """
    pending = (each for each in store.rows(session, ExtensionRequest) if each.state == "PENDING")
    if (found := next((each for each in pending if each.instance_id == instance.id), None)) is not None:
        return found
    policy = instance.plan.image.auto_accept_extension_request
    granted = policy == "ALL" or (policy == "STAFF" and instance.owner.has_role(STAFF))
    request = ExtensionRequest(
        instance=instance, comments=comments, created_at=visa.clock.now(), state="ACCEPTED" if granted else "PENDING"
    )
    if granted:
        since = instance.termination_date or visa.clock.now()
        instance.termination_date = since + timedelta(minutes=instance.lifetime_minutes)
    session.add(request)
    session.commit()
    return request


def request_end(visa: Visa, session: Session, instance: Instance, why: str) -> None:
    """Begin to end an instance as its owner or an administrator does: it is shut down, then deleted.

    Arguments:
        visa: VISA.
        session: of the database.
        instance: which.
        why: for the log.
    """
    client = visa.registry.find(session, instance.cloud_id)
    if client is not None:
        visa.work.end(client, instance, why)
    if instance.compute_id is None or instance.state in DIRECT:
        instance.state = "DELETING"
        session.commit()
        visa.work.delete(instance.id)
        return
    instance.delete_requested = True
    session.commit()
    visa.work.stop(instance.id)
