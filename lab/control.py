"""The lab's own ways into a running cloud: nova's control port, and neutron's agents table.

In a real cloud nova-compute and the network agents are processes on the node. In the lab the first is a real service
inside nova's one process, and the second is the row that such an agent would keep alive.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.layout import Cloud

AGENT = "Open vSwitch agent"
ALIVE = datetime(2099, 1, 1)
CONFIGURATION = {
    "bridge_mappings": {"physnet1": "br-ex"},
    "tunnel_types": ["vxlan"],
    "tunneling_ip": "127.0.0.1",
    "ovs_hybrid_plug": False,
}


def computes(cloud: Cloud) -> list[str]:
    """Return the nodes whose nova-compute runs in this cloud now."""
    return list(_ask(cloud, "GET")["computes"])


def start_computes(cloud: Cloud, nodes: Iterable[str]) -> dict[str, str]:
    """Start the nova-compute of these nodes and map them to the cell.

    Returns:
        Per node ``started``, ``running`` (it was) or ``error: ...``, in nova's own words.
    """
    return _ask(cloud, "POST", nodes)


def stop_computes(cloud: Cloud, nodes: Iterable[str]) -> dict[str, str]:
    """Stop the nova-compute of these nodes.

    Returns:
        Per node ``stopped`` or ``absent`` (it did not run).
    """
    return _ask(cloud, "DELETE", nodes)


def _ask(cloud: Cloud, method: str, nodes: Iterable[str] = ()) -> dict[str, Any]:
    body, token = json.dumps({"nodes": list(nodes)}), (cloud.directory / "token").read_text()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", cloud.ports["control"], timeout=300)) as connection:
            connection.request(method, "/computes", body, {"X-Token": token})
            answer = connection.getresponse()
            result: dict[str, Any] = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise LabError(f"{cloud.name}: nova takes no commands ({error!r}): see `python -m lab status`") from error
    if answer.status != 200:
        raise LabError(f"{cloud.name}: nova refuses {method} with {answer.status}: {result}")
    return result


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a service's database; commit at the end."""
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        yield connection


def revive_agents(cloud: Cloud, nodes: Iterable[str]) -> None:
    """Let the nodes' network agents be known and alive, as agents that have just started are."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with database(cloud.database("neutron")) as neutron:
        for node in nodes:
            alive = neutron.execute(
                "update agents set heartbeat_timestamp = ? where host = ? and agent_type = ?",
                (_stamp(ALIVE), node, AGENT),
            )
            if not alive.rowcount:
                neutron.execute(
                    "insert into agents (id, agent_type, binary, topic, host, admin_state_up, created_at, started_at,"
                    " heartbeat_timestamp, configurations, load)"
                    " values (?, ?, 'neutron-openvswitch-agent', 'N/A', ?, 1, ?, ?, ?, ?, 0)",
                    (str(uuid.uuid4()), AGENT, node, *[_stamp(now)] * 2, _stamp(ALIVE), json.dumps(CONFIGURATION)),
                )


def silence_agents(cloud: Cloud, nodes: Iterable[str]) -> None:
    """Let the nodes' network agents be dead: their last sign of life is an hour old."""
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    with database(cloud.database("neutron")) as neutron:
        neutron.executemany(
            "update agents set heartbeat_timestamp = ? where host = ?", [(_stamp(past), node) for node in nodes]
        )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
