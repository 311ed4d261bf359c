"""The REST API: what users and their browsers ask, and VISA's health."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.visa import instances, rules, store
from lab.visa.context import Visa
from lab.visa.tables import ADMIN, ApplicationCredential, ExtensionRequest, Instance, Plan, User

Act = Callable[[Visa, Session, User, Request, Any], Any]


def routes(visa: Visa) -> list[Route]:
    """Return the REST API's routes."""

    def route(path: str, act: Act, *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.json() if await request.body() else {}
            return await run_in_threadpool(_answer, visa, request, body, act)

        return Route(f"/api{path}", endpoint, methods=list(methods))

    async def health(request: Request) -> Response:
        return await run_in_threadpool(_health, visa, request)

    return [
        Route("/api/acm/health", health),
        route("/plans", _plans, "GET"),
        route("/account/instances", _own, "GET"),
        route("/account/instances", _begin, "POST"),
        route("/account/instances/{id:int}", _end, "DELETE"),
        route("/account/instances/{id:int}/extension", _extend, "POST"),
        route("/lab/instances/{id:int}/seen", _seen, "POST"),
        route("/lab/clock", _clock, "GET"),
        route("/lab/clock", _set_clock, "PUT"),
    ]


def bearer(visa: Visa, session: Session, request: Request) -> tuple[bool, User | None]:
    """Return whether a token was refused, and who asks: nobody, where there is no token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "bearer":
        return False, None
    user = store.user_of(session, token.strip())
    if user is not None:
        user.last_seen_at = visa.clock.now()
        session.commit()
    return user is None, user


def _answer(visa: Visa, request: Request, body: Any, act: Act) -> Response:
    with visa.store.session() as session:
        user = bearer(visa, session, request)[1]
        if user is None:
            return Response(status_code=401)
        try:
            return JSONResponse({"data": act(visa, session, user, request, body)})
        except instances.Denied as error:
            return JSONResponse({"errors": [str(error)]}, 401)
        except (instances.Bad, KeyError, ValueError) as error:
            return JSONResponse({"errors": [str(error)]}, 400)


def _plans(visa: Visa, session: Session, user: User, request: Request, _body: Any) -> Any:
    every, flavour = store.plans(session), request.query_params.get("flavour")
    if flavour is None:
        seen = rules.offered(every, user)
    else:  # what the holder of a voucher is shown
        seen = [plan for plan in every if plan.flavour_id == int(flavour) and rules.shown(plan)]
    return [_plan(plan, rules.lifetime(user, plan.flavour, visa.limits)) for plan in seen]


def _plan(plan: Plan, longest: timedelta) -> dict[str, Any]:
    image, flavour = plan.image, plan.flavour
    return {
        "id": plan.id,
        "preset": plan.preset,
        "image": {"id": image.id, "name": image.name, "version": image.version, "description": image.description},
        "flavour": {
            "id": flavour.id, "name": flavour.name, "memory": flavour.memory, "cpu": flavour.cpu,
            "lifetimeMinutes": int(longest / timedelta(minutes=1)),
        },
    }  # fmt: skip


def _own(visa: Visa, session: Session, user: User, _request: Request, _body: Any) -> Any:
    return [_instance(visa, each) for each in store.living(session, Instance.owner_id == user.id)]


def _begin(visa: Visa, session: Session, user: User, _request: Request, body: Any) -> Any:
    if body.get("acceptedTerms") is not True:
        raise instances.Bad("acceptedTerms must be true")
    return _instance(visa, instances.begin(visa, session, user, body))


def _end(visa: Visa, session: Session, user: User, request: Request, _body: Any) -> Any:
    instance = _mine(session, user, request)
    instances.request_end(visa, session, instance, "owner")
    return _instance(visa, instance)


def _extend(visa: Visa, session: Session, user: User, request: Request, body: Any) -> Any:
    asked: ExtensionRequest = instances.extend(visa, session, _mine(session, user, request), body["comments"])
    return {"id": asked.id, "state": asked.state}


def _seen(visa: Visa, session: Session, user: User, request: Request, _body: Any) -> Any:
    instance = _mine(session, user, request)
    instance.last_seen_at = instance.last_interaction_at = visa.clock.now()
    session.commit()
    return _instance(visa, instance)


def _mine(session: Session, user: User, request: Request) -> Instance:
    found = store.living(session, Instance.id == request.path_params["id"])
    if not found or not (user.has_role(ADMIN) or found[0].owner_id == user.id):
        raise instances.Denied("You do not have permission")
    return found[0]


def _instance(visa: Visa, instance: Instance) -> dict[str, Any]:
    def stamp(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat(timespec="seconds")

    return {
        "id": instance.id, "uid": instance.uid, "name": instance.name, "state": instance.state,
        "computeId": instance.compute_id, "planId": instance.plan_id, "createdAt": stamp(instance.created_at),
        "lastSeenAt": stamp(instance.last_seen_at), "terminationDate": stamp(instance.termination_date),
        "expirationDate": stamp(rules.ends(instance, visa.limits)), "deleteRequested": instance.delete_requested,
    }  # fmt: skip


def _clock(visa: Visa, _session: Session, _user: User, _request: Request, _body: Any) -> Any:
    return {"now": visa.clock.now().isoformat(timespec="milliseconds"), "factor": visa.clock.factor}


def _set_clock(visa: Visa, session: Session, user: User, request: Request, body: Any) -> Any:
    if not user.has_role(ADMIN):
        raise instances.Denied("You do not have permission")
    if "factor" in body:
        visa.clock.run(float(body["factor"]))
    if "hours" in body:
        visa.clock.advance(timedelta(hours=float(body["hours"])))
    return _clock(visa, session, user, request, body)


def _health(visa: Visa, request: Request) -> Response:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    with visa.store.session() as session:
        if scheme.casefold() == "bearer":
            refused, _ = bearer(visa, session, request)
            return Response(status_code=401 if refused else 403)
        if scheme.casefold() != "basic" or not _is_machine(session, given):
            return Response(status_code=401)
        down = [each.name for each in visa.registry.all(session) if each.access.limits() is None]
    cloud = {"status": "OK"}
    if down:
        cloud = {"status": "NOT_OK", "message": f'Unable to obtain Cloud status from Cloud "{down[0]}"'}
    state = {"status": "NOT_OK", "message": "Cloud connection error"} if down else {"status": "OK"}
    return JSONResponse({"data": {"globalState": state, "cloudState": cloud, "databaseState": {"status": "OK"}}})


def _is_machine(session: Session, given: str) -> bool:
    try:
        identity, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = select(ApplicationCredential).where(ApplicationCredential.application_id == identity)
    found = session.scalar(known)
    return found is not None and found.secret_hash == store.hashed(secret)
