"""The lab's host hooks: what in a real cloud kolla-ansible (and the reinstallation before it) does to a node."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import nodes
from lab.layout import NEW, OLD
from lab.nodes import Fault
from lab.state import State


@dataclass(frozen=True, slots=True)
class Result:
    """How it went on one node.

    Attributes:
        ok: whether all went well.
        message: what did not.
    """

    ok: bool
    message: str = ""


def leave(state: State, names: Sequence[str]) -> dict[str, Result]:
    """Stop the nova-compute and the network agent of these nodes in the old cloud.

    Arguments:
        state: the lab.
        names: the nodes.

    Returns:
        How it went, by node.
    """
    set_ = nodes.faults(state)
    _hang_if(Fault.LEAVE_HANGS, state, names)
    good = [name for name in names if set_.get(name) != Fault.LEAVE_FAILS]
    nodes.remove(state.cloud(OLD), good)
    return {name: Result(ok=True) if name in good else _failed("stop nova_compute") for name in names}


def join(state: State, names: Sequence[str]) -> dict[str, Result]:
    """Install these nodes for the new cloud, where they are not, and start what runs on a node there.

    Arguments:
        state: the lab.
        names: the nodes.

    Returns:
        How it went, by node.
    """
    old, new, set_ = state.cloud(OLD), state.cloud(NEW), nodes.faults(state)
    _hang_if(Fault.HOOK_HANGS, state, names)
    results, installed = {}, []
    for name in names:
        if set_.get(name) == Fault.HOOK_FAILS:
            results[name] = _failed("nova-cell : Waiting for nova-compute services to register themselves")
        elif name in old.computes():
            results[name] = Result(ok=False, message=f"nova-compute still runs in {old.name}; it has to leave first")
        elif set_.get(name) == Fault.NEVER_UP:
            results[name] = Result(ok=True)
        else:
            if not nodes.installed_for(new, name):
                nodes.reimage(new, name)
            installed.append(name)
    refused = nodes.add(new, installed)
    results |= {name: Result(ok=name not in refused, message=refused.get(name, "")) for name in installed}
    return results


def rejoin(state: State, names: Sequence[str]) -> dict[str, Result]:
    """Start the nova-compute and the network agent of these nodes in the old cloud again, on their disks as they are.

    Arguments:
        state: the lab.
        names: the nodes.

    Returns:
        How it went, by node.
    """
    refused = nodes.add(state.cloud(OLD), names)
    return {name: Result(ok=name not in refused, message=refused.get(name, "")) for name in names}


def report(state: State, results: dict[str, Result]) -> bool:
    """Write the results where the caller wants them.

    Arguments:
        state: the lab.
        results: how it went, by node.

    Returns:
        Whether all went well.
    """
    wanted = os.environ.get("VISA_HOOK_RESULTS")
    if wanted and any(nodes.faults(state).get(name) == Fault.GARBAGE for name in results):
        Path(wanted).write_bytes(b"\x7fELF\x00\xff\xfe{not json")
    elif wanted:
        Path(wanted).write_text(json.dumps({name: asdict(result) for name, result in results.items()}))
    return all(result.ok for result in results.values())


def _failed(task: str) -> Result:
    return Result(ok=False, message=f"task {task}: fault set in the lab")


def _hang_if(fault: Fault, state: State, names: Sequence[str]) -> None:
    """Hang until killed if one of these nodes is to do so."""
    if any(nodes.faults(state).get(name) == fault for name in names):
        signal.pause()
