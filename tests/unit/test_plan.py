"""The plan, as tables: settings and facts in; phase, steps, message and attention out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet import HOOK, look, make_settings, make_world

from migration.facts import Agent, Aggregate, CloudFacts, DefaultBackend, Facts, Hypervisor, Migration, Server, Service
from migration.marks import REGISTERED_DISABLED, Mark, Record, Stage
from migration.names import PROBATION_AGGREGATE
from migration.plan import NODE_AGENTS, NodePlan, Phase, Plan, Step, make_plan

BY_HAND = "broken fan -- jane"
LEAVE = ["stop-compute", "delete-service", "delete-agents", "prove-gone"]
JOIN = ["wait-up", "place", "probe", "enable"]
MOVE = [*LEAVE, "host-hook", *JOIN]
NO_JOIN_OLD = {"hooks": {"leave": HOOK, "join": HOOK}}


def cloud(name: str, *parts: CloudFacts, **more: Any) -> CloudFacts:
    """Put the facts of several nodes together into those of one cloud."""
    many = ("services", "hypervisors", "servers", "migrations", "agents", "aggregates")
    facts: dict[str, Any] = {key: tuple(row for part in parts for row in getattr(part, key)) for key in many}
    facts["allocations"] = {key: value for part in parts for key, value in part.allocations.items()}
    facts["ledger"] = {key: value for part in parts for key, value in part.ledger.items()}
    return CloudFacts(name, **{**facts, **more})


def on_old(
    node: str = "cmp01",
    *,
    reason: str | None = None,
    enabled: bool | None = None,
    servers: int = 0,
    vms: int | None = 0,
    cell: int = 0,
    allocations: int | None = 0,
    migrating: str = "",
    hypervisors: int = 1,
    answers: bool = True,
    agents: str = "neutron-openvswitch-agent",
) -> CloudFacts:
    """A node of the old cloud, closed if there is a reason, and what each witness counts on it."""
    provider = f"rp-{node}"
    ends = {"in": ("other", node), "out": (node, "other")}.get(migrating)
    return CloudFacts(
        "stein",
        services=(_service(node, (reason is None) if enabled is None else enabled, reason, answers=answers),),
        hypervisors=tuple(
            Hypervisor(f"{provider}{n or ''}", node, node, vms, frozenset(f"c{i}" for i in range(cell)))
            for n in range(hypervisors)
        ),
        servers=tuple(Server(f"v{i}", f"visa-{i}", node, "SHUTOFF") for i in range(servers)),
        migrations=(Migration("m1", *ends, "migrating"),) if ends else (),
        allocations={} if allocations is None else {provider: frozenset(f"a{i}" for i in range(allocations))},
        agents=tuple(Agent(f"{binary}-{node}", node, binary, alive=True) for binary in agents.split()),
    )


def _service(node: str, enabled: bool, reason: str | None, *, up: bool = True, answers: bool = True) -> Service:
    return Service(f"s-{node}", node, enabled and answers, up and answers, reason if answers else None, answers)


def on_new(
    node: str = "cmp01",
    *,
    enabled: bool = True,
    reason: str | None = None,
    up: bool = True,
    isolated: bool = False,
    zone: str = "dc1",
    stage: Stage | None = None,
    answers: bool = True,
    servers: int = 0,
) -> CloudFacts:
    """A node of the new cloud."""
    return CloudFacts(
        "caracal",
        servers=tuple(Server(f"n{i}", f"visa-{i}", node, "ACTIVE") for i in range(servers)),
        services=(_service(node, enabled, reason, up=up, answers=answers),),
        hypervisors=(Hypervisor(f"nrp-{node}", node, node),),
        aggregates=(
            Aggregate(1, "u1", PROBATION_AGGREGATE, None, frozenset({node} if isolated else ())),
            Aggregate(2, "u2", zone, zone, frozenset({node})),
        ),
        ledger=ledger(node, stage).ledger,
    )


def ledger(node: str, stage: Stage | None) -> CloudFacts:
    return CloudFacts("caracal", ledger={node: Record(stage, "2026-11-23T10:00:00Z", f"rp-{node}")} if stage else {})


def plan_of(nodes: dict[str, str], old: list[CloudFacts] | None, new: list[CloudFacts] | None, **changes: Any) -> Plan:
    facts = Facts(
        cloud("stein", *old) if old is not None else None,
        cloud("caracal", *new) if new is not None else None,
        "stein: no answer" if old is None else None,
        "caracal: no answer" if new is None else None,
    )
    return make_plan(make_settings(nodes, **changes), facts)


def one(membership: str, old: list[CloudFacts], new: list[CloudFacts], **changes: Any) -> NodePlan:
    plan = plan_of({"cmp01": membership}, old, new, **changes)
    assert plan.refusals == ()
    return plan.nodes["cmp01"]


def check(found: NodePlan, phase: str, steps: list[str], message: str, *, attention: bool = False) -> None:
    assert (found.phase, [step.value for step in found.steps]) == (phase, steps)
    assert message in found.message
    assert found.attention is attention


LEAVING, MOVING, NOT_ISOLATED = str(Mark.LEAVING), str(Mark.MOVING), str(Mark.NOT_ISOLATED)
ANOTHER = ledger("cmp99", Stage.ACCEPTED)


@pytest.mark.parametrize(
    ("membership", "node", "phase", "steps", "message"),
    [
        # wanted in the old cloud
        ("stein", on_old(), "stein", [], "serves"),
        ("stein", on_old(servers=3), "stein", [], "serves"),
        ("stein", on_old(reason=LEAVING, servers=1), "draining", ["enable"], "given back"),
        ("stein", on_old(reason=LEAVING), "empty", ["enable"], "given back"),
        ("stein", on_old(reason=MOVING), "empty", ["start-compute", "enable"], "we had stopped its nova-compute"),
        ("stein", on_old(reason=BY_HAND), "stein", [], "disabled by somebody else (broken fan -- jane)"),
        ("stein", on_old(enabled=False), "stein", [], "disabled by somebody else (no reason given)"),
        # draining never moves
        ("draining", on_old(servers=3), "stein", ["disable"], "3 instances left"),
        ("draining", on_old(), "stein", ["disable"], "empty, stays until its membership is caracal"),
        ("draining", on_old(reason=LEAVING, servers=1), "draining", [], "1 instance left"),
        ("draining", on_old(reason=LEAVING), "empty", [], "stays until its membership is caracal"),
        ("draining", on_old(reason=MOVING), "empty", ["start-compute"], "nova-compute starts again"),
        # wanted in the new cloud: drains, and moves when every witness counts nothing
        ("caracal", on_old(servers=2), "stein", ["disable"], "2 instances left"),
        ("caracal", on_old(), "stein", ["disable", *MOVE], "empty, leaves now"),
        ("caracal", on_old(reason=LEAVING, servers=2), "draining", [], "2 instances left"),
        ("caracal", on_old(reason=LEAVING, vms=1), "draining", [], "1 instance left"),
        ("caracal", on_old(reason=LEAVING, cell=1), "draining", [], "1 instance left"),
        ("caracal", on_old(reason=LEAVING, allocations=1), "draining", [], "1 instance left"),
        ("caracal", on_old(reason=LEAVING, migrating="in"), "draining", [], "1 instance left"),
        ("caracal", on_old(reason=LEAVING, migrating="out"), "draining", [], "1 instance left"),
        ("caracal", on_old(reason=LEAVING), "empty", MOVE, "empty, leaves now"),
        ("caracal", on_old(reason=MOVING), "empty", MOVE, "empty, leaves now"),
        ("caracal", on_old(reason=MOVING, servers=1), "draining", ["start-compute"], "stays, 1 instance left"),
    ],
)
def test_a_node_of_the_old_cloud(membership: str, node: CloudFacts, phase: str, steps: list[str], message: str) -> None:
    check(one(membership, [node], [ANOTHER]), phase, steps, message)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (on_old(reason=LEAVING, vms=None), "no answer from hypervisor's own count (it does not say)"),
        (on_old(reason=LEAVING, allocations=None), "no resource provider with the hypervisor's UUID"),
        (on_old(reason=LEAVING, hypervisors=0), "0 hypervisors under it"),
        (on_old(reason=LEAVING, hypervisors=2), "2 hypervisors under it; expected one. Was it renamed?"),
        (replace(on_old(reason=LEAVING), hidden=4), "a cell is down, Nova does not say where 4 servers are"),
    ],
)
def test_a_witness_that_is_silent_is_not_an_empty_node(node: CloudFacts, message: str) -> None:
    plan = plan_of({"cmp01": "caracal"}, [node], [ANOTHER])
    if node.hidden:
        facts = Facts(replace(cloud("stein", node), hidden=node.hidden), cloud("caracal", ANOTHER))
        plan = make_plan(make_settings({"cmp01": "caracal"}), facts)
    check(plan.nodes["cmp01"], "unknown", [], message, attention=True)


@pytest.mark.parametrize(
    "silent",
    [on_old(reason=MOVING, vms=None), on_old(reason=MOVING, allocations=None)],
    ids=["hypervisor", "placement"],
)
def test_a_stopped_node_with_a_silent_witness_waits_and_is_not_started_again(silent: CloudFacts) -> None:
    waits = one("caracal", [silent], [ANOTHER])
    check(waits, "unknown", [], "cannot be proved empty: no answer from", attention=True)
    assert waits.between
    # wanted in the old cloud it need not be proved empty
    check(one("draining", [silent], [ANOTHER]), "unknown", ["start-compute"], "nova-compute starts again")
    check(one("stein", [silent], [ANOTHER]), "unknown", ["start-compute", "enable"], "given back")


@pytest.mark.parametrize("hooks", [{}, NO_JOIN_OLD], ids=["can start", "cannot start"])
def test_a_stopped_node_that_is_not_empty_starts_again_though_a_witness_is_silent(hooks: dict[str, Any]) -> None:
    node = on_old(reason=MOVING, servers=1, vms=None)
    steps = [] if hooks else ["start-compute"]
    check(one("caracal", [node], [ANOTHER], **hooks), "draining", steps, "", attention=bool(hooks))


OTHERS = "neutron-openvswitch-agent neutron-l3-agent neutron-metadata-agent neutron-dhcp-agent"


@pytest.mark.parametrize("reason", [None, LEAVING, MOVING])
def test_a_node_whose_agents_serve_others_is_a_conflict_before_it_leaves(reason: str | None) -> None:
    found = one("caracal", [on_old(reason=reason, agents=OTHERS)], [ANOTHER])
    check(found, "conflict", [], "runs neutron-dhcp-agent, neutron-l3-agent, which serves other nodes", attention=True)
    assert found.between is (reason == MOVING)


@pytest.mark.parametrize("binary", sorted(NODE_AGENTS))
def test_an_agent_of_the_node_itself_leaves_with_it(binary: str) -> None:
    check(one("caracal", [on_old(reason=LEAVING, agents=binary)], [ANOTHER]), "empty", MOVE, "leaves now")


@pytest.mark.parametrize(
    ("membership", "node", "phase", "steps"),
    [
        ("stein", on_old(agents=OTHERS), "stein", []),
        ("stein", on_old(reason=LEAVING, agents=OTHERS), "empty", ["enable"]),
        ("draining", on_old(agents=OTHERS), "stein", ["disable"]),
        ("draining", on_old(reason=LEAVING, agents=OTHERS), "empty", []),
        ("caracal", on_old(agents=OTHERS, servers=1), "stein", ["disable"]),
        ("caracal", on_old(reason=LEAVING, agents=OTHERS, servers=1), "draining", []),
    ],
)
def test_agents_that_serve_others_hinder_nothing_but_the_leaving(
    membership: str, node: CloudFacts, phase: str, steps: list[str]
) -> None:
    check(one(membership, [node], [ANOTHER]), phase, steps, "")


def test_another_nodes_l3_agent_hinders_nobody() -> None:
    old = [on_old(reason=LEAVING), on_old("net01", agents=OTHERS)]
    check(one("caracal", old, [ANOTHER]), "empty", MOVE, "leaves now")


@pytest.mark.parametrize(
    ("membership", "old", "new", "phase", "message"),
    [
        ("draining", [on_old(reason=BY_HAND)], [], "conflict", "not ours to touch"),
        ("caracal", [on_old(reason=BY_HAND)], [], "conflict", "not ours to touch"),
        ("caracal", [on_old(enabled=False)], [], "conflict", "disabled by somebody else (no reason given)"),
        ("stein", [on_old()], [on_new()], "conflict", "has a nova-compute in stein and in caracal; expected one"),
        ("caracal", [on_old(reason=MOVING)], [on_new()], "conflict", "expected one"),
        ("stein", [], [], "absent", "in neither cloud, and there is no record that it left"),
        ("stein", [], [on_new(stage=Stage.ACCEPTED)], "caracal", "going back is a move in the other direction"),
        ("draining", [], [ledger("cmp01", Stage.LEFT)], "absent", "its membership is draining; going back is a move"),
        ("caracal", [], [ledger("cmp01", Stage.ACCEPTED)], "absent", "find out who removed it"),
        ("caracal", [], [on_new(enabled=False, reason=BY_HAND, isolated=True)], "conflict", "not ours to touch"),
        *(
            (
                membership,
                [],
                [on_new(stage=stage, servers=2, isolated=isolated)],
                "conflict",
                "has 2 servers of users in caracal, but no probe has proved it. Is [DEFAULT] enable_new_services",
            )
            for stage in (Stage.LEFT, Stage.DEPLOYED)
            for membership in ("caracal", "draining")
            for isolated in (False, True)
        ),
        (
            "caracal",
            [],
            [on_new(isolated=True, stage=Stage.ACCEPTED)],
            "conflict",
            "somebody put it into the aggregate",
        ),
        ("caracal", [], [on_new(zone="dc2", stage=Stage.ACCEPTED)], "caracal", "is in zone dc2, expected zone dc1"),
        (
            "caracal",
            [],
            [on_new(enabled=False, reason=REGISTERED_DISABLED, stage=Stage.ACCEPTED)],
            "caracal",
            "registered anew and is disabled",
        ),
    ],
)
def test_what_a_person_must_see_is_never_touched(
    membership: str, old: list[CloudFacts], new: list[CloudFacts], phase: str, message: str
) -> None:
    check(one(membership, old, [*new, ANOTHER]), phase, [], message, attention=True)


@pytest.mark.parametrize(
    ("membership", "old", "new", "attention"),
    [
        ("stein", [on_old(answers=False)], [], False),
        ("draining", [on_old(answers=False)], [], True),
        ("caracal", [on_old(answers=False, hypervisors=0)], [], True),
        ("caracal", [], [on_new(answers=False, stage=Stage.ACCEPTED)], True),
        ("caracal", [], [on_new(answers=False, stage=Stage.DEPLOYED)], True),
    ],
)
def test_a_cell_that_does_not_answer_is_unknown(
    membership: str, old: list[CloudFacts], new: list[CloudFacts], *, attention: bool
) -> None:
    check(one(membership, old, new), "unknown", [], "does not answer", attention=attention)


def test_a_service_that_was_deleted_under_its_servers_is_a_conflict() -> None:
    gone = replace(on_old(servers=2), services=())
    check(
        one("caracal", [gone], [ledger("cmp01", Stage.LEFT)]), "conflict", [], "lists 2 servers on it", attention=True
    )


@pytest.mark.parametrize(
    ("new", "phase", "steps", "message"),
    [
        (ledger("cmp01", Stage.LEFT), "absent", ["prove-gone", "host-hook", *JOIN], "joins now"),
        (ledger("cmp01", Stage.DEPLOYED), "absent", ["host-hook", *JOIN], "joins now"),
        (
            on_new(enabled=False, reason=REGISTERED_DISABLED, stage=Stage.LEFT),
            "probation",
            ["host-hook", *JOIN],
            "host hook, then probe",
        ),
        (on_new(enabled=False, reason=REGISTERED_DISABLED, stage=Stage.DEPLOYED), "probation", JOIN, "joins: probe"),
        (on_new(isolated=True, stage=Stage.DEPLOYED), "probation", JOIN, "joins: probe"),
        (on_new(isolated=True, up=False, stage=Stage.DEPLOYED), "probation", ["host-hook", *JOIN], "host hook"),
        (on_new(isolated=True, stage=Stage.PROVED), "probation", JOIN, "joins: probe"),
        (on_new(isolated=True, up=False, stage=Stage.PROVED), "probation", ["host-hook", *JOIN], "host hook"),
        # open, though no probe has proved it: it is isolated, then probed
        (on_new(stage=Stage.LEFT), "probation", ["host-hook", *JOIN], "host hook, then probe"),
        (on_new(stage=Stage.DEPLOYED), "probation", JOIN, "joins: probe"),
        # proved, and its isolation was lifted: only the record is missing
        (on_new(stage=Stage.PROVED), "caracal", ["enable"], "serves"),
        (on_new(stage=Stage.PROVED, servers=3), "caracal", ["enable"], "serves"),
        (on_new(stage=Stage.PROVED, servers=3, up=False), "caracal", ["enable"], "nova-compute is down"),
        # closed by ourselves
        (on_new(enabled=False, reason=NOT_ISOLATED, isolated=True, stage=Stage.DEPLOYED), "probation", JOIN, "probe"),
        (
            on_new(enabled=False, reason=NOT_ISOLATED, isolated=True, stage=Stage.LEFT),
            "probation",
            ["host-hook", *JOIN],
            "host hook, then probe",
        ),
        (on_new(stage=Stage.ACCEPTED, servers=3), "caracal", [], "serves"),
        (on_new(stage=Stage.ACCEPTED), "caracal", [], "serves"),
        (on_new(), "caracal", [], "serves"),
        (on_new(up=False, stage=Stage.ACCEPTED), "caracal", [], "nova-compute is down"),
        (on_new(enabled=False, reason=BY_HAND, stage=Stage.ACCEPTED), "caracal", [], "disabled by somebody else"),
    ],
)
def test_a_node_on_its_way_into_the_new_cloud(new: CloudFacts, phase: str, steps: list[str], message: str) -> None:
    check(one("caracal", [], [new]), phase, steps, message)


def test_leftover_agents_go_before_the_node_joins() -> None:
    old = CloudFacts("stein", agents=(Agent("a1", "cmp01", "neutron-openvswitch-agent", alive=False),))
    found = one("caracal", [old], [ledger("cmp01", Stage.DEPLOYED)])
    assert found.departure == (Step.DELETE_AGENTS,)


@pytest.mark.parametrize("membership", ["stein", "draining", "caracal"])
def test_without_a_hook_that_starts_nova_compute_again_a_person_must(membership: str) -> None:
    node = on_old(reason=MOVING, servers=1)
    check(one(membership, [node], [], **NO_JOIN_OLD), "draining", [], "there is no hooks.join_old", attention=True)


@pytest.mark.parametrize("known_as", ["cmp01.facility.example", "CMP01"])
def test_a_node_that_nova_knows_under_another_name(known_as: str) -> None:
    plan = plan_of({"cmp01": "caracal"}, [on_old(known_as)], [])
    check(plan.nodes["cmp01"], "unknown", [], f"Nova knows no cmp01, but {known_as}", attention=True)
    assert "cmp01" in plan.refusals[0]


def test_a_hypervisor_without_a_service_is_not_called_a_rename() -> None:
    left = replace(on_old(), services=())
    found = plan_of({"cmp01": "caracal"}, [left], []).nodes["cmp01"]
    check(found, "absent", [], "there is no record that it left", attention=True)


# ------------------------------------------------------------------------------------------------------ the whole fleet


def leaving(plan: Plan) -> list[str]:
    return [name for name, node in plan.nodes.items() if Step.STOP_COMPUTE in node.departure]


ALL = {"cmp01": "caracal", "cmp02": "caracal", "cmp03@dc2": "caracal", "cmp04@dc2": "caracal"}
EMPTY = [on_old(name.partition("@")[0]) for name in ALL]


@pytest.mark.parametrize(
    ("moving", "per_datacenter", "new", "expected"),
    [
        (1, 1, [ANOTHER], ["cmp01"]),
        (2, 1, [ANOTHER], ["cmp01", "cmp03"]),
        (2, 2, [ANOTHER], ["cmp01", "cmp02"]),
        (9, 9, [ANOTHER], ["cmp01", "cmp02", "cmp03", "cmp04"]),
        (9, 1, [ANOTHER], ["cmp01", "cmp03"]),
        # until the first has been accepted, one moves alone
        (9, 9, [], ["cmp01"]),
        (9, 9, [ledger("cmp99", Stage.DEPLOYED)], []),
        # what is on its way already counts, also where it was taken out of the config
        (1, 1, [ANOTHER, ledger("cmp98", Stage.LEFT)], []),
        (2, 2, [ANOTHER, ledger("cmp98", Stage.DEPLOYED)], ["cmp01"]),
    ],
)
def test_budget(moving: int, per_datacenter: int, new: list[CloudFacts], expected: list[str]) -> None:
    plan = plan_of(ALL, EMPTY, new, budget={"moving": moving, "per_datacenter": per_datacenter})
    assert leaving(plan) == expected
    for name in ALL.keys() - {f"{n}@dc2" for n in expected} - set(expected):
        node = plan.nodes[name.partition("@")[0]]
        assert node.steps == (Step.DISABLE,)
        assert "waits: " in node.message


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ([on_old(reason=MOVING)], [], True),
        ([on_old(reason=MOVING, servers=1)], [], True),
        ([on_old(reason=MOVING, hypervisors=0)], [], True),
        ([on_old(reason=MOVING)], [on_new()], True),
        ([], [ledger("cmp01", Stage.LEFT)], True),
        ([], [on_new(isolated=True, stage=Stage.DEPLOYED)], True),
        ([], [on_new(isolated=True, enabled=False, reason=BY_HAND, stage=Stage.DEPLOYED)], True),
        ([], [on_new(stage=Stage.DEPLOYED)], True),
        ([], [on_new(stage=Stage.DEPLOYED, servers=1)], True),
        ([], [on_new(stage=Stage.PROVED)], True),
        ([], [on_new(enabled=False, reason=NOT_ISOLATED, isolated=True, stage=Stage.DEPLOYED)], True),
        ([on_old(reason=MOVING, vms=None)], [], True),
        ([on_old(reason=MOVING, agents=OTHERS)], [], True),
        ([replace(on_old(servers=1), services=())], [ledger("cmp01", Stage.LEFT)], True),
        ([on_old(reason=LEAVING, servers=1)], [], False),
        ([on_old(reason=BY_HAND)], [], False),
        ([], [on_new(stage=Stage.ACCEPTED)], False),
    ],
)
def test_what_counts_as_between_the_clouds(old: list[CloudFacts], new: list[CloudFacts], *, counts: bool) -> None:
    nodes = {"cmp01": "caracal", "cmp02": "caracal"}
    plan = plan_of(nodes, [*old, on_old("cmp02")], [*new, ANOTHER], budget={"moving": 1, "per_datacenter": 2})
    assert plan.nodes["cmp01"].between is counts
    assert ("cmp02" in leaving(plan)) is not counts


def test_a_node_that_was_taken_out_of_the_config_with_nova_compute_stopped_counts() -> None:
    plan = plan_of({"cmp02": "caracal"}, [on_old("cmp01", reason=MOVING), on_old("cmp02")], [ANOTHER])
    assert leaving(plan) == []
    assert "cmp01 on the way" in plan.nodes["cmp02"].message
    assert plan.strays == ("cmp01",)


@pytest.mark.parametrize(
    ("old", "new", "strays"),
    [
        ([on_old("cmp98", reason=MOVING)], [], ("cmp98",)),
        ([], [ledger("cmp97", Stage.LEFT), ledger("cmp96", Stage.DEPLOYED)], ("cmp96", "cmp97")),
        ([], [ledger("cmp97", Stage.PROVED)], ("cmp97",)),
        ([], [on_new("cmp97", isolated=True, stage=Stage.DEPLOYED)], ("cmp97",)),
        ([on_old("cmp98", reason=LEAVING), on_old("cmp97", reason=BY_HAND), on_old("cmp96")], [], ()),
        ([], [ledger("cmp97", Stage.ACCEPTED), on_new("cmp96")], ()),
        ([on_old("cmp01", reason=MOVING)], [], ()),
    ],
)
def test_nodes_that_left_the_config_between_the_clouds_are_strays(
    old: list[CloudFacts], new: list[CloudFacts], strays: tuple[str, ...]
) -> None:
    here = [] if old and old[0].service("cmp01") else [on_old()]
    plan = plan_of({"cmp01": "caracal"}, [*old, *here], [*new, ANOTHER])
    assert plan.strays == strays


def test_what_is_on_its_way_goes_on_though_the_budget_was_lowered() -> None:
    old = [on_old("cmp01", reason=MOVING), on_old("cmp02", reason=MOVING), on_old("cmp03")]
    nodes = {"cmp01": "caracal", "cmp02": "caracal", "cmp03": "caracal"}
    assert leaving(plan_of(nodes, old, [ANOTHER])) == ["cmp01", "cmp02"]


@pytest.mark.parametrize(
    ("nodes", "old", "new", "changes", "refusal"),
    [
        ({"cmp01": "caracal"}, [on_old()], None, {}, "the new cloud cannot be asked, but is needed for cmp01"),
        ({"cmp01": "draining"}, [on_old()], None, {}, "the new cloud cannot be asked"),
        ({"cmp01": "caracal"}, None, [], {}, "is needed for cmp01, cmp02: stein: no answer"),
        ({"cmp01": "caracal"}, None, [ledger("cmp01", Stage.LEFT)], {}, "the old cloud cannot be asked"),
        ({"cmp07": "caracal"}, [on_old()], [], {}, "cmp07: in neither cloud"),
        ({"cmp07": "draining"}, [on_old()], [], {}, "cmp07: in neither cloud"),
        ({"cmp01": "caracal"}, [on_old()], [], {"hooks": {"join": HOOK}}, "hooks.leave is not configured"),
        ({"cmp01": "caracal"}, [on_old()], [], {"hooks": {"leave": HOOK}}, "hooks.join is not configured"),
        ({"cmp01": "caracal"}, [on_old()], [], {"probe": None}, "probe is not configured"),
    ],
)
def test_guards_refuse_everything_at_once(
    nodes: dict[str, str],
    old: list[CloudFacts] | None,
    new: list[CloudFacts] | None,
    changes: dict[str, Any],
    refusal: str,
) -> None:
    plan = plan_of({**nodes, "cmp02": "draining"}, [*old, on_old("cmp02")] if old else old, new, **changes)
    assert any(refusal in said for said in plan.refusals), plan.refusals
    assert all(node.steps == () for node in plan.nodes.values())


@pytest.mark.parametrize(
    ("nodes", "old", "new", "changes"),
    [
        ({"cmp01": "stein"}, [on_old()], None, {}),
        ({"cmp01": "stein"}, None, [], {}),
        ({"cmp01": "caracal"}, None, [on_new(stage=Stage.ACCEPTED)], {}),
        ({"cmp01": "draining"}, [on_old()], [], {"probe": None, "hooks": {}}),
        ({"cmp01": "stein"}, [on_old()], [], {"probe": None, "hooks": {}}),
    ],
)
def test_guards_ask_for_no_more_than_is_needed(nodes: Any, old: Any, new: Any, changes: dict[str, Any]) -> None:
    assert plan_of(nodes, old, new, **changes).refusals == ()


@pytest.mark.parametrize(
    ("new", "phase", "steps"),
    [
        (on_new(stage=Stage.ACCEPTED), Phase.CARACAL, []),
        (ledger("cmp01", Stage.LEFT), Phase.ABSENT, ["host-hook", *JOIN]),
        (on_new(isolated=True, stage=Stage.DEPLOYED), Phase.PROBATION, JOIN),
    ],
)
def test_once_the_old_cloud_is_retired_nothing_asks_for_it(new: CloudFacts, phase: str, steps: list[str]) -> None:
    settings = make_settings({"cmp01": "caracal"}, clouds={"new": "caracal"})
    plan = make_plan(settings, Facts(None, cloud("caracal", new)))
    assert plan.refusals == ()
    check(plan.nodes["cmp01"], phase, steps, "")


def test_a_settled_fleet_has_nothing_to_do() -> None:
    nodes = {"cmp01": "stein", "cmp02": "draining", "cmp03": "caracal"}
    old, new = [on_old("cmp01", servers=4), on_old("cmp02", reason=LEAVING, servers=1)], [on_new("cmp03")]
    plan = plan_of(nodes, old, [*new, ledger("cmp03", Stage.ACCEPTED)])
    assert [node.steps for node in plan.nodes.values()] == [(), (), ()]
    assert all(node.settled for node in plan.nodes.values())


def test_instances_are_what_the_most_cautious_witness_counts() -> None:
    assert one("stein", [on_old(servers=1, vms=3)], []).instances == 3
    assert plan_of({"cmp01": "stein"}, None, []).nodes["cmp01"].instances is None


def test_a_node_that_is_given_back_has_its_phase_from_a_real_look() -> None:
    world = make_world("cmp01")
    world.mark("cmp01", Mark.LEAVING)
    settings = make_settings({"cmp01": "stein"})
    check(make_plan(settings, look(world, settings)).nodes["cmp01"], "empty", ["enable"], "given back")


def test_a_probe_that_a_killed_run_left_is_no_users_server() -> None:
    seen = on_new(stage=Stage.DEPLOYED, isolated=True)
    left = replace(seen, servers=(Server("n1", "visa-probe-cmp01", "cmp01", "ACTIVE"),))
    assert plan_of({"cmp01": "caracal"}, [], [left]).nodes["cmp01"].phase == "probation"


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (
            DefaultBackend("stein", "it is stein now"),
            "waits: nothing drains before caracal is VISA's default backend; it is stein",
        ),
        (DefaultBackend(None, "VISA does not answer"), "VISA does not answer"),
    ],
)
@pytest.mark.parametrize("membership", ["draining", "caracal"])
@pytest.mark.parametrize("servers", [0, 2])
def test_no_node_begins_to_drain_before_the_new_cloud_is_the_default_backend(
    backend: DefaultBackend, why: str, membership: str, servers: int
) -> None:
    facts = Facts(cloud("stein", on_old(servers=servers)), cloud("caracal", ANOTHER), backend=backend)
    check(make_plan(make_settings({"cmp01": membership}), facts).nodes["cmp01"], "stein", [], why)
    ready = replace(facts, backend=DefaultBackend("caracal", ""))
    assert Step.DISABLE in make_plan(make_settings({"cmp01": membership}), ready).nodes["cmp01"].steps


def test_a_node_that_drains_already_goes_on_by_nova_alone() -> None:
    facts = Facts(
        cloud("stein", on_old(reason=LEAVING)), cloud("caracal", ANOTHER), backend=DefaultBackend(None, "down")
    )
    assert Step.STOP_COMPUTE in make_plan(make_settings({"cmp01": "caracal"}), facts).nodes["cmp01"].steps
