"""What the components declare, seen through Pulumi's mocks."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

with warnings.catch_warnings():
    # the SDK warns about its own old names when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_openstack

from components.new_cloud import declare_new_cloud
from components.nodes import Nodes
from components.old_cloud import declare_old_cloud
from components.summary import Summary
from migration import settings
from migration.actor import Orders
from migration.names import COUNTERPROBE_FLAVOR, LEDGER_AGGREGATE, PROBATION_AGGREGATE, PROBE_FLAVOR
from migration.plan import NodePlan, Phase, Plan
from tests.unit.test_settings import GOOD, GOOD_STEIN


@dataclass
class Recorder(pulumi_mocks.Mocks):
    """Answers for the engine, and remembers what was declared and how it is to be kept."""

    declared: dict[tuple[str, str], pulumi_mocks.MockResourceArgs] = field(default_factory=dict)
    requests: dict[tuple[str, str], Any] = field(default_factory=dict)

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        kind = args.typ.rpartition(":")[2]
        assert (kind, args.name) not in self.declared
        self.declared[kind, args.name] = args
        return args.resource_id or f"{kind}:{args.name}", args.inputs

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)

    def inputs(self, kind: str, name: str) -> dict[str, Any]:
        return self.declared[kind, name].inputs

    def names(self, kind: str) -> list[str]:
        return sorted(name for found, name in self.declared if found == kind)


class Monitor(pulumi_mocks.MockMonitor):
    """Pulumi's mock engine, that also keeps the requests, for they have the resource options."""

    mocks: Recorder

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name in the protocol
        self.mocks.requests[request.type.rpartition(":")[2], request.name] = request
        return super().RegisterResource(request)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    loop = asyncio.new_event_loop()
    worker = ThreadPoolExecutor(max_workers=1)
    loop.set_default_executor(worker)
    asyncio.set_event_loop(loop)
    yield Recorder()
    # Pulumi opens a loop in the thread that answers for the engine, and leaves it open
    worker.submit(lambda: asyncio.get_event_loop().close()).result()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def run(recorder: Recorder, declare: Callable[[], object]) -> Recorder:
    pulumi.runtime.set_mocks(
        recorder, project="visa-migration", stack="caracal", preview=False, monitor=Monitor(recorder)
    )

    @pulumi.runtime.test
    def program() -> None:
        declare()

    program()
    return recorder


@pytest.fixture
def new(recorder: Recorder) -> Recorder:
    parsed = settings.parse("caracal", GOOD, source="Pulumi.caracal.yaml")
    assert isinstance(parsed, settings.CaracalSettings)
    return run(recorder, lambda: declare_new_cloud(parsed, pulumi_openstack.Provider("caracal", cloud="caracal")))


@pytest.fixture
def old(recorder: Recorder) -> Recorder:
    parsed = settings.parse("stein", GOOD_STEIN, source="Pulumi.stein.yaml")
    assert isinstance(parsed, settings.SteinSettings)
    return run(recorder, lambda: declare_old_cloud(parsed, pulumi_openstack.Provider("stein", cloud="stein")))


PARTS = {"Flavor", "Network", "Subnet", "Router", "RouterInterface", "SecGroup", "SecGroupRule"}


def test_every_resource_is_on_the_clouds_own_provider(new: Recorder) -> None:
    for (kind, name), args in new.declared.items():
        if args.typ.startswith("openstack:"):
            assert "::caracal::" in args.provider, (kind, name)


def test_the_tree_reads_well(new: Recorder) -> None:
    components = sorted(args.typ for args in new.declared.values() if args.typ.startswith("visa:"))
    assert components == [
        f"visa:cloud:{name}" for name in ("Flavors", "Networks", "Projects", "SecurityGroups", "Zones")
    ]


def test_flavors(new: Recorder) -> None:
    assert new.inputs("Flavor", "visa.gpu") == {
        "name": "visa.gpu", "vcpus": 8, "ram": 65536, "disk": 0, "isPublic": False,
        "extraSpecs": {"hw:numa_nodes": "1", "hw:mem_page_size": "large", "x": "true"},
    }  # fmt: skip
    assert new.inputs("FlavorAccess", "visa.gpu for visa") == {
        "flavorId": "Flavor:visa.gpu",
        "tenantId": "Project:visa",
    }
    assert new.names("FlavorAccess") == ["visa.gpu for visa"]


def test_networks(new: Recorder) -> None:
    assert new.inputs("Network", "visa") == {
        "name": "visa", "external": False, "shared": True, "mtu": 1500,
        "segments": [{"networkType": "vlan", "physicalNetwork": "physnet1", "segmentationId": 101}],
    }  # fmt: skip
    assert new.inputs("Subnet", "visa") == {
        "name": "visa", "networkId": "Network:visa", "cidr": "10.10.0.0/16", "ipVersion": 4, "gatewayIp": "10.10.0.1",
        "allocationPools": [
            {"start": "10.10.1.0", "end": "10.10.2.0"},
            {"start": "10.10.9.9", "end": "10.10.9.9"},
        ],
        "dnsNameservers": ["10.1.0.53"],
        "enableDhcp": True,
    }  # fmt: skip
    six = new.inputs("Subnet", "visa6")
    assert (six["ipVersion"], six["noGateway"], six["enableDhcp"]) == (6, True, False)
    assert "gatewayIp" not in six
    assert new.inputs("Router", "visa") == {
        "name": "visa", "externalNetworkId": "Network:ext", "tenantId": "Project:visa",
    }  # fmt: skip
    assert new.inputs("RouterInterface", "visa to visa") == {"routerId": "Router:visa", "subnetId": "Subnet:visa"}


def test_a_network_for_some_projects(recorder: Recorder) -> None:
    network = settings.Network(type="flat", physical_network="p", projects=("visa",))
    parsed = settings.CaracalSettings(
        clouds=settings.Clouds(new="c"), projects={"visa": settings.Project()}, networks={"n": network}
    )
    run(recorder, lambda: declare_new_cloud(parsed, pulumi_openstack.Provider("caracal", cloud="c")))
    assert recorder.inputs("RbacPolicyV2", "n for visa") == {
        "action": "access_as_shared", "objectType": "network", "objectId": "Network:n", "targetTenant": "Project:visa",
    }  # fmt: skip


def test_projects(new: Recorder) -> None:
    assert new.inputs("Project", "visa") == {"name": "visa", "description": "VISA"}
    assert new.inputs("QuotaSetV2", "visa") == {"projectId": "Project:visa", "cores": 1600, "ram": -1}


def test_security_groups(new: Recorder) -> None:
    assert new.inputs("SecGroup", "default-visa") == {
        "name": "default-visa",
        "description": "",
        "tenantId": "Project:visa",
    }
    assert new.names("SecGroupRule") == [
        "default-visa ingress IPv4 default-visa",
        "default-visa ingress IPv4 icmp 8",
        "default-visa ingress IPv4 tcp 22-22 0.0.0.0/0",
        "default-visa ingress IPv6 fd00::/64",
    ]
    ping = new.inputs("SecGroupRule", "default-visa ingress IPv4 icmp 8")
    assert (ping["portRangeMin"], ping["portRangeMax"]) == (8, 0)
    inside = new.inputs("SecGroupRule", "default-visa ingress IPv4 default-visa")
    assert inside["remoteGroupId"] == "SecGroup:default-visa"


@pytest.mark.parametrize(("directions", "closed"), [(["ingress"], None), (["ingress", "egress"], True), ([], None)])
def test_a_group_is_closed_where_it_says_what_goes_out(
    recorder: Recorder, directions: list[str], closed: bool | None
) -> None:
    rules = tuple(settings.SecurityRule.model_validate({"direction": direction}) for direction in directions)
    parsed = settings.CaracalSettings(
        clouds=settings.Clouds(new="c"), security_groups={"g": settings.SecurityGroup(rules=rules)}
    )
    run(recorder, lambda: declare_new_cloud(parsed, pulumi_openstack.Provider("caracal", cloud="c")))
    assert recorder.inputs("SecGroup", "g").get("deleteDefaultRules") is closed


def test_zones_probation_and_ledger(new: Recorder) -> None:
    assert new.inputs("AggregateV2", "dc1") == {"name": "dc1", "zone": "north"}
    assert new.inputs("AggregateV2", PROBATION_AGGREGATE) == {
        "name": "visa-probation",
        "metadata": {"trait:CUSTOM_VISA_PROBATION": "required"},
    }
    assert new.inputs("AggregateV2", LEDGER_AGGREGATE) == {"name": "visa-migration-ledger"}
    probe = new.inputs("Flavor", PROBE_FLAVOR)
    assert probe["extraSpecs"] == {"trait:CUSTOM_VISA_PROBATION": "required"}
    assert probe["isPublic"] is False
    assert (probe["vcpus"], probe["ram"], probe["disk"]) == (1, 128, 0)


def test_the_counter_probe_differs_from_the_probe_in_the_trait_alone(new: Recorder) -> None:
    probe, counterprobe = (new.inputs("Flavor", name) for name in (PROBE_FLAVOR, COUNTERPROBE_FLAVOR))
    assert counterprobe.get("extraSpecs", {}) == {}
    different = {key for key in {*probe, *counterprobe} if probe.get(key) != counterprobe.get(key)}
    assert different == {"name", "extraSpecs"}
    assert (counterprobe["name"], counterprobe["isPublic"]) == ("visa-counterprobe", False)


def test_what_is_kept_from_the_steps(new: Recorder) -> None:
    ignored = {name: list(new.requests["AggregateV2", name].ignoreChanges) for name in new.names("AggregateV2")}
    assert ignored == {
        "dc1": ["hosts"], "dc2": ["hosts"], PROBATION_AGGREGATE: ["hosts"], LEDGER_AGGREGATE: ["hosts", "metadata"],
    }  # fmt: skip


def test_what_is_protected(new: Recorder) -> None:
    protected = {kind for (kind, _), request in new.requests.items() if request.protect}
    assert protected == {"Flavor", "Network", "Subnet", "Project", "AggregateV2"}
    assert not any(request.importId for request in new.requests.values())


def node_plan(name: str, **more: Any) -> NodePlan:
    return NodePlan(name, settings.Membership.CARACAL, "dc2", Phase.CONFLICT, "stuck", **more)


def test_an_alarm_is_a_node_that_is_between_the_clouds_and_needs_a_person(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda line, *_resource: warned.append(line))
    plans = [
        node_plan("cmp01", between=True, attention=True),
        node_plan("cmp02", between=True),
        node_plan("cmp03", attention=True),
    ]
    plan = Plan({one.node: one for one in plans}, strays=("cmp98",))
    wanted = settings.CaracalSettings(clouds=settings.Clouds(new="c"))
    run(recorder, lambda: Summary([Nodes(plan, wanted, needs=[]).account], Orders.of(wanted)))
    summary = recorder.inputs("Summary", "summary")
    assert (summary["alarms"], summary["steps"], summary["failed"]) == (["cmp01: stuck"], {}, {})
    assert recorder.inputs("Arrival", "arrival-cmp01")["datacenter"] == "dc2"
    assert [line.partition(":")[0] for line in warned] == ["cmp01", "cmp03", "cmp98"]
    assert warned[-1] == "cmp98: between the clouds, but no longer in the config; put it back until it has arrived"


def test_the_old_cloud_is_adopted_whole(old: Recorder) -> None:
    ids = {}
    for (kind, name), request in old.requests.items():
        if kind in PARTS:
            assert request.protect
            assert request.retainOnDelete
            ids[kind, name] = request.importId
    assert ids == {
        ("Flavor", "visa.small"): "1",
        ("Network", "ext"): "n0",
        ("Network", "a"): "n1",
        ("Subnet", "s"): "s1",
        ("Router", "r"): "r1",
        ("RouterInterface", "r to s"): "p1",
        ("SecGroup", "g"): "g1",
        ("SecGroupRule", "g ingress IPv4 tcp 1-65535"): "x",
        ("SecGroupRule", "g egress IPv4"): "y",
    }


def test_nothing_is_made_in_the_old_cloud(old: Recorder) -> None:
    """Whatever has no id would be created: projects, access, quotas, shares."""
    made = {kind for (kind, _), args in old.declared.items() if args.typ.startswith("openstack:")} - PARTS
    assert made == set()


def test_names_of_the_old_cloud_are_kept(old: Recorder) -> None:
    assert old.inputs("Network", "a")["name"] == ""
    assert old.inputs("SecGroup", "g")["name"] == "default"
    assert old.inputs("SecGroup", "g") == {"name": "default", "description": ""}
    assert "tenantId" not in old.inputs("Router", "r")


def test_what_the_settings_do_not_say_is_left_as_it_is(old: Recorder) -> None:
    assert "description" in old.requests["Network", "a"].ignoreChanges
    assert "swap" in old.requests["Flavor", "visa.small"].ignoreChanges
