"""The lab's VISA answers as the real one was seen to answer, traps included."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from visa_lab import Lab, Served, cloud_input, flavour_input, image_input, provider

CREATE_FLAVOUR = "mutation($i:FlavourInput!){createFlavour(input:$i){id cloudId}}"
UPDATE_FLAVOUR = "mutation($id:Int!,$i:FlavourInput!){updateFlavour(id:$id,input:$i){id cloudId}}"
CREATE_IMAGE = "mutation($i:ImageInput!){createImage(input:$i){id cloudId}}"
UPDATE_IMAGE = "mutation($id:Int!,$i:ImageInput!){updateImage(id:$id,input:$i){id visible cloudId version}}"
UPDATE_CLOUD = "mutation($id:Int!,$i:CloudClientInput!){updateCloudClient(id:$id,input:$i){id visible}}"
CREATE_GROUP = "mutation($i:SecurityGroupInput!){createSecurityGroup(input:$i){id cloudId}}"
UPDATE_PLAN = "mutation($id:Int!,$i:PlanInput!){updatePlan(id:$id,input:$i){id preset}}"
TERMINATE = "mutation($d:String){updateInstanceTerminationDate(id:1,date:$d){message}}"
PAGE = "query($p:Pagination!,$f:InstanceFilterInput){instances(filter:$f,pagination:$p){pageInfo{count} data{id}}}"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Callable[[], Lab]]:
    with Served().running() as made:
        yield made


@pytest.fixture
def lab(fresh: Callable[[], Lab]) -> Lab:
    return fresh()


# -- who may ask


@pytest.mark.parametrize(
    ("token", "status", "body"),
    [
        ("token-nobody", 401, ""),
        (None, 200, "System error"),
        ("token-ada", 200, "System error"),
        ("token-bohr", 200, "System error"),
        ("token-admin", 200, '"id":-1'),
    ],
)
def test_who_is_answered(lab: Lab, token: str | None, status: int, body: str) -> None:
    answer = lab.post("{cloudClients{id}}", token)
    assert answer.status_code == status
    assert body in answer.text
    assert bool(answer.text) == (status == 200)
    if body == "System error":
        assert answer.json()["data"] is None


def test_schema_needs_no_login(lab: Lab) -> None:
    assert "type Mutation" in requests.get(f"{lab.url}/api/graphql/schema.graphql", timeout=10).text


def test_health_is_for_machines(lab: Lab) -> None:
    made = lab.data('mutation{createApplicationCredential(input:{name:"x"}){applicationId applicationSecret}}')
    key = made["createApplicationCredential"]
    basic = base64.b64encode(f"{key['applicationId']}:{key['applicationSecret']}".encode()).decode()

    def ask(authorization: str) -> requests.Response:
        return requests.get(f"{lab.url}/api/acm/health", headers={"Authorization": authorization}, timeout=10)

    assert ask(f"Basic {basic}").json()["data"]["globalState"]["status"] == "OK"
    lab.register(provider("nowhere"))
    assert ask(f"Basic {basic}").json()["data"]["globalState"]["status"] == "NOT_OK"
    assert ask("Bearer token-admin").status_code == 403
    assert ask("Basic eDp5").status_code == 401
    query = {"query": "{cloudClients{id}}"}
    asked = requests.post(f"{lab.url}/api/graphql", json=query, headers={"Authorization": f"Basic {basic}"}, timeout=10)
    assert asked.json()["errors"][0]["message"] == "System error"


def test_question_that_is_none(lab: Lab) -> None:
    assert lab.answer("{cloudClients{nonsense}}")["data"] is None
    assert requests.post(f"{lab.url}/api/graphql", data="{", headers={"Authorization": "Bearer token-admin"},
                         timeout=10).status_code == 400  # fmt: skip


# -- clouds


def test_default_cloud_comes_first_and_cannot_be_changed(lab: Lab) -> None:
    cloud = lab.register()
    found = lab.data("{cloudClients{id name serverNamePrefix visible}}")["cloudClients"]
    assert found == [
        {"id": -1, "name": "Stein", "serverNamePrefix": "visa-old", "visible": True},
        {"id": cloud, "name": "Caracal", "serverNamePrefix": "visa-new", "visible": False},
    ]
    given = cloud_input(provider("stein"))
    assert lab.refused(UPDATE_CLOUD, id=-1, i=given) == "The default cloud provider cannot be modified"
    assert lab.refused("mutation{deleteCloudClient(id:-1)}") == "The default cloud client cannot be deleted"


def test_cloud_needs_its_whole_configuration_again(lab: Lab) -> None:
    cloud = lab.register()
    given = cloud_input(provider("caracal"), visible=True)
    configuration = given.pop("openStackProviderConfiguration")
    said = lab.refused(UPDATE_CLOUD, id=cloud, i=given)
    assert said == "OpenStack provider configuration must be specified"
    del configuration["applicationSecret"]
    said = lab.refused(UPDATE_CLOUD, id=cloud, i={**given, "openStackProviderConfiguration": configuration})
    assert "applicationSecret" in said
    assert [each["visible"] for each in lab.data("{cloudClients{visible}}")["cloudClients"]] == [True, False]
    changed = lab.data(UPDATE_CLOUD, id=cloud, i=cloud_input(provider("caracal"), visible=True))
    assert changed["updateCloudClient"] == {"id": cloud, "visible": True}


@pytest.mark.parametrize("host", ["caracal", "nowhere"])
def test_creation_checks_nothing_and_only_the_proof_of_life_tells(lab: Lab, host: str) -> None:
    cloud = lab.register(provider(host, "wrong"))
    limits = lab.data("{cloudLimits{cloudClient{id} cloudLimit{maxTotalInstances} error}}")["cloudLimits"]
    assert limits[1] == {"cloudClient": {"id": cloud}, "cloudLimit": None, "error": None}
    assert limits[0]["cloudLimit"] == {"maxTotalInstances": -1}
    found = lab.data("query($c:Int!){cloudImages(cloudId:$c){id} cloudSecurityGroups(cloudId:$c){name}}", c=cloud)
    assert found == {"cloudImages": [], "cloudSecurityGroups": []}
    assert lab.refused("query($c:Int!){cloudFlavours(cloudId:$c){id}}", c=cloud)


def test_configuration_returns_the_secret(lab: Lab) -> None:
    found = lab.data("{cloudClients{openStackProviderConfiguration{applicationSecret}}}")["cloudClients"]
    assert found[0]["openStackProviderConfiguration"]["applicationSecret"] == "the right one"


def test_cloud_with_instances_cannot_be_deleted(lab: Lab) -> None:
    cloud = lab.register(visible=True)
    plan = lab.offer(cloud)["plan"]
    instance = lab.begin(plan).json()["data"]["id"]
    delete = "mutation($c:Int!){deleteCloudClient(id:$c)}"
    assert lab.refused(delete, c=cloud) == "Cannot delete a cloud provider with active instances"
    lab.visa.work.delete(instance)
    assert lab.data(delete, c=cloud) == {"deleteCloudClient": True}
    assert len(lab.data("{cloudClients{id}}")["cloudClients"]) == 1
    assert plan not in [each["id"] for each in lab.data("{plans{id}}")["plans"]]


def test_clouds_without_instances_are_not_counted(lab: Lab) -> None:
    cloud = lab.register(visible=True)
    counts = lab.data("{countInstancesByCloudClients{id name total}}")["countInstancesByCloudClients"]
    assert counts == [{"id": -1, "name": "Stein", "total": 2}]
    lab.begin(lab.offer(cloud)["plan"])
    counts = lab.data("{countInstancesByCloudClients{id total}}")["countInstancesByCloudClients"]
    assert counts == [{"id": -1, "total": 2}, {"id": cloud, "total": 1}]


# -- what binds to a cloud


@pytest.mark.parametrize("missing", ["instrumentIds", "roleIds", "roleLifetimes"])
def test_flavour_without_its_lists_is_an_error_and_is_there(lab: Lab, missing: str) -> None:
    given = flavour_input(name="odd")
    del given[missing]
    answer = lab.answer(CREATE_FLAVOUR, i=given)
    assert answer["errors"][0]["message"] == "System error"
    assert answer["data"] is None
    assert [each["name"] for each in lab.data("{flavours{name}}")["flavours"]] == ["tiny", "small", "odd"]
    again = flavour_input(name="renamed", cpu=8)
    del again[missing]
    assert lab.refused(UPDATE_FLAVOUR, id=3, i=again) == "System error"
    assert lab.data("{flavours{name cpu}}")["flavours"][2] == {"name": "renamed", "cpu": 8}


def test_flavour_has_limits_and_lifetimes_of_roles(lab: Lab) -> None:
    roles = {each["name"]: each["id"] for each in lab.data("{roles{id name}}")["roles"]}
    lifetimes = [{"roleId": roles["STAFF"], "lifetimeMinutes": 60}, {"roleId": None, "lifetimeMinutes": 30}]
    given = flavour_input(roleIds=[roles["STAFF"], 99], roleLifetimes=lifetimes)
    made = lab.data(CREATE_FLAVOUR, i=given)["createFlavour"]["id"]
    limits = lab.data("{flavourLimits{objectId objectType flavour{id}}}")["flavourLimits"]
    assert limits == [{"objectId": roles["STAFF"], "objectType": "ROLE", "flavour": {"id": made}}]
    found = lab.data("{flavours{id roleLifetimes{lifetimeMinutes role{name}}}}")["flavours"][2]
    assert found["roleLifetimes"] == [
        {"lifetimeMinutes": 60, "role": {"name": "STAFF"}}, {"lifetimeMinutes": 30, "role": None},
    ]  # fmt: skip


def test_no_creation_but_of_groups_can_be_repeated(lab: Lab) -> None:
    cloud = lab.register()
    assert lab.register() != cloud
    for query, given in ((CREATE_FLAVOUR, flavour_input()), (CREATE_IMAGE, image_input())):
        first, second = (next(iter(lab.data(query, i=given).values()))["id"] for _ in range(2))
        assert first != second
    given = {"name": "default", "cloudId": cloud}
    first, second = (lab.data(CREATE_GROUP, i=given)["createSecurityGroup"] for _ in range(2))
    assert first == second
    of_default = lab.data(CREATE_GROUP, i={"name": "default", "cloudId": -1})["createSecurityGroup"]
    assert of_default["id"] != first["id"]
    assert of_default["cloudId"] is None


def test_image_without_its_cloud_moves_to_the_default_one(lab: Lab) -> None:
    image = lab.offer(lab.register())["image"]
    said = lab.refused(UPDATE_IMAGE, id=image, i=image_input(computeId="caracal-image1"))
    assert said == "Invalid Cloud Image Id"
    lab.clouds.stein.listed_images += lab.clouds.caracal.listed_images  # the same id in both
    changed = lab.data(UPDATE_IMAGE, id=image, i=image_input(computeId="caracal-image1"))["updateImage"]
    assert changed["cloudId"] is None


def test_image_is_replaced_as_a_whole(lab: Lab) -> None:
    changed = lab.data(UPDATE_IMAGE, id=1, i=image_input(cloudId=-1, visible=False))["updateImage"]
    assert changed == {"id": 1, "visible": False, "cloudId": None, "version": None}
    found = lab.data("{images{bootCommand autoAcceptExtensionRequest protocols{id}}}")["images"][0]
    assert found == {"bootCommand": None, "autoAcceptExtensionRequest": None, "protocols": [{"id": 1}, {"id": 2}]}


def test_image_without_protocols_stumbles_and_is_not_written(lab: Lab) -> None:
    given = image_input(name="odd")
    del given["protocolIds"]
    assert lab.refused(CREATE_IMAGE, i=given) == "System error"
    assert lab.refused(UPDATE_IMAGE, id=1, i=given) == "System error"
    assert [each["name"] for each in lab.data("{images{name}}")["images"]] == ["image1", "image2"]


@pytest.mark.parametrize("trouble", ["down", "gone"])
def test_hiding_an_image_asks_its_cloud(lab: Lab, trouble: str) -> None:
    if trouble == "down":
        lab.clouds.stein.down = True
    else:
        lab.clouds.stein.listed_images.pop(0)
    assert lab.refused(UPDATE_IMAGE, id=1, i=image_input(visible=False)) == "Invalid Cloud Image Id"


@pytest.mark.parametrize(
    ("query", "given", "said"),
    [
        (CREATE_IMAGE, image_input(cloudId=7), "Invalid cloud Id"),
        (CREATE_IMAGE, image_input(computeId="x"), "Invalid Cloud Image Id"),
        (CREATE_IMAGE, image_input(defaultVdiProtocolId=9), "Invalid Default VDI Protocol Id"),
        (CREATE_IMAGE, image_input(protocolIds=[9]), "Protocol not found for the given id"),
        (CREATE_FLAVOUR, flavour_input(cloudId=7), "Invalid cloud Id"),
        (CREATE_FLAVOUR, flavour_input(computeId="x"), "Invalid Cloud Flavour Id"),
        (CREATE_GROUP, {"name": "x", "cloudId": -1}, "Invalid Cloud Security Group"),
        (CREATE_GROUP, {"name": "visa-default"}, "System error"),
        ("mutation($i:PlanInput!){createPlan(input:$i){id}}", {"imageId": 9, "flavourId": 1, "preset": False},
         "Image not found for the given id"),
        ("mutation($i:SecurityGroupFilterInput!){createSecurityGroupFilter(input:$i){id}}",
         {"securityGroupId": 1, "objectId": 99, "objectType": "ROLE"}, "Role not found for the given id"),
        ("mutation($i:SystemNotificationInput!){createSystemNotification(input:$i){id}}",
         {"message": "x", "level": "INFO", "type": "BANNER", "activatedAt": "tomorrow"},
         "The activation date does not have a coherent format"),
    ],
)  # fmt: skip
def test_refusals(lab: Lab, query: str, given: Any, said: str) -> None:
    assert lab.refused(query, i=given) == said


def test_flavours_and_groups_are_remembered_for_minutes(lab: Lab) -> None:
    lab.data("{cloudFlavours(cloudId:-1){id} cloudSecurityGroups(cloudId:-1){name}}")
    lab.clouds.stein.listed_flavours.clear()
    lab.clouds.stein.groups.append("late")
    seen = "{cloudFlavours(cloudId:-1){id} cloudSecurityGroups(cloudId:-1){name}}"
    assert len(lab.data(seen)["cloudFlavours"]) == 2
    assert lab.refused(CREATE_GROUP, i={"name": "late", "cloudId": -1}) == "Invalid Cloud Security Group"
    lab.advance(minutes=6)
    assert lab.data(seen) == {
        "cloudFlavours": [],
        "cloudSecurityGroups": [{"name": "default"}, {"name": "visa-default"}],
    }
    lab.advance(minutes=5)
    lab.data(CREATE_GROUP, i={"name": "late", "cloudId": -1})


def test_preset_clears_the_others(lab: Lab) -> None:
    lab.data(UPDATE_PLAN, id=4, i={"imageId": 2, "flavourId": 2, "preset": True})
    assert [each["preset"] for each in lab.data("{plans{preset}}")["plans"]] == [False, False, False, True]


def test_plan_takes_an_image_and_a_flavour_of_different_clouds(lab: Lab) -> None:
    image = lab.offer(lab.register())["image"]
    given = {"imageId": image, "flavourId": 1, "preset": False}
    assert lab.data("mutation($i:PlanInput!){createPlan(input:$i){id}}", i=given)["createPlan"]["id"]


def test_filters_go_with_their_group(lab: Lab) -> None:
    create = "mutation($i:SecurityGroupFilterInput!){createSecurityGroupFilter(input:$i){id}}"
    given = {"securityGroupId": 1, "objectId": 2, "objectType": "ROLE"}
    lab.data(create, i=given)
    assert "already exists" in lab.refused(create, i=given)
    found = lab.data("{securityGroupFilters{objectId objectName objectType securityGroup{id}}}")
    assert found["securityGroupFilters"] == [
        {"objectId": 2, "objectName": "STAFF", "objectType": "ROLE", "securityGroup": {"id": 1}}
    ]
    lab.data("mutation{deleteSecurityGroup(id:1){id}}")
    assert lab.data("{securityGroupFilters{id} securityGroups{id}}") == {
        "securityGroupFilters": [], "securityGroups": [],
    }  # fmt: skip


def test_what_is_deleted_is_not_listed(lab: Lab) -> None:
    lab.data("mutation{deletePlan(id:1){id}}")
    lab.data("mutation{deleteFlavour(id:2){id}}")
    assert [each["id"] for each in lab.data("{plans{id}}")["plans"]] == [3]
    lab.data("mutation{deleteImage(id:2){id}}")
    assert lab.data("{plans{id} images{id} flavours{id}}") == {
        "plans": [], "images": [{"id": 1}], "flavours": [{"id": 1}],
    }  # fmt: skip


def test_notification_is_written_changed_and_removed(lab: Lab) -> None:
    given = {"message": "x", "level": "INFO", "type": "BANNER", "activatedAt": "2026-11-23 02:00:00"}
    create = "mutation($i:SystemNotificationInput!){createSystemNotification(input:$i){id activatedAt}}"
    made = lab.data(create, i=given)["createSystemNotification"]
    assert made == {"id": 1, "activatedAt": "2026-11-23T02:00:00"}
    update = "mutation($i:SystemNotificationInput!){updateSystemNotification(id:1,input:$i){message activatedAt}}"
    given = {"message": "y", "level": "WARN", "type": "MODAL"}
    assert lab.data(update, i=given)["updateSystemNotification"] == {"message": "y", "activatedAt": None}
    lab.data("mutation{deleteSystemNotification(id:1){id}}")
    assert lab.data("{systemNotifications{id}}") == {"systemNotifications": []}


# -- instances


@pytest.mark.parametrize(
    ("page", "given", "said"),
    [
        ({"limit": 50, "offset": 0}, None, "System error"),
        ({"limit": 51, "offset": 0}, {}, "Limit must be between 0 and 200"),
        ({"offset": 0}, {}, "Limit must be between 0 and 200"),
        ({"limit": 0, "offset": 0}, {}, "System error"),
    ],
)
def test_pages_that_are_refused(lab: Lab, page: dict[str, int], given: dict[str, str] | None, said: str) -> None:
    assert lab.refused(PAGE, p=page, f=given) == said


def test_pages(lab: Lab) -> None:
    query = (
        'query($o:Int!){instances(filter:{},pagination:{limit:1,offset:$o},orderBy:{name:"id",ascending:false})'
        "{pageInfo{count totalPages currentPage hasNextPage hasPrevPage} data{id owner{activeUserRoles{role{name}}}}}}"
    )  # fmt: skip
    first, second = (lab.data(query, o=offset)["instances"] for offset in (0, 1))
    assert first["pageInfo"] == {
        "count": 2, "totalPages": 2, "currentPage": 1, "hasNextPage": True, "hasPrevPage": False,
    }  # fmt: skip
    assert [second["pageInfo"][name] for name in ("hasNextPage", "hasPrevPage")] == [False, True]
    assert [first["data"][0]["id"], second["data"][0]["id"]] == [2, 1]
    roles = first["data"][0]["owner"]["activeUserRoles"]
    assert [each["role"]["name"] for each in roles] == ["STAFF", "STAFF"], "the real server repeats them, too"


@pytest.mark.parametrize(("given", "ids"), [({"ownerId": "ada"}, [1]), ({"state": "ERROR"}, []), ({"ids": [2]}, [2]),
                                            ({"nameLike": "ance"}, [1, 2]), ({"imageId": 1}, [1, 2])])  # fmt: skip
def test_filters(lab: Lab, given: dict[str, Any], ids: list[int]) -> None:
    found = lab.data(PAGE, p={"limit": 50, "offset": 0}, f=given)["instances"]
    assert [each["id"] for each in found["data"]] == ids
    assert found["pageInfo"]["count"] == len(ids)


@pytest.mark.parametrize(
    ("date", "ends"),
    [
        ("2026-12-24 18:30", "2026-12-24T18:30:00"),
        ("2026-12-24 12:30", "2026-12-24T00:30:00"),
        ("2026-12-24 11:59", "2026-12-24T11:59:00"),
        (None, None),
    ],
)
def test_termination_date_is_local_and_half_past_twelve_is_night(lab: Lab, date: str | None, ends: str | None) -> None:
    lab.data(TERMINATE, d=date)
    assert lab.data("{instance(id:1){terminationDate}}")["instance"]["terminationDate"] == ends


def test_termination_date_that_is_none(lab: Lab) -> None:
    assert lab.refused(TERMINATE, d="soon") == "System error"
    assert lab.refused("{instance(id:9){id}}") == "Instance not found for the given id"
