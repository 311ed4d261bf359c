"""What the lab itself asks of its clouds, as their administrator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from openstack.connection import Connection
from openstack.identity.v3._proxy import Proxy as IdentityV3

from lab.errors import LabError
from lab.layout import REGION, Cloud

TIMEOUT = 180  # seconds for a server to come up or go, on a busy machine


@contextmanager
def administrator(cloud: Cloud, project: str = "admin") -> Iterator[Connection]:
    """Log in as administrator, in a project.

    Arguments:
        cloud: where.
        project: what is made belongs to it.

    Returns:
        A connection, closed at the end.
    """
    session = Session(auth=v3.Password(**login(cloud, project)))
    with Connection(session=session, region_name=REGION) as connection:
        yield connection


def identity(connection: Connection) -> IdentityV3:
    """Return the connection's Keystone, which in both releases is version 3."""
    proxy = connection.identity
    if not isinstance(proxy, IdentityV3):
        raise LabError("keystone does not offer version 3 of its API: look at its log")
    return proxy


def login(cloud: Cloud, project: str = "admin") -> dict[str, Any]:
    """Return how to log in as administrator, as the ``auth`` of clouds.yaml has it."""
    return {
        "auth_url": cloud.url("keystone", "/v3"),
        "username": "admin",
        "password": cloud.password,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def wait_active(cloud: Cloud, connection: Connection, servers: Sequence[str]) -> None:
    """Wait until these servers are ACTIVE.

    Raises:
        LabError: one is in ERROR, or not all are in time.
    """
    waiting, deadline = set(servers), time.monotonic() + TIMEOUT
    while waiting:
        for server in connection.compute.servers(all_projects=True):
            if server.id not in waiting:
                continue
            if server.status == "ERROR":
                fault = connection.compute.get_server(server.id).fault or {}
                raise LabError(f"{cloud.name}: {server.name} is in ERROR: {fault.get('message', 'no reason given')}")
            if server.status == "ACTIVE":
                waiting.discard(server.id)
        if waiting and time.monotonic() > deadline:
            raise LabError(f"{cloud.name}: {len(waiting)} of {len(servers)} servers not ACTIVE after {TIMEOUT} s")
        if waiting:
            time.sleep(0.2)


def boot(cloud: Cloud, name: str, node: str | None, metadata: dict[str, str]) -> str:
    """Boot a small server with a port where there is a network, and wait until it is ACTIVE.

    Arguments:
        cloud: where.
        name: its name.
        node: the node that it is forced onto, or None to let the scheduler choose.
        metadata: its metadata.

    Returns:
        Its id.

    Raises:
        LabError: it does not come up.
    """
    with administrator(cloud) as connection:
        project = tenant(connection)
    with administrator(cloud, project) as connection:
        flavors = [each for each in connection.compute.flavors() if not each.extra_specs]
        if not flavors:
            raise LabError(f"{cloud.name}: there is no flavor yet to boot {name} with")
        networks = [each for each in connection.network.networks(is_shared=True) if not each.is_router_external]
        image = next(iter(connection.image.images()))
        server = connection.compute.create_server(
            name=name,
            flavor_id=min(flavors, key=lambda each: (each.vcpus, each.ram)).id,
            image_id=image.id,
            networks=[{"uuid": networks[0].id}] if networks else "none",
            metadata=metadata,
            **({"availability_zone": f"{_zone(connection, node)}:{node}"} if node else {}),
        )
        wait_active(cloud, connection, [server.id])
    return str(server.id)


def _zone(connection: Connection, node: str) -> str:
    services = connection.compute.services(binary="nova-compute", host=node)
    return next((str(service.availability_zone) for service in services), "nova")


def tenant(connection: Connection) -> str:
    """Return the project for VISA's instances: its own where it exists already, with us allowed in."""
    keystone = identity(connection)
    visa = keystone.find_project("visa")
    if visa is None:
        return "admin"
    role = keystone.find_role("admin", ignore_missing=False)
    user = keystone.find_user("admin", ignore_missing=False)
    keystone.assign_project_role_to_user(visa, user, role)
    return "visa"


def end(cloud: Cloud, server: str) -> None:
    """Delete a server and wait until it is gone."""
    with administrator(cloud) as connection:
        connection.compute.delete_server(server)
        deadline = time.monotonic() + TIMEOUT
        while connection.compute.find_server(server, all_projects=True):
            if time.monotonic() > deadline:
                raise LabError(f"{cloud.name}: {server} is still there {TIMEOUT} s after it was deleted")
            time.sleep(0.2)
