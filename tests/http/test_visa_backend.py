"""The whole way through the lab's VISA in this process: registered, proved, offered, switched, and back."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from visa_world import ADMINS, REGISTERED, RIGHT, SWITCHED, USERS, VISA, Killed, World, make_settings

from migration.errors import EngineGone
from migration.visa.acts import TRIAL
from migration.visa.facts import default_backend
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.steps import Part


@pytest.fixture
def world() -> World:
    return World()


def backend(world: World) -> str | None:
    return default_backend(world.look(), "car")


def test_the_whole_way_and_back(world: World) -> None:
    before = world.offered("bohr")
    assert backend(world) == "stein"

    ran = world.up(**REGISTERED)
    assert ran.failed == ""
    assert ran.words[:2] == ["register", "prove"]
    assert world.offered("bohr") == before

    ran = world.up(**SWITCHED)
    assert ran.failed == ""
    assert world.offered("bohr") == [("image1", "tiny", True), ("image2", "small", False)]
    assert backend(world) == "caracal"

    plan = next(one.id for one in world.look().objects.plans if one.preset)
    mine = world.start("bohr", plan)
    servers = [one.name for one in world.clouds.caracal.there.values()]
    assert servers == [f"car-{mine}"]

    ran = world.up(**REGISTERED)
    assert ran.failed == ""
    assert world.offered("bohr") == before
    assert backend(world) == "stein"
    assert [one.name for one in world.clouds.caracal.there.values()] == servers
    old = [image for image in world.look().objects.images if image.cloud == DEFAULT_CLOUD]
    assert [(image.description, image.extensions) for image in old] == [(None, "ALL"), (None, "ALL")]


@pytest.mark.parametrize("wanted", [REGISTERED, ADMINS, USERS, SWITCHED])
def test_a_second_up_does_nothing(world: World, wanted: dict[str, str]) -> None:
    assert world.up(**wanted).failed == ""
    assert world.up(**wanted).plan.steps == ()
    changes = len(world.changes)
    world.up(**wanted)
    assert len(world.changes) == changes


SMALL = {
    "images": {"image1": {"image": "image1"}},
    "flavours": {"tiny": {"flavor": "tiny"}},
    "plans": [{"image": "image1", "flavour": "tiny"}],
}
FORTH, BACK = {**SMALL, **SWITCHED}, {**SMALL, **REGISTERED}


def small() -> World:
    world = World()
    world.clouds.caracal.groups.remove("default")
    return world


def test_killed_anywhere_ends_as_undisturbed() -> None:
    """Dead after a change and before its answer: the same world as dead before the next one."""
    undisturbed = small()
    assert undisturbed.up(**FORTH).failed == ""
    for number in range(1, len(undisturbed.changes) + 1):
        world = small()
        where = killed_at(world, number, FORTH)
        assert world.up(**FORTH).failed == "", where
        assert world.state() == undisturbed.state(), where
        assert world.plan(**FORTH).steps == (), where


def test_killed_anywhere_on_the_way_back() -> None:
    undisturbed = small()
    undisturbed.up(**FORTH)
    begun = len(undisturbed.changes)
    assert undisturbed.up(**BACK).failed == ""
    assert undisturbed.offered("bohr") == World().offered("bohr")
    for number in range(begun + 1, len(undisturbed.changes) + 1):
        world = small()
        world.up(**FORTH)
        where = killed_at(world, number, BACK)
        assert world.up(**BACK).failed == "", where
        assert world.state() == undisturbed.state(), where
        assert world.plan(**BACK).steps == (), where


def killed_at(world: World, number: int, wanted: dict[str, Any]) -> str:
    """Run until the process dies after a change; returns after which."""
    world.kill_at = number
    with pytest.raises(Killed):
        world.up(**wanted)
    world.kill_at = None
    return f"{number}: {world.changes[number - 1]}"


# ------------------------------------------------------------------------------------------- when something goes wrong


def answered_with_an_error(world: World, mutation: str) -> None:
    """Let VISA do as it is told, and say that it failed."""

    def after(body: str, answer: requests.Response) -> requests.Response:
        if f"{{ {mutation}(" in body:
            answer.raw = io.BytesIO(b'{"data":null,"errors":[{"message":"System error"}]}')
        return answer

    world.http.after = after


CREATES = ["createCloudClient", "createFlavour", "createImage", "createPlan", "createSecurityGroup", "updateImage"]


@pytest.mark.parametrize("mutation", [*CREATES, "updatePlan", "createSystemNotification"])
def test_what_was_done_although_visa_says_otherwise_is_not_done_twice(mutation: str) -> None:
    undisturbed, world = small(), small()
    undisturbed.up(**FORTH)
    answered_with_an_error(world, mutation)
    assert world.up(**FORTH).failed == ""
    assert world.state() == undisturbed.state()
    assert any("answered with an error, but it is done" in line[-1] for line in world.audit)


def test_a_new_credential_that_may_not_have_arrived_is_replaced(world: World) -> None:
    world.up(**ADMINS)
    answered_with_an_error(world, "updateCloudClient")
    assert world.up(**USERS).failed == "", "VISA shows the cloud: that was done"
    assert len(world.credentials) == 2, "nobody knows on which of them VISA lives"
    assert "System error" in world.up(**USERS).failed, "and as little of a third one"
    world.http.after = lambda _body, answer: answer
    assert world.up(**USERS).words == ["rotate"]
    assert len(world.credentials) == 1
    assert world.plan(**USERS).steps == ()


def test_a_credential_that_visa_cannot_use_offers_nothing(world: World) -> None:
    world.secret = "another"
    ran = world.up(**SWITCHED)
    assert "it does not reach Caracal" in ran.failed
    assert list(ran.reports) == [Part.CLOUD]
    assert [one.name for one in world.look().objects.images if one.cloud != DEFAULT_CLOUD] == []
    world.secret = RIGHT
    assert world.up(credential={"rotation": 2}, **SWITCHED).failed == ""


def test_a_credential_that_leads_elsewhere_never_reaches_visa(world: World) -> None:
    world.leads_to = "project-of-others"
    assert "leads the new application credential to project project-of-others" in world.up(**REGISTERED).failed
    assert world.credentials == {}
    assert not any("createCloudClient" in body for _, body in world.http.seen)


def test_a_plan_that_starts_nothing_is_not_offered(world: World) -> None:
    world.clouds.caracal.refuses = True
    before = world.offered("bohr")
    ran = world.up(**SWITCHED)
    assert "visa acceptance: try image1 2 / tiny" in ran.failed
    assert world.offered("bohr") == before
    assert backend(world) == "stein"
    assert all(one.name != TRIAL for one in world.look().instances), "what was tried is gone"
    world.clouds.caracal.refuses = False
    assert world.up(**SWITCHED).failed == ""


def test_what_a_killed_trial_left_behind_goes(world: World) -> None:
    world.up(**ADMINS)
    plan = world.look().objects.plans[-1].id
    visa = world.hands(make_settings()).visa
    left = visa.start(TRIAL, plan, lifetime=60, keyboard="en-gb-qwerty")
    assert world.up(**SWITCHED).failed == ""
    assert left not in {one.id for one in world.look().instances}
    assert world.clouds.caracal.there == {}


def test_a_rotation_leaves_one_credential(world: World) -> None:
    world.up(**REGISTERED)
    before = set(world.credentials)
    assert world.up(**REGISTERED, credential={"rotation": 2}).words == ["rotate"]
    assert len(world.credentials) == 1
    assert not before & set(world.credentials)
    world.now += timedelta(days=320)
    assert world.up(**REGISTERED, credential={"rotation": 2}).words == ["rotate"]


def test_the_old_credential_stays_until_visa_lives_on_the_new_one(world: World) -> None:
    world.up(**REGISTERED)
    (before,) = world.credentials
    world.secret = "another"
    assert "it does not reach Caracal" in world.up(**REGISTERED, credential={"rotation": 2}).failed
    assert before in world.credentials


def test_an_overtaken_plan_takes_no_step_that_was_not_reviewed(world: World) -> None:
    saved = world.plan(**REGISTERED)
    world.clouds.caracal.listed_images[0] = replace(world.clouds.caracal.listed_images[0], id="uploaded-again")
    ran = world.up(plan=saved, **REGISTERED)
    assert not any("image1" in step for step in ran.reports[Part.IMAGES].done)
    assert world.up(**REGISTERED).words == ["prove", "save-image"]


def test_a_saved_plan_that_is_applied_twice_changes_nothing_twice(world: World) -> None:
    saved = world.plan(**SWITCHED)
    world.up(plan=saved, **SWITCHED)
    state = world.state()
    world.up(plan=saved, **SWITCHED)
    assert world.state() == state


def test_the_world_refuses_in_the_middle(world: World) -> None:
    saved = world.plan(**SWITCHED)
    world.clouds.caracal.add("visa-old-77")
    ran = world.up(plan=saved, **SWITCHED)
    assert "is that of VISA's cloud Stein already" in ran.failed
    assert world.changes == []


def test_what_is_taken_out_of_the_settings_is_offered_no_longer(world: World) -> None:
    world.up(**SWITCHED)
    less = {"images": {"image1": VISA["images"]["image1"]}, "plans": VISA["plans"][:1]}
    assert world.up(**less, **SWITCHED).failed == ""
    assert world.offered("bohr") == [("image1", "tiny", True)]
    assert world.up(**SWITCHED).failed == ""
    assert world.offered("bohr") == [("image1", "tiny", True), ("image2", "small", False)]


def test_the_banner_follows_the_switch(world: World) -> None:
    def shown() -> list[str]:
        return [one.message for one in world.look().objects.notifications]

    world.ask('mutation{createSystemNotification(input:{message:"Lunch",level:INFO,type:BANNER}){id}}')
    for wanted, text in (
        (USERS, "A new cloud comes"),
        (SWITCHED, "The new cloud is here"),
        (USERS, "A new cloud comes"),
    ):
        world.up(**wanted)
        assert shown() == ["Lunch", text]
    world.up(**USERS, banner={})
    assert shown() == ["Lunch"], "a text that is declared no more is known by its key"


def test_an_engine_that_is_gone_ends_it(world: World) -> None:
    world.engine.gone.set()
    with pytest.raises(EngineGone):
        world.up(**REGISTERED)
    assert world.changes == []


def test_no_secret_is_told_to_anybody(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.up(**SWITCHED)
    world.up(**REGISTERED)
    told = f"{world.audit} {world.plan(**USERS)} {world.look()} {capsys.readouterr()} {world.ledger}"
    assert RIGHT not in told
    assert "token-admin" not in told


def test_every_change_leaves_its_lines(world: World) -> None:
    ran = world.up(**SWITCHED)
    begun = [line[2] for line in world.audit if line[3] == "begins"]
    assert begun == ran.words
    assert [line[2] for line in world.audit if line[3] == "done"] == begun


def test_a_credential_that_visa_never_heard_of_goes_before_it_is_registered(world: World) -> None:
    killed_at(world, 1, REGISTERED)
    assert len(world.credentials) == 1
    assert world.up(**REGISTERED).failed == ""
    assert len(world.credentials) == 1
    assert world.plan(**REGISTERED).steps == ()
