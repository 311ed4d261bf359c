"""A rendered directory that the real kolla-ansible works on, with hosts that are all this machine.

Their facts are this machine's, with names, interfaces and addresses of their own: they are put into Ansible's cache of
facts, where kolla-ansible finds them and asks no host.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration.ceph.access import CephAccess
from migration.kolla.render import render
from migration.settings import CaracalSettings
from tests.unit.kolla_stack import ARBITER, changed, parse
from toolchain.kolla import KollaTools

COMPUTES = ("cmp01", "cmp02")
CONF = CephAccess("[global]\nfsid = 6f1b7b9e-0000-4000-8000-000000000001\nmon_host = 10.0.0.11,10.0.0.13,10.0.9.1\n")
KEYRINGS = {
    "config/glance/ceph.client.glance.keyring": "glance",
    "config/nova/ceph.client.cinder.keyring": "cinder",
    "config/cinder/cinder-volume/ceph.client.cinder.keyring": "cinder",
    "config/cinder/cinder-backup/ceph.client.cinder.keyring": "cinder",
    "config/cinder/cinder-backup/ceph.client.cinder-backup.keyring": "cinder-backup",
}
ADDRESSES: Mapping[str, Mapping[str, str]] = {
    "ctl1": {"bond0": "10.0.0.11", "bond1": "10.9.0.11"},
    "ctl2": {"bond0": "10.0.0.12", "bond1": "10.9.0.12"},
    "ctl3": {"bond0": "10.0.0.113", "bond7": "10.0.0.13", "bond3": "10.9.0.13"},
    "arb1": {"bond0": "10.0.9.1", "bond1": "10.9.9.1"},
    "cmp01": {"eno1": "10.0.1.1", "bond1": "10.9.1.1"},
    "cmp02": {"eno1": "10.0.1.2", "bond3": "10.9.1.2"},
}
"""The addresses of each host's interfaces; one in another datacenter has other interfaces."""


def stack(into: Path, tools: KollaTools) -> CaracalSettings:
    """Return the settings: an arbiter, Ceph, TLS; hosts are local and get their files below a directory."""
    raw = changed(
        arbiter=ARBITER,
        ceph={
            "crush": {"datacenters": {"dc1": ["osd1", "osd2"], "dc2": ["osd3", "osd4"]}},
            "rule": {"name": "two-datacenters"},
            "pools": {name: {} for name in ("images", "volumes", "vms", "backups")},
            "users": {name: {} for name in ("glance", "cinder", "cinder-backup")},
        },
        kolla__hosts__vars={
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": str(tools.bin / "python"),
            "node_config_directory": f"{into}/{{{{ inventory_hostname }}}}",
            "config_owner_user": pwd.getpwuid(os.getuid()).pw_name,
            "config_owner_group": grp.getgrgid(os.getgid()).gr_name,
        },
        # They need a host's services (systemd, a log collector) or say nothing of the layout.
        kolla__vars={"enable_fluentd": False, "enable_horizon": False, "enable_heat": False},
    )
    return parse(raw)


@dataclass(frozen=True)
class Deployment:
    """A rendered directory, and the tools to try it with."""

    tools: KollaTools
    directory: Path
    out: Path
    environment: Mapping[str, str]

    @classmethod
    def made(cls, tools: KollaTools, below: Path) -> Deployment:
        directory, out, cache = below / "kolla", below / "out", below / "facts"
        out.mkdir()
        for path, file in render(stack(out, tools), COMPUTES, CONF).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(file.content)
        for path, user in KEYRINGS.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(f"[client.{user}]\n\tkey = AQ==\n")
        (directory / "certificates").mkdir()
        (directory / "certificates" / "haproxy.pem").write_text("a certificate\n")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            **tools.environment(),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
            "ANSIBLE_CACHE_PLUGIN_TIMEOUT": "0",
            "ANSIBLE_GATHERING": "smart",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_LOCAL_TEMP": str(below / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(below / "tmp"),
            "ANSIBLE_NOCOLOR": "true",
        }
        made = cls(tools, directory, out, environment)
        made._invent_facts(cache)
        made._make_passwords()
        return made

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory" / "multinode"

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.tools.bin / program), *map(str, arguments)],
            cwd=self.directory.parent,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if program == "kolla-ansible" else None,
            text=True,
            check=False,
        )

    def genconfig(self, *hosts: str) -> subprocess.CompletedProcess[str]:
        options = ["--configdir", self.directory, "--passwords", self.directory.parent / "passwords.yml"]
        return self.run("kolla-ansible", "genconfig", "-i", self.inventory, *options, "--limit", ",".join(hosts))

    def inventory_as_ansible_reads_it(self) -> dict[str, Any]:
        listed = self.run("ansible-inventory", "-i", self.inventory, "--list")
        assert listed.returncode == 0, listed.stdout
        return dict(json.loads(listed.stdout))

    def _invent_facts(self, cache: Path) -> None:
        cache.mkdir()
        options = ["-c", "local", "-m", "setup", "-e", f"ansible_python_interpreter={self.tools.bin / 'python'}"]
        asked = self.run("ansible", "localhost", *options, "-o")
        assert asked.returncode == 0, asked.stdout
        facts = json.loads(asked.stdout.partition(" => ")[2])["ansible_facts"]
        for host, interfaces in ADDRESSES.items():
            own = {f"ansible_{name}": _interface(name, address) for name, address in interfaces.items()}
            names = {"ansible_hostname": host, "ansible_nodename": host, "ansible_fqdn": f"{host}.example.org"}
            (cache / host).write_text(json.dumps({**facts, **names, **own}))
        (cache / "localhost").write_text(json.dumps(facts))

    def _make_passwords(self) -> None:
        passwords = self.directory.parent / "passwords.yml"
        shutil.copy(self.tools.share / "etc_examples" / "kolla" / "passwords.yml", passwords)
        made = self.run("kolla-genpwd", "-p", passwords)
        assert made.returncode == 0, made.stdout


def _interface(name: str, address: str) -> dict[str, Any]:
    return {"device": name, "active": True, "ipv4": {"address": address, "prefix": "16", "netmask": "255.255.0.0"}}
