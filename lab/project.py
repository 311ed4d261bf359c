"""A Pulumi project on a lab: both stacks as an operator has them after adopting the old cloud.

The program is the repository's own; only the stack files and the state are the lab's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import toolchain
from lab.errors import LabError
from lab.lab import Lab
from lab.layout import NEW, OLD

PROGRAM = Path(__file__).parents[1]

START = """\
config:
  pulumi:disable-default-providers: [openstack]
  visa-migration:clouds: {{old: stein, new: caracal}}
  visa-migration:datacenters:
    dc1: {{zone: dc1}}
    dc2: {{zone: dc2}}
  visa-migration:networks:
    visa:
      type: vlan
      physical_network: physnet1
      segmentation_id: 151
      shared: true
      subnets:
        visa:
          cidr: 10.20.0.0/16
          gateway: 10.20.0.1
          pools: [{{start: 10.20.1.0, end: 10.20.250.254}}]
          dns: [10.1.0.53]
    ext:
      type: vlan
      physical_network: physnet1
      segmentation_id: 152
      external: true
      subnets:
        ext:
          cidr: 198.51.100.0/24
          gateway: 198.51.100.1
          pools: [{{start: 198.51.100.10, end: 198.51.100.200}}]
          dhcp: false
  visa-migration:budget: {{moving: 2, per_datacenter: 1}}
  visa-migration:hooks: {hooks}
  visa-migration:probe: {{image: probe, network: visa, timeout: 60}}
  visa-migration:audit: {audit}
"""

CONTROL_PLANE = """\
controllers:
  ctl1: {{datacenter: dc1, address: 192.0.2.11}}
  ctl2: {{datacenter: dc1, address: 192.0.2.12}}
  ctl3: {{datacenter: dc2, address: 192.0.2.13}}
kolla:
  vip: {{internal: 192.0.2.10}}
  virtual_router_id: 51
  passwords: passwords.yml
  hosts: {{interfaces: {{network: eth0, neutron_external: eth1}}}}
ceph:
  connection: {{conf: {conf}}}
  crush: {{datacenters: {{dc1: [dc1-host1, dc1-host2], dc2: [dc2-host1, dc2-host2]}}}}
  rule: {{name: two-and-two, copies: 2}}
  pools: {{images: {{}}, volumes: {{}}, vms: {{}}, backups: {{}}}}
  users: {{glance: {{}}, cinder: {{}}, cinder-backup: {{}}}}
"""


class Project:
    """Both stacks on a lab.

    Arguments:
        lab: the lab; it is up.
        progress: is told what takes long.

    Attributes:
        directory: where the stack files are.
        environment: the variables of every command.
    """

    def __init__(self, lab: Lab, progress: Callable[[str], None] = lambda _: None) -> None:
        self.lab = lab
        self.directory = lab.directory / "project"
        self.audit = self.directory / "audit.jsonl"
        tools = toolchain.ensure(progress)
        self.environment = {**os.environ, **tools.environment(), **lab.environment()}

    def create(self) -> None:
        """Write the stack files as an operator would: a start by hand, the rest adopted from the old cloud.

        Raises:
            LabError: a command failed.
        """
        self.directory.mkdir(exist_ok=True)
        virtualenv = Path(sys.executable).parents[1]
        project = {"name": "visa-migration", "main": str(PROGRAM)}
        runtime = {"runtime": {"name": "python", "options": {"virtualenv": str(virtualenv)}}}
        (self.directory / "Pulumi.yaml").write_text(json.dumps({**project, **runtime}, indent=2))
        start = START.format(audit=json.dumps(str(self.audit)), hooks=json.dumps(self.hooks()))
        (self.directory / "Pulumi.caracal.yaml").write_text(start)
        self.visa_migration("adopt", "--cloud", OLD, "--datacenter", "dc1")
        for stack in (OLD, NEW):
            self.pulumi("stack", "init", stack)
        for node in self.lab.state.hosts[1::2]:
            self.configure(f"nodes.{node}.datacenter", "dc2")

    def declare_control_plane(self) -> None:
        """Declare controllers, Kolla's configuration and Ceph as an operator would; nothing is deployed here.

        The hosts' addresses are of a network for documentation: nothing here may reach a machine.
        """
        (self.directory / "__main__.py").symlink_to(PROGRAM / "__main__.py")
        file = self.directory / "Pulumi.yaml"
        project = json.loads(file.read_text())
        del project["main"]  # paths of the stack file begin where the program is
        file.write_text(json.dumps(project, indent=2))
        yaml = YAML()
        stack = self.directory / f"Pulumi.{NEW}.yaml"
        content = yaml.load(stack)
        control_plane = yaml.load(CONTROL_PLANE.format(conf=json.dumps(str(self.lab.ceph.layout.conf))))
        content["config"].update({f"visa-migration:{key}": value for key, value in control_plane.items()})
        yaml.dump(content, stack)

    def hooks(self) -> dict[str, Any]:
        """Return the hooks of stack caracal: the lab's own."""
        command = [sys.executable, "-m", "lab", "hook"]
        acts = {"leave": "leave", "join": "join", "join_old": "rejoin"}
        return {
            name: {"argv": [*command, act, "--name", self.lab.name, "{nodes}"], "timeout": 60}
            for name, act in acts.items()
        }

    def configure(self, path: str, value: str) -> None:
        """Set one value of stack caracal the way the README says."""
        self.pulumi("config", "set", "--stack", NEW, "--path", path, value)

    def member(self, membership: str, *nodes: str) -> None:
        """Set the membership of nodes: a wave."""
        for node in nodes:
            self.configure(f"nodes.{node}.membership", membership)

    @contextmanager
    def changed(self, **values: object) -> Iterator[None]:
        """Let keys of stack caracal have other values for a while.

        Arguments:
            values: the values, by key; None for none at all.
        """
        before = self._replace(values)
        try:
            yield
        finally:
            self._replace(before)

    def _replace(self, values: Mapping[str, object]) -> dict[str, object]:
        """Set whole keys of the stack file and return what they were."""
        file = self.directory / "Pulumi.caracal.yaml"
        yaml = YAML()
        content = yaml.load(file)
        keys = {name: f"visa-migration:{name}" for name in values}
        before = {name: content["config"].get(key) for name, key in keys.items()}
        for name, value in values.items():
            content["config"].pop(keys[name], None)
            if value is not None:
                content["config"][keys[name]] = value
        yaml.dump(content, file)
        return before

    def pulumi(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``pulumi`` in the project.

        Arguments:
            words: its arguments.
            check: whether a failure is an error.

        Returns:
            How it ended; stderr is in its output.

        Raises:
            LabError: it failed, with all that it said.
        """
        return self._run(["pulumi", *words, "--non-interactive"], check=check)

    def up(self, stack: str = NEW, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``pulumi up`` without its preview, as ``pulumi`` above."""
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", stack, *words, check=check)

    def preview(self, stack: str = NEW, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``pulumi preview``, as ``pulumi`` above."""
        return self.pulumi("preview", "--stack", stack, *words, check=check)

    def status(self) -> dict[str, Any]:
        """Return what ``visa-migration status --json`` says."""
        said = self.visa_migration("status", "--json", check=False)
        if said.returncode not in {0, 4}:  # 4: something needs a person
            raise LabError(f"visa-migration status ended with {said.returncode}: {said.stderr}")
        found: dict[str, Any] = json.loads(said.stdout)
        return found

    def visa_migration(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run our own command line in the project, as ``pulumi`` above, but with stderr apart."""
        command = [str(Path(sys.executable).with_name("visa-migration")), *words]
        return self._run(command, check=check, apart=True)

    def audited(self) -> Iterator[Mapping[str, str]]:
        """Read the audit log."""
        if self.audit.exists():
            for line in self.audit.read_text().splitlines():
                yield json.loads(line)

    def _run(self, command: Sequence[str], *, check: bool, apart: bool = False) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and ended.returncode:
            raise LabError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr or ''}")
        return ended
