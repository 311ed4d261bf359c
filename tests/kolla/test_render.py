"""What is rendered, tried by the real ansible, the real kolla-ansible and nova's own validator of options."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from lab.releases import CARACAL
from migration.kolla.groups import CHILDREN, HOLDERS
from migration.kolla.variables import in_globals
from tests.kolla.deployment import ADDRESSES, COMPUTES, Deployment
from toolchain.kolla import ensure_kolla

MADE_AS_THEY_RUN = {  # groups that Kolla's plays make with group_by, and security groups
    "all_using_limit_True",
    "etcd_had_volume_False",
    "etcd_had_volume_True",
    "haproxy_running_True",
    "health-mgr-sec-grp",
    "keepalived_running_True",
    "keystone_fernet_bootstrap",
    "keystone_fernet_running",
    "mgmt-sec-grp",
    "neutron_l3_agent_running_False",
    "neutron_l3_agent_running_True",
    "ovn-nb-db_follower",
    "ovn-nb-db_leader",
    "ovn-sb-db_follower",
    "ovn-sb-db_leader",
    "proxysql_running_True",
}
HOSTS = ("ctl1", "ctl3", "cmp01", "cmp02", "arb1")  # of each datacenter, and the arbiter
KOLLAS_OWN = {  # what kolla 18.8 itself writes and nova 29.4 does not know
    "api/use_forwarded_for",
    "privsep_entrypoint/helper_command",
    "service_user/region_name",
    "service_user/valid_interfaces",
}
NAMESPACES = (
    "nova.conf",
    "keystonemiddleware.auth_token",
    *(f"oslo.{name}" for name in ("cache", "concurrency", "db", "limit", "log", "messaging", "middleware", "policy")),
    *(f"oslo.{name}" for name in ("privsep", "reports", "service.periodic_task", "service.service", "service.wsgi")),
)


def say(line: str) -> None:
    print(line, file=sys.stderr)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment.made(ensure_kolla(progress=say), tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="module")
def inventory(deployment: Deployment) -> Mapping[str, dict[str, object]]:
    return deployment.inventory_as_ansible_reads_it()


@pytest.fixture(scope="module")
def generated(deployment: Deployment) -> Path:
    """Return a directory with the files that kolla-ansible generates for each host."""
    done = deployment.genconfig(*HOSTS)
    failed = [line[:500] for line in done.stdout.splitlines() if line.startswith(("fatal:", "failed:", "ERROR"))]
    assert (done.returncode, failed) == (0, [])
    return deployment.out


# ------------------------------------------------------------------------------------------------------- the inventory


def sections(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            found[text.strip("[]")] = []
        elif text:
            found[list(found)[-1]].append(text.split()[0])
    return found


def test_our_groups_are_those_of_kollas_own_inventory(deployment: Deployment) -> None:
    theirs = sections(deployment.tools.share / "ansible" / "inventory" / "multinode")
    ours = {f"{group}:children": sorted(children) for group, children in CHILDREN.items()}
    assert len(theirs) == 180
    assert {name: sorted(children) for name, children in theirs.items() if name.endswith(":children")} == ours
    assert {name for name in theirs if not name.endswith(":children")} == set(HOLDERS)


def test_every_group_that_kollas_playbooks_name_is_there(
    deployment: Deployment, inventory: Mapping[str, object]
) -> None:
    named: set[str] = set()
    for path in (deployment.tools.share / "ansible").rglob("*"):
        if path.suffix in {".yml", ".j2"}:
            named |= set(re.findall(r"groups\[['\"]([\w-]+)['\"]\]", path.read_text()))
    assert len(named) > 90
    assert named - set(inventory) == MADE_AS_THEY_RUN


def test_compute_hosts_are_those_that_are_in_the_cloud(inventory: Mapping[str, dict[str, object]]) -> None:
    assert inventory["compute"]["hosts"] == list(COMPUTES)
    assert inventory["control"]["hosts"] == ["ctl1", "ctl2", "ctl3"]
    assert inventory["mariadb"]["hosts"] == inventory["rabbitmq"]["hosts"] == ["ctl1", "ctl3", "arb1"]
    assert set(_variables(inventory)) == {"ctl1", "ctl2", "ctl3", "arb1", "cmp01", "cmp02", "localhost"}


def _variables(inventory: Mapping[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    found = inventory["_meta"]["hostvars"]
    assert isinstance(found, dict)
    return found


def test_what_differs_reaches_its_host_and_wins_over_kollas_defaults(
    deployment: Deployment, inventory: Mapping[str, dict[str, object]]
) -> None:
    found = _variables(inventory)
    assert {host: found[host]["network_interface"] for host in ("ctl1", "ctl3", "cmp01", "cmp02")} == {
        "ctl1": "bond0", "ctl3": "bond0", "cmp01": "eno1", "cmp02": "eno1",
    }  # fmt: skip
    assert {host: found[host]["tunnel_interface"] for host in ("ctl1", "ctl3", "cmp01", "cmp02", "arb1")} == {
        "ctl1": "bond1", "ctl3": "bond3", "cmp01": "bond1", "cmp02": "bond3", "arb1": "bond1",
    }  # fmt: skip
    assert found["ctl3"]["api_interface"] == "bond7"
    assert found["cmp02"]["a"] == ["b", {"c": 1}]
    assert found["cmp01"]["ansible_host"] == "10.0.1.1"
    assert found["arb1"]["mariadb_wsrep_extra_provider_options"] == ["gmcast.segment=2"]
    # beside the playbooks, Kolla's group_vars/all come in too
    shown = deployment.run(
        "ansible", "ctl3:cmp02", "-i", deployment.inventory, "--playbook-dir", deployment.tools.share / "ansible",
        "-m", "debug", "-a", "msg={{ network_interface }}/{{ api_interface }}/{{ tunnel_interface }}", "-o",
    )  # fmt: skip
    assert "bond0/bond7/bond3" in shown.stdout
    assert "eno1/eno1/bond3" in shown.stdout


def test_every_playbook_parses_with_it(deployment: Deployment) -> None:
    ansible = deployment.tools.share / "ansible"
    # kolla-host.yml is left out: its roles are in openstack.kolla, which is in no package registry
    playbooks = sorted(path for path in ansible.glob("*.yml") if path.name != "kolla-host.yml")
    assert len(playbooks) >= 16
    extra = [f"@{deployment.directory}/globals.yml", f"@{deployment.directory.parent}/passwords.yml"]
    options = [option for value in [*extra, f"CONFIG_DIR={deployment.directory}"] for option in ("-e", value)]
    checked = deployment.run("ansible-playbook", "-i", deployment.inventory, "--syntax-check", *options, *playbooks)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("playbook: ") == len(playbooks)


# ------------------------------------------------------------------------------- what a setting was meant to do, found


def ini(path: Path) -> configparser.ConfigParser:
    # DEFAULT is a section like another, or its options would show up in all
    parser = configparser.ConfigParser(default_section="none", interpolation=None, strict=False, allow_no_value=True)
    assert parser.read(path), f"{path} was not generated"
    return parser


def test_probation_is_switched_on_where_it_is_read(generated: Path) -> None:
    for controller in ("ctl1", "ctl3"):
        scheduler = ini(generated / controller / "nova-scheduler" / "nova.conf")
        assert scheduler["scheduler"]["enable_isolated_aggregate_filtering"] == "true"
        conductor = ini(generated / controller / "nova-conductor" / "nova.conf")
        assert conductor["DEFAULT"]["enable_new_services"] == "false"


def test_an_override_of_the_operator_reaches_every_service(generated: Path) -> None:
    for path in [*generated.glob("ctl?/nova-*/nova.conf"), *generated.glob("cmp0?/nova-compute/nova.conf")]:
        assert ini(path)["DEFAULT"]["cpu_allocation_ratio"] == "4"


def test_hosts_listen_on_their_own_interface(generated: Path) -> None:
    for host, interface in {"ctl1": "bond0", "ctl3": "bond7", "cmp01": "eno1", "cmp02": "eno1"}.items():
        service = "nova-scheduler" if host.startswith("ctl") else "nova-compute"
        assert ini(generated / host / service / "nova.conf")["DEFAULT"]["my_ip"] == ADDRESSES[host][interface]
    for host, interface in {"cmp01": "bond1", "cmp02": "bond3", "ctl3": "bond3"}.items():
        agent = ini(generated / host / "neutron-openvswitch-agent" / "openvswitch_agent.ini")
        assert agent["ovs"]["local_ip"] == ADDRESSES[host][interface]
        assert agent["ovs"]["bridge_mappings"] == "physnet1:br-ex"


def test_galera_knows_its_sites_and_who_votes(generated: Path) -> None:
    for host, segment in {"ctl1": 0, "ctl3": 1, "arb1": 2}.items():
        server = ini(generated / host / "mariadb" / "galera.cnf")["mysqld"]
        assert server["wsrep_cluster_address"] == "gcomm://10.0.0.11:4567,10.0.0.13:4567,10.0.9.1:4567"
        assert f"gmcast.segment={segment}" in server["wsrep_provider_options"].split(";")


def test_rabbitmq_pauses_a_minority_of_those_who_vote(generated: Path) -> None:
    for host in ("ctl1", "ctl3", "arb1"):
        conf = (generated / host / "rabbitmq" / "rabbitmq.conf").read_text()
        assert "cluster_partition_handling = pause_minority" in conf
        nodes = re.findall(r"classic_config\.nodes\.\d+ = rabbit@(\w+)", conf)
        assert nodes == ["ctl1", "ctl3", "arb1"]
    compute = ini(generated / "cmp02" / "nova-compute" / "nova.conf")
    hosts = re.findall(r"@([\d.]+):5672", compute["DEFAULT"]["transport_url"])
    assert hosts == ["10.0.0.11", "10.0.0.13", "10.0.9.1"]
    assert compute["oslo_messaging_rabbit"]["rabbit_quorum_queue"].lower() == "true"


def test_haproxy_serves_both_vips(generated: Path) -> None:
    services = generated / "ctl3" / "haproxy" / "services.d"
    nova, mariadb = (services / "nova-api.cfg").read_text(), (services / "mariadb.cfg").read_text()
    assert "bind 10.0.0.10:8774" in nova
    assert "bind 192.0.2.10:8774 ssl crt" in nova
    assert set(re.findall(r"server (\w+) ", nova)) == {"ctl1", "ctl2", "ctl3"}
    assert set(re.findall(r"server (\w+) ", mariadb)) == {"ctl1", "ctl3", "arb1"}
    assert not (generated / "arb1" / "haproxy").exists()


def test_keepalived_speaks_to_each_peer(generated: Path) -> None:
    conf = (generated / "ctl3" / "keepalived" / "keepalived.conf").read_text()
    assert "virtual_router_id 77" in conf
    assert "unicast_src_ip 10.0.0.13" in conf
    peers = re.search(r"unicast_peer \{([^}]*)\}", conf)
    assert peers is not None
    assert peers[1].split() == ["10.0.0.11", "10.0.0.12"]
    assert "10.0.0.10 dev bond7" in conf
    assert "192.0.2.10 dev bond0" in conf


def test_ceph_is_where_images_volumes_and_disks_go(generated: Path) -> None:
    compute = ini(generated / "cmp02" / "nova-compute" / "nova.conf")["libvirt"]
    assert (compute["images_type"], compute["images_rbd_pool"], compute["rbd_user"]) == ("rbd", "vms", "cinder")
    glance = (generated / "ctl1" / "glance-api" / "glance-api.conf").read_text()
    assert "rbd_store_pool = images" in glance
    for path in (
        "cmp02/nova-compute/ceph.conf",
        "ctl1/glance-api/ceph/ceph.conf",
        "ctl1/cinder-volume/ceph/ceph.conf",
        "ctl3/cinder-backup/ceph/ceph.conf",
    ):
        assert ini(generated / path)["global"]["mon_host"] == "10.0.0.11,10.0.0.13,10.0.9.1", path


# ------------------------------------------------------------------------------------------------ nova's own validator


VALIDATED = ["cmp01/nova-compute", "cmp02/nova-compute", "ctl1/nova-scheduler", "ctl3/nova-conductor"]


@pytest.mark.parametrize("file", VALIDATED)
def test_nova_knows_every_option(deployment: Deployment, generated: Path, file: str) -> None:
    assert complaints(deployment, generated / file / "nova.conf") <= KOLLAS_OWN


def test_the_validator_finds_an_option_that_nova_does_not_know(
    deployment: Deployment, generated: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "nova.conf"
    conf = (generated / "ctl1" / "nova-scheduler" / "nova.conf").read_text()
    broken.write_text(conf.replace("enable_isolated_aggregate_filtering", "enable_isolated_aggregates"))
    assert "scheduler/enable_isolated_aggregates" in complaints(deployment, broken)


def complaints(deployment: Deployment, conf: Path) -> set[str]:
    """Return the options that nova does not know, by its own oslo-config-validator."""
    validator = CARACAL.installed(say) / "bin" / "oslo-config-validator"
    namespaces = [option for namespace in NAMESPACES for option in ("--namespace", namespace)]
    command = [str(validator), *namespaces, "--input-file", str(conf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = set(re.findall(r"ERROR:root:(\S+) is not part of the sample config", done.stderr))
    assert (done.returncode != 0) == bool(found), done.stderr
    return found


# ------------------------------------------------------------------------------------------------- passwords and names


def test_every_password_of_kolla_is_refused_as_a_variable(deployment: Deployment) -> None:
    passwords = yaml.safe_load((deployment.tools.share / "etc_examples" / "kolla" / "passwords.yml").read_text())
    assert len(passwords) > 100
    refused = {problem.place for problem in in_globals(dict.fromkeys(passwords, "x"), [], ceph=False)}
    assert refused == set(passwords)
