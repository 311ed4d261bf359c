"""What has to be done for each image, as tables: settings and facts in; steps and message out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from migration.errors import SettingsError
from migration.images.copy import ImageOrder
from migration.images.facts import CONTENT, Checksum, ImageFacts, ImagesFacts
from migration.images.plan import ImagePlan, ImageStep, plan_images
from migration.settings import CaracalSettings, parse

SUM = Checksum("sha512", "ab" * 64)
OTHER = Checksum("sha512", "cd" * 64)
COPY, UPDATE, HIDE = ImageStep.COPY, ImageStep.UPDATE, ImageStep.HIDE_OLDER


def settings_of(clouds: dict[str, str] | None = None, **image: Any) -> CaracalSettings:
    raw = {
        "clouds": clouds or {"old": "stein", "new": "caracal"},
        "images": {"desktop": {"from": "stein", "format": "raw", **image}},
    }
    made = parse("caracal", raw, source="test")
    assert isinstance(made, CaracalSettings)
    return made


def image(identity: str = "i", **more: Any) -> ImageFacts:
    given: dict[str, Any] = {
        "name": "desktop", "status": "active", "format": "qcow2", "size": 1, "checksum": SUM, "visibility": "public",
        "protected": True, "hidden": False, "min_disk": 0, "min_ram": 0,
    }  # fmt: skip
    return ImageFacts(identity, **{**given, **more})


def ours(checksum: Checksum = SUM, **more: Any) -> ImageFacts:
    return image("n", **{"properties": {CONTENT: f"{checksum} as raw", "os": "linux"}, **more})


SOURCE = image("s", properties={"os": "linux", "visa_migration_content": "of a migration before"})


def plan(present: list[ImageFacts], sources: list[ImageFacts] | None = None, **settings: Any) -> ImagePlan:
    found = [SOURCE] if sources is None else sources
    facts = ImagesFacts({"desktop": tuple(found)}, {"desktop": tuple(present)})
    return plan_images(settings_of(**settings), facts)["desktop"]


@pytest.mark.parametrize(
    ("present", "steps", "message"),
    [
        ([], [COPY, UPDATE], "copied from stein"),
        ([ours()], [], "there"),
        ([ours(status="queued")], [COPY, UPDATE], "copied from stein"),
        ([ours(visibility="private", protected=False)], [UPDATE], "differs in protected, visibility"),
        ([ours(hidden=True)], [UPDATE], "differs in hidden"),
        ([ours(properties={CONTENT: f"{SUM} as raw"})], [UPDATE], "differs in os"),
        ([ours(OTHER)], [COPY, UPDATE, HIDE], "copied from stein; the one before stays, hidden"),
        ([ours(OTHER, hidden=True)], [COPY, UPDATE], "copied from stein"),
        ([ours(OTHER), ours()], [HIDE], "there; the one before is hidden"),
        ([ours(OTHER, hidden=True), ours()], [], "there"),
    ],
)
def test_what_is_done(present: list[ImageFacts], steps: list[ImageStep], message: str) -> None:
    found = plan(present)
    assert (list(found.steps), found.message, found.refusal) == (steps, message, "")


def test_a_property_that_nobody_asked_for_is_left_alone() -> None:
    assert plan([ours(properties={**ours().properties, "signature": "x"})]).steps == ()


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ([], "stein has no active image named desktop"),
        ([SOURCE, SOURCE], "stein has 2 active images named desktop"),
        ([replace(SOURCE, checksum=None)], "knows no checksum of desktop"),
    ],
)
def test_a_source_that_is_not_known_is_refused_but_for_an_image_that_is_there(
    sources: list[ImageFacts], why: str
) -> None:
    assert why in plan([], sources).refusal
    there = plan([ours()], sources)
    assert (there.steps, there.refusal) == ((), "")
    assert why in there.message


def test_an_image_stays_when_the_old_cloud_is_retired() -> None:
    there = plan([ours()], clouds={"new": "caracal"})
    assert (there.steps, there.refusal) == ((), "")


def test_an_image_of_somebody_else_is_refused() -> None:
    assert "did not make (i)" in plan([image()]).refusal


def test_a_cloud_that_cannot_be_asked_needs_a_person_and_nothing_is_done() -> None:
    found = plan_images(settings_of(), ImagesFacts(error="stein: no answer"))["desktop"]
    assert (found.steps, found.attention) == ((), True)
    assert "stein: no answer" in found.message


def test_the_format_is_raw_where_ceph_stores_it_and_else_as_it_comes() -> None:
    raw = {"clouds": {"old": "stein", "new": "caracal"}, "images": {"desktop": {"from": "stein"}}}
    made = parse("caracal", raw, source="test")
    assert isinstance(made, CaracalSettings)
    facts = ImagesFacts({"desktop": (SOURCE,)})
    assert plan_images(made, facts)["desktop"].format == "qcow2"
    with_ceph = made.model_construct(**{**dict(made), "ceph": object()})
    assert plan_images(with_ceph, facts)["desktop"].format == "raw"


def test_what_an_older_migration_wrote_on_the_source_does_not_count() -> None:
    assert plan([]).properties == {"os": "linux", CONTENT: f"{SUM} as raw"}


def test_the_order_comes_back_from_the_engine_as_it_went() -> None:
    planned = replace(plan([], min_disk=3), min_ram=2)
    order = ImageOrder.of(settings_of().images["desktop"], planned)
    assert order is not None
    given = order.as_input()
    assert None not in given["image"].values()
    assert ImageOrder.model_validate({**given, "min_disk": 3.0, "min_ram": 2.0}) == order


@pytest.mark.parametrize(
    ("image", "place", "why"),
    [
        ({"from": "ftp"}, "images.desktop.from", "use stein, file or url"),
        ({}, "images.desktop.from", "missing; give where it comes from"),
        ({"from": "file"}, "images.desktop.path", "missing"),
        ({"from": "file", "path": "x"}, "images.desktop.sha512", "missing"),
        ({"from": "url", "url": "http://example.org/x", "sha512": "0" * 128}, "images.desktop.url", "https"),
        ({"from": "url", "url": "https://u:p@example.org/x", "sha512": "0" * 128}, "images.desktop.url", "secrets"),
        ({"from": "file", "path": "x", "sha512": "0" * 64}, "images.desktop.sha512", "no SHA-512"),
        ({"from": "stein", "path": "x"}, "images.desktop.path", "says nothing with from: stein"),
        ({"from": "stein", "properties": {CONTENT: "x"}}, f"images.desktop.properties.{CONTENT}", "own"),
    ],
)
def test_a_mistake_is_named_with_its_place(image: dict[str, Any], place: str, why: str) -> None:
    raw = {"clouds": {"old": "stein", "new": "caracal"}, "images": {"desktop": image}}
    with pytest.raises(SettingsError) as raised:
        parse("caracal", raw, source="test")
    found = [problem for problem in raised.value.problems if problem.place == place]
    assert any(why in problem.message for problem in found), raised.value
