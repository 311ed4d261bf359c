"""The lab's VISA on two real clouds: it begins and ends real servers, and a wrong registration really loses them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import CREATE_CLOUD, Visa, prepare, registration, wait_for

from lab import Lab, processes
from lab.clouds import administrator
from lab.judge import Kind, Memory, judge
from lab.layout import NEW, OLD
from lab.visa.population import Population
from lab.watcher import Eye, ended, look

pytestmark = pytest.mark.lab
HOSTS, INSTANCES = 3, 6
POPULATION = Population(immortal=1, booked=1, unknown=1)


@pytest.fixture(scope="module")
def visa(visa_lab: Lab) -> Visa:
    return Visa(visa_lab)


@pytest.fixture(scope="module")
def new_plan(visa: Visa) -> dict[str, int]:
    """The new cloud, registered hidden, and one plan of it."""
    cloud = visa.ask(CREATE_CLOUD, i=prepare(visa.lab))["createCloudClient"]["id"]
    return {"cloud": cloud, "plan": visa.offer(cloud)}


def servers(visa: Visa, cloud: str) -> dict[str, str]:
    with administrator(visa.lab.state.cloud(cloud)) as connection:
        return {each.id: each.name for each in connection.compute.servers(all_projects=True)}


def events(visa: Visa, kind: str) -> list[dict[str, Any]]:
    lines = visa.lab.visa.files.owners.read_text().splitlines()
    return [entry for line in lines if (entry := json.loads(line))["event"] == kind]


def test_begins_with_the_old_clouds_instances(visa: Visa) -> None:
    there, known = servers(visa, OLD), visa.instances()
    assert len(there) == 6
    assert {each["computeId"]: f"visa-old-{number}" for number, each in known.items()} == {
        server: name for server, name in there.items() if name.startswith("visa-old-")
    }
    assert len(known) == 5, "one server is unknown to VISA"
    assert [each["terminationDate"] for each in known.values()].count(None) == 1
    assert len([each for each in known.values() if each["bookingToken"]]) == 1
    assert {each["state"] for each in known.values()} == {"ACTIVE"}
    files = visa.lab.visa.files
    for file in (files.admin_token, files.tokens, files.environment, files.database):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    environment = visa.lab.environment()
    assert environment["VISA_ENDPOINT"] == visa.lab.visa.endpoint
    assert Path(environment["VISA_TOKEN_FILE"]).read_text().strip() == json.loads(files.tokens.read_text())["admin"]


def test_instance_is_a_server_of_the_old_cloud_and_goes_again(visa: Visa) -> None:
    plan = next(each["id"] for each in visa.rest("GET", "/plans", "bohr").json()["data"] if each["preset"])
    number = visa.begin(plan, "bohr").json()["data"]["id"]
    wait_for(lambda: visa.instances()[number]["state"] == "ACTIVE", "it is active")
    server = visa.instances()[number]["computeId"]
    with administrator(visa.lab.state.cloud(OLD)) as old:
        found = old.compute.get_server(server)
        assert found.name == f"visa-old-{number}"
        assert found.metadata["owner"] == "bohr"
        assert {each["name"] for each in found.security_groups} == {"visa-default", "default"}, "bohr is staff"
    visa.ask("mutation($i:Int!){deleteInstance(id:$i){message}}", i=number)
    wait_for(lambda: number not in visa.instances() and server not in servers(visa, OLD), "it is gone")
    assert [each["server"] for each in events(visa, "start")] == [server]
    assert set(ended(visa.lab.visa.files.owners)) == {server}


def test_new_cloud_is_tried_while_it_is_hidden(visa: Visa, new_plan: dict[str, int]) -> None:
    limits = visa.ask("{cloudLimits{cloudClient{id} cloudLimit{maxTotalInstances} error}}")["cloudLimits"]
    assert [each["cloudLimit"] is None for each in limits] == [False, False]
    assert visa.begin(new_plan["plan"], "bohr").status_code == 401
    number = visa.begin(new_plan["plan"]).json()["data"]["id"]
    wait_for(lambda: visa.instances()[number]["state"] == "ACTIVE", "it is active")
    assert visa.instances()[number]["cloudId"] == new_plan["cloud"]
    assert servers(visa, NEW) == {visa.instances()[number]["computeId"]: f"visa-new-{number}"}
    visa.clock(hours=49)
    wait_for(lambda: number not in visa.instances() and not servers(visa, NEW), "its two days are over")
    assert events(visa, "end")[-1]["why"] == "lifetime"


def test_wrong_secret_is_seen_by_the_proof_of_life_alone(visa: Visa) -> None:
    given = registration(visa.lab, NEW, "visa-dead", "nobody", "wrong", "nowhere")
    cloud = visa.ask(CREATE_CLOUD, i=given)["createCloudClient"]["id"]
    limits = visa.ask("{cloudLimits{cloudClient{id} cloudLimit{maxTotalInstances} error}}")["cloudLimits"]
    assert limits[-1] == {"cloudClient": {"id": cloud}, "cloudLimit": None, "error": None}
    found = visa.ask("query($c:Int!){cloudImages(cloudId:$c){id} cloudSecurityGroups(cloudId:$c){name}}", c=cloud)
    assert found == {"cloudImages": [], "cloudSecurityGroups": []}
    assert visa.ask("mutation($c:Int!){deleteCloudClient(id:$c)}", c=cloud) == {"deleteCloudClient": True}


def test_nova_that_is_down_changes_nothing(visa: Visa) -> None:
    before = list(visa.instances())
    visa.lab.stop(OLD, ["nova"])
    try:
        visa.clock(hours=1)
        log = visa.lab.visa.files.log
        wait_for(lambda: f"state of instance {before[-1]}:" in log.read_text(), "it was asked for")
        assert {each["state"] for each in visa.instances().values()} == {"ACTIVE"}
        assert list(visa.instances()) == before
    finally:
        visa.lab.start(OLD, ["nova"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_goes_on_after_its_end(visa: Visa, how: signal.Signals) -> None:
    before, clock = visa.instances(), visa.now()
    for handle in processes.send(visa.lab.directory, how, lambda each: each.cloud == "visa"):
        os.close(handle)
    wait_for(lambda: not visa.lab.visa.running, "it has ended")
    visa.lab.up(HOSTS, 1)
    assert visa.instances() == before
    assert clock - timedelta(seconds=2) < visa.now() < clock + timedelta(minutes=5), "its clock stood still meanwhile"


@contextmanager
def scientists(visa: Visa) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "lab", "visa", "scientists", "--name", visa.lab.name, "--per-day", "6"]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.terminate()
    assert process.returncode == 0


def test_scientists_use_what_they_are_offered(visa: Visa) -> None:
    before, begun = set(visa.instances()), len(events(visa, "start"))
    memory, _ = judge(Memory(), look(Eye(visa.lab.state.cloud(OLD)), Eye(visa.lab.state.cloud(NEW))), frozenset())
    visa.clock(factor=3600)
    with scientists(visa) as process:

        def come_and_go() -> bool:
            assert process.poll() is None, "they have ended"
            return len(events(visa, "start")) >= begun + 2 and bool(before - set(visa.instances()))

        wait_for(come_and_go, "they come and go")
        visa.clock(factor=0)
    seen = [datetime.fromisoformat(each["lastSeenAt"]) for each in visa.instances().values()]
    assert visa.now() - max(seen) < timedelta(days=4)
    _, wrong = judge(memory, look(Eye(visa.lab.state.cloud(OLD)), Eye(visa.lab.state.cloud(NEW))),
                     set(ended(visa.lab.visa.files.owners)))  # fmt: skip
    assert wrong == [], "every end is the owner's or VISA's own"
    assert not events(visa, "lost")


def test_project_that_is_registered_twice_loses_its_instances(visa: Visa) -> None:
    """The trap: a hidden cloud on the old project, with a prefix that begins the other's."""
    old, new = Eye(visa.lab.state.cloud(OLD)), Eye(visa.lab.state.cloud(NEW))
    owners = visa.lab.visa.files.owners
    wait_for(lambda: all(each["state"] == "ACTIVE" for each in visa.instances().values()), "all is quiet")
    memory, _ = judge(Memory(), look(old, new), set(ended(owners)))
    victims = {each["computeId"] for each in visa.instances().values() if each["cloudId"] is None}
    assert victims
    of_env = dict(line.split("=", 1) for line in visa.lab.visa.files.environment.read_text().splitlines())
    key, secret, network = (
        of_env[f"VISA_CLOUD_OPENSTACK_{name}"]
        for name in ("APPLICATION_ID", "APPLICATION_SECRET", "ADDRESS_PROVIDER_UUID")
    )
    visa.ask(CREATE_CLOUD, i=registration(visa.lab, OLD, "visa-o", key, secret, network))
    night = visa.now().replace(hour=2, minute=1)
    visa.clock(hours=((night - visa.now()) % timedelta(days=1)) / timedelta(hours=1))
    visa.clock(factor=1)
    wait_for(lambda: not victims & servers(visa, OLD).keys(), "the clean-up has killed them")
    _, wrong = judge(memory, look(old, new), set(ended(owners)))
    assert {each.kind for each in wrong} == {Kind.GONE}
    assert {each.subject for each in wrong} <= victims
    assert {each["server"] for each in events(visa, "cleaned")} >= {each.subject for each in wrong}
