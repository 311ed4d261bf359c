"""A lab: two real clouds on this machine, under a name."""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import toolchain
from lab import clouds, nodes, processes, services, template
from lab import state as states
from lab.ceph import Ceph, Monitors
from lab.errors import LabError
from lab.layout import REGION, SERVICES, lab_directory, labs
from lab.nodes import Fault
from lab.state import State
from lab.visa import VisaLab
from lab.visa.population import Population
from toolchain import cache


class Lab:
    """Two clouds, their nodes and what is needed to use them.

    Arguments:
        name: labs of different names live side by side.
        progress: is told what takes long.

    Raises:
        LabError: the name cannot be a lab's name.
    """

    def __init__(self, name: str = "demo", progress: cache.Progress = lambda _: None) -> None:
        self.name = name
        self.directory = lab_directory(name)
        self._progress = progress

    # -- the lab as a whole

    def up(
        self,
        hosts: int = 6,
        new_hosts: int = 1,
        instances: int | None = None,
        *,
        ceph: bool = False,
        visa: bool | Population = False,
    ) -> None:
        """Start the lab. One that runs goes on; one that was killed goes on from what is on its disk.

        Arguments:
            hosts: nodes of the old cloud.
            new_hosts: nodes that the new cloud has from the beginning.
            instances: instances on the old cloud, two per node if not given.
            ceph: start a Ceph with it; one that the lab has already is started in any case.
            visa: start a VISA with it, or one that begins with this; one that the lab has already is started in any
                case, and goes on.

        Raises:
            LabError: it cannot be had, or a service does not start.
        """
        template.sweep()
        with self._alone():
            state = State.load(self.directory)
            if state and (len(state.hosts), len(state.new_hosts)) != (hosts, new_hosts):
                raise LabError(f"{self.name} has {len(state.hosts)}+{len(state.new_hosts)} nodes: take it down first")
            ceph = ceph or self.ceph.made
            if state and self._whole(state):
                self._progress(f"lab {self.name}: is up already")
                if ceph:
                    self.ceph.up()
                self._start_visa(visa)
                return
            if state is None and self.ceph.made:
                raise LabError(f"lab {self.name} has a Ceph and no clouds: take it down first, or use another name")
            processes.end(self.directory)
            if state is None:
                source = template.fleet(hosts, new_hosts, hosts * 2 if instances is None else instances, self._progress)
                state = states.clone(source, self.directory)
            else:
                self._progress(f"lab {self.name}: was not ended properly; going on from what it left")
            self._start(state, ceph=ceph)
            self._start_visa(visa)

    def _start_visa(self, visa: bool | Population) -> None:  # noqa: FBT001 - what was asked of `up`
        if visa or self.visa.made:
            self.visa.up(visa if isinstance(visa, Population) else None)

    def up_ceph(self, monitors: Monitors | str | None = None) -> None:
        """Start the lab's Ceph, with its clouds or without any.

        Arguments:
            monitors: how many there are where; what the lab has, or else two in dc1 and one in dc2.

        Raises:
            LabError: it cannot be had, or does not come up; nothing of a new one is left then.
        """
        with self._alone():
            self.ceph.up(monitors)

    @property
    def visa(self) -> VisaLab:
        """Its VISA, which may not be there."""
        return VisaLab(self.directory, self._progress)

    @property
    def ceph(self) -> Ceph:
        """Its Ceph, which may not be there."""
        return Ceph(self.directory, self._progress)

    def _start(self, state: State, *, ceph: bool) -> None:
        states.configure(state, self._progress)
        self._write_access(state)
        try:
            services.both(state, lambda cloud: services.start(state, cloud, self._progress))
            if ceph:
                self.ceph.up()
        except BaseException:
            processes.end(self.directory)
            raise
        state.save()

    def _whole(self, state: State) -> bool:
        """Say whether every process of the lab runs."""
        alive = {(each.cloud, each.service) for each in processes.running(self.directory)}
        return all((cloud.name, service) in alive for cloud in state.clouds for service in SERVICES)

    def down(self) -> None:
        """End every process of the lab, whoever started it, and remove its state.

        Raises:
            LabError: a process does not end.
        """
        template.sweep()
        self.ceph.end()
        processes.end(self.directory)  # even while an ``up`` is at work: it then fails, and lets go
        with self._alone():
            self.ceph.end()
            processes.end(self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)

    def status(self) -> list[processes.Process]:
        """Return the lab's processes, by cloud and service."""
        return processes.running(self.directory)

    @property
    def state(self) -> State:
        """What is on its disk.

        Raises:
            LabError: there is no such lab.
        """
        state = State.load(self.directory)
        if state is None:
            raise LabError(f"there is no lab {self.name!r}: start it with `python -m lab up --name {self.name}`")
        return state

    def environment(self) -> dict[str, str]:
        """Return the variables to set in order to use the lab, and Pulumi on it where it is built already.

        Raises:
            LabError: there is no such lab.
        """
        ceph = {"VISA_LAB": str(self.directory), **self.ceph.environment()} if self.ceph.made else {}
        if ceph and State.load(self.directory) is None:
            return ceph
        directory = self.state.directory
        return {
            **ceph,
            **(self.visa.environment() if self.visa.made else {}),
            "OS_CLIENT_CONFIG_FILE": str(directory / "clouds.yaml"),
            "PULUMI_BACKEND_URL": f"file://{directory / 'pulumi'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory / "passphrase"),
            "VISA_LAB": str(directory),
            **_toolchain(),
        }

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lab's lock: it is started or ended by one at a time."""
        labs().mkdir(mode=0o700, parents=True, exist_ok=True)
        with (labs() / f".{self.name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress(f"lab {self.name}: another process starts or ends it; waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write_access(self, state: State) -> None:
        """Write clouds.yaml (JSON is YAML), and what Pulumi needs."""
        entries = {
            cloud.name: {"auth": clouds.login(cloud), "region_name": REGION, "identity_api_version": "3"}
            for cloud in state.clouds
        }
        access = self.directory / "clouds.yaml"
        access.touch(mode=0o600)
        access.write_text(json.dumps({"clouds": entries}, indent=2) + "\n")
        (self.directory / "pulumi").mkdir(mode=0o700, exist_ok=True)
        passphrase = self.directory / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_hex(16))

    # -- nodes

    def add_host(self, cloud: str, node: str) -> None:
        """Start a node's nova-compute in a cloud, on its disk as it is.

        Raises:
            LabError: nova refuses, in its own words.
        """
        refused = nodes.add(self.state.cloud(cloud), [nodes.check_name(node)])
        if refused:
            raise LabError(f"{cloud}: nova-compute of {node} does not start: {refused[node]}")

    def remove_host(self, cloud: str, node: str) -> None:
        """Stop a node's nova-compute in a cloud."""
        nodes.remove(self.state.cloud(cloud), [nodes.check_name(node)])

    def set_fault(self, node: str, fault: Fault | str) -> None:
        """Let something go wrong on a node from now on."""
        nodes.set_fault(self.state, node, Fault(fault))

    def clear_fault(self, node: str) -> None:
        """Let nothing go wrong on a node from now on."""
        nodes.set_fault(self.state, node, None)

    # -- servers

    def boot(self, cloud: str, name: str, node: str | None = None, metadata: dict[str, str] | None = None) -> str:
        """Boot a small server, as VISA would, and wait until it is ACTIVE.

        Arguments:
            cloud: where.
            name: its name.
            node: the node that it is forced onto (Stein takes even a disabled one); None: the scheduler chooses.
            metadata: its metadata.

        Returns:
            Its id.

        Raises:
            LabError: it does not come up.
        """
        return clouds.boot(self.state.cloud(cloud), name, node, metadata or {})

    def end(self, cloud: str, server: str) -> None:
        """Delete a server, and wait until it is gone."""
        clouds.end(self.state.cloud(cloud), server)

    # -- trouble

    def pause(self, cloud: str) -> None:
        """Let a cloud hang: it takes connections and does not answer, until :meth:`resume`."""
        services.freeze(self.state, self.state.cloud(cloud), signal.SIGSTOP)

    def resume(self, cloud: str) -> None:
        """Let a paused cloud go on."""
        services.freeze(self.state, self.state.cloud(cloud), signal.SIGCONT)

    def stop(self, cloud: str, chosen: Sequence[str] = SERVICES) -> None:
        """End services of a cloud: connections are refused, until :meth:`start`."""
        wanted = {(cloud, service) for service in chosen}
        processes.end(self.directory, lambda each: (each.cloud, each.service) in wanted)

    def start(self, cloud: str, chosen: Sequence[str] = SERVICES) -> None:
        """Start services of a cloud that were ended.

        Raises:
            LabError: one does not start.
        """
        services.start(self.state, self.state.cloud(cloud), self._progress, chosen)


def _toolchain() -> dict[str, str]:
    """Return the variables of the Pulumi toolchain; nothing is built for them."""
    if any(line.endswith("not built yet") for line in toolchain.status()):
        return {}
    return toolchain.ensure().environment()


def all_labs() -> list[str]:
    """Return the names of the labs that have state on disk."""
    if not labs().is_dir():
        return []
    return sorted(each.name for each in labs().iterdir() if each.is_dir() and not each.name.startswith("."))
