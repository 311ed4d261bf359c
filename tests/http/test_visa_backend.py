"""The whole way through the lab's VISA in this process: registered, proved, offered, switched, and back."""

from __future__ import annotations

from typing import Any

import pytest
from visa_world import ADMINS, REGISTERED, SWITCHED, USERS, Killed, World

from migration.visa.facts import default_backend
from migration.visa.instances import DEFAULT_CLOUD


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
