"""Initialised labs in the cache, to be copied: the slow part of a lab is done once.

The *base* has both clouds with their databases, catalog and seed, but no node. A *fleet* is a copy of it with nodes,
and with instances on the old cloud's.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import grp
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lab import control, nodes, processes, seed, services
from lab import state as states
from lab.clouds import administrator, wait_active
from lab.errors import LabError
from lab.layout import DATABASES, OLD, REGION, SERVICES, Cloud
from lab.releases import RELEASES
from lab.state import State
from toolchain import cache

HERE = Path(__file__).parent
# What decides how a template looks, not how its services run: an edit of the latter needs no new template.
MADE_BY = ("seed.py", "state.py", "template.py", "cloudside/neutron_schema.py", "cloudside/labdriver.py")


def fleet(hosts: int, new_hosts: int, instances: int, progress: cache.Progress) -> State:
    """Return a lab to be copied, made first if it is not there.

    Arguments:
        hosts: nodes of the old cloud.
        new_hosts: nodes that the new cloud has from the beginning.
        instances: instances on the old cloud's nodes.
        progress: is told what takes long.

    Returns:
        Its state.

    Raises:
        LabError: it cannot be made.
    """
    with ThreadPoolExecutor() as pool:  # installing is mostly waiting for the package index
        list(pool.map(lambda release: release.installed(progress), RELEASES.values()))
    base = _load(cache.built(f"lab-base-{_key()}", lambda directory: _build_base(directory, progress), progress))

    def build(directory: Path) -> None:
        progress(f"lab: making the template with {hosts}+{new_hosts} nodes and {instances} instances (once)")
        copy = states.clone(base, directory / "lab")
        state = replace(copy, hosts=_names("cmp", hosts), new_hosts=_names("new", new_hosts))
        states.configure(state, progress)

        def populate(cloud: Cloud) -> None:
            services.start(state, cloud, progress)
            if cloud.name == OLD:
                _populate_old(cloud, state.hosts, instances)
            else:
                _populate_new(cloud, state.new_hosts)

        _while_running(state, populate)

    return _load(cache.built(f"lab-fleet-{_key()}-{hosts}-{new_hosts}-{instances}", build, progress))


def sweep() -> None:
    """End the processes of templates whose maker was killed."""
    for directory in processes.directories():
        if not directory.is_relative_to(cache.root() / "store"):
            continue
        if not directory.exists():
            processes.end(directory)
            continue
        with _lock_of(directory).open("a") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held as long as the maker lives
            processes.end(directory)


def _lock_of(directory: Path) -> Path:
    return directory / "making.lock"


def _names(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:02}" for number in range(1, count + 1))


def _load(directory: Path) -> State:
    state = State.load(directory / "lab")
    if state is None:
        raise LabError(f"{directory} is not a lab's template: remove it and run this again")
    return state


def _key() -> str:
    """Hash what a template depends on."""
    digest = hashlib.sha256()
    for pattern in MADE_BY:
        for file in sorted(HERE.glob(pattern)):
            digest.update(file.read_bytes())
    for release in RELEASES.values():
        digest.update(release.key().encode())
    return digest.hexdigest()[:12]


def _while_running(state: State, act: Callable[[Cloud], None]) -> None:
    """Do something that starts both clouds; end them, and let the directory count as whole."""
    with _lock_of(state.directory).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            services.both(state, act)
        finally:
            processes.end(state.directory)
    states.settle(state)
    state.save()


def _build_base(directory: Path, progress: cache.Progress) -> None:
    state = states.empty(directory / "lab")
    states.configure(state, progress)

    def build(cloud: Cloud) -> None:
        _initialise(state, cloud, progress)
        services.start(state, cloud, progress, ["keystone"])
        with administrator(cloud) as connection:
            seed.catalog(cloud, connection)  # nova does not start before it has an account
        services.start(state, cloud, progress, [each for each in SERVICES if each != "keystone"])
        progress(f"{cloud.name}: filling in what it has from the beginning")
        with administrator(cloud) as connection:
            seed.images(cloud, connection)
            if cloud.name == OLD:
                seed.old_cloud(cloud, connection)

    _while_running(state, build)


def _initialise(state: State, cloud: Cloud, progress: cache.Progress) -> None:
    """Make a cloud's databases and its administrator."""
    progress(f"{cloud.name}: making its databases (a minute, once)")
    venv = RELEASES[cloud.name].installed(progress)
    log = cloud.log("setup")

    def run(program: str, *arguments: str | Path) -> None:
        # Through the interpreter: the path in a script's first line can be longer than a kernel takes.
        command = [venv / "bin" / "python", program, *arguments]
        process = processes.start(command, state.directory, cloud.name, "setup", log, services.environment(venv))
        if process.wait():
            raise LabError(f"{cloud.name}: {program} {arguments[2:]} failed; {processes.tail(log)}")

    def manage(program: str, configuration: str, *arguments: str) -> None:
        run(str(venv / "bin" / program), "--config-file", cloud.etc / configuration, *arguments)

    user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    owner = ("--keystone-user", user, "--keystone-group", group)
    public = cloud.url("keystone", "/v3")
    manage("keystone-manage", "keystone.conf", "db_sync")
    manage("keystone-manage", "keystone.conf", "fernet_setup", *owner)
    manage("keystone-manage", "keystone.conf", "credential_setup", *owner)
    manage("keystone-manage", "keystone.conf", "bootstrap", "--bootstrap-password", cloud.password,
           "--bootstrap-public-url", public, "--bootstrap-admin-url", public, "--bootstrap-internal-url", public,
           "--bootstrap-region-id", REGION)  # fmt: skip
    manage("placement-manage", "placement.conf", "db", "sync")
    manage("glance-manage", "glance-api.conf", "db_sync")
    run(str(services.CLOUDSIDE / "neutron_schema.py"), f"sqlite:///{cloud.database('neutron')}")
    cells = {name: f"sqlite:///{cloud.database(f'nova_{name}')}" for name in ("cell0", "cell1")}
    manage("nova-manage", "nova.conf", "api_db", "sync")
    manage("nova-manage", "nova.conf", "cell_v2", "map_cell0", "--database_connection", cells["cell0"])
    manage("nova-manage", "nova.conf", "db", "sync")
    manage("nova-manage", "nova.conf", "cell_v2", "create_cell", "--name", "cell1",
           "--database_connection", cells["cell1"], "--transport-url", "fake:///")  # fmt: skip
    for name in DATABASES:
        with control.database(cloud.database(name)) as connection:
            connection.execute("pragma journal_mode=wal")  # stays with the file; 600 ms -> 20 ms a request


def _populate_old(cloud: Cloud, hosts: tuple[str, ...], instances: int) -> None:
    """Give the old cloud its nodes, and instances on them."""
    nodes.add(cloud, hosts)
    with administrator(cloud, project=seed.PROJECT) as connection:
        flavors = {flavor.name: flavor.id for flavor in connection.compute.flavors()}
        image = connection.image.find_image(seed.IMAGES[OLD][0], ignore_missing=False)
        network = connection.network.find_network(seed.NETWORK, ignore_missing=False)
        servers = [
            connection.compute.create_server(
                name=name, flavor_id=flavors[flavor], image_id=image.id, networks=[{"uuid": network.id}],
                metadata=metadata, availability_zone=f"nova:{node}", security_groups=[{"name": "visa-default"}],
            )
            for name, node, flavor, metadata in seed.instances(hosts, instances)
        ]  # fmt: skip
        wait_active(cloud, connection, [server.id for server in servers])


def _populate_new(cloud: Cloud, hosts: tuple[str, ...]) -> None:
    """Give the new cloud its own nodes: open, unlike nodes that join later."""
    nodes.add(cloud, hosts)
    with administrator(cloud) as connection:
        for service in connection.compute.services(binary="nova-compute"):
            connection.compute.enable_service(service, service.host, "nova-compute")
