"""The switch and the way back by the real Pulumi engine: shown, taken, settled, and no secret in any state file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, seed
from lab.clouds import administrator, identity, login
from lab.layout import NEW, REGION
from lab.project import Project
from lab.visa.population import Population

pytestmark = pytest.mark.lab
HOSTS, INSTANCES = 2, 4
POPULATION = Population(immortal=0, booked=0, unknown=0)
LOGIN = "caracal-visa"


def visa(lab: Lab, **changes: Any) -> dict[str, Any]:
    return {
        "endpoint": lab.visa.endpoint,
        "token": {"file": lab.environment()["VISA_TOKEN_FILE"]},
        "prefixes": {"old": "visa-old", "new": "car"},
        "cloud": {"name": "Caracal", "project": seed.PROJECT, "networks": [seed.NETWORK], "login": LOGIN},
        "images": {"visa-desktop": {"image": "visa-desktop", "version": "24.04"}},
        "flavours": {"visa.tiny": {"flavor": "visa.tiny"}},
        "plans": [{"image": "visa-desktop", "flavour": "visa.tiny"}],
        "preset": {"image": "visa-desktop", "flavour": "visa.tiny"},
        "banner": {"after": "New instances start in the new cloud"},
        "acceptance": {"timeout": 120},
        **changes,
    }


SWITCHED = {"offer": "users", "default_backend": "caracal"}


@pytest.fixture(scope="module")
def project(visa_lab: Lab) -> Project:
    """Both stacks, applied, and an account for VISA in its project of the new cloud."""
    made = Project(visa_lab, print)
    made.create()
    made.up("stein")
    made.up(NEW)
    cloud = visa_lab.state.cloud(NEW)
    with administrator(cloud) as new:
        keystone = identity(new)
        user = keystone.create_user(name="visa-api", password=cloud.password, domain_id="default")
        own = keystone.find_project(seed.PROJECT, ignore_missing=False)
        keystone.assign_project_role_to_user(own, user, keystone.find_role("member", ignore_missing=False))
    access = json.loads(Path(made.environment["OS_CLIENT_CONFIG_FILE"]).read_text())
    auth = {**login(cloud), "username": "visa-api", "project_name": seed.PROJECT}
    access["clouds"][LOGIN] = {"auth": auth, "region_name": REGION, "identity_api_version": "3"}
    file = made.directory / "clouds.yaml"
    file.touch(0o600)
    file.write_text(json.dumps(access))
    made.environment["OS_CLIENT_CONFIG_FILE"] = str(file)
    return made


def secret(lab: Lab) -> str:
    """Return the secret that VISA was given."""
    with closing(sqlite3.connect(lab.visa.files.database)) as database:
        rows = database.execute("select parameters from cloud_provider where deleted_at is null").fetchall()
    (parameters,) = (json.loads(row[0]) for row in rows)
    return str(parameters["application_secret"])


def states(project: Project) -> str:
    return "".join(path.read_text() for path in (project.lab.directory / "pulumi").rglob("*.json*") if path.is_file())


def phase(project: Project, node: str) -> str:
    return str(project.status()["nodes"][node]["phase"])


def test_the_switch_and_the_way_back(project: Project) -> None:
    lab = project.lab
    project._replace({"visa": visa(lab, **SWITCHED)})
    project.member("draining", "cmp01")
    shown = project.preview(NEW, "--diff").stdout
    for line in (
        "register Caracal: hidden, prefix car",
        "show Caracal",
        "hide-old visa-desktop 20.04",
        "preset visa-desktop",
    ):
        assert line in shown
    assert "nothing drains before caracal is VISA's default backend" in shown
    assert phase(project, "cmp01") == "stein"

    said = project.up().stdout
    given = secret(lab)
    assert given not in said
    assert given not in states(project)
    assert phase(project, "cmp01") == "stein", "it was not switched when this run looked"
    project.up()
    assert phase(project, "cmp01") == "draining"
    project.preview(NEW, "--expect-no-changes")
    audited = [line for line in project.audited() if line["cloud"] == "visa"]
    assert [line["step"] for line in audited if line["result"] == "done"][:2] == ["register", "prove"]
    assert given not in project.audit.read_text()

    project.member("stein", "cmp01")
    project._replace({"visa": visa(lab, offer="hidden", force_back="a test: one node is not much room")})
    shown = project.preview(NEW, "--diff").stdout
    assert "restore-old visa-desktop 20.04" in shown
    project.up()
    project.preview(NEW, "--expect-no-changes")
    assert phase(project, "cmp01") == "stein"


def test_a_visa_that_is_down_is_told_and_nodes_that_are_on_their_way_go_on(project: Project) -> None:
    with project.changed(visa=visa(project.lab, endpoint="http://127.0.0.1:9", force_back="as above")):
        said = project.preview(NEW).stdout
        assert "VISA is left as it is: VISA: http://127.0.0.1:9/api/graphql: no answer" in said


def test_a_guard_refuses_the_whole_up_before_anything_is_touched(project: Project) -> None:
    wrong = visa(project.lab, prefixes={"old": "other", "new": "car"}, force_back="as above")
    before = list(project.audited())
    with project.changed(visa=wrong):
        project.member("draining", "cmp02")
        ended = project.up(check=False)
        project.member("stein", "cmp02")
    assert ended.returncode
    assert "is this the VISA that is meant?" in ended.stdout
    assert list(project.audited()) == before
