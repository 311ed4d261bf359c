"""When a node is empty: the bounds by VISA's rules, who holds it, and what is always so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fleet import make_settings
from hypothesis import given as each
from hypothesis import settings as effort
from hypothesis import strategies as st

from migration.facts import CloudFacts, Facts, Hypervisor, Server, Service
from migration.forecast import Forecast, NodeForecast, Span, draw_ends, draw_worlds, forecast, forecast_line
from migration.habits import DEFAULT_HABITS, DEFAULT_LIMITS, Habits, Owner, Rate, owner_of
from migration.marks import Mark
from migration.placed import ForecastInput, Never, NodeState, Placed, bounds, forecast_input, going
from migration.plan import Phase
from migration.settings import Membership
from migration.visa.instances import STAFF, AutoExtension, VisaInstance
from migration.visa.settings import Backend

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def instance(
    number: int, *, age: float = 5, left: float | None = 9, idle: float | None = 1, **more: Any
) -> VisaInstance:
    roles = frozenset({STAFF}) if more.pop("staff", False) else frozenset({"USER"})
    return VisaInstance(
        id=number,
        name=f"work {number}",
        state="ACTIVE",
        server=f"server-{number:03}",
        cloud=-1,
        created=NOW - age * DAY,
        termination=None if left is None else NOW + left * DAY,
        last_seen=None if idle is None else NOW - idle * DAY,
        roles=roles,
        owner_name=f"Owner {number}",
        **more,
    )


def placed(one: VisaInstance, node: str = "cmp01") -> Placed:
    return Placed(one.server or "", f"visa-{one.id}", node, one)


def made_of(instances: Sequence[Placed], **more: Any) -> ForecastInput:
    names = sorted({one.node for one in instances} | {"cmp01"})
    nodes = tuple(NodeState(name, Membership.CARACAL, Phase.DRAINING) for name in names)
    visa = tuple(one.visa for one in instances if one.visa is not None)
    return ForecastInput(NOW, nodes, tuple(instances), visa, **more)


def run(instances: Sequence[Placed], **more: Any) -> Forecast:
    return forecast(made_of(instances), habits=DEFAULT_HABITS, draws=more.pop("draws", 100), **more)


# ------------------------------------------------------------------------------------------------------ VISA's rules


@pytest.mark.parametrize(
    ("one", "earliest", "latest"),
    [
        pytest.param(instance(1), 3, 9, id="a user who does not come back loses it 96 h after the last visit"),
        pytest.param(instance(1, left=2), 2, 2, id="the termination date comes first"),
        pytest.param(instance(1, staff=True, left=40), 7, 40, id="staff may be away for 192 h"),
        pytest.param(instance(1, booked=True), 9, 9, id="a booked one has no inactivity limit"),
        pytest.param(instance(1, idle=None, age=2), 2, 9, id="never seen: from its beginning"),
        pytest.param(instance(1, idle=9), 0, 9, id="overdue: at the next tick"),
        pytest.param(instance(1, left=-1), 0, 0, id="past its termination date: at the next tick"),
        pytest.param(instance(1, auto_extension=AutoExtension.ALL), 3, 9 + 14, id="more time for everybody"),
        pytest.param(instance(1, auto_extension=AutoExtension.STAFF), 3, 9, id="more time, but for staff only"),
        pytest.param(
            instance(1, staff=True, left=40, auto_extension=AutoExtension.STAFF), 7, 40 + 60, id="more time for staff"
        ),
        pytest.param(instance(1, extension_requested=True), 3, 9 + 14, id="an administrator has been asked"),
    ],
)
def test_when_visa_ends_an_instance(one: VisaInstance, earliest: float, latest: float) -> None:
    owner = owner_of(one)
    what = going(one, NOW, DEFAULT_LIMITS[owner])
    found = bounds(what, NOW, DEFAULT_LIMITS[owner], DEFAULT_HABITS[owner])
    assert found == (NOW + earliest * DAY, NOW + latest * DAY)


def test_an_instance_without_termination_date_has_no_bounds() -> None:
    with pytest.raises(ValueError, match="instance 1 has no termination date"):
        going(instance(1, left=None), NOW, DEFAULT_LIMITS[Owner.USER])


def test_dates_without_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="created of VISA's instance 1 has no zone"):
        replace(instance(1), created=datetime(2026, 11, 20))


# ---------------------------------------------------------------------------------------------------- the likely time


def test_somebody_seen_a_minute_ago_is_likelier_to_stay_than_somebody_seen_days_ago() -> None:
    made = run([placed(instance(1, idle=0.001), "cmp01"), placed(instance(2, idle=3.5), "cmp02")], draws=500)
    just, long_ago = made.nodes["cmp01"].span, made.nodes["cmp02"].span
    assert long_ago.median == pytest.approx(NOW + 0.5 * DAY, abs=timedelta(minutes=1))
    assert just.median > NOW + 5 * DAY


def test_more_time_makes_it_later_and_only_where_it_may_be_had() -> None:
    busy = {"idle": 0.01, "left": 1.0, "age": 13.0}
    extended = {
        owner: replace(habits, extended=(900, 1), stops=(Rate(2, 200),) * 4) for owner, habits in DEFAULT_HABITS.items()
    }
    bounded = made_of([placed(instance(1, **busy))])
    open_ = made_of([placed(instance(1, auto_extension=AutoExtension.ALL, **busy))])
    assert forecast(bounded, habits=extended).nodes["cmp01"].span.latest == NOW + DAY
    assert forecast(open_, habits=extended).nodes["cmp01"].span.median > NOW + 8 * DAY


def test_what_owners_delete_by_hand_is_a_gift_that_no_forecast_promises() -> None:
    deleted = {owner: replace(habits, deletes=Rate(1000, 10)) for owner, habits in DEFAULT_HABITS.items()}
    made = forecast(made_of([placed(instance(1))]), habits=deleted)
    span = made.nodes["cmp01"].span
    assert span.low == span.median == span.p90 == span.earliest == NOW + 3 * DAY
    assert made.days.max() < 1, "but the draws know"


def test_a_booked_instance_holds_its_node_until_its_termination() -> None:
    quiet = {owner: replace(habits, deletes=Rate(1, 1e9)) for owner, habits in DEFAULT_HABITS.items()}
    made = forecast(made_of([placed(instance(1, booked=True, idle=5)), placed(instance(2))]), habits=quiet, draws=100)
    assert made.nodes["cmp01"].span.low == NOW + 9 * DAY
    assert made.days.min() == pytest.approx(9, abs=0.01), "not only in what is promised, but in each draw"
    assert made.nodes["cmp01"].holders[0].placed.name == "visa-1"


def test_who_holds_a_node_longest_is_who_is_last_most_often() -> None:
    made = run(
        [placed(instance(1, left=2)), placed(instance(2, left=13, idle=0.01, age=1)), placed(instance(3, left=3))]
    )
    holders = made.nodes["cmp01"].holders
    assert holders[0].placed.name == "visa-2"
    assert holders[0].last > 0.5
    assert holders[0].latest == NOW + 13 * DAY
    assert [one.last for one in holders] == sorted((one.last for one in holders), reverse=True)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Placed("server-1", "visa-1", "cmp01", instance(1, left=None)), Never.IMMORTAL),
        (Placed("server-1", "batch-1", "cmp01"), Never.UNKNOWN),
        (Placed("server-1", "visa-1", "cmp01", asked=False), Never.UNASKED),
    ],
)
def test_what_never_ends_keeps_the_node_and_the_others_go_on(one: Placed, why: Never) -> None:
    made = run([one, placed(instance(2)), placed(instance(3), "cmp02")])
    node = made.nodes["cmp01"]
    assert (node.ends, [held.placed.never for held in node.never]) == (False, [why])
    assert node.span.latest == NOW + 9 * DAY, "when the others have ended"
    assert made.names == ("cmp02",)
    assert made.fleet is not None
    assert made.chance("cmp01", NOW + 99 * DAY) is None
    assert made.chance("cmp02", NOW + 99 * DAY) == 1


def test_an_empty_node_is_empty_now() -> None:
    made = run([])
    assert made.nodes["cmp01"].span == Span(*[NOW] * 6)
    assert made.empty(NOW) == (1, 1, 1)


def test_how_many_nodes_are_empty_at_a_time() -> None:
    made = run(
        [placed(instance(1, left=2, booked=True)), placed(instance(2, left=20, booked=True), "cmp02")], draws=100
    )
    assert made.empty(NOW + 3 * DAY)[0] >= 1
    assert made.empty(NOW + 21 * DAY) == (2, 2, 2)


# ---------------------------------------------------------------------------------------------------- what always is so

lives = st.builds(
    instance,
    st.just(0),
    age=st.floats(0, 60),
    left=st.one_of(st.none(), st.floats(-1, 60)),
    idle=st.one_of(st.none(), st.floats(0, 20)),
    staff=st.booleans(),
    booked=st.booleans(),
    auto_extension=st.sampled_from(AutoExtension),
)
fleets = st.lists(st.tuples(lives, st.sampled_from(["cmp01", "cmp02", "cmp03"])), max_size=8).map(
    lambda rows: [placed(replace(one, id=at, server=f"server-{at:03}"), node) for at, (one, node) in enumerate(rows)]
)
habits_of = st.builds(
    lambda stops, deletes, returns, extended, extensions: {
        owner: Habits(tuple(Rate(2, 2 / each) for each in stops), Rate(1, 1 / deletes), returns, extended, extensions)
        for owner in Owner
    },
    st.tuples(*[st.floats(0.001, 5)] * 4),
    st.floats(0.0001, 1),
    st.floats(0.05, 12),
    st.tuples(st.floats(0.5, 50), st.floats(0.5, 50)),
    st.integers(0, 3),
)


def _ordered(span: Span) -> bool:
    return span.earliest <= span.low <= span.median <= span.p90 <= span.high <= span.latest


@each(fleets, habits_of, st.integers(0, 2**40))
@effort(max_examples=60, deadline=None)
def test_earlier_bounds_are_never_after_later_ones(
    instances: list[Placed], habits: Mapping[Owner, Habits], seed: int
) -> None:
    made = forecast(made_of(instances), habits=habits, draws=40, seed=seed)
    assert all(_ordered(node.span) and node.span.earliest >= NOW for node in made.nodes.values())
    assert made.fleet is None or _ordered(made.fleet)
    assert (made.days >= 0).all(), "nothing ends in the past, and nothing is not a number"


@each(fleets, lives, st.sampled_from(["cmp01", "cmp02"]), st.integers(0, 2**40))
@effort(max_examples=60, deadline=None)
def test_an_instance_more_makes_nothing_sooner(
    instances: list[Placed], another: VisaInstance, node: str, seed: int
) -> None:
    more = [*instances, placed(replace(another, id=99, server="server-99"), node)]
    fewer = replace(made_of(more), placed=tuple(instances))
    before = forecast(fewer, habits=DEFAULT_HABITS, draws=40, seed=seed)
    after = forecast(made_of(more), habits=DEFAULT_HABITS, draws=40, seed=seed)
    for name, one in before.nodes.items():
        other = after.nodes[name]
        assert (not other.ends) or one.ends
        for date in ("earliest", "low", "median", "p90", "high", "latest"):
            assert getattr(other.span, date) >= getattr(one.span, date)
        if name != node:
            assert other == one


@each(fleets, st.randoms(use_true_random=False), st.integers(0, 2**40))
@effort(max_examples=40, deadline=None)
def test_the_order_of_the_input_and_a_second_run_change_nothing(
    instances: list[Placed], chance: Any, seed: int
) -> None:
    one = made_of(instances)
    shuffled = list(instances)
    chance.shuffle(shuffled)
    visa = list(one.visa)
    chance.shuffle(visa)
    first = forecast(one, draws=40, seed=seed)
    again = forecast(replace(one, placed=tuple(shuffled), visa=tuple(visa)), draws=40, seed=seed)
    assert again.nodes == first.nodes
    assert again.fleet == first.fleet
    assert (again.days == first.days).all()
    assert again.habits == first.habits


def test_another_seed_is_another_forecast() -> None:
    instances = [placed(instance(number, idle=0.1)) for number in range(5)]
    assert (run(instances, seed=1).days != run(instances, seed=2).days).any()


def test_ends_drawn_alone_are_those_of_the_forecast() -> None:
    instances = [placed(instance(number, idle=0.1, staff=number % 2 == 0)) for number in range(5)]
    given = made_of([*instances, Placed("server-x", "batch", "cmp02")])
    made = forecast(given, habits=DEFAULT_HABITS, draws=50, seed=3)
    drawn = draw_ends(given, given.placed, draw_worlds(given, DEFAULT_HABITS, 50, 3), 50, 3)
    assert (max_of([drawn[one.server] for one in instances]) == made.days[0]).all()
    assert (drawn["server-x"] == float("inf")).all()


def max_of(rows: Sequence[Any]) -> Any:
    found = rows[0]
    for row in rows[1:]:
        found = row * (row > found) + found * (row <= found)
    return found


# ----------------------------------------------------------------------------------------------- joining Nova and VISA


VISA = {
    "endpoint": "https://visa.test",
    "token": {"environment": "T"},
    "prefixes": {"old": "visa", "new": "car"},
    "cloud": {"name": "New", "project": "visa", "networks": ["visa"]},
    "limits": {"lifetime_users": 240, "inactivity_users": 48},
}


def _facts(
    servers: Mapping[str, str], *, closed: Sequence[str] = (), hidden: int = 0, counted: int | None = None
) -> Facts:
    nodes = ("cmp01", "cmp02")
    on = {node: frozenset(one for one, host in servers.items() if host == node) for node in nodes}
    old = CloudFacts(
        "stein",
        services=tuple(
            Service(f"s-{n}", n, n not in closed, True, Mark.LEAVING if n in closed else None) for n in nodes
        ),
        hypervisors=tuple(
            Hypervisor(f"h-{n}", n, n, counted if counted is not None else len(on[n]), on[n]) for n in nodes
        ),
        servers=tuple(Server(one, f"visa-{one}", host, "ACTIVE") for one, host in servers.items()),
        hidden=hidden,
    )
    return Facts(old, CloudFacts("caracal"))


def _joined(facts: Facts, visa: Sequence[VisaInstance] | None, **more: Any) -> ForecastInput:
    settings = make_settings({"cmp01": "draining", "cmp02": "stein"}, visa=VISA, projects={"visa": {}})
    return forecast_input(settings, facts, visa, now=NOW, **more)


def test_nova_says_where_and_visa_until_when() -> None:
    known = replace(instance(1), server="a")
    elsewhere = replace(instance(2), server="z")
    given = _joined(_facts({"a": "cmp01", "b": "cmp02"}, closed=["cmp01"]), [known, elsewhere])
    assert [(one.server, one.node, one.visa, one.never) for one in given.placed] == [
        ("a", "cmp01", known, None),
        ("b", "cmp02", None, Never.UNKNOWN),
    ]
    assert [(one.node, one.phase, one.open, one.unclear) for one in given.nodes] == [
        ("cmp01", Phase.DRAINING, False, None),
        ("cmp02", Phase.STEIN, True, None),
    ]


def test_a_silent_visa_is_said_and_nova_goes_on() -> None:
    given = _joined(_facts({"a": "cmp01"}, closed=["cmp01"]), None, visa_error="no answer within 60 s")
    assert [one.never for one in given.placed] == [Never.UNASKED]
    made = forecast(given)
    assert made.nodes["cmp01"].instances == 1
    assert not made.nodes["cmp01"].known
    assert made.nodes["cmp02"].ends, "an empty node is empty, whatever VISA says"
    assert "VISA did not answer, so nobody can say when an instance ends: no answer within 60 s" in made.notes


def test_a_silent_cloud_leaves_nodes_unclear() -> None:
    given = _joined(Facts(None, CloudFacts("caracal"), "stein: no answer"), [])
    assert {one.phase for one in given.nodes} == {Phase.UNKNOWN}
    assert not any(node.ends for node in forecast(given).nodes.values())
    assert any("stein: no answer" in note for note in given.notes)


def test_a_witness_that_counts_more_than_the_list_makes_a_node_unclear() -> None:
    given = _joined(_facts({"a": "cmp01"}, counted=3), [replace(instance(1), server="a")])
    assert [one.unclear for one in given.nodes] == [
        "3 instances by one witness, 1 on Nova's list",
        "3 instances by one witness, 0 on Nova's list",
    ]


def test_servers_that_nobody_can_place_are_said() -> None:
    notes = " ".join(_joined(_facts({"a": "cmp01", "b": "cmp77"}, hidden=2), []).notes)
    assert "2 servers of stein are in a cell that does not answer" in notes
    assert "1 servers of stein are on nodes that are not in the config" in notes


def test_nodes_of_the_new_cloud_are_not_forecast() -> None:
    facts = _facts({})
    assert facts.old is not None
    moved = replace(
        facts, old=replace(facts.old, services=facts.old.services[1:], hypervisors=facts.old.hypervisors[1:])
    )
    assert [one.node for one in _joined(moved, []).nodes] == ["cmp02"]


# --------------------------------------------------------------------------------------------------------- in one line


def _node(*instances: Placed, **state: Any) -> NodeForecast:
    made = run(list(instances))
    return replace(made.nodes["cmp01"], state=replace(made.nodes["cmp01"].state, **state))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (_node(), "cmp01: empty"),
        (
            _node(placed(instance(1, left=2, booked=True, staff=True))),
            (
                "cmp01: 1 instance; empty 2026-11-25 likely, 2026-11-25 with 90 %, 2026-11-25 at the latest,"
                " last probably visa-1"
            ),
        ),
        (
            _node(placed(instance(1, left=None)), placed(instance(2, left=2, booked=True))),
            (
                "cmp01: 2 instances; never empty by itself: visa-1 (never ends: VISA has no termination date for it);"
                " the others by 2026-11-25 (90 %)"
            ),
        ),
        (_node(Placed("a", "visa-1", "cmp01", asked=False)), "cmp01: 1 instance; VISA did not say when they end"),
        (_node(unclear="two hosts"), "cmp01: nobody can say when it is empty: two hosts"),
    ],
)
def test_one_line_for_the_preview(node: NodeForecast, expected: str) -> None:
    assert forecast_line(node) == expected
    assert "Owner" not in forecast_line(node)


def test_the_line_says_that_a_node_takes_more() -> None:
    assert forecast_line(_node(placed(instance(1)), open=True)).endswith("; still takes new ones")


def test_the_configured_default_backend_closes_every_node() -> None:
    facts = _facts({"a": "cmp01"})
    configured = make_settings({"cmp01": "stein", "cmp02": "stein"}, visa=VISA, projects={"visa": {}})
    assert configured.visa is not None
    for backend, open_ in ((Backend.STEIN, True), (Backend.CARACAL, False)):
        visa = configured.visa.model_copy(update={"default_backend": backend})
        settings = configured.model_copy(update={"visa": visa})
        given = forecast_input(settings, facts, [], now=NOW)
        assert {one.open for one in given.nodes} == {open_}
        assert given.backend is backend
        assert given.limits[Owner.USER].lifetime == 10
        assert given.limits[Owner.USER].inactivity == 2
