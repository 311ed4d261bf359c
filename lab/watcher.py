"""An independent witness: looks at both clouds all the time and says when something happened that must not.

Its own process, its own requests, nothing in common with the migration. It writes JSON lines and, when it is ended,
its verdict. A watcher that could not look does not call the result clean.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from lab.clouds import login
from lab.judge import CloudLook, Look, Memory, Server, judge
from lab.layout import NEW, OLD, REGION, Cloud
from lab.state import State

PROBATION = "visa-probation"  # the aggregate's name, as the design has it
PROBE = "visa-migration"  # servers with this metadata are the migration's own
BLIND = 30  # seconds without a look at both clouds, after which nobody can vouch for what happened meanwhile
TIMEOUT = 20


class Eye:
    """Looks at one cloud.

    Arguments:
        cloud: the cloud.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._session = Session(auth=v3.Password(**login(cloud)), timeout=TIMEOUT)

    def _get(self, path: str) -> Any:
        where = {"service_type": "compute", "region_name": REGION}
        return self._session.get(path, endpoint_filter=where, headers={"OpenStack-API-Version": "compute 2.53"}).json()

    def services(self) -> dict[str, bool]:
        """Return the nodes with a nova-compute on record; whether it is enabled."""
        listed = self._get("/os-services?binary=nova-compute")["services"]
        return {each["host"]: each["status"] == "enabled" for each in listed}

    def servers(self) -> dict[str, Server]:
        """Return all servers of all projects, by id."""
        found: dict[str, Server] = {}
        while True:
            after = f"&marker={list(found)[-1]}" if found else ""
            page = self._get(f"/servers/detail?all_tenants=1{after}")["servers"]
            if not page:
                return found
            for each in page:
                host = each["OS-EXT-SRV-ATTR:host"] or ""
                found[each["id"]] = Server(each["name"], each["status"], host, probe=PROBE in each["metadata"])

    def probation(self) -> frozenset[str]:
        """Return the nodes in probation."""
        listed = self._get("/os-aggregates")["aggregates"]
        return frozenset(host for each in listed if each["name"] == PROBATION for host in each["hosts"])


def look(old: Eye, new: Eye) -> Look:
    """Look at both clouds; what changes while we look is no violation.

    A node that moves has left one cloud before it is in the other, so it is never seen in the new one, then in the old
    one, then in the new one again. And a node is out of probation before the first user's server is on it, so servers
    are looked at first.
    """
    first, services, second = new.services(), old.services(), new.services()
    servers, added = old.servers(), new.servers()
    return {
        OLD: CloudLook(services, servers),
        NEW: CloudLook({node: second[node] for node in first.keys() & second.keys()}, added, new.probation()),
    }


@dataclass(slots=True)
class Tally:
    """How well the watcher could see.

    Attributes:
        polls: looks at both clouds.
        gaps: looks that failed.
        longest_gap: seconds between two looks, at most.
        violations: what was wrong.
    """

    polls: int = 0
    gaps: int = 0
    longest_gap: float = 0
    violations: int = 0

    @property
    def clean(self) -> bool:
        """Nothing was wrong, and nothing can have been missed for long."""
        return self.polls > 0 and self.longest_gap <= BLIND and not self.violations


def watch(state: State, owners: Path, out: TextIO, interval: float, stop: threading.Event) -> bool:
    """Watch until told to stop.

    Arguments:
        state: the lab.
        owners: the simulator's log, which says which servers their owners ended.
        out: where the JSON lines go.
        interval: seconds between two looks.
        stop: set when it is to end.

    Returns:
        Whether all was well.
    """
    memory, tally, seen = Memory(), Tally(), time.monotonic()
    old, new = Eye(state.cloud(OLD)), Eye(state.cloud(NEW))
    _write(out, "begin", interval=interval)
    while not stop.is_set():
        try:
            current = look(old, new)
        except (ClientException, ValueError, KeyError) as error:
            tally.gaps += 1
            _write(out, "blind", why=f"{type(error).__name__}: {error}")
        else:
            now = time.monotonic()
            tally.longest_gap, seen = max(tally.longest_gap, now - seen), now
            tally.polls += 1
            if tally.polls == 1:
                _write(out, "sees", servers=sum(len(cloud.servers) for cloud in current.values()))
            memory, violations = judge(memory, current, set(ended(owners)))
            tally.violations += len(violations)
            for violation in violations:
                _write(out, "violation", **asdict(violation))
        stop.wait(interval)
    tally.longest_gap = max(tally.longest_gap, time.monotonic() - seen)
    _write(out, "verdict", clean=tally.clean, **asdict(tally))
    return tally.clean


def ended(owners: Path) -> Iterator[str]:
    """Yield the ids of the servers that their owners ended, from the simulator's log."""
    if not owners.exists():
        return
    for line in owners.read_text().splitlines(keepends=True):
        if line.endswith("\n") and (entry := json.loads(line))["event"] == "end":
            yield entry["server"]


def _write(out: TextIO, event: str, **values: object) -> None:
    print(json.dumps({"time": round(time.time(), 3), "event": event, **values}), file=out, flush=True)
