"""Our own hooks as commands (``visa-migration hook …``): they obey the contract of docs/hooks.md like any other."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from migration import audit
from migration.adapters.ansible import HostResult
from migration.adapters.rest import connect
from migration.errors import AnsibleError, MigrationError, Problem, SettingsError
from migration.guardian import ActorLock, lock_path
from migration.kolla import hook, leave
from migration.kolla.before import Known
from migration.kolla.own_hooks import own_hooks
from migration.observe import open_cloud
from migration.settings import CaracalSettings, Hook, load
from toolchain.errors import ToolchainError
from toolchain.kolla import KollaTools, ensure_kolla

STACK = "Pulumi.caracal.yaml"
JOIN = "join"
RESULTS = "VISA_HOOK_RESULTS"
PATIENCE = 60.0
"""Seconds that a second run waits for the first."""

MARGIN = 20.0
"""Seconds before the caller's own timeout in which a run ends by itself, so that each node's result is still heard."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Hooked:
    """One run of a hook: its nodes, its project, and the right to act.

    Arguments:
        directory: the project.
        nodes: the nodes, separated by commas.
        say: shows a line of progress.
    """

    def __init__(self, directory: Path, nodes: str, say: Callable[[str], None]) -> None:
        self.directory = directory.absolute()
        self.nodes = tuple(node.strip() for node in nodes.split(",") if node.strip())
        self.say = say
        self._told_to_end = threading.Event()
        self._inherited = _inherited()  # first of all, before we open any of our own

    def run(self, kind: str, act: Callable[[CaracalSettings, ActorLock], dict[str, HostResult]]) -> bool:
        """Run it, and write its results where the caller wants them.

        Arguments:
            kind: ``join``, ``leave`` or ``join-old``.
            act: does it, holding the lock.

        Returns:
            Whether all went well.

        Raises:
            MigrationError: it stopped before it touched anything; the results say so, too.
        """
        for number in _SIGNALS:
            signal.signal(number, lambda *_: self._told_to_end.set())
        try:
            if not self.nodes:
                raise AnsibleError("no node is named; name at least one")
            settings = load(self.directory / STACK)
            assert isinstance(settings, CaracalSettings)  # noqa: S101 - by the file's name
            lock = ActorLock(lock_for(settings, *(() if kind == JOIN else self.nodes)))
            lock.take(patience=PATIENCE)
            results = act(settings, lock)
        except MigrationError as error:
            _write(hook.all_failed(self.nodes, error))
            raise
        _write(results)
        for node, result in results.items():
            self.say(f"{node}: {'done' if result.ok else f'failed: {result}'}")
        return all(result.ok for result in results.values())

    def interrupted(self) -> bool:
        """Whether somebody told us to end."""
        return self._told_to_end.is_set()

    def keep(self, lock: ActorLock) -> Sequence[int]:
        """What is held until the last process of ours has ended: our lock, and those that our caller handed down."""
        return [handle for handle in (lock.handle, *self._inherited) if handle is not None]

    def logs(self, settings: CaracalSettings, kind: str) -> Path:
        """Where this wave's logs go: beside the audit log."""
        beside = (self.directory / settings.audit).parent if settings.audit else self.directory
        return beside / "logs" / f"{audit.now()}-{kind}-{self.nodes[0]}{'+' * (len(self.nodes) > 1)}"

    def tools(self, settings: CaracalSettings) -> KollaTools:
        """Return kolla-ansible, installed first if it is not there.

        Raises:
            AnsibleError: it cannot be had.
        """
        own = settings.kolla.tools if settings.kolla else None
        try:
            return ensure_kolla(self.directory / own if own else None, progress=self.say)
        except ToolchainError as error:
            raise AnsibleError(str(error)) from error


def join(hooked: Hooked, timeout: float | None) -> bool:
    """Deploy nodes into the new cloud with Kolla-Ansible; return whether all went well."""

    def act(settings: CaracalSettings, lock: ActorLock) -> dict[str, HostResult]:
        kolla = settings.kolla
        if kolla is None:
            raise _missing("kolla", "the join hook deploys what is declared there; declare it, or set hooks.join")
        site = hook.Site(
            bin_=hooked.tools(settings).bin,
            directory=hooked.directory / kolla.directory,
            inventory=hooked.directory / kolla.inventory,
            passwords=hooked.directory / kolla.passwords,
            facts=lock_for(settings).with_suffix(".facts"),
            logs=hooked.logs(settings, JOIN),
        )
        wave = hook.Wave(
            site=site,
            nodes=hooked.nodes,
            timeout=seconds(own_hooks(settings).join, timeout),
            interrupted=hooked.interrupted,
            say=hooked.say,
            keep=hooked.keep(lock),
        )
        return hook.join(wave, lambda: known(settings.clouds.new))

    return hooked.run(JOIN, act)


def set_services(hooked: Hooked, state: leave.State, timeout: float | None) -> bool:
    """Stop the old cloud's services on nodes, or start them again; return whether all went well."""
    kind = "leave" if state == "stopped" else "join-old"

    def act(settings: CaracalSettings, lock: ActorLock) -> dict[str, HostResult]:
        hooks = own_hooks(settings)
        if hooks.old_ansible is None:
            raise _missing("hooks.old_ansible", f"the {kind} hook needs the old cloud's inventory; name it there")
        return leave.set_services(
            leave.OldSite(hooked.tools(settings).bin, hooked.directory, hooked.logs(settings, kind)),
            hooks.old_ansible,
            hooked.nodes,
            state,
            timeout=seconds(hooks.leave if state == "stopped" else hooks.join_old, timeout),
            interrupted=hooked.interrupted,
            say=hooked.say,
            keep=hooked.keep(lock),
        )

    return hooked.run(kind, act)


def known(cloud: str) -> Known:
    """Ask the new cloud what it has recorded; raises CloudError."""
    nova = open_cloud(cloud).nova
    return Known(cloud, tuple(nova.services()), tuple(nova.hypervisors()))


def lock_for(settings: CaracalSettings, *nodes: str) -> Path:
    """Return a hook's lock: two runs of Kolla-Ansible on one cloud would write over each other.

    Arguments:
        settings: the clouds.
        nodes: for a hook that touches nothing but nodes of the old cloud: these. They leave side by side.

    Raises:
        CloudUnreachable: clouds.yaml has no such cloud.
        SettingsError: the old cloud is retired.
    """
    name = settings.clouds.old if nodes else settings.clouds.new
    if name is None:
        raise _missing("clouds.old", "the old cloud is retired, so nothing leaves it any more")
    return lock_path("hook", connect(name).config.config["auth"]["auth_url"], *nodes)


def seconds(configured: Hook | None, asked: float | None) -> float:
    """Return how long a run may take: a little less than its caller waits."""
    if asked is not None:
        return asked
    assert configured is not None  # noqa: S101 - own_hooks fills it in
    whole = float(configured.timeout)
    return max(whole - MARGIN, whole / 2)


def _missing(place: str, why: str) -> SettingsError:
    return SettingsError(STACK, [Problem(place, f"missing; {why}")])


def _write(results: dict[str, HostResult]) -> None:
    wanted = os.environ.get(RESULTS)
    if wanted:
        aside = Path(f"{wanted}.part")
        aside.write_text(hook.as_results(results), encoding="utf-8")
        aside.replace(wanted)


def _inherited() -> Sequence[int]:
    """Return the descriptors that our caller handed down on purpose: locks that must outlive it."""
    found = []
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):  # that of the listing itself is closed again
            if int(entry.name) > 2 and os.get_inheritable(int(entry.name)):
                found.append(int(entry.name))
    return found
