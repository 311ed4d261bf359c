"""Adoption: from what an old cloud lists to both stack files, and what is never touched."""
# ruff: noqa: E501 - the tables read better with a line for each case

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from migration import errors, settings
from migration.errors import SettingsError
from scripts import adopt as adoption
from scripts.cli import exit_code, main
from scripts.document import Document
from scripts.entries import describe, without_ids
from scripts.survey import Survey


def rule(identity: str, direction: str, ethertype: str = "IPv4", **more: Any) -> dict[str, Any]:
    empty = {"protocol": None, "port_range_min": None, "port_range_max": None}
    empty |= {"remote_ip_prefix": None, "remote_group_id": None}
    return {"id": identity, "direction": direction, "ethertype": ethertype, **empty, **more}


def group(identity: str, name: str, project: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "project_id": project, "description": "", "security_group_rules": list(rules),
    }  # fmt: skip


def default_rules(identity: str) -> list[dict[str, Any]]:
    out = [rule(f"{identity}-{kind}-out", "egress", kind) for kind in ("IPv4", "IPv6")]
    return out + [rule(f"{identity}-{kind}-in", "ingress", kind, remote_group_id=identity) for kind in ("IPv4", "IPv6")]


def flavor(identity: str, name: str, *, public: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "vcpus": 2, "ram": 8192, "disk": 20, "swap": "", "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0, "os-flavor-access:is_public": public, "extra_specs": {}, **more,
    }  # fmt: skip


def network(identity: str, name: str, project: str = "p-visa", **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "project_id": project, "provider:network_type": "vlan",
        "provider:physical_network": "physnet1", "provider:segmentation_id": 101, "router:external": False,
        "shared": False, "mtu": 1500, **more,
    }  # fmt: skip


def subnet(identity: str, name: str, owner: str, third: int, **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "network_id": owner, "cidr": f"10.0.{third}.0/24", "gateway_ip": f"10.0.{third}.1",
        "allocation_pools": [{"start": f"10.0.{third}.2", "end": f"10.0.{third}.9"}], "dns_nameservers": ["10.1.0.53"],
        "enable_dhcp": True, **more,
    }  # fmt: skip


SURVEY = Survey(
    projects={
        name: {"id": name, "name": name.removeprefix("p-"), "description": ""}
        for name in ("p-admin", "p-service", "p-visa", "p-beam", "p-idle")
    },
    quotas={"p-visa": {"cores": 10, "ram": -1, "instances": 5, "key_pairs": 9}},
    flavors=(flavor("f1", "visa.small"), flavor("17", "special", public=False, extra_specs={"a:b": "1"}, swap=64)),
    access={"17": ("p-beam",)},
    networks=(
        network("n-ext", "ext", "p-admin", **{"router:external": True, "provider:segmentation_id": 102}),
        network("n-1", "visa"),
        network("n-2", "visa", "p-beam"),
        network("n-ha", "HA network tenant x", ""),
        network("n-many", "many", **{"provider:network_type": None}),
    ),
    subnets=(
        subnet("s-ext", "ext", "n-ext", 1),
        subnet("s-1", "visa", "n-1", 2),
        subnet("s-2", "visa", "n-2", 3, gateway_ip=None),
        subnet("s-many", "many", "n-many", 4),
    ),
    routers=(
        {"id": "r-1", "name": "visa", "project_id": "p-visa", "external_gateway_info": {"network_id": "n-ext"}},
        {"id": "r-2", "name": "visa", "project_id": "p-admin", "external_gateway_info": None},
        {"id": "r-3", "name": "lost", "project_id": "p-visa", "external_gateway_info": {"network_id": "n-many"}},
    ),
    interfaces=(
        {"id": "port-1", "device_id": "r-1", "fixed_ips": [{"subnet_id": "s-1"}]},
        {"id": "port-2", "device_id": "r-2", "fixed_ips": [{"subnet_id": "s-2"}, {"subnet_id": "s-1"}]},
    ),
    groups=(
        group("g-visa", "default", "p-visa", *default_rules("g-visa"), rule("ssh", "ingress", protocol="tcp",
              port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.0/8")),
        group("g-beam", "default", "p-beam", *default_rules("g-beam")),
        group("g-idle", "default", "p-idle", *default_rules("g-idle")),
        group("g-web-1", "web", "p-visa", rule("all", "ingress", protocol="tcp", port_range_min=1, port_range_max=65535)),
        group("g-web-2", "web", "p-beam", rule("other", "ingress", remote_group_id="g-beam")),
    ),
    rbac=({"id": "x", "object_id": "n-1", "action": "access_as_shared", "target_tenant": "p-beam"},),
    owners=frozenset({"p-visa"}),
    hosts=("cmp01", "cmp02"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> list[Survey]:
    """What the old cloud lists; put another survey in to change it."""
    now = [SURVEY]
    monkeypatch.setattr(adoption, "survey", lambda name: now[0])
    return now


def adopt(directory: Path, datacenter: str | None = None, old: str = "stein") -> list[adoption.Report]:
    return adoption.adopt(old, "caracal", directory, datacenter)


def files(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.iterdir())}


def loaded(directory: Path) -> tuple[settings.SteinSettings, settings.CaracalSettings]:
    stein, caracal = (settings.load(directory / name) for name in (adoption.STEIN_FILE, adoption.CARACAL_FILE))
    assert isinstance(stein, settings.SteinSettings)
    assert isinstance(caracal, settings.CaracalSettings)
    return stein, caracal


# --- what is written


def test_the_old_cloud_is_mirrored_with_ids(tmp_path: Path) -> None:
    adopt(tmp_path)
    stein, _ = loaded(tmp_path)
    assert {name: entry.id for name, entry in stein.flavors.items()} == {"visa.small": "f1", "special": "17"}
    assert {name: (entry.id, entry.name) for name, entry in stein.networks.items()} == {
        "ext": ("n-ext", None), "visa": ("n-1", None), "visa-n-2": ("n-2", "visa"),
    }  # fmt: skip
    assert {name: entry.id for network in stein.networks.values() for name, entry in network.subnets.items()} == {
        "ext": "s-ext", "visa": "s-1", "visa-visa-n-2": "s-2",
    }  # fmt: skip
    assert stein.networks["visa-n-2"].subnets["visa-visa-n-2"].gateway == "none"
    assert {name: (entry.id, entry.interface_ids) for name, entry in stein.routers.items()} == {
        "visa": ("r-1", {"visa": "port-1"}), "visa-r-2": ("r-2", {}),
    }  # fmt: skip


def test_groups_that_nobody_touched_are_left_unless_a_rule_names_them(tmp_path: Path) -> None:
    adopt(tmp_path)
    stein, _ = loaded(tmp_path)
    assert {name: entry.name for name, entry in stein.security_groups.items()} == {
        "default-visa": "default", "default-beam": "default", "web": None, "web-beam": "web",
    }  # fmt: skip
    assert stein.security_groups["web-beam"].rules[0].remote_group == "default-beam"


def test_the_new_cloud_gets_a_start_without_ids(tmp_path: Path) -> None:
    adopt(tmp_path)
    _, caracal = loaded(tmp_path)
    assert re.search(r"\bid:", (tmp_path / adoption.CARACAL_FILE).read_text()) is None
    assert list(caracal.projects) == ["beam", "visa"]
    assert caracal.projects["visa"].quota == settings.Quota(cores=10, ram=-1, instances=5)
    assert caracal.flavors["special"].projects == ("beam",)
    assert caracal.networks["visa"].projects == ("beam", "visa")
    assert caracal.networks["ext"].projects == ()
    assert caracal.datacenters == {"dc1": settings.Datacenter(zone="dc1")}
    assert {node.membership for node in caracal.nodes.values()} == {settings.Membership.STEIN}
    assert list(caracal.nodes) == ["cmp01", "cmp02"]
    assert caracal.budget == settings.Budget()


def test_rules_of_the_new_cloud_let_out_what_neutron_lets_out(tmp_path: Path) -> None:
    adopt(tmp_path)
    _, caracal = loaded(tmp_path)
    assert {rule.direction for rule in caracal.security_groups["default-visa"].rules} == {"ingress"}
    (everything,) = caracal.security_groups["web"].rules
    assert (everything.protocol, everything.port_min, everything.port_max) == ("tcp", None, None)


def test_a_narrow_way_out_stays_narrow() -> None:
    narrow = [rule("a", "egress", protocol="udp"), rule("b", "ingress")]
    entry = without_ids({"id": "g", "rules": [{"id": row["id"], "direction": row["direction"]} for row in narrow]})
    assert entry == {"rules": [{"direction": "egress"}, {"direction": "ingress"}]}


def test_what_is_left_out_is_said() -> None:
    notes = "\n".join(describe(SURVEY).notes)
    assert "flavor special: has swap" in notes
    assert "network many (n-many): has several segments" in notes
    assert "router lost (r-3): its external network was left out" in notes
    assert "its port port-2 is on 2 subnets" in notes
    assert "HA network" not in notes


# --- what is never touched


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    adopt(tmp_path)
    before = files(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    reports = adopt(tmp_path)
    assert files(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps
    assert [report.lines()[0] for report in reports] == [
        f"Pulumi.{name}.yaml: unchanged" for name in ("stein", "caracal")
    ]


HAND_WRITTEN = """\
# our new cloud
config:
    visa-migration:datacenters: # three of them, one day
        north: {zone: az1}   # the big one
    visa-migration:nodes:
        # moved on Tuesday
        cmp02: {membership: caracal, datacenter: north}
    other:thing:
        - one   # first
        - two
    visa-migration:flavors: {mine: {vcpus: 1, ram: 1, disk: 1}}
encryptionsalt: v1:abc
"""


def test_a_file_written_by_hand_keeps_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / adoption.CARACAL_FILE
    path.write_text(HAND_WRITTEN)
    path.chmod(0o640)
    (_, report) = adopt(tmp_path)
    text = path.read_text()
    kept = [line for line in HAND_WRITTEN.splitlines() if line not in text.splitlines()]
    assert kept == []
    assert path.stat().st_mode & 0o777 == 0o640
    _, caracal = loaded(tmp_path)
    assert caracal.nodes["cmp02"].membership is settings.Membership.CARACAL
    assert caracal.nodes["cmp01"].datacenter == "north"
    assert list(caracal.flavors) == ["mine"]
    assert report.kept["nodes"] == ("cmp02",)
    assert report.wrote["nodes"] == ("cmp01",)
    adopt(tmp_path)
    assert path.read_text() == text


def test_an_entry_under_another_key_is_the_same_entry(tmp_path: Path, cloud: list[Survey]) -> None:
    adopt(tmp_path)
    path = tmp_path / adoption.STEIN_FILE
    path.write_text(path.read_text().replace("    visa-n-2:\n", "    beamline:\n"))
    before = files(tmp_path)
    adopt(tmp_path)
    assert files(tmp_path) == before


def test_growth_of_the_cloud_is_added_and_names_stay(tmp_path: Path, cloud: list[Survey]) -> None:
    adopt(tmp_path)
    before = files(tmp_path)
    first = network("n-0", "visa")  # of a name that is taken, and listed first
    cloud[0] = replace(
        SURVEY,
        networks=(first, *SURVEY.networks),
        subnets=(subnet("s-0", "visa", "n-0", 7), *SURVEY.subnets),
        hosts=("cmp01", "cmp02", "cmp03"),
    )
    adopt(tmp_path)
    stein, caracal = loaded(tmp_path)
    assert {name: entry.id for name, entry in stein.networks.items()} == {
        "ext": "n-ext", "visa": "n-1", "visa-n-2": "n-2", "visa-n-0": "n-0",
    }  # fmt: skip
    assert list(caracal.nodes) == ["cmp01", "cmp02", "cmp03"]
    for name, text in before.items():
        assert set(text.splitlines()) <= set(files(tmp_path)[name].splitlines())


def test_a_start_names_only_what_the_file_declares(tmp_path: Path) -> None:
    path = tmp_path / adoption.CARACAL_FILE
    path.write_text(
        "config:\n  visa-migration:projects: {visa: {}}\n"
        "  visa-migration:networks: {other: {type: flat, physical_network: p}}\n"
    )
    (_, report) = adopt(tmp_path)
    _, caracal = loaded(tmp_path)
    assert list(caracal.flavors) == ["visa.small"]
    assert list(caracal.routers) == ["visa-r-2"]
    assert "flavors.special: names project beam, which this file does not declare" in report.left_out
    assert "routers.visa: names network ext, which this file does not declare" in report.left_out


# --- refusals: neither file is touched


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("caracal", "config:\n  visa-migration:nodes:\n    cmp01: {membership: caracl, datacenter: dc1}\n",
         'Pulumi.caracal.yaml: line 3: nodes.cmp01.membership: "caracl" is not a membership'),
        ("caracal", "config: [", "is no YAML"),
        ("caracal", "config:\n  a:b: 1\n  visa-migration:nodes:\n    a: {}\n    a: {}\n", "line 5: nodes.a: listed twice"),
        ("caracal", "config: 5\n", "found no mapping"),
        ("caracal", "- a\n", "is no mapping"),
        ("caracal", "config:\n  visa-migration:nodes: 5\n", "nodes: found 5, expected a mapping"),
        ("caracal", "config:\n  visa-migration:nodez: {}\n", 'nodez: unknown key; did you mean "nodes"?'),
        ("caracal", "config:\n  visa-migration:datacenters: {a: {}, b: {}}\n", "--datacenter"),
        ("stein", "config:\n  visa-migration:clouds: {old: other, new: caracal}\n",
         'clouds.old: found "other", but "stein" is to be adopted'),
        ("stein", "config:\n  visa-migration:flavors: {x: {vcpus: 1, ram: 1, disk: 1}}\n", "flavors.x.id: missing"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_whole(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / f"Pulumi.{name}.yaml").write_text(text)
    before = files(tmp_path)
    with pytest.raises(SettingsError, match=re.escape(expected)):
        adopt(tmp_path)
    assert files(tmp_path) == before


def test_a_name_that_would_not_parse_is_refused(tmp_path: Path, cloud: list[Survey]) -> None:
    cloud[0] = replace(SURVEY, hosts=("cmp;01",))
    with pytest.raises(SettingsError, match="is no name of a node"):
        adopt(tmp_path)
    assert files(tmp_path) == {}


def test_a_datacenter_that_is_not_declared(tmp_path: Path) -> None:
    adopt(tmp_path, "north")
    with pytest.raises(SettingsError, match='--datacenter "nort" is not declared; did you mean "north"'):
        adopt(tmp_path, "nort")


def test_a_write_that_fails_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / adoption.CARACAL_FILE
    path.write_text(HAND_WRITTEN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        adopt(tmp_path)
    assert files(tmp_path) == {path.name: HAND_WRITTEN}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "project").mkdir()
    link = tmp_path / "project" / adoption.CARACAL_FILE
    link.symlink_to(tmp_path / "real" / "caracal.yaml")
    (tmp_path / "real" / "caracal.yaml").write_text(HAND_WRITTEN)
    adopt(tmp_path / "project")
    assert link.is_symlink()
    assert "cmp01" in (tmp_path / "real" / "caracal.yaml").read_text()


# --- whatever the cloud's names are

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff"), max_size=12
) | (
    st.sampled_from(
        ["", "true", "null", "~", "0b1", "010", "1e3", "::/0", "a: b", "#x", "- a", "yes", "12:30", "0x1F", "="]
    )
)


@limits(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(names, max_size=4), st.lists(names, max_size=4), st.dictionaries(names.filter(bool), names, max_size=3))
def test_any_names_are_written_and_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    cloud: list[Survey],
    networks: list[str],
    groups: list[str],
    specs: Mapping[str, str],
) -> None:
    directory = tmp_path_factory.mktemp("any")
    cloud[0] = replace(
        SURVEY,
        networks=tuple(network(f"n-{index}", name) for index, name in enumerate(networks)),
        subnets=tuple(subnet(f"s-{index}", name, f"n-{index}", index) for index, name in enumerate(networks)),
        routers=(),
        groups=tuple(group(f"g-{index}", name, "p-visa") for index, name in enumerate(groups)),
        flavors=(flavor("f", "f", extra_specs=dict(specs)),),
    )
    adopt(directory)
    stein, caracal = loaded(directory)
    assert stein.flavors["f"].extra_specs == dict(sorted(specs.items()))
    assert [entry.id for entry in stein.networks.values()] == [f"n-{index}" for index in range(len(networks))]
    assert [key if entry.name is None else entry.name for key, entry in stein.networks.items()] == networks
    assert list(caracal.networks) == list(stein.networks)
    before = files(directory)
    adopt(directory)
    assert files(directory) == before


# --- command line


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    result = run("adopt", "--cloud", "stein", "--directory", str(tmp_path))
    assert result.exit_code == 0
    assert "Pulumi.stein.yaml: written" in result.stdout
    assert "  wrote       nodes: cmp01, cmp02" in result.stdout
    assert "  left out    flavor special: has swap" in result.stdout


def test_the_project_is_found_from_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").touch()
    with contextlib.chdir(below):
        assert run("adopt", "--cloud", "stein").exit_code == 0
    assert (tmp_path / adoption.STEIN_FILE).exists()


def test_no_project(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        result = run("adopt", "--cloud", "stein")
    assert result.exit_code == 2
    assert "--directory" in result.stderr
    assert result.stdout == ""


def test_errors_go_to_stderr_with_their_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str) -> Survey:
        raise errors.CloudUnreachable(name, "no answer")

    monkeypatch.setattr(adoption, "survey", unreachable)
    result = run("adopt", "--cloud", "stein", "--directory", str(tmp_path))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "visa-migration: stein: no answer\n"
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingsError("f", []), 2),
        (errors.CloudError("stein", "m"), 3),
        (errors.CloudUnreachable("stein", "m"), 3),
        (errors.CloudRefused("stein", "m", 500), 3),
        (errors.GuardError(["m"]), 4),
        (errors.StepError("n", "s", "m"), 4),
        (errors.HookError("n", "s", "m"), 4),
        (errors.ProbeError("n", "s", "m"), 4),
        (errors.LockError("m"), 4),
        (errors.EngineGone("m"), 4),
    ],
)
def test_every_error_has_its_code(error: errors.MigrationError, code: int) -> None:
    assert exit_code(error) == code


def test_a_document_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Document(tmp_path / "Pulumi.stein.yaml").text() == ""
