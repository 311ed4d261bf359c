"""Clouds that are nothing but memory, and a VISA filled by hand: for fast tests of what talks to VISA."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

from lab.visa.clouds import Access, CloudFlavour, CloudImage, CloudLimit, Default, Provider, Server, ServerInput
from lab.visa.errors import CloudDown
from lab.visa.people import people
from lab.visa.store import Store
from lab.visa.tables import Flavour, Image, ImageProtocol, Instance, Plan, SecurityGroup

NOW = datetime(2026, 11, 23, 9)  # a Monday
GIB = 1024
RIGHT = "the right one"
FORTNIGHT = timedelta(days=14)


def provider(host: str, secret: str = RIGHT) -> Provider:
    """Return how to reach the fake cloud of this name; another secret than ``RIGHT`` is refused."""
    return Provider(
        f"{host}-credential", secret, f"http://{host}:8774", f"http://{host}:9292", f"http://{host}:9696",
        f"http://{host}:5000", "visa", f"{host}-network",
    )  # fmt: skip


class FakeCloud:
    """A cloud, its content plain attributes.

    Arguments:
        name: its name; ids begin with it.

    Attributes:
        down: whether it refuses to answer.
        refuses: 500 for new servers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.down = False
        self.refuses = False
        self.listed_images = [CloudImage(f"{name}-image{number}", f"image{number}", 100) for number in (1, 2)]
        sizes = (("tiny", 1, 2), ("small", 2, 8))
        self.listed_flavours = [CloudFlavour(f"{name}-{each}", each, cpu, 10, ram * GIB) for each, cpu, ram in sizes]
        self.groups = ["default", "visa-default"]
        self.there: dict[str, Server] = {}
        self.inputs: dict[str, ServerInput] = {}
        self._numbers = itertools.count(1)

    def add(self, name: str) -> str:
        """Let a server be there that VISA did not make; return its id."""
        identity = f"{self.name}-server{next(self._numbers)}"
        self.there[identity] = Server(identity, name, "ACTIVE", "10.0.0.1")
        return identity


class FakeAccess:
    """Access to a fake cloud: as :class:`lab.visa.clouds.Access` says.

    Arguments:
        cloud: the cloud; None: nothing answers at these endpoints.
        provider: how it is reached.
    """

    def __init__(self, cloud: FakeCloud | None, provider: Provider) -> None:
        self._found, self._provider = cloud, provider

    @property
    def _cloud(self) -> FakeCloud:
        if self._found is None or self._found.down or self._provider.application_secret != RIGHT:
            raise CloudDown("the cloud does not answer")
        return self._found

    def images(self) -> list[CloudImage]:
        """Return the images, or nothing."""
        try:
            return list(self._cloud.listed_images)
        except CloudDown:
            return []

    def image(self, identity: str) -> CloudImage | None:
        """Return an image, or nothing."""
        return next((each for each in self.images() if each.id == identity), None)

    def flavours(self) -> list[CloudFlavour]:
        """Return the flavors."""
        return list(self._cloud.listed_flavours)

    def security_groups(self) -> list[str]:
        """Return the groups' names, or nothing."""
        try:
            return list(self._cloud.groups)
        except CloudDown:
            return []

    def limits(self) -> CloudLimit | None:
        """Return the limits, or nothing."""
        try:
            return CloudLimit(-1, 0, len(self._cloud.there), -1, -1, 0)
        except CloudDown:
            return None

    def server(self, identity: str) -> Server | None:
        """Return a server."""
        return self._cloud.there.get(identity)

    def servers(self) -> list[Server]:
        """Return the servers."""
        return list(self._cloud.there.values())

    def create(self, wanted: ServerInput) -> str:
        """Make a server: it is ACTIVE at once."""
        if self._cloud.refuses:
            raise CloudDown("500")
        identity = self._cloud.add(wanted.name)
        self._cloud.inputs[identity] = wanted
        return identity

    def stop(self, identity: str) -> None:
        """Shut a server down."""
        if identity not in self._cloud.there:
            raise CloudDown("404")
        self._cloud.there[identity] = replace(self._cloud.there[identity], state="STOPPED")

    def delete(self, identity: str) -> None:
        """Delete a server."""
        if self._cloud.there.pop(identity, None) is None:
            raise CloudDown("404")


class FakeClouds:
    """Two fake clouds; the old one is VISA's default.

    Attributes:
        stein: the old cloud.
        caracal: the new one.
        default: how VISA's environment describes the old one.
    """

    def __init__(self) -> None:
        self.stein, self.caracal = FakeCloud("stein"), FakeCloud("caracal")
        self.default = Default("Stein", "visa-old", provider("stein"))

    def access(self, provider: Provider) -> Access:
        """Return access to the cloud that the identity endpoint names."""
        for cloud in (self.stein, self.caracal):
            if provider.identity_endpoint == f"http://{cloud.name}:5000":
                return FakeAccess(cloud, provider)
        return FakeAccess(None, provider)


def filled(clouds: FakeClouds, now: datetime = NOW) -> Store:
    """Return a database in memory, as a VISA with the old cloud alone has it.

    Two images, two flavours, the four plans of them (the first is preset), a security group for everybody, and two
    running instances, ids 1 and 2, of a user and of a member of staff. Tokens: ``token-NAME`` for every name of
    :data:`lab.visa.people.PEOPLE`, ``token-admin`` for the administrator.
    """
    store = Store()
    with store.session() as session:
        session.add_all(people(lambda name: f"token-{name}"))
        protocols = [ImageProtocol(id=1, name="GUACD", port=4822), ImageProtocol(id=2, name="WEBX", port=5555)]
        session.add_all(protocols)
        images = [
            Image(name=each.name, version="1", icon="circle-user", compute_id=each.id, visible=True,
                  autologin="VISA_PAM", boot_command="#cloud-config\n", auto_accept_extension_request="ALL",
                  protocols=protocols, default_vdi_protocol_id=2)
            for each in clouds.stein.listed_images
        ]  # fmt: skip
        flavours = [
            Flavour(name=each.name, memory=each.ram, cpu=each.cpus, compute_id=each.id)
            for each in clouds.stein.listed_flavours
        ]
        plans = [Plan(image=image, flavour=flavour, preset=False) for image in images for flavour in flavours]
        plans[0].preset = True
        session.add_all([*plans, SecurityGroup(name="visa-default")])
        for number, owner in enumerate(("ada", "bohr"), 1):
            server = clouds.stein.add(f"visa-old-{number}")
            session.add(instance_of(number, plans[0], owner, server, now))
        session.commit()
    return store


def instance_of(number: int, plan: Plan, owner: str, server: str, now: datetime) -> Instance:
    """Return a running instance that has just begun and lives for two weeks."""
    return Instance(
        id=number, uid=f"{owner}-{number:04}", name=f"instance {number}", state="ACTIVE", compute_id=server,
        ip_address="10.0.0.1", plan=plan, owner_id=owner, username=owner, keyboard_layout="en-gb-qwerty",
        created_at=now, last_seen_at=now, termination_date=now + FORTNIGHT,
        lifetime_minutes=FORTNIGHT // timedelta(minutes=1),
    )  # fmt: skip
