"""What the tests of the migration ask of the two clouds, with queries of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from openstack.connection import Connection

from lab.clouds import administrator
from lab.project import Project


@contextmanager
def asking(project: Project, cloud: str) -> Iterator[Connection]:
    with administrator(project.lab.state.cloud(cloud)) as connection:
        yield connection


def service(project: Project, cloud: str, node: str) -> Any:
    """Return the nova-compute of a node in a cloud, or None."""
    with asking(project, cloud) as connection:
        return next(iter(connection.compute.services(binary="nova-compute", host=node)), None)


def serves_in_caracal(project: Project, node: str) -> bool:
    """Return whether a node is open to users in Caracal, and Stein knows nothing of it any more."""
    with asking(project, "stein") as old, asking(project, "caracal") as new:
        there = next(iter(new.compute.services(binary="nova-compute", host=node)), None)
        aggregates = {each.name: set(each.hosts or ()) for each in new.compute.aggregates()}
        left = [
            *old.compute.services(binary="nova-compute", host=node),
            *[agent for agent in old.network.agents() if agent.host == node],
            *[provider for provider in old.placement.resource_providers() if provider.name == node],
        ]
        probes = [each.name for each in new.compute.servers(all_projects=True) if each.name.startswith("visa-probe")]
        return (
            there is not None
            and (there.status, there.state) == ("enabled", "up")
            and node not in aggregates["visa-probation"]
            and (node in aggregates["dc1"]) != (node in aggregates["dc2"])
            and not left
            and not probes
        )


def disable_by_hand(project: Project, cloud: str, node: str, reason: str) -> None:
    with asking(project, cloud) as connection:
        found = next(iter(connection.compute.services(binary="nova-compute", host=node)))
        connection.compute.disable_service(found, disabled_reason=reason)


def enable_by_hand(project: Project, cloud: str, node: str) -> None:
    with asking(project, cloud) as connection:
        connection.compute.enable_service(next(iter(connection.compute.services(binary="nova-compute", host=node))))


def end_instances(project: Project, node: str) -> None:
    with asking(project, "stein") as connection:
        on_it = [each for each in connection.compute.servers(all_projects=True) if each.compute_host == node]
    for each in on_it:
        project.lab.end("stein", each.id)


def results(project: Project, node: str) -> list[tuple[str, str]]:
    """Return step and result of every line of the audit log about a node, in order."""
    return [(line["step"], line["result"]) for line in project.audited() if line["node"] == node]


def wait_for(condition: Callable[[], object], what: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout:g} s: {what}"
        time.sleep(0.05)
