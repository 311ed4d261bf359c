"""The host hook: one run of Kolla-Ansible for all nodes that join in this ``up``, with a result for each.

Kolla's own order (2024.1, "Adding new hosts"): facts, bootstrap-servers, prechecks, pull, deploy, each limited to the
nodes that are still in good order. A host elsewhere that is dead must not fail a healthy one: Kolla asks every host of
the inventory for its facts, so a dead one's last facts are remembered, and a compute host without any is left out.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from migration.adapters.ansible import (
    AnsibleRun,
    HostResult,
    environment_of,
    kolla_ansible,
    limit_of,
    run_ansible,
)
from migration.errors import AnsibleError, MigrationError
from migration.kolla.before import Known, brought, reasons_against, remarks
from migration.kolla.inventory_facts import Inventory, secrets_in, without

PLAYBOOKS: Final = Path(__file__).resolve().parent / "ansible"
ACTIONS: Final = ("bootstrap-servers", "prechecks", "pull", "deploy")
COLLECTION: Final = "openstack.kolla"
"""What bootstrap-servers needs; it is in no package registry, so it may be missing."""

FORKS: Final = 20
"""How many hosts are asked at once."""

ASKED: Final = 60.0
"""Seconds for a question to the tools themselves, which asks no host."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is.

    Attributes:
        bin_: the ``bin`` directory of kolla-ansible's virtual environment.
        directory: Kolla's configuration directory, as rendered.
        inventory: the inventory in it.
        passwords: Kolla's ``passwords.yml``.
        facts: where the last facts of each host are kept.
        logs: where the logs of this wave go.
    """

    bin_: Path
    directory: Path
    inventory: Path
    passwords: Path
    facts: Path
    logs: Path


@dataclass
class Wave:
    """One run of the hook: who is still in good order, and what became of the others.

    Attributes:
        site: where everything is.
        nodes: the nodes that join.
        timeout: seconds for all of it.
        interrupted: asked while something runs; True ends it.
        say: called with each line of progress.
        keep: file descriptors (locks) that are held as long as anything of this runs.
    """

    site: Site
    nodes: tuple[str, ...]
    timeout: float
    interrupted: Callable[[], bool] = lambda: False
    say: Say = lambda _line: None
    keep: Collection[int] = ()
    results: dict[str, HostResult] = field(default_factory=dict)
    _runs: int = 0

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.timeout
        self._secrets = secrets_in(self.site.passwords)

    @property
    def left(self) -> tuple[str, ...]:
        """The nodes that nothing has gone wrong with."""
        return tuple(node for node in self.nodes if node not in self.results)

    def fail(self, node: str, why: str) -> None:
        """Note that a node does not go on."""
        self.results[node] = HostResult(ok=False, message=why)
        self.say(f"{node}: {why}")

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> AnsibleRun:
        """Run Ansible once, within the time that is left; its log is numbered."""
        self._runs += 1
        return run_ansible(
            command,
            environment=environment,
            log=self.site.logs / f"{self._runs:02}-{name}.log",
            timeout=max(0.0, self._end - time.monotonic()),
            interrupted=self.interrupted,
            say=lambda line: self.say(f"{name}: {line}"),
            keep=self.keep,
            secrets=self._secrets,
        )

    def act(self, action: str, inventory: Path, facts: Path, limit: Sequence[str]) -> AnsibleRun:
        """Run one action of Kolla-Ansible."""
        self.say(f"{action}: {', '.join(limit)}" if len(limit) <= FORKS else f"{action}: {len(limit)} hosts")
        site = self.site
        command = kolla_ansible(
            site.bin_,
            site.directory,
            inventory,
            site.passwords,
            action,
            limit=limit,
            options=("--forks", str(FORKS)),
            facts=facts,
        )
        return self.run(action, command.argv, command.environment)

    def drop(self, name: str, run: AnsibleRun) -> None:
        """Take out the nodes for which a run failed."""
        for node in self.left:
            result = run.result(node)
            if not result.ok:
                message = f"{name}: {'unreachable: ' if result.unreachable else ''}{result}"
                self.results[node] = HostResult(ok=False, unreachable=result.unreachable, message=message)


def join(wave: Wave, look: Callable[[], Known]) -> dict[str, HostResult]:
    """Deploy nodes into the new cloud.

    Arguments:
        wave: the nodes, and with what.
        look: asks the new cloud what it has recorded.

    Returns:
        A result for each node.

    Raises:
        AnsibleError: the nodes are not in the inventory as hosts of their own, or Ansible cannot be run. Nothing was
            touched.
        CloudError: the new cloud cannot be asked. Nothing was touched.
    """
    with tempfile.TemporaryDirectory(prefix="visa-kolla-") as scratch:
        facts = Path(scratch) / "facts"
        inventory = read_inventory(wave, wave.site.inventory)
        inventory.check(wave.nodes)
        known = look()
        actions = _actions(wave)
        reached = gather(wave, inventory, facts, Path(scratch) / "inventory")
        if wave.left:
            _check(wave, reached, facts, known)
        for action in actions:
            if wave.left:
                wave.drop(action, wave.act(action, reached, facts, wave.left))
        remember(facts, wave.site.facts)
    return {node: wave.results.get(node, HostResult(ok=True)) for node in wave.nodes}


def read_inventory(wave: Wave, path: Path) -> Inventory:
    """Ask Ansible who is in an inventory.

    Raises:
        AnsibleError: it cannot be read.
    """
    told = Path(wave.site.logs) / "inventory.json"
    told.parent.mkdir(parents=True, exist_ok=True)
    command = ["ansible-inventory", "--inventory", str(path), "--list", "--output", str(told)]
    run = run_ansible(
        command,
        environment=environment_of(wave.site.bin_),
        log=wave.site.logs / "inventory.log",
        timeout=ASKED,
        interrupted=wave.interrupted,
        keep=wave.keep,
    )
    if run.rc or not told.is_file():
        raise AnsibleError(f"the inventory {path} cannot be read: {run.ended or run.last}; mend it, or render it again")
    return Inventory.of(path, json.loads(told.read_text(encoding="utf-8")))


def _actions(wave: Wave) -> Sequence[str]:
    """Return Kolla's actions, without bootstrap-servers where its collection is missing."""
    log = wave.site.logs / "collections.log"
    run_ansible(
        ["ansible-galaxy", "collection", "list", COLLECTION, "--format", "json"],
        environment=environment_of(wave.site.bin_),
        log=log,
        timeout=ASKED,
        interrupted=wave.interrupted,
        keep=wave.keep,
    )
    if f'"{COLLECTION}":' in log.read_text(encoding="utf-8"):  # it ends with 0 also where there is none
        return ACTIONS
    wave.say(
        f"bootstrap-servers is left out: the collection {COLLECTION} is not installed (kolla-ansible install-deps"
        " fetches it); the nodes must have a container engine already"
    )
    return ACTIONS[1:]


def gather(wave: Wave, inventory: Inventory, facts: Path, scratch: Path) -> Path:
    """Ask every host for its facts.

    Arguments:
        wave: the hosts to be deployed; those that cannot be are taken out.
        inventory: the inventory.
        facts: where the facts go.
        scratch: a directory that does not exist yet, for an inventory without the hosts of which nothing is known.

    Returns:
        An inventory in which each host has facts.
    """
    run = wave.act("gather-facts", inventory.path, facts, inventory.hosts)
    if run.ended or run.given_up:
        for node in wave.left:
            wave.fail(node, f"gather-facts: {run.result(node)}")
        return inventory.path
    wave.drop("gather-facts", run)
    dead = [host for host in inventory.hosts if host not in wave.nodes and not run.result(host).ok]
    forgotten = []
    for host in dead:
        if (wave.site.facts / host).is_file():
            facts.mkdir(exist_ok=True)
            shutil.copy(wave.site.facts / host, facts / host)
            wave.say(f"{host} cannot be reached; its last known facts are used")
        else:
            forgotten.append(host)
    needed = [host for host in forgotten if host not in inventory.computes_only]
    if needed:
        for node in wave.left:
            wave.fail(
                node,
                f"{', '.join(needed)} cannot be reached, and no earlier facts of it are known, which every node's"
                f" configuration needs: {run.result(needed[0])}. Bring it back, then run it again",
            )
    absent = {*forgotten, *(node for node in wave.nodes if node in wave.results)} - set(needed)
    if not absent:
        return inventory.path
    for host in forgotten:
        if host not in needed:
            wave.say(f"{host} cannot be reached and was never seen; this run does without it")
    return without(inventory, absent, scratch)


def _check(wave: Wave, inventory: Path, facts: Path, known: Known) -> None:
    """Look at what the nodes bring along, and take out those that must not be deployed as they are."""
    command = ["ansible-playbook", "--inventory", str(inventory), "--limit", limit_of(wave.left)]
    command += ["--forks", str(FORKS), "--extra-vars", f"@{wave.site.directory / 'globals.yml'}"]
    run = wave.run("before", [*command, str(PLAYBOOKS / "before.yml")], environment_of(wave.site.bin_, facts))
    wave.drop("before", run)
    for node in wave.left:
        try:
            found = brought(run.reports[node])
        except (KeyError, ValueError) as error:
            wave.fail(node, f"before: what it brings along could not be read: {error!r}; see the log")
            continue
        if reasons := reasons_against(node, found, known):
            wave.fail(node, "before: " + "; ".join(reasons))
        for remark in remarks(node, found, known):
            wave.say(f"{node}: {remark}")


def remember(facts: Path, store: Path) -> None:
    """Keep the facts of this run for one in which a host is dead."""
    store.mkdir(parents=True, exist_ok=True)
    for fresh in facts.iterdir() if facts.is_dir() else ():
        aside = store / f".{fresh.name}"
        shutil.copy(fresh, aside)
        aside.replace(store / fresh.name)


def as_results(results: Mapping[str, HostResult]) -> str:
    """Return what docs/hooks.md says that a hook writes: JSON, an entry a node."""
    return json.dumps({node: {"ok": result.ok, "message": str(result)} for node, result in results.items()})


def all_failed(nodes: Sequence[str], error: MigrationError) -> dict[str, HostResult]:
    """Return the results of a hook that stopped before it did anything."""
    return dict.fromkeys(nodes, HostResult(ok=False, message=str(error)))
