"""The new cloud becomes VISA's default backend, and the old one again: with two real clouds and the lab's VISA."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack
import pytest
from asking import Visa, wait_for

from lab import Lab, seed
from lab.clouds import administrator, identity, login
from lab.layout import NEW, OLD, REGION
from lab.visa.population import Population
from migration.actor import Actor, Orders
from migration.adapters.visa_project import OURS
from migration.names import LEDGER_AGGREGATE
from migration.settings import CaracalSettings, parse
from migration.steps import Report
from migration.visa.facts import VisaFacts, default_backend
from migration.visa.look import look_at_visa, look_or_error, open_hands
from migration.visa.plan import VisaPlan, plan_visa
from migration.visa.run import Work
from migration.visa.steps import Part

pytestmark = pytest.mark.lab
HOSTS, INSTANCES = 3, 6
POPULATION = Population(immortal=1, booked=1, unknown=1)
LOGIN = "caracal-visa"
DESKTOP, JUPYTER = "visa-desktop", "visa-jupyter"


class Engine:
    def __init__(self) -> None:
        self.gone = threading.Event()

    @contextmanager
    def step(self) -> Iterator[None]:
        yield

    def check(self) -> None: ...


@dataclass
class Stack:
    """The stack, as far as it is VISA's."""

    lab: Lab
    visa: Visa
    told: list[tuple[str, ...]] = field(default_factory=list)

    def settings(self, **changes: Any) -> CaracalSettings:
        visa = {
            "endpoint": self.lab.visa.endpoint,
            "token": {"file": self.lab.environment()["VISA_TOKEN_FILE"]},
            "prefixes": {"old": "visa-old", "new": "car"},
            "cloud": {"name": "Caracal", "project": seed.PROJECT, "networks": [seed.NETWORK], "login": LOGIN},
            "images": {DESKTOP: {"image": DESKTOP, "version": "24.04"}, JUPYTER: {"image": JUPYTER}},
            "flavours": {name: {"flavor": name} for name in ("visa.tiny", "visa.large")},
            "plans": [{"image": DESKTOP, "flavour": "visa.tiny"}, {"image": JUPYTER, "flavour": "visa.large"}],
            "preset": {"image": DESKTOP, "flavour": "visa.tiny"},
            "banner": {"after": "New instances start in the new cloud"},
            "acceptance": {"timeout": 120},
            **changes,
        }
        nodes = {node: {"membership": "stein", "datacenter": "dc1"} for node in ("cmp01", "cmp02", "cmp03")}
        raw = {"clouds": {"old": OLD, "new": NEW}, "datacenters": {"dc1": {}}, "nodes": nodes, "visa": visa}
        found = parse("caracal", raw, source="Pulumi.caracal.yaml")
        assert isinstance(found, CaracalSettings)
        return found

    def look(self, **changes: Any) -> VisaFacts:
        return look_at_visa(open_hands(self.settings(**changes)))

    def plan(self, **changes: Any) -> VisaPlan:
        settings = self.settings(**changes)
        assert settings.visa is not None
        return plan_visa(settings.visa, self.look(**changes), old=OLD, new=NEW)

    def up(self, **changes: Any) -> dict[Part, Report]:
        settings, plan = self.settings(**changes), self.plan(**changes)
        assert plan.refusals == ()
        reports = {}
        for part in Part:
            if steps := [str(step) for step in plan.of(part)]:
                actor = Actor(Orders.of(settings), Engine(), None, pause=0.2)  # type: ignore[arg-type]
                reports[part] = Work(actor, open_hands(settings), settings).run(part, steps)
                assert reports[part].failed == ""
        return reports

    def offered(self, name: str) -> set[tuple[str, str]]:
        plans = self.visa.rest("GET", "/plans", name).json()["data"]
        return {(plan["image"]["name"], plan["image"]["version"]) for plan in plans}


@pytest.fixture(scope="module")
def stack(visa_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A new cloud with what the other parts of the stack declare, and a log-in for VISA's credential."""
    cloud = visa_lab.state.cloud(NEW)
    with administrator(cloud) as new:
        keystone = identity(new)
        project = keystone.create_project(name=seed.PROJECT, domain_id="default")
        user = keystone.create_user(name="visa-api", password=cloud.password, domain_id="default")
        keystone.assign_project_role_to_user(project, user, keystone.find_role("member", ignore_missing=False))
        for name in ("visa.tiny", "visa.large"):
            new.compute.create_flavor(name=name, vcpus=1, ram=512, disk=1, is_public=True)
        network = new.network.create_network(name=seed.NETWORK, is_shared=True)
        new.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.20.0.0/16")
        new.network.create_security_group(name="visa-default", project_id=project.id)
        new.compute.create_aggregate(name=LEDGER_AGGREGATE)
    access = json.loads(Path(visa_lab.environment()["OS_CLIENT_CONFIG_FILE"]).read_text())
    auth = {**login(cloud), "username": "visa-api", "project_name": seed.PROJECT}
    access["clouds"][LOGIN] = {"auth": auth, "region_name": REGION, "identity_api_version": "3"}
    file = tmp_path_factory.mktemp("clouds") / "clouds.yaml"
    file.touch(0o600)
    file.write_text(json.dumps(access))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        yield Stack(visa_lab, Visa(visa_lab))


def credentials(stack: Stack) -> list[dict[str, Any]]:
    with administrator(stack.lab.state.cloud(NEW)) as new:
        user = identity(new).find_user("visa-api", ignore_missing=False)
        found = new.identity.get(f"/users/{user.id}/application_credentials").json()["application_credentials"]
    return [row for row in found if row["name"].startswith(OURS)]


def servers(stack: Stack, cloud: str) -> dict[str, str]:
    with administrator(stack.lab.state.cloud(cloud)) as connection:
        return {each.id: each.name for each in connection.compute.servers(all_projects=True)}


def test_1_registered_hidden(stack: Stack) -> None:
    before = stack.offered("bohr")
    reports = stack.up(offer="hidden")
    assert [step.split()[0] for step in reports[Part.CLOUD].done] == ["register", "prove"]
    assert stack.plan(offer="hidden").steps == ()
    assert stack.offered("bohr") == before
    (credential,) = credentials(stack)
    assert {role["name"] for role in credential["roles"]} == {"member", "reader"}
    assert credential["unrestricted"] is False
    assert credential["expires_at"] is not None
    facts = stack.look()
    client = facts.client("car")
    assert client is not None
    assert (client.visible, facts.alive(client.id)) == (False, True)
    groups = {(one.name, bool(one.filters)) for one in facts.objects.groups if one.cloud == client.id}
    assert groups == {("visa-default", False), ("default", True)}, "the filter of the staff's group is copied"
    large = next(one for one in facts.objects.flavours if one.cloud == client.id and one.name == "visa.large")
    assert large.roles
    assert large.lifetimes


def test_2_a_rotation_leaves_one_credential_that_works(stack: Stack) -> None:
    (before,) = credentials(stack)
    stack.up(offer="hidden", credential={"rotation": 2})
    (after,) = credentials(stack)
    assert after["id"] != before["id"]
    facts = stack.look()
    client = facts.client("car")
    assert client is not None
    assert facts.alive(client.id)
    stack.up(offer="hidden")  # and the reverse change


def test_3_the_switch_waits_for_a_booking(stack: Stack) -> None:
    stack.up(offer="admins")
    plan = stack.plan(offer="users", default_backend="caracal")
    assert any(wait.startswith("booking request ") for wait in plan.waits)
    assert plan.of(Part.SWITCH) == ()
    assert plan.of(Part.OFFER) == ()


def test_4_the_switch_and_a_new_instance_lands_on_the_new_cloud(stack: Stack) -> None:
    bookings = [booking.id for booking in stack.look().bookings]
    switched = {"offer": "users", "default_backend": "caracal", "looked_at_bookings": bookings}
    on_old = servers(stack, OLD)
    reports = stack.up(**switched)
    assert [step.split()[0] for step in reports[Part.ACCEPTANCE].done] == ["try"]
    assert default_backend(stack.look(), "car") == "caracal"
    assert stack.plan(**switched).steps == ()
    assert stack.offered("bohr") == {(DESKTOP, "24.04"), (JUPYTER, "20.04")}
    assert not servers(stack, NEW), "the instance that was tried is gone"
    assert servers(stack, OLD) == on_old, "no instance of a user was touched"
    offered = stack.visa.rest("GET", "/plans", "bohr").json()["data"]
    preset = next(plan for plan in offered if plan["preset"])
    number = stack.visa.begin(preset["id"], "bohr").json()["data"]["id"]
    wait_for(lambda: stack.visa.instances()[number]["state"] == "ACTIVE", "it is active")
    assert list(servers(stack, NEW).values()) == [f"car-{number}"]


def test_5_a_night_later_every_instance_is_there_still(stack: Stack) -> None:
    on_new = servers(stack, NEW)
    with openstack.connect(cloud=LOGIN) as login_:
        image = login_.image.find_image(DESKTOP, ignore_missing=False)
        flavor = login_.compute.find_flavor("visa.tiny", ignore_missing=False)
        stray = login_.compute.create_server(name="car-stray", image_id=image.id, flavor_id=flavor.id, networks="none")
        login_.compute.wait_for_server(stray, wait=120)

    def cleaned() -> list[str]:
        lines = [json.loads(line) for line in stack.lab.visa.files.owners.read_text().splitlines()]
        return [line["server"] for line in lines if line["event"] == "cleaned"]

    stack.visa.clock(hours=24)
    wait_for(cleaned, "the nightly clean-up has struck")
    assert cleaned() == [stray.id], "no server but the one that VISA never knew"
    wait_for(lambda: servers(stack, NEW) == on_new, "and that one is gone")


def test_6_back_again(stack: Stack) -> None:
    refused = stack.plan(offer="users").refusals
    free = stack.look(offer="users").room
    assert free is not None
    assert (free.vcpus, free.ram) > (0, 0)
    assert refused == (), "the old cloud has room"
    on_new = servers(stack, NEW)
    stack.up(offer="hidden")
    facts = stack.look()
    assert default_backend(facts, "car") == "stein"
    assert stack.plan(offer="hidden").steps == ()
    assert stack.offered("bohr") == {(DESKTOP, "20.04"), (JUPYTER, "20.04")}
    assert servers(stack, NEW) == on_new, "who is on the new cloud stays there"
    assert all("visa-migration" not in (image.description or "") for image in facts.objects.images)
    assert len(credentials(stack)) == 1


def test_7_the_way_back_needs_no_new_cloud(stack: Stack) -> None:
    bookings = [booking.id for booking in stack.look().bookings]
    stack.up(offer="users", default_backend="caracal", looked_at_bookings=bookings)
    stack.lab.stop(NEW, ["keystone"])
    facts, error = look_or_error(stack.settings(offer="users"))
    assert error == ""
    assert facts is not None
    assert facts.project is None
    stack.up(offer="users")
    assert (DESKTOP, "20.04") in stack.offered("bohr")
