"""The plan of VISA as tables: facts and settings in, steps, refusals and waits out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.settings import CaracalSettings, parse
from migration.visa.checks import overlaps
from migration.visa.facts import (
    ApplicationCredential,
    Booking,
    CloudClient,
    Flavour,
    GlanceImage,
    Image,
    Life,
    NovaFlavor,
    Objects,
    OfferedPlan,
    Project,
    ProjectServer,
    Room,
    SecurityGroup,
    VisaFacts,
    default_backend,
)
from migration.visa.instances import DEFAULT_CLOUD, VisaInstance
from migration.visa.marks import hidden, mark_of, restored
from migration.visa.plan import VisaPlan, plan_visa
from migration.visa.settings import Visa
from migration.visa.steps import Part, Word
from migration.visa.wanted import digest, made_image_key, made_plan_key, provider_configuration

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NEW = 7
USERS = {"offer": "users"}
SWITCHED = {"offer": "users", "default_backend": "caracal"}


def visa(**changes: Any) -> Visa:
    raw = {
        "endpoint": "https://visa.example.org",
        "token": {"environment": "VISA_TOKEN"},
        "prefixes": {"old": "visa-old", "new": "car"},
        "cloud": {"name": "Caracal", "project": "visa", "networks": ["visa"]},
        "images": {"Desktop": {"image": "desktop"}},
        "flavours": {"Small": {"flavor": "visa.small"}},
        "plans": [{"image": "Desktop", "flavour": "Small"}],
        "preset": {"image": "Desktop", "flavour": "Small"},
        **changes,
    }
    settings = parse(
        "caracal", {"clouds": {"old": "stein", "new": "caracal"}, "visa": raw}, source="Pulumi.caracal.yaml"
    )
    assert isinstance(settings, CaracalSettings)
    assert settings.visa is not None
    return settings.visa


OLD_IMAGE = Image(
    1, "Desktop", "20.04", "A desktop", "icon", DEFAULT_CLOUD, "old-glance", True, (1, 2), 2, None, "#", "P", "ALL"
)
NEW_IMAGE = replace(OLD_IMAGE, id=2, cloud=NEW, compute="new-glance")
OLD_FLAVOUR = Flavour(1, "Small", 8192, 2, DEFAULT_CLOUD, "old-nova", ((3, 600),), frozenset({9}), frozenset({3}))
NEW_FLAVOUR = replace(OLD_FLAVOUR, id=2, cloud=NEW, compute="new-nova")
PROJECT = Project(
    id="p1",
    endpoints={name: f"https://new:{port}" for name, port in (("identity", 5000), ("compute", 8774))},
    networks={"visa": "net1"},
    groups=frozenset({"default", "web"}),
    images=(GlanceImage("new-glance", "desktop", True, 10, "1"),),
    flavors=(NovaFlavor("new-nova", "visa.small", 2, 8192),),
)
DIGEST = digest(provider_configuration(visa(), PROJECT))
CREDENTIAL = ApplicationCredential("c1", "car", "p1", 1, DIGEST, NOW, NOW + timedelta(days=365))


def fresh() -> VisaFacts:
    """A VISA that knows the old cloud alone."""
    objects = Objects(
        clients=(CloudClient(DEFAULT_CLOUD, "Stein", "visa-old", visible=True),),
        images=(OLD_IMAGE,),
        flavours=(OLD_FLAVOUR,),
        plans=(OfferedPlan(1, 1, 1, preset=True),),
        groups=(SecurityGroup(1, "web", DEFAULT_CLOUD, frozenset({(3, "ROLE")})),),
    )
    lives = {DEFAULT_CLOUD: Life(limits=True, images=frozenset({"old-glance"}))}
    return VisaFacts(NOW, objects, lives, project=PROJECT, old_identity="https://old:5000", room=Room(100, 10**6))


def both(*, visible: bool = True) -> VisaFacts:
    """A VISA that offers both clouds."""
    facts = fresh()
    old = facts.objects
    image = replace(NEW_IMAGE, visible=visible)
    objects = replace(
        old,
        clients=(*old.clients, CloudClient(NEW, "Caracal", "car", visible=visible)),
        images=(*old.images, image),
        flavours=(*old.flavours, NEW_FLAVOUR),
        plans=(*old.plans, OfferedPlan(2, 2, 2, preset=False)),
        groups=(*old.groups, SecurityGroup(2, "web", NEW, frozenset({(3, "ROLE")}))),
    )
    lives = {**facts.lives, NEW: Life(limits=True, images=frozenset({"new-glance"}))}
    ledger = {made_image_key(image): "made", made_plan_key(image, NEW_FLAVOUR): "made"}
    project = replace(PROJECT, credentials=(CREDENTIAL,))
    return replace(facts, objects=objects, lives=lives, ledger=ledger, project=project)


def switched() -> VisaFacts:
    """A VISA whose default backend is the new cloud."""
    facts = both()
    objects = replace(
        facts.objects,
        images=(hidden(OLD_IMAGE, 1), NEW_IMAGE),
        plans=(OfferedPlan(1, 1, 1, preset=False), OfferedPlan(2, 2, 2, preset=True)),
    )
    return replace(facts, objects=objects)


def instance(number: int, cloud: int, server: str) -> VisaInstance:
    return VisaInstance(number, "x", "ACTIVE", server, cloud, NOW, None, None, flavor="Small")


def plan(facts: VisaFacts | None, **changes: Any) -> VisaPlan:
    return plan_visa(visa(**changes), facts, old="stein", new="caracal", error="no answer")


def words(found: VisaPlan) -> list[str]:
    return [step.word.value for step in found.steps]


def on_project(facts: VisaFacts, **changes: Any) -> VisaFacts:
    assert facts.project is not None
    return replace(facts, project=replace(facts.project, **changes))


# ------------------------------------------------------------------------------------------------------- the whole way

ALL = ["register", "prove", "save-flavour", "create-group", "limit-group", "save-image"]


@pytest.mark.parametrize(
    ("facts", "wanted", "expected"),
    [
        (fresh(), {}, ALL),
        (fresh(), {"offer": "admins"}, [*ALL, "create-plan", "show-image"]),
        (fresh(), USERS, [*ALL, "create-plan", "try", "show-image", "show"]),
        (fresh(), SWITCHED, [*ALL, "create-plan", "try", "show-image", "show", "hide-old", "preset"]),
        (fresh(), {**USERS, "acceptance": {"enabled": False}}, [*ALL, "create-plan", "show-image", "show"]),
        (both(), USERS, []),
        (both(), SWITCHED, ["prove", "try", "hide-old", "preset"]),
        (both(visible=False), USERS, ["prove", "try", "show-image", "show"]),
        (both(), {}, ["hide", "hide-image"]),
        (switched(), SWITCHED, []),
        (switched(), USERS, ["preset", "restore-old"]),
        (switched(), {}, ["preset", "restore-old", "hide", "hide-image"]),
    ],
)
def test_the_steps(facts: VisaFacts, wanted: dict[str, Any], expected: list[str]) -> None:
    found = plan(facts, **wanted)
    assert (found.refusals, found.waits) == ((), ())
    assert words(found) == expected


def test_what_is_hidden_is_restored_as_it_was() -> None:
    for image in (OLD_IMAGE, replace(OLD_IMAGE, description=None), replace(OLD_IMAGE, visible=False, extensions=None)):
        for preset in (None, 12):
            away = hidden(image, preset)
            assert (away.visible, away.extensions) == (False, "NONE")
            assert hidden(away, None) == away, "what is marked keeps its mark"
            mark = mark_of(away)
            assert mark is not None
            assert mark.plan == preset
            assert restored(away) == image


def test_what_somebody_else_hid_is_not_restored() -> None:
    facts = switched()
    images = (replace(OLD_IMAGE, visible=False), NEW_IMAGE)
    assert words(plan(replace(facts, objects=replace(facts.objects, images=images)), **USERS)) == []


@given(text=st.text() | st.none(), preset=st.integers(0, 10**6) | st.none(), shown=st.booleans())
def test_any_description_survives(text: str | None, preset: int | None, shown: bool) -> None:
    image = replace(OLD_IMAGE, description=text or None, visible=shown)
    assert restored(hidden(image, preset)) == image


# ---------------------------------------------------------------------------------- where VISA starts new instances


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (None, None),
        (fresh(), "stein"),
        (both(), "stein"),
        (switched(), "caracal"),
        (replace(both(), objects=replace(both().objects, images=(hidden(OLD_IMAGE, 1), NEW_IMAGE))), None),
        (replace(switched(), objects=replace(switched().objects, images=(OLD_IMAGE, NEW_IMAGE))), "stein"),
        (replace(switched(), objects=replace(switched().objects, plans=())), None),
    ],
)
def test_the_default_backend(facts: VisaFacts | None, expected: str | None) -> None:
    assert default_backend(facts, "car") == expected


def test_unknown_is_not_switched() -> None:
    found = plan(None, **SWITCHED)
    assert (found.steps, found.backend.cloud, found.backend.why) == ((), None, "no answer")
    assert plan(switched(), **SWITCHED).backend.cloud == "caracal"
    assert plan(both(), **SWITCHED).backend.cloud == "stein"


# ------------------------------------------------------------------------------------------------------------- guards

Change = Callable[[VisaFacts], VisaFacts]


def clients(*more: CloudClient) -> Change:
    return lambda facts: replace(facts, objects=replace(facts.objects, clients=(*facts.objects.clients, *more)))


REFUSED: list[tuple[str, VisaFacts, dict[str, Any], str]] = [
    ("the prefix is begun by another's", clients(CloudClient(5, "X", "carat", True))(fresh()), {}, "nightly clean-up"),
    ("the prefix begins another's", clients(CloudClient(5, "X", "ca", True))(fresh()), {}, "nightly clean-up"),
    ("registered twice", clients(CloudClient(8, "Twin", "car", False))(both()), {}, "2 cloud clients with prefix car"),
    ("the name is taken", clients(CloudClient(5, "Caracal", "zzz", True))(fresh()), {}, "a prefix is never changed"),
    (
        "another VISA",
        fresh(),
        {"prefixes": {"old": "other", "new": "car"}},
        "servers of VISA's default cloud begin with",
    ),
    (
        "the same Keystone",
        replace(fresh(), old_identity="https://new:5000"),
        {},
        "clouds.old and clouds.new lead to the same Keystone",
    ),
    (
        "another cloud's instances are in the project",
        on_project(
            replace(fresh(), instances=(instance(1, DEFAULT_CLOUD, "s1"),)), servers=(ProjectServer("s1", "y"),)
        ),
        {},
        "is that of VISA's cloud Stein already",
    ),
    (
        "another cloud's servers are in the project",
        on_project(fresh(), servers=(ProjectServer("s1", "visa-old-12"),)),
        {},
        "is that of VISA's cloud Stein already",
    ),
    (
        "the project was registered with another prefix",
        on_project(fresh(), credentials=(replace(CREDENTIAL, prefix="earlier"),)),
        {},
        "was registered with prefix earlier before",
    ),
    (
        "strangers that the first night would delete",
        on_project(fresh(), servers=(ProjectServer("s1", "carpenter"),)),
        {},
        "would delete them in the first night",
    ),
    (
        "re-pointed to another project",
        on_project(both(), credentials=(replace(CREDENTIAL, project="p0"),)),
        USERS,
        "a cloud client is never pointed elsewhere",
    ),
    (
        "re-pointed to another cloud",
        replace(both(), instances=(instance(1, NEW, "s1"),)),
        USERS,
        "none of their servers is in project visa",
    ),
    (
        "an example that is none",
        fresh(),
        {"images": {"Desktop": {"image": "desktop", "like": "X"}}},
        "VISA has no image X",
    ),
    (
        "limits that cannot be copied",
        fresh(),
        {"flavours": {"Small": {"flavor": "visa.small", "like": "X"}}},
        "its limits cannot be copied",
    ),
    (
        "too little room",
        on_project(
            replace(switched(), room=Room(3, 10**6), instances=(instance(1, NEW, "s1"), instance(2, NEW, "s2"))),
            servers=(ProjectServer("s1", "car-1"), ProjectServer("s2", "car-2")),
        ),
        USERS,
        "leaves too little room: users hold 4 vCPU and 16384 MiB",
    ),
    ("nobody knows the room", replace(switched(), room=None), USERS, "nobody could say how much there is"),
    ("hidden with too little room", replace(both(), room=None), {}, "nobody could say how much there is"),
]


@pytest.mark.parametrize(
    ("facts", "wanted", "expected"), [case[1:] for case in REFUSED], ids=[one[0] for one in REFUSED]
)
def test_a_guard_refuses(facts: VisaFacts, wanted: dict[str, Any], expected: str) -> None:
    found = plan(facts, **wanted)
    assert found.steps == ()
    assert any(expected in refusal for refusal in found.refusals), found.refusals


def test_going_back_is_forced_in_the_settings() -> None:
    facts = replace(switched(), room=Room(0, 0))
    facts = on_project(replace(facts, instances=(instance(1, NEW, "s1"),)), servers=(ProjectServer("s1", "car-1"),))
    assert plan(facts, **USERS).refusals
    assert words(plan(facts, **USERS, force_back="the new cloud's storage is lost")) == ["preset", "restore-old"]


def test_going_back_needs_no_new_cloud() -> None:
    facts = replace(switched(), project=None, project_error="caracal: no answer")
    found = plan(facts, **USERS)
    assert words(found) == ["preset", "restore-old"]
    assert found.waits == ("the new cloud's side of VISA is left as it is: caracal: no answer",)


BOOKED = Booking(4, "ACCEPTED", "2026-12-01", frozenset({DEFAULT_CLOUD}))
ALIVE = both().lives[NEW]

WAITS: list[tuple[str, VisaFacts, dict[str, Any], str]] = [
    ("a booking", replace(both(), bookings=(BOOKED,)), SWITCHED, "booking request 4"),
    ("the old cloud is down", replace(both(), lives={NEW: ALIVE}), SWITCHED, "does not reach the old cloud"),
    (
        "an old image is gone from Glance",
        replace(both(), lives={**both().lives, DEFAULT_CLOUD: Life(limits=True, images=frozenset({"other"}))}),
        SWITCHED,
        "its Glance has old-glance no more",
    ),
    ("a security group is missing", on_project(fresh(), groups=frozenset()), SWITCHED, "security group web"),
    ("the network is missing", on_project(fresh(), networks={}), SWITCHED, "network visa"),
    ("the image is missing", on_project(fresh(), images=()), SWITCHED, "image desktop"),
    (
        "the image is being uploaded",
        on_project(fresh(), images=(GlanceImage("new-glance", "desktop", False, 1),)),
        SWITCHED,
        "image desktop",
    ),
    ("the flavor is missing", on_project(fresh(), flavors=()), SWITCHED, "flavor visa.small"),
    (
        "an image without a size",
        on_project(fresh(), images=(*PROJECT.images, GlanceImage("i", "broken", False, None))),
        SWITCHED,
        "images without a size",
    ),
    (
        "a server on a volume",
        on_project(fresh(), servers=(ProjectServer("s", "volume", from_volume=True),)),
        SWITCHED,
        "boot from a volume",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "wanted", "expected"), [case[1:] for case in WAITS], ids=[one[0] for one in WAITS])
def test_nothing_is_offered_yet(facts: VisaFacts, wanted: dict[str, Any], expected: str) -> None:
    found = plan(facts, **wanted)
    assert any(expected in wait for wait in found.waits), found
    assert not {step.part for step in found.steps} & {Part.ACCEPTANCE, Part.OFFER, Part.SWITCH, Part.BANNER}


@pytest.mark.parametrize(
    "booking",
    [
        Booking(4, "ACCEPTED", "2026-11-22", frozenset({DEFAULT_CLOUD})),
        Booking(4, "REFUSED", "2027-01-01", frozenset({DEFAULT_CLOUD})),
        Booking(4, "ACCEPTED", "2027-01-01", frozenset({NEW})),
        Booking(17, "CREATED", "2027-01-01", frozenset({DEFAULT_CLOUD})),
    ],
)
def test_a_booking_that_holds_nothing_up(booking: Booking) -> None:
    found = plan(replace(both(), bookings=(booking,)), **SWITCHED, looked_at_bookings=[17])
    assert found.waits == ()
    assert "preset" in words(found)


# ----------------------------------------------------------------------------------------------------- the credential


@pytest.mark.parametrize(
    ("credentials", "changes", "why"),
    [
        ((CREDENTIAL,), {}, ""),
        ((), {}, "none is ours"),
        ((CREDENTIAL, replace(CREDENTIAL, id="c2")), {}, "a replacement was cut off"),
        ((CREDENTIAL,), {"credential": {"rotation": 2}}, "rotation 1 -> 2"),
        ((replace(CREDENTIAL, expires=NOW + timedelta(days=59)),), {}, "it expires on 2027-01-21"),
        ((replace(CREDENTIAL, expires=None),), {}, "it never expires"),
        ((replace(CREDENTIAL, endpoints="other"),), {}, "endpoints or networks have changed"),
    ],
)
def test_when_the_credential_is_replaced(
    credentials: tuple[ApplicationCredential, ...], changes: dict[str, Any], why: str
) -> None:
    found = plan(on_project(both(), credentials=credentials), **USERS, **changes)
    steps = [step for step in found.steps if step.word is Word.ROTATE]
    assert bool(steps) is bool(why)
    assert all(why in step.detail for step in steps)


# ------------------------------------------------------------------------------------------------ another is a new one


def test_an_image_that_changed_is_a_new_one_and_the_old_one_is_hidden() -> None:
    newer = GlanceImage("newer-glance", "desktop", True, 10, "2")
    found = plan(on_project(both(), images=(*PROJECT.images, newer)), **USERS)
    saved = [step for step in found.steps if step.word is Word.SAVE_IMAGE]
    assert [(step.target.id, step.target.compute) for step in saved] == [(0, "newer-glance")]  # type: ignore[union-attr]
    assert "hide-image" in words(found)


def test_a_size_that_changed_is_a_new_flavour() -> None:
    found = plan(on_project(both(), flavors=(NovaFlavor("newer-nova", "visa.small", 4, 8192),)), **USERS)
    saved = [step for step in found.steps if step.word is Word.SAVE_FLAVOUR]
    assert [(step.target.id, step.target.compute) for step in saved] == [(0, "newer-nova")]  # type: ignore[union-attr]
    assert "delete-plan" in words(found)


def test_limits_and_lifetimes_are_copied_and_never_loosened() -> None:
    (step,) = [one for one in plan(fresh()).steps if one.word is Word.SAVE_FLAVOUR]
    made = step.target
    assert isinstance(made, Flavour)
    assert (made.roles, made.instruments, made.lifetimes) == (frozenset({3}), frozenset({9}), ((3, 600),))
    facts = both()
    narrowed = replace(NEW_FLAVOUR, roles=frozenset({5}))
    facts = replace(facts, objects=replace(facts.objects, flavours=(OLD_FLAVOUR, narrowed)))
    assert words(plan(facts, **USERS)) == []
    open_to_all = replace(NEW_FLAVOUR, roles=frozenset(), instruments=frozenset(), lifetimes=())
    facts = replace(facts, objects=replace(facts.objects, flavours=(OLD_FLAVOUR, open_to_all)))
    assert words(plan(facts, **USERS)) == ["prove", "save-flavour"]


def test_a_group_limited_to_old_flavours_is_limited_to_the_new_ones() -> None:
    facts = both()
    groups = (SecurityGroup(1, "web", DEFAULT_CLOUD, frozenset({(1, "FLAVOUR")})),)
    facts = replace(facts, objects=replace(facts.objects, groups=groups))
    steps = [str(step) for step in plan(facts, **USERS).steps]
    assert "limit-group web to flavour Small: as in the old cloud" in steps
    other = replace(OLD_FLAVOUR, name="Other")
    facts = replace(facts, objects=replace(facts.objects, flavours=(other, NEW_FLAVOUR)))
    found = plan(facts, **USERS)
    assert "create-group" not in words(found), "without a limit everybody's servers would get it"
    assert any("security group web is left out" in warning for warning in found.warnings)


def test_the_placement_endpoint_is_left_out_and_no_endpoint_has_a_version() -> None:
    told = provider_configuration(visa(), PROJECT)
    assert "placementEndpoint" not in told
    assert told["addressProviderUUID"] == "net1"


@given(facts=st.sampled_from([fresh(), both(), switched()]), wanted=st.sampled_from([{}, USERS, SWITCHED]))
def test_no_step_moves_anything_to_another_cloud(facts: VisaFacts, wanted: dict[str, Any]) -> None:
    before = {one.id: (one.cloud, one.compute) for one in facts.objects.images}
    sizes = {one.id: (one.cloud, one.compute) for one in facts.objects.flavours}
    for step in plan(facts, **wanted).steps:
        match step.target:
            case Image() as image if image.id:
                assert before[image.id] == (image.cloud, image.compute)
            case Flavour() as flavour if flavour.id:
                assert sizes[flavour.id] == (flavour.cloud, flavour.compute)
            case Image() | Flavour() as made:
                assert made.cloud in {0, NEW}


@given(st.text("ab-", max_size=4), st.text("ab-", max_size=4), st.text("ab-", max_size=3))
def test_prefixes_that_do_not_overlap_share_no_server(one: str, other: str, rest: str) -> None:
    if not overlaps(one, other):
        assert not (one + rest).startswith(other)
