"""VISA's two APIs on one address: GraphQL for administrators, REST for everybody."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from functools import cache
from pathlib import Path
from typing import Any

from ariadne import graphql_sync, make_executable_schema
from ariadne.exceptions import HttpError
from graphql import GraphQLError, GraphQLSchema
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lab.visa import endings, mutations, queries, rest
from lab.visa.clock import Clock
from lab.visa.clouds import Clouds
from lab.visa.context import Context, NotAllowed, Visa
from lab.visa.errors import Refusal
from lab.visa.registry import Registry
from lab.visa.rules import Limits
from lab.visa.store import Store
from lab.visa.work import Work

SCHEMA = Path(__file__).with_name("schema.graphql")
LOG = logging.getLogger(__name__)
SILENT = logging.getLogger(f"{__name__}.silent")  # what the GraphQL library would say of every refusal
SILENT.setLevel(logging.CRITICAL + 1)


class AtOnce(Executor):
    """Does everything at once and in the caller's thread: for tests that want to see it done."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def make_visa(store: Store, clouds: Clouds, clock: Clock, limits: Limits | None = None, **work: Any) -> Visa:
    """Put VISA's parts together.

    Arguments:
        store: its database.
        clouds: where access to clouds comes from.
        clock: its time.
        limits: how long instances live.
        work: what :class:`lab.visa.work.Work` takes besides.

    Returns:
        VISA; nothing runs yet.
    """
    registry = Registry(clouds, clock)
    return Visa(store, registry, clock, Work(store, registry, clock, **work), limits or Limits())


def make_app(store: Store, clouds: Clouds, clock: Clock) -> Starlette:
    """Return a VISA for tests, in which servers are made and deleted at once; its parts are ``app.state.visa``.

    Arguments:
        store: its database.
        clouds: where access to clouds comes from.
        clock: its time.
    """
    return application(make_visa(store, clouds, clock, executor=AtOnce()))


def application(visa: Visa) -> Starlette:
    """Return VISA as a web application."""
    schema, text = _schema(), SCHEMA.read_text()

    def answer(request: Request, body: bytes) -> Response:
        with visa.store.session() as session:
            refused, user = rest.bearer(visa, session, request)
            if refused:
                return Response(status_code=401)
            try:
                asked = json.loads(body)
                _, found = graphql_sync(schema, asked, context_value=Context(visa, session, user), logger=SILENT,
                                        error_formatter=_error)  # fmt: skip
            except (ValueError, HttpError):
                return Response(status_code=400)
            return JSONResponse({"data": None, **found})

    async def graphql(request: Request) -> Response:
        return await run_in_threadpool(answer, request, await request.body())

    async def schema_text(_request: Request) -> Response:
        return PlainTextResponse(text)

    app = Starlette(
        routes=[
            Route("/api/graphql", graphql, methods=["POST"]),
            Route("/api/graphql/schema.graphql", schema_text),
            *rest.routes(visa),
        ]
    )
    app.state.visa = visa
    return app


@cache
def _schema() -> GraphQLSchema:
    bindables = [*queries.BINDABLES, mutations.mutation, endings.mutation]
    return make_executable_schema(SCHEMA.read_text(), *bindables, convert_names_case=True)


def _error(error: GraphQLError, _debug: object) -> dict[str, Any]:
    """Return an error as it is told: only refusals and mistakes in the request itself have words of their own."""
    told = {"locations": [{"line": at.line, "column": at.column} for at in error.locations or ()]}
    if error.path is None:  # nothing was asked of VISA yet
        return {"message": error.message, **told, "extensions": {"classification": "ValidationError"}}
    message = str(error.original_error) if isinstance(error.original_error, Refusal) else "System error"
    if not isinstance(error.original_error, Refusal | NotAllowed):
        LOG.warning("system error at %s: %r", error.path, error.original_error)
    path: Iterable[str | int] = error.path or ()
    return {"message": message, **told, "path": list(path), "extensions": {"classification": "DataFetchingException"}}
