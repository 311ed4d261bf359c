"""Instances of the lab's VISA begin, live longer and end; and a wrong migration loses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from visa_lab import Lab, Served, cloud_input, image_input, provider

from lab.visa import jobs
from lab.visa.app import AtOnce, make_visa
from lab.visa.clouds import Server
from lab.visa.fakes import FakeClouds, filled
from lab.visa.store import Store
from lab.visa.tables import BookingFlavour, BookingRequest, BookingToken, Flavour
from lab.watcher import ended

UPDATE_IMAGE = "mutation($id:Int!,$i:ImageInput!){updateImage(id:$id,input:$i){id}}"
EXTEND = "/account/instances/1/extension"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Callable[[], Lab]]:
    with Served().running() as made:
        yield made


@pytest.fixture
def lab(fresh: Callable[[], Lab]) -> Lab:
    return fresh()


# -- beginning


def test_instance_is_a_server_with_a_name_groups_and_metadata(lab: Lab) -> None:
    made = lab.begin(1).json()["data"]
    server, wanted = next(iter(lab.clouds.stein.inputs.items()))
    assert (wanted.name, wanted.networks, wanted.security_groups) == ("visa-old-3", ["stein-network"], ["visa-default"])
    assert wanted.metadata == {"id": "3", "uid": made["uid"], "owner": "ada"}
    assert lab.states()[3] == "BUILDING"
    jobs.unstable(lab.visa)
    assert lab.states()[3] == "ACTIVE"
    assert lab.data("{instance(id:3){computeId ipAddress}}")["instance"] == {
        "computeId": server, "ipAddress": "10.0.0.1",
    }  # fmt: skip


def test_instance_goes_where_the_plans_image_is(lab: Lab) -> None:
    lab.begin(lab.offer(lab.register(visible=True))["plan"])
    assert [each.name for each in lab.clouds.caracal.there.values()] == ["visa-new-3"]


def test_server_that_is_refused_is_an_error(lab: Lab) -> None:
    lab.clouds.stein.refuses = True
    lab.begin(1)
    assert lab.states()[3] == "ERROR"
    assert lab.data("{instance(id:3){computeId}}")["instance"]["computeId"] is None


@pytest.mark.parametrize(
    ("name", "changed", "status"),
    [
        ("ada", {}, 200),
        ("ada", {"experiments": []}, 401),
        ("ada", {"experiments": ["experiment-curie"]}, 401),
        ("bohr", {}, 200),
        ("admin", {}, 200),
        ("ada", {"acceptedTerms": False}, 400),
        ("ada", {"planId": 99}, 400),
        ("ada", {"bookingTokenId": 99}, 400),
        ("nobody", {}, 401),
    ],
)
def test_who_may_begin(lab: Lab, name: str, changed: dict[str, object], status: int) -> None:
    assert lab.begin(1, name, **changed).status_code == status


def test_quota(lab: Lab) -> None:
    assert [lab.begin(1).status_code for _ in range(5)] == [200, 200, 200, 200, 400]


@pytest.mark.parametrize("hidden", ["image", "cloud"])
def test_hidden_plan_is_for_administrators(lab: Lab, hidden: str) -> None:
    cloud = lab.register(visible=hidden != "cloud")
    new = lab.offer(cloud)
    if hidden == "image":
        given = image_input(cloudId=cloud, computeId="caracal-image1", visible=False)
        lab.data(UPDATE_IMAGE, id=new["image"], i=given)
    assert new["plan"] not in lab.names("/plans", "ada")
    assert new["plan"] in lab.names("/plans", "admin")
    assert [lab.begin(new["plan"], name).status_code for name in ("ada", "bohr", "admin")] == [401, 401, 200]


def test_after_the_switch_only_the_new_plan_is_offered(lab: Lab) -> None:
    cloud = lab.register()
    plan = lab.offer(cloud)["plan"]
    lab.data("mutation($id:Int!,$i:CloudClientInput!){updateCloudClient(id:$id,input:$i){id}}", id=cloud,
             i=cloud_input(provider("caracal"), visible=True))  # fmt: skip
    for image in (1, 2):
        given = image_input(cloudId=-1, visible=False, computeId=f"stein-image{image}")
        lab.data(UPDATE_IMAGE, id=image, i=given)
    assert [lab.names("/plans", name) for name in ("ada", "bohr")] == [[plan], [plan]]
    assert lab.begin(1).status_code == 401
    lab.begin(plan)
    assert len(lab.clouds.caracal.there) == 1


def test_plan_of_a_limited_flavour_is_for_its_role(lab: Lab) -> None:
    given = {"name": "tiny", "memory": 2048, "cpu": 1, "computeId": "stein-tiny", "instrumentIds": [], "roleIds": [2],
             "roleLifetimes": [{"roleId": 2, "lifetimeMinutes": 60}]}  # fmt: skip
    lab.data("mutation($i:FlavourInput!){updateFlavour(id:1,input:$i){id}}", i=given)
    assert [lab.names("/plans", name) for name in ("ada", "bohr")] == [[2, 4], [1, 3, 2, 4]]
    ends = {"bohr": "2026-12-07T09:00:00"}  # what everybody has is longer than what the flavour has for staff
    for name, expected in ends.items():
        assert lab.begin(1, name, lifetimeMinutes=None).json()["data"]["terminationDate"] == expected


@pytest.mark.parametrize(("name", "wanted", "ends"), [
    ("ada", None, "2026-12-07T09:00:00"), ("ada", 60, "2026-11-23T10:00:00"), ("ada", 99999, "2026-12-07T09:00:00"),
    ("bohr", 0, "2027-01-22T09:00:00"),
])  # fmt: skip
def test_lifetime(lab: Lab, name: str, wanted: int | None, ends: str) -> None:
    assert lab.begin(1, name, lifetimeMinutes=wanted).json()["data"]["terminationDate"] == ends


def voucher(lab: Lab, owner: str = "ada", first: str = "2026-11-20", last: str = "2026-11-30") -> int:
    with lab.visa.store.session() as session:
        flavour = session.get_one(Flavour, 1)
        request = BookingRequest(
            uid="x", name="course", created_at=lab.visa.clock.now(), start_date=first, end_date=last, owner_id=owner,
            state="ACCEPTED", flavours=[BookingFlavour(flavour=flavour, quantity=1)],
        )  # fmt: skip
        token = BookingToken(uid="y", booking_request=request, flavour=flavour, owner_id=owner)
        session.add(token)
        session.commit()
        return token.id


def test_voucher_opens_a_hidden_plan_but_the_list_does_not_show_it(lab: Lab) -> None:
    token = voucher(lab)
    lab.data(UPDATE_IMAGE, id=1, i=image_input(cloudId=-1, visible=False))
    assert lab.names("/plans?flavour=1") == [3]
    assert lab.begin(1).status_code == 401
    made = lab.begin(1, bookingTokenId=token, experiments=[]).json()["data"]
    assert made["terminationDate"] == "2026-12-01T00:00:00"
    assert lab.begin(1, bookingTokenId=token).status_code == 401, "used already"
    query = "{instance(id:3){bookingToken{uid bookingRequest{state endDate}}} bookingRequests{flavours{quantity}}}"
    assert lab.data(query) == {
        "instance": {"bookingToken": {"uid": "y", "bookingRequest": {"state": "ACCEPTED", "endDate": "2026-11-30"}}},
        "bookingRequests": [{"flavours": [{"quantity": 1}]}],
    }


@pytest.mark.parametrize("changed", [{"owner": "bohr"}, {"first": "2026-11-24"}, {"last": "2026-11-22"}])
def test_voucher_is_for_its_owner_and_its_time(lab: Lab, changed: dict[str, str]) -> None:
    assert lab.begin(1, bookingTokenId=voucher(lab, **changed)).status_code == 401


@pytest.mark.parametrize(
    ("filters", "ada", "bohr"),
    [
        ([], ["visa-default", "default"], ["visa-default", "default"]),
        ([("ROLE", 2)], ["visa-default"], ["visa-default", "default"]),
        ([("FLAVOUR", 1)], ["visa-default", "default"], ["visa-default", "default"]),
        ([("FLAVOUR", 2)], ["visa-default"], ["visa-default"]),
    ],
)
def test_group_without_filter_is_everybodys(
    lab: Lab, filters: list[tuple[str, int]], ada: list[str], bohr: list[str]
) -> None:
    create = "mutation($i:SecurityGroupInput!){createSecurityGroup(input:$i){id}}"
    group = lab.data(create, i={"name": "default", "cloudId": -1})["createSecurityGroup"]["id"]
    lab.data(create, i={"name": "default", "cloudId": lab.register()})  # of another cloud: nobody's here
    for kind, number in filters:
        given = {"securityGroupId": group, "objectType": kind, "objectId": number}
        lab.data("mutation($i:SecurityGroupFilterInput!){createSecurityGroupFilter(input:$i){id}}", i=given)
    for name in ("ada", "bohr", "admin"):
        lab.begin(1, name)
    wanted = [each.security_groups for each in lab.clouds.stein.inputs.values()]
    assert wanted == [ada, bohr, ["visa-default", "default"]]


# -- living longer


@pytest.mark.parametrize(
    ("policy", "name", "state"),
    [
        ("ALL", "ada", "ACCEPTED"),
        ("STAFF", "ada", "PENDING"),
        ("NONE", "ada", "PENDING"),
        ("STAFF", "bohr", "ACCEPTED"),
    ],
)
def test_extension(lab: Lab, policy: str, name: str, state: str) -> None:
    lab.data(UPDATE_IMAGE, id=1, i=image_input(autoAcceptExtensionRequest=policy))
    number = {"ada": 1, "bohr": 2}[name]
    path = f"/account/instances/{number}/extension"
    assert lab.rest("POST", path, name, {"comments": "please"}).json()["data"]["state"] == state
    ends = lab.data("query($i:Int!){instance(id:$i){terminationDate}}", i=number)["instance"]["terminationDate"]
    assert ends == ("2026-12-21T09:00:00" if state == "ACCEPTED" else "2026-12-07T09:00:00")
    found = lab.data("{instanceExtensionRequests{state comments instance{id}}}")["instanceExtensionRequests"]
    assert found == [{"state": state, "comments": "please", "instance": {"id": number}}]


def test_extension_that_waits_is_one(lab: Lab) -> None:
    lab.data(UPDATE_IMAGE, id=1, i=image_input(autoAcceptExtensionRequest="NONE"))
    first, second = (lab.rest("POST", EXTEND, "ada", {"comments": "x"}).json()["data"]["id"] for _ in range(2))
    assert first == second
    assert lab.rest("POST", EXTEND, "curie", {"comments": "x"}).status_code == 401
    query = """mutation($r:InstanceExtensionResponseInput!){
        handleInstanceExtensionRequest(requestId:1,response:$r){state instance{terminationDate}}}"""
    given = {"handlerId": "admin", "terminationDate": "2026-12-31 12:30", "accepted": True}
    assert lab.data(query, r=given)["handleInstanceExtensionRequest"] == {
        "state": "ACCEPTED", "instance": {"terminationDate": "2026-12-31T12:30:00"},
    }  # fmt: skip


# -- ending


def test_deletion_shuts_down_first(lab: Lab) -> None:
    lab.data("mutation{deleteInstance(id:1){message}}")
    assert lab.states()[1] == "STOPPING"
    jobs.unstable(lab.visa)
    assert 1 not in lab.states()
    assert [each.name for each in lab.clouds.stein.there.values()] == ["visa-old-2"]


def test_owner_ends_only_what_is_the_owners(lab: Lab) -> None:
    assert lab.rest("DELETE", "/account/instances/1", "curie").status_code == 401
    assert lab.rest("DELETE", "/account/instances/1", "ada").status_code == 200


@pytest.mark.parametrize(
    ("hours", "left"),
    [(95, [1, 2]), (97, [2]), (191, [2]), (193, [])],
)
def test_idle_instances_end_by_role(lab: Lab, hours: int, left: list[int]) -> None:
    lab.advance(hours=hours)
    jobs.lifecycle(lab.visa)
    assert list(lab.states()) == left
    assert len(lab.clouds.stein.there) == len(left)


def test_termination_ends_what_is_used(lab: Lab) -> None:
    for _ in range(7):
        lab.advance(hours=47)
        lab.rest("POST", "/lab/instances/1/seen", "ada")
        jobs.lifecycle(lab.visa)
        assert 1 in lab.states()
    lab.advance(hours=8)
    jobs.lifecycle(lab.visa)
    assert 1 not in lab.states()


def test_immortal_instance_is_not_even_ended_for_idleness(lab: Lab) -> None:
    lab.data("mutation{updateInstanceTerminationDate(id:1){message}}")
    lab.advance(hours=9999)
    jobs.lifecycle(lab.visa)
    assert list(lab.states()) == [1]


def test_booked_instance_may_be_idle(lab: Lab) -> None:
    made = lab.begin(1, bookingTokenId=voucher(lab)).json()["data"]["id"]
    lab.advance(days=7)
    jobs.lifecycle(lab.visa)
    assert made in lab.states()
    lab.advance(days=1)
    jobs.lifecycle(lab.visa)
    assert made not in lab.states()


def test_stopped_and_failed_ones_count_too(lab: Lab) -> None:
    stein = lab.clouds.stein
    stein.there = {name: replace(each, state="ERROR") for name, each in stein.there.items()}
    jobs.states(lab.visa)
    assert lab.states() == {1: "ERROR", 2: "ERROR"}
    lab.advance(hours=200)
    jobs.lifecycle(lab.visa)
    assert lab.states() == {}


# -- traps: how a wrong migration loses instances


def test_unknown_server_is_believed_to_be_deleted(lab: Lab) -> None:
    lab.clouds.stein.there.clear()
    jobs.states(lab.visa)
    assert lab.states() == {}


def test_cloud_that_does_not_answer_changes_nothing(lab: Lab) -> None:
    lab.clouds.stein.down = True
    jobs.states(lab.visa)
    jobs.clean_up(lab.visa)
    lab.advance(hours=97)
    jobs.lifecycle(lab.visa)
    lab.clouds.stein.down = False
    assert lab.states() == {1: "DELETING", 2: "ACTIVE"}
    assert len(lab.clouds.stein.there) == 2
    jobs.lifecycle(lab.visa)
    assert (list(lab.states()), len(lab.clouds.stein.there)) == ([2], 1)


def test_image_that_changes_its_cloud_loses_its_instances(lab: Lab) -> None:
    cloud = lab.register()
    lab.clouds.caracal.listed_images += lab.clouds.stein.listed_images
    lab.data(UPDATE_IMAGE, id=1, i=image_input(cloudId=cloud))
    jobs.states(lab.visa)
    assert lab.states() == {}
    jobs.clean_up(lab.visa)
    assert lab.clouds.stein.there == {}, "what VISA does not know any more is cleaned up"


def test_shelved_server_is_a_deleted_one(lab: Lab) -> None:
    server = next(iter(lab.clouds.stein.there))
    lab.clouds.stein.there[server] = Server(server, "visa-old-1", "DELETED")
    jobs.states(lab.visa)
    assert list(lab.states()) == [2]


@pytest.mark.parametrize(
    ("prefix", "left"),
    [("visa", ["calibration"]), ("visa-new", ["visa-old-1", "visa-old-2", "visa", "calibration"]),
     ("cal", ["visa-old-1", "visa-old-2", "visa"])],
)  # fmt: skip
def test_clean_up_of_a_project_that_is_registered_twice(lab: Lab, prefix: str, left: list[str]) -> None:
    for stranger in ("visa", "calibration"):
        lab.clouds.stein.add(stranger)
    jobs.clean_up(lab.visa)
    assert len(lab.clouds.stein.there) == 4, "neither begins with visa-old"
    lab.register(provider("stein"), serverNamePrefix=prefix, visible=False)
    jobs.clean_up(lab.visa)
    assert [each.name for each in lab.clouds.stein.there.values()] == left


def test_clean_up_deletes_what_begins_with_the_prefix(lab: Lab) -> None:
    lab.clouds.stein.add("visa-older")
    jobs.clean_up(lab.visa)
    assert [each.name for each in lab.clouds.stein.there.values()] == ["visa-old-1", "visa-old-2"]


# -- what keeps it going


def test_jobs_run_when_their_hour_strikes(lab: Lab) -> None:
    schedule = jobs.Schedule(lab.visa)
    lab.clouds.stein.add("visa-older")
    lab.clouds.stein.there.pop("stein-server1")
    schedule.turn()
    assert list(lab.states()) == [1, 2]
    lab.advance(seconds=61)
    schedule.turn()
    assert list(lab.states()) == [2]
    lab.advance(hours=16)  # 01:00
    schedule.turn()
    assert len(lab.clouds.stein.there) == 2
    lab.advance(hours=1)
    schedule.turn()
    assert len(lab.clouds.stein.there) == 1


def test_what_was_begun_is_finished_after_a_restart(tmp_path: Path) -> None:
    class Never(AtOnce):
        def submit(self, *_: object, **__: object) -> None:  # type: ignore[override]
            return None

    served, log = Served(), tmp_path / "owners.jsonl"
    with served.running() as made:
        lab = made()
        lab.visa.work._executor = Never()
        lab.begin(1)
        lab.data("mutation{deleteInstance(id:1){message}}")
        assert lab.states() == {1: "ACTIVE", 2: "ACTIVE", 3: "BUILDING"}
        visa = make_visa(lab.visa.store, lab.clouds, lab.visa.clock, executor=AtOnce(), log=log)
        jobs.resume(visa)
        jobs.unstable(visa)
        assert lab.states() == {2: "ACTIVE", 3: "ACTIVE"}
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["start"]


def test_log_tells_the_watcher_whose_end_it_was(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "owners.jsonl"
    lab.visa.work._log = log
    one, two = lab.clouds.stein.there
    lab.rest("DELETE", "/account/instances/1", "ada")
    lab.clouds.stein.there.pop(two)
    stray = lab.clouds.stein.add("visa-old-99")
    jobs.states(lab.visa)
    jobs.clean_up(lab.visa)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["event"], each["server"]) for each in lines] == [("end", one), ("lost", two), ("cleaned", stray)]
    assert {each["name"] for each in lines} == {"visa-old-1", "visa-old-2", "visa-old-99"}
    assert set(ended(log)) == {one}, "only its owner's end excuses that a server is gone"


def test_database_survives_a_restart(tmp_path: Path) -> None:
    clouds = FakeClouds()
    filled(clouds)
    store = Store(tmp_path / "visa.sqlite")
    store.remember(now="2026-11-23T09:00:00")
    assert Store(tmp_path / "visa.sqlite").setting("now") == "2026-11-23T09:00:00"
    assert (tmp_path / "visa.sqlite").stat().st_mode & 0o777 == 0o600
