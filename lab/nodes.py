"""Nodes: which cloud runs a node's nova-compute, what is on the node's disk, which fault was set on it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from lab import control
from lab.errors import LabError
from lab.layout import Cloud
from lab.state import State

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


class Fault(StrEnum):
    """What can be made to go wrong on a node; all but the ``leave`` ones happen when it joins."""

    LEAVE_FAILS = "leave-fails"
    LEAVE_HANGS = "leave-hangs"
    HOOK_FAILS = "hook-fails"
    HOOK_HANGS = "hook-hangs"
    NEVER_UP = "never-up"
    """The hook says that all is well, and no nova-compute runs."""
    PROBE_FAILS = "probe-fails"
    """The node joins, and its hypervisor refuses every server."""
    GARBAGE = "garbage"
    """The node joins, and the hook's results are no JSON."""


def check_name(node: str) -> str:
    """Return the node's name.

    Raises:
        LabError: it cannot be one.
    """
    if not _NAME.fullmatch(node):
        raise LabError(f"{node!r} cannot be a node's name: letters, digits, '.' and '-', not starting with '.' or '-'")
    return node


def add(cloud: Cloud, nodes: Iterable[str]) -> dict[str, str]:
    """Start the nova-compute and the network agent of these nodes in a cloud, on the disks as they are.

    Arguments:
        cloud: the cloud.
        nodes: the nodes; a node that was never seen gets an empty disk.

    Returns:
        What nova said of those that did not start.
    """
    for node in nodes:
        if not (cloud.nodes / node).exists():
            reimage(cloud, node)
    answers = control.start_computes(cloud, nodes)
    refused = {node: said for node, said in answers.items() if said.startswith("error")}
    control.revive_agents(cloud, [node for node in answers if node not in refused])
    return refused


def remove(cloud: Cloud, nodes: Iterable[str]) -> None:
    """Stop the nova-compute and the network agent of these nodes in a cloud; what they told the cloud stays there."""
    control.stop_computes(cloud, nodes)
    control.silence_agents(cloud, nodes)


def installed_for(cloud: Cloud, node: str) -> bool:
    """Say whether the node's disk was last installed for this cloud."""
    mark = cloud.nodes / node / "cloud"
    return mark.exists() and mark.read_text() == cloud.name


def reimage(cloud: Cloud, node: str) -> None:
    """Install a node's disk afresh for a cloud: nothing of what was on it is left, its identity least of all."""
    disk = cloud.nodes / node
    shutil.rmtree(disk, ignore_errors=True)
    (disk / "domains").mkdir(mode=0o700, parents=True)
    (disk / "cloud").write_text(cloud.name)


def faults(state: State) -> Mapping[str, Fault]:
    """Return the faults that are set, by node."""
    file = _faults(state)
    return {node: Fault(name) for node, name in json.loads(file.read_text()).items()} if file.exists() else {}


def set_fault(state: State, node: str, fault: Fault | None) -> None:
    """Set a node's fault; None clears it."""
    kept = {name: kind for name, kind in faults(state).items() if name != check_name(node)}
    fresh = _faults(state).with_suffix(".new")
    fresh.write_text(json.dumps(kept if fault is None else {**kept, node: fault}))
    fresh.replace(_faults(state))


def _faults(state: State) -> Path:
    return state.directory / "faults.json"
