"""The leave hook: stop the old cloud's services on a node, so that they do not start again; and the way back.

The old cloud is an OpenStack with local services, deployed by Ansible: its own inventory says how a node is reached.
Whether nova-compute is really down is not for this hook to say: Nova must see it (docs/hooks.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from migration.adapters.ansible import HostResult, environment_of, limit_of, run_ansible
from migration.settings import OldAnsible

PLAYBOOK: Final = Path(__file__).resolve().parent / "ansible" / "services.yml"

State = Literal["stopped", "started"]


@dataclass(frozen=True, slots=True)
class OldSite:
    """Where everything is.

    Attributes:
        bin_: the ``bin`` directory of Ansible's virtual environment.
        directory: the project, where relative paths begin.
        logs: where the logs go.
    """

    bin_: Path
    directory: Path
    logs: Path


def set_services(
    site: OldSite,
    old: OldAnsible,
    nodes: Sequence[str],
    state: State,
    *,
    timeout: float,
    interrupted: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _line: None,
    keep: Collection[int] = (),
) -> dict[str, HostResult]:
    """Stop and disable the old cloud's services on nodes, or start and enable them.

    Arguments:
        site: where everything is.
        old: the old cloud's inventory and the names of its services.
        nodes: the nodes, by their names in that inventory.
        state: ``stopped`` or ``started``; it holds after a restart of the node, too.
        timeout: seconds until it is ended.
        interrupted: asked while it runs; True ends it.
        say: called with each line of progress.
        keep: file descriptors (locks) that are held as long as anything of this runs.

    Returns:
        A result for each node. A node that the inventory does not have has failed.

    Raises:
        AnsibleError: no node is named, or Ansible cannot be run.
    """
    told = {"services": [old.compute, *old.services], "required": [old.compute], "state": state}
    inventory = site.directory / old.inventory
    command = ["ansible-playbook", "--inventory", str(inventory), "--limit", limit_of(nodes)]
    run = run_ansible(
        [*command, "--extra-vars", json.dumps(told), str(PLAYBOOK)],
        environment=environment_of(site.bin_),
        log=site.logs / f"01-{state}.log",
        timeout=timeout,
        interrupted=interrupted,
        say=say,
        keep=keep,
    )
    return {node: run.result(node) for node in nodes}
