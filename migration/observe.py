"""Look at both clouds: once for the whole fleet, and again at one node before each act.

A look at the fleet costs pages, not nodes: seven lists a cloud, however many nodes there are, and one call for each
node that is about to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from migration.adapters.glance import Glance
from migration.adapters.neutron import Neutron
from migration.adapters.nova import Nova
from migration.adapters.placement import Placement
from migration.adapters.rest import connect, translated
from migration.errors import CloudError
from migration.facts import Aggregate, CloudFacts, Facts
from migration.marks import Record, is_ours, parse_ledger
from migration.names import LEDGER_AGGREGATE
from migration.settings import CaracalSettings, Membership
from migration.witnesses import looks_empty


@dataclass(frozen=True)
class Cloud:
    """The services of one cloud that the migration talks to."""

    name: str
    nova: Nova
    neutron: Neutron
    placement: Placement
    glance: Glance


def open_cloud(name: str) -> Cloud:
    """Log in to a cloud of clouds.yaml.

    Arguments:
        name: its name there.

    Returns:
        Its services.

    Raises:
        CloudUnreachable: no such entry, no answer, or the log-in was refused.
    """
    connection = connect(name)
    with translated(name):
        connection.session.get_token()  # once, here: the lists below run side by side and would each log in
        return Cloud(  # this asks some services for their versions
            name,
            Nova(name, connection),
            Neutron(name, connection),
            Placement(name, connection),
            Glance(name, connection),
        )


def look(settings: CaracalSettings, open_: Callable[[str], Cloud] = open_cloud) -> Facts:
    """Look once at the whole fleet.

    Arguments:
        settings: which clouds, and which nodes shall leave.
        open_: how to log in to a cloud.

    Returns:
        The facts; a cloud that cannot be asked is None there, with the reason beside it.
    """
    leaving = [node for node, wanted in settings.nodes.items() if wanted.membership is not Membership.STEIN]
    with ThreadPoolExecutor(2) as pool:
        new = pool.submit(_look_or_error, settings.clouds.new, open_, ())
        old = pool.submit(_look_or_error, settings.clouds.old, open_, leaving)
        old_facts, old_error = old.result()
        new_facts, new_error = new.result()
    return Facts(old_facts, new_facts, old_error, new_error)


def _look_or_error(
    name: str | None, open_: Callable[[str], Cloud], leaving: Sequence[str]
) -> tuple[CloudFacts | None, str | None]:
    if name is None:
        return None, None
    try:
        return look_at_cloud(open_(name), leaving), None
    except CloudError as error:
        return None, str(error)


def look_at_cloud(cloud: Cloud, leaving: Iterable[str] = ()) -> CloudFacts:
    """Look at one cloud.

    Arguments:
        cloud: the cloud.
        leaving: nodes that want to leave it; of these and those that we closed, Placement is asked about the ones that
            look empty.

    Returns:
        Its facts.

    Raises:
        CloudError: a list could not be had. Half a look is no look.
    """
    lists: dict[str, Callable[[], Any]] = {
        "services": cloud.nova.services,
        "hypervisors": cloud.nova.hypervisors,
        "servers": cloud.nova.servers,
        "migrations": cloud.nova.migrations,
        "aggregates": cloud.nova.aggregates,
        "flavors": cloud.nova.flavors,
        "agents": cloud.neutron.agents,
    }
    with ThreadPoolExecutor(len(lists)) as pool:
        asked = {name: pool.submit(ask) for name, ask in lists.items()}
        found = {name: answer.result() for name, answer in asked.items()}
    servers, hidden = found["servers"]
    facts = CloudFacts(
        name=cloud.name,
        services=tuple(found["services"]),
        hypervisors=tuple(found["hypervisors"]),
        servers=tuple(servers),
        hidden=hidden,
        migrations=tuple(found["migrations"]),
        agents=tuple(found["agents"]),
        aggregates=tuple(found["aggregates"]),
        flavors=found["flavors"],
        ledger=ledger_of(found["aggregates"]),
    )
    closed = {service.host for service in facts.services if is_ours(service.reason)}
    providers = [
        hypervisor.id
        for node in sorted(closed.union(leaving))
        if looks_empty(facts, node)
        for hypervisor in facts.hypervisors_of(node)
    ]
    return replace(facts, allocations=_allocations(cloud, providers))


def look_at_node(cloud: Cloud, node: str) -> CloudFacts:
    """Look again at one node of one cloud, just before an act.

    Arguments:
        cloud: the cloud.
        node: the node.

    Returns:
        Facts of this node alone, all witnesses asked.

    Raises:
        CloudError: something could not be asked.
    """
    hypervisors = cloud.nova.hypervisors_of(node)
    servers, hidden = cloud.nova.servers(node)
    return CloudFacts(
        name=cloud.name,
        services=tuple(cloud.nova.services(node)),
        hypervisors=tuple(hypervisors),
        servers=tuple(servers),
        hidden=hidden,
        migrations=tuple(cloud.nova.migrations(node)),
        allocations=_allocations(cloud, [hypervisor.id for hypervisor in hypervisors]),
    )


def ledger_of(aggregates: Iterable[Aggregate]) -> dict[str, Record]:
    """Return our records of nodes that left, by node; empty where there is no ledger yet."""
    ledger = next((aggregate for aggregate in aggregates if aggregate.name == LEDGER_AGGREGATE), None)
    return parse_ledger(dict(ledger.metadata)) if ledger is not None else {}


def _allocations(cloud: Cloud, providers: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return who holds something of each provider; one that does not exist is left out."""
    answers = {provider: cloud.placement.consumers(provider) for provider in providers}
    return {provider: consumers for provider, consumers in answers.items() if consumers is not None}
