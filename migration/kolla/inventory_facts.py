"""Who is in an inventory, as Ansible itself reads it, and the same inventory without some hosts."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from migration.adapters.ansible import limit_of
from migration.errors import AnsibleError
from migration.kolla.groups import HOLDERS

COMPUTE: Final = "compute"


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory.

    Attributes:
        path: the file.
        hosts: every host.
        groups: the names of its groups.
        computes: the compute hosts.
        computes_only: those of them that have no other part in the cloud.
    """

    path: Path
    hosts: tuple[str, ...]
    groups: frozenset[str]
    computes: frozenset[str]
    computes_only: frozenset[str]

    @classmethod
    def of(cls, path: Path, told: Mapping[str, Any]) -> Self:
        """Read what ``ansible-inventory --list`` tells.

        Arguments:
            path: the inventory.
            told: its JSON.

        Returns:
            Who is in it.
        """
        direct = {group: set(entry.get("hosts", ())) for group, entry in told.items() if group != "_meta"}
        hosts = sorted(set().union(*direct.values()))
        computes = direct.get(COMPUTE, set())
        others = set().union(*(direct.get(group, set()) for group in HOLDERS if group != COMPUTE))
        return cls(path, tuple(hosts), frozenset(direct), frozenset(computes), frozenset(computes - others))

    def check(self, nodes: Sequence[str]) -> None:
        """See that nodes can be named in a limit, and mean themselves.

        Arguments:
            nodes: the nodes.

        Raises:
            AnsibleError: one is no compute host of the inventory, or also the name of a group.
        """
        limit_of(nodes)
        if twice := sorted({node for node in nodes if nodes.count(node) > 1}):
            raise AnsibleError(f"{', '.join(twice)}: named twice; name each node once")
        if missing := [node for node in nodes if node not in self.hosts]:
            raise AnsibleError(
                f"{', '.join(missing)}: not in the inventory {self.path}; expected a compute host there. The inventory"
                " lists nodes that join in this up or are in the new cloud: is it rendered (pulumi up)?"
            )
        if groups := [node for node in nodes if node in self.groups]:
            raise AnsibleError(f"{', '.join(groups)}: also the name of a group in {self.path}; rename the node")
        if wrong := [node for node in nodes if node not in self.computes]:
            raise AnsibleError(f"{', '.join(wrong)}: in {self.path}, but not in its group {COMPUTE}; render it again")


def without(inventory: Inventory, absent: Collection[str], scratch: Path) -> Path:
    """Copy an inventory and leave hosts out.

    Arguments:
        inventory: the inventory; one line for each host, as Kolla's multinode has it.
        absent: the hosts.
        scratch: a directory that does not exist yet; gets the inventory with all that is beside it.

    Returns:
        The copy.
    """
    shutil.copytree(inventory.path.parent, scratch)
    copy = scratch / inventory.path.name
    lines = copy.read_text(encoding="utf-8").splitlines(keepends=True)
    copy.write_text("".join(line for line in lines if line.split()[:1] not in [[host] for host in absent]), "utf-8")
    return copy


def secrets_in(passwords: Path) -> frozenset[str]:
    """Return what must not be logged: every value in Kolla's passwords.yml.

    Arguments:
        passwords: the file. One that is encrypted (ansible-vault) has none that we could know.
    """
    try:
        content = YAML(typ="safe").load(passwords)
    except (OSError, UnicodeDecodeError, YAMLError):
        return frozenset()
    return frozenset(_texts(content))


def _texts(value: object) -> Collection[str]:
    if isinstance(value, Mapping):
        return [text for entry in value.values() for text in _texts(entry)]
    return str(value).splitlines() if isinstance(value, (str, int)) and not isinstance(value, bool) else []
