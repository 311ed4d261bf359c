"""The lab's VISA in this process, with clouds that are memory, and one ``up`` as the components compose it."""

from __future__ import annotations

import asyncio
import atexit
import io
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from lab.visa import jobs
from lab.visa.app import make_app
from lab.visa.clock import Clock
from lab.visa.fakes import NOW, RIGHT, FakeClouds, filled
from migration.actor import Actor, Orders
from migration.adapters.visa import Visa
from migration.adapters.visa_project import NewCredential
from migration.adapters.visa_rest import VisaRest
from migration.errors import CloudRefused, CloudUnreachable, EngineGone
from migration.settings import CaracalSettings, parse
from migration.steps import Report
from migration.visa.facts import (
    ApplicationCredential,
    GlanceImage,
    NovaFlavor,
    Project,
    ProjectServer,
    Room,
    VisaFacts,
)
from migration.visa.look import Hands, look_at_visa
from migration.visa.plan import VisaPlan, plan_visa
from migration.visa.run import Work
from migration.visa.steps import Part

T = TypeVar("T")

LOOKS = 5
PLENTY = Room(100, 100_000)
LOOP = asyncio.Runner()  # one for all requests: a loop and its threads for each would be most of the time
atexit.register(LOOP.close)
URL = "http://127.0.0.1:8086/api"
ADMIN = "token-admin"

VISA: dict[str, Any] = {
    "endpoint": "http://127.0.0.1:8086",
    "token": {"environment": "VISA_TOKEN"},
    "prefixes": {"old": "visa-old", "new": "car"},
    "cloud": {"name": "Caracal", "project": "visa", "networks": ["visa"]},
    "images": {"image1": {"image": "image1", "version": "2"}, "image2": {"image": "image2"}},
    "flavours": {"tiny": {"flavor": "tiny"}, "small": {"flavor": "small"}},
    "plans": [{"image": "image1", "flavour": "tiny"}, {"image": "image2", "flavour": "small"}],
    "preset": {"image": "image1", "flavour": "tiny"},
    "banner": {"before": "A new cloud comes", "after": "The new cloud is here"},
}

REGISTERED = {"offer": "hidden"}
ADMINS = {"offer": "admins"}
USERS = {"offer": "users"}
SWITCHED = {"offer": "users", "default_backend": "caracal"}


def make_settings(**changes: Any) -> CaracalSettings:
    """Return settings of a stack with this VISA; ``changes`` replace its keys."""
    visa = {key: value for key, value in {**VISA, **changes}.items() if value is not None}
    raw = {"clouds": {"old": "stein", "new": "caracal"}, "visa": visa}
    settings = parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(settings, CaracalSettings)
    return settings


class Killed(BaseException):
    """The process dies here."""


class Asgi(BaseAdapter):
    """Sends requests to an application in this process; a test may listen, change the answer, or die."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app
        self.seen: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _body: None
        self.after: Callable[[str, requests.Response], requests.Response] = lambda _body, answer: answer

    def send(self, request: requests.PreparedRequest, **_more: Any) -> requests.Response:
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.encode()
        parts = urlsplit(request.url or "")
        self.seen.append((str(parts.path), body.decode()))
        self.before(body.decode())
        response = requests.Response()
        response.request, response.url = request, request.url or ""
        response.status_code, content = LOOP.run(self._ask(request, str(parts.path), body))
        response.raw = io.BytesIO(content)
        return self.after(body.decode(), response)

    async def _ask(self, request: requests.PreparedRequest, path: str, body: bytes) -> tuple[int, bytes]:
        headers = [(key.lower().encode(), str(value).encode()) for key, value in request.headers.items()]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "path": path,
            "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8086),
        }  # fmt: skip
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def close(self) -> None:
        """Nothing is open."""


class FakeEngine:
    """An engine that is gone when a test says so."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    @contextmanager
    def step(self) -> Iterator[None]:
        self.check()
        yield

    def check(self) -> None:
        if self.gone.is_set():
            raise EngineGone("gone")


class SwiftActor(Actor):
    """An actor that looks a few times instead of waiting; VISA's own jobs run between two looks."""

    world: World

    def until(self, look: Callable[[], T | None], *, seconds: float) -> T | None:
        assert seconds > 0
        for _ in range(LOOKS):
            self.engine.check()
            if (seen := look()) is not None:
                return seen
            jobs.unstable(self.world.visa)
        return None

    def tell(self, cloud: str, node: str, step: str, result: str, detail: str = "") -> None:
        self.world.audit.append((cloud, node, step, result, detail))


class FakeProject:
    """VISA's project: what :class:`migration.adapters.visa_project.ProjectLogin` does, on a cloud that is memory."""

    def __init__(self, world: World) -> None:
        self.world = world

    def look(self, interface: str) -> Project:
        world, cloud = self.world, self.world.clouds.caracal
        if cloud.down:
            raise CloudUnreachable("caracal", "no answer")
        ports = {"identity": 5000, "compute": 8774, "image": 9292, "network": 9696}
        return Project(
            id=world.project_id,
            endpoints={name: f"http://caracal:{port}" for name, port in ports.items()},
            networks={"visa": world.network},
            groups=frozenset(cloud.groups),
            images=tuple(
                GlanceImage(one.id, one.name, True, one.size * 2**20, f"{number:03}")
                for number, one in enumerate(cloud.listed_images)
            ),
            flavors=tuple(NovaFlavor(one.id, one.name, one.cpus, one.ram) for one in cloud.listed_flavours),
            servers=tuple(ProjectServer(one.id, one.name) for one in cloud.there.values()),
            credentials=tuple(world.credentials.values()),
        )

    def create_credential(
        self, prefix: str, rotation: int, endpoints: str, *, now: datetime, expires: datetime
    ) -> NewCredential:
        made = f"credential-{next(self.world.numbers)}"
        with self.world.change("create-credential"):
            self.world.credentials[made] = ApplicationCredential(
                made, prefix, self.world.project_id, rotation, endpoints, now, expires
            )
        return NewCredential(made, self.world.secret)

    def prove_credential(self, credential: NewCredential, identity: str) -> str:
        assert identity == "http://caracal:5000"
        return self.world.leads_to or self.world.project_id

    def delete_credential(self, credential: str) -> None:
        with self.world.change("delete-credential"):
            assert self.world.credentials.pop(credential, None)


class FakeLedger:
    def __init__(self, world: World) -> None:
        self.world = world

    def read(self) -> dict[str, str]:
        if self.world.clouds.caracal.down:
            raise CloudRefused("caracal", "503", 503)
        return dict(self.world.ledger)

    def write(self, key: str, value: str | None) -> None:
        with self.world.change(f"ledger {key}"):
            self.world.ledger.pop(key, None)
            if value is not None:
                self.world.ledger[key] = value


@dataclass
class Ran:
    """How one ``up`` went."""

    plan: VisaPlan
    reports: dict[Part, Report]

    @property
    def failed(self) -> str:
        return "; ".join(report.failed for report in self.reports.values() if report.failed)

    @property
    def words(self) -> list[str]:
        return [step.split(" ")[0] for report in self.reports.values() for step in report.done]


@dataclass
class World:
    """Two clouds, a VISA, and what we have written down."""

    clouds: FakeClouds = field(default_factory=FakeClouds)
    credentials: dict[str, ApplicationCredential] = field(default_factory=dict)
    ledger: dict[str, str] = field(default_factory=dict)
    project_id: str = "project-visa"
    network: str = "caracal-network"
    secret: str = RIGHT
    leads_to: str = ""
    room: Room | None = PLENTY
    now: datetime = datetime(2026, 11, 23, 9, tzinfo=UTC)
    audit: list[tuple[str, ...]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    kill_at: int | None = None

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        self.engine = FakeEngine()
        self.app = make_app(filled(self.clouds), self.clouds, Clock(NOW, 0))
        self.visa = self.app.state.visa
        self.http = Asgi(self.app)
        self.session = requests.Session()
        self.session.mount("http://", self.http)
        self.http.before = lambda body: self._mutates(body, after=False)
        self.http.after = self._answered

    @contextmanager
    def change(self, what: str) -> Iterator[None]:
        """A change to the world; the process may die just after it."""
        self.changes.append(what)
        number = len(self.changes)
        yield
        if self.kill_at == number:
            raise Killed(what)

    def _mutates(self, body: str, *, after: bool) -> None:
        if "mutation" not in body and "planId" not in body:
            return
        if not after:
            self.changes.append(body[:80])
        if after and self.kill_at == len(self.changes):
            raise Killed(body[:80])

    def _answered(self, body: str, answer: requests.Response) -> requests.Response:
        self._mutates(body, after=True)
        return answer

    def hands(self, settings: CaracalSettings) -> Hands:
        assert settings.visa is not None
        visa = Visa(VisaRest(URL, lambda: ADMIN, self.session), "Europe/Paris")
        return Hands(
            settings.visa,
            visa,
            login=lambda: FakeProject(self),  # type: ignore[arg-type, return-value]
            ledger=lambda: FakeLedger(self),
            room=lambda: self.room,
            old_identity="http://stein:5000",
            now=lambda: self.now,
        )

    def look(self, **changes: Any) -> VisaFacts:
        return look_at_visa(self.hands(make_settings(**changes)))

    def plan(self, **changes: Any) -> VisaPlan:
        settings = make_settings(**changes)
        assert settings.visa is not None
        return plan_visa(settings.visa, look_at_visa(self.hands(settings)), old="stein", new="caracal")

    def up(self, plan: VisaPlan | None = None, **changes: Any) -> Ran:
        """Plan and take all steps, part by part, as the resources do; a saved plan may be given."""
        settings = make_settings(**changes)
        plan = plan or self.plan(**changes)
        reports: dict[Part, Report] = {}
        for part in Part:
            reviewed = [str(step) for step in plan.of(part)]
            if not reviewed:
                continue
            actor = SwiftActor(Orders.of(settings), self.engine, None)  # type: ignore[arg-type]
            actor.world = self
            reports[part] = Work(actor, self.hands(settings), settings).run(part, reviewed)
            if reports[part].failed or reports[part].stays:
                break
        return Ran(plan, reports)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None, token: str = ADMIN) -> dict[str, Any]:
        """Ask VISA as somebody else does, without being counted as a change of ours."""
        answer = self._post("graphql", {"query": query, "variables": variables or {}}, token)
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def offered(self, user: str) -> list[tuple[str, str, bool]]:
        """Return what a user is offered: image, flavour, preset."""
        request = requests.Request("GET", f"{URL}/plans", headers={"Authorization": f"Bearer token-{user}"}).prepare()
        status, content = LOOP.run(self.http._ask(request, "/api/plans", b""))
        assert status == 200
        response = requests.Response()
        response.raw = io.BytesIO(content)
        plans = response.json()["data"]
        return [(one["image"]["name"], one["flavour"]["name"], one["preset"]) for one in plans]

    def _post(self, path: str, body: Any, token: str) -> dict[str, Any]:
        request = requests.Request(
            "POST", f"{URL}/{path}", json=body, headers={"Authorization": f"Bearer {token}"}
        ).prepare()
        _, content = LOOP.run(self.http._ask(request, f"/api/{path}", bytes(request.body or b"")))
        response = requests.Response()
        response.raw = io.BytesIO(content)
        return dict(response.json())

    def start(self, user: str, plan: int) -> int:
        """Start an instance as somebody; its id."""
        body = {
            "name": "mine", "planId": plan, "lifetimeMinutes": 600, "screenWidth": 1, "screenHeight": 1,
            "acceptedTerms": True, "experiments": [], "keyboardLayout": "en-gb-qwerty",
        }  # fmt: skip
        return int(self._post("account/instances", body, f"token-{user}")["data"]["id"])

    def state(self) -> object:
        """Everything that must be the same however we came here; ids may differ."""
        objects = self.hands(make_settings()).visa.objects()
        images = {
            one.id: (one.label, one.cloud, one.compute, one.visible, one.extensions, one.description)
            for one in objects.images
        }
        flavours = {
            one.id: (one.name, one.cloud, one.compute, one.cpu, one.memory, one.lifetimes, one.roles)
            for one in objects.flavours
        }
        return {
            "clients": [(one.name, one.prefix, one.visible) for one in objects.clients],
            "images": sorted(images.values(), key=str),
            "flavours": sorted(flavours.values(), key=str),
            "plans": sorted([(images[one.image], flavours[one.flavour], one.preset) for one in objects.plans], key=str),
            "groups": sorted([(one.name, one.cloud, sorted(one.filters)) for one in objects.groups]),
            "banners": sorted(one.message for one in objects.notifications),
            "credentials": len(self.credentials),
            "ledger": sorted(self.ledger),
            "servers": sorted(one.name for one in self.clouds.caracal.there.values()),
        }
