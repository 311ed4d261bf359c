"""The services' configuration files.

Where the two releases want the same they get the same. Every value that is not a default has its reason here.
"""

from __future__ import annotations

import configparser
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.layout import NEW, REGION, Cloud

Sections = Mapping[str, Mapping[str, object]]

REPORT_INTERVAL = 2  # seconds between two heartbeats of a nova-compute
SERVICE_DOWN_TIME = 10  # without one for this long, Nova calls it down


def write(cloud: Cloud, venv: Path) -> None:
    """Write all configuration files of a cloud, for its ports and its directory.

    Arguments:
        cloud: the cloud.
        venv: where its release is installed.
    """
    cloud.etc.mkdir(mode=0o700, exist_ok=True)
    for name, sections in {
        "keystone.conf": _keystone(cloud),
        "placement.conf": _placement(cloud),
        "glance-api.conf": _glance(cloud, venv),
        "neutron.conf": _neutron(cloud, venv),
        "nova.conf": _nova(cloud, venv),
    }.items():
        _write_ini(cloud.etc / name, sections)
    shutil.copy(venv / "etc" / "glance" / "glance-api-paste.ini", cloud.etc)
    control = cloud.etc / "control.json"
    control.touch(mode=0o600)
    control.write_text(json.dumps({
        "port": cloud.ports["control"],
        "token": (cloud.directory / "token").read_text(),
        "nodes": str(cloud.nodes),
        "computes": str(cloud.directory / "computes"),
        "faults": str(cloud.nodes.parent / "faults.json"),
    }))  # fmt: skip


def _write_ini(path: Path, sections: Sections) -> None:
    ini = configparser.RawConfigParser(default_section="-")
    ini.read_dict(sections)
    path.touch(mode=0o600)
    with path.open("w") as file:
        ini.write(file)


def _database(cloud: Cloud, name: str) -> dict[str, object]:
    return {
        "connection": f"sqlite:///{cloud.database(name)}",
        "sqlite_synchronous": "false",  # a lab may lose what a power cut takes
    }


def _login(cloud: Cloud, user: str) -> dict[str, object]:
    return {
        "auth_url": cloud.url("keystone", "/v3"),
        "auth_type": "password",
        "username": user,
        "password": cloud.password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def _authtoken(cloud: Cloud, user: str) -> dict[str, object]:
    return {"www_authenticate_uri": cloud.url("keystone", "/v3"), **_login(cloud, user)}


def _keystone(cloud: Cloud) -> Sections:
    return {
        "DEFAULT": {"log_file": cloud.log("keystone")},
        "database": _database(cloud, "keystone"),
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": cloud.directory / "keys" / "fernet"},
        "fernet_receipts": {"key_repository": cloud.directory / "keys" / "fernet"},
        "credential": {"key_repository": cloud.directory / "keys" / "credential"},
        "identity": {"password_hash_rounds": 4},
        "cache": {"enabled": "true", "backend": "dogpile.cache.memory"},
    }


def _placement(cloud: Cloud) -> Sections:
    return {
        "DEFAULT": {"log_file": cloud.log("placement")},
        "api": {"auth_strategy": "keystone"},
        "placement_database": _database(cloud, "placement"),
        "keystone_authtoken": _authtoken(cloud, "placement"),
    }


def _glance(cloud: Cloud, venv: Path) -> Sections:
    policy = venv / "etc" / "glance" / "policy.json"  # Stein's rules are in no code: without it only administrators may
    return {
        **({"oslo_policy": {"policy_file": policy}} if policy.exists() else {}),
        "DEFAULT": {
            "log_file": cloud.log("glance"),
            "bind_host": "127.0.0.1",
            "worker_self_reference_url": cloud.url("glance"),
            "enabled_import_methods": "[]",
        },
        "database": _database(cloud, "glance"),
        "glance_store": {
            "stores": "file",
            "default_store": "file",
            "filesystem_store_datadir": cloud.directory / "images",
        },
        "paste_deploy": {"flavor": "keystone"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "keystone_authtoken": _authtoken(cloud, "glance"),
    }


def _neutron(cloud: Cloud, venv: Path) -> Sections:
    return {
        "DEFAULT": {
            "log_file": cloud.log("neutron"),
            "api_paste_config": venv / "etc" / "neutron" / "api-paste.ini",
            "state_path": cloud.directory / "neutron",
            "transport_url": "fake:///",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "auth_strategy": "keystone",
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
            "rpc_workers": 0,
            "api_workers": 0,
            "allow_overlapping_ips": "true",
            "dhcp_agent_notification": "false",
        },
        "quotas": {"quota_port": -1, "quota_network": -1, "quota_subnet": -1},
        "database": _database(cloud, "neutron"),
        "oslo_concurrency": {"lock_path": cloud.directory / "lock"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "ml2": {
            "type_drivers": "local,flat,vlan,vxlan",
            "tenant_network_types": "vxlan",
            "mechanism_drivers": "visa_lab",
            "extension_drivers": "port_security",
        },
        "ml2_type_flat": {"flat_networks": "physnet1"},
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:200"},
        "ml2_type_vxlan": {"vni_ranges": "1:1000"},
        "keystone_authtoken": _authtoken(cloud, "neutron"),
    }


def _nova(cloud: Cloud, venv: Path) -> Sections:
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {
            "host": "controller",
            "log_file": cloud.log("nova"),
            "state_path": cloud.directory / "nova",
            "instances_path": cloud.directory / "nova" / "instances",
            "my_ip": "127.0.0.1",
            "transport_url": "fake:///",
            "compute_driver": "labdriver.LabDriver",
            "enabled_apis": "osapi_compute",
            "osapi_compute_listen": "127.0.0.1",
            "osapi_compute_listen_port": cloud.ports["nova"],
            "osapi_compute_workers": 1,
            "vif_plugging_is_fatal": "false",
            "vif_plugging_timeout": 0,
            "report_interval": REPORT_INTERVAL,
            "service_down_time": SERVICE_DOWN_TIME,
            "heal_instance_info_cache_interval": -1,
            "sync_power_state_interval": -1,
            "update_resources_interval": 60,
            "rpc_response_timeout": 60,
            "force_config_drive": "false",
        },
        "quota": {"instances": -1, "cores": -1, "ram": -1},
        "wsgi": {"api_paste_config": venv / "etc" / "nova" / "api-paste.ini"},
        "api": {"auth_strategy": "keystone"},
        "api_database": _database(cloud, "nova_api"),
        "database": _database(cloud, "nova_cell1"),
        "conductor": {"workers": 1},
        # Nobody maps a new node behind the hook's back.
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": -1},
        "oslo_concurrency": {"lock_path": cloud.directory / "lock"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "glance": {"api_servers": cloud.url("glance"), "region_name": REGION},
        "vnc": {"enabled": "false"},
        "key_manager": {
            "backend": "castellan.key_manager.not_implemented_key_manager.NotImplementedKeyManager",
        },
        "keystone_authtoken": _authtoken(cloud, "nova"),
        "placement": _login(cloud, "placement"),
        "neutron": _login(cloud, "neutron"),
    }
    if cloud.name == NEW:
        sections["DEFAULT"]["enable_new_services"] = "false"  # nothing lands on a node before it was proved
        sections["scheduler"]["enable_isolated_aggregate_filtering"] = "true"  # what probation is made of
        sections["service_user"] = {"send_service_user_token": "true", **_login(cloud, "nova")}
    return sections
