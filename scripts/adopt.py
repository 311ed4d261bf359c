"""``visa-migration adopt``: both stack files from a living old cloud.

What the files say already is never overwritten, so a second run changes nothing unless the cloud has grown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from migration import complaints
from migration.errors import Problem, SettingsError
from scripts.document import Document
from scripts.entries import ADOPTED, Entries, Entry, describe, resolvable, without_ids
from scripts.survey import survey

STEIN_FILE: Final = "Pulumi.stein.yaml"
CARACAL_FILE: Final = "Pulumi.caracal.yaml"

_DISABLED: Final = "pulumi:disable-default-providers"
_NETWORKS_COMMENT: Final = (
    "A start, copied from the old cloud. Two clouds on one VLAN must not give out the same addresses:\n"
    "change segmentation_id, or the pools, before pulumi up."
)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one stack file.

    Attributes:
        file: its name.
        wrote: names of the entries that were added, by key.
        kept: keys, and entries of keys, that were there and stayed as they are.
        left_out: what was not written and why, a sentence each.
    """

    file: str
    wrote: Mapping[str, tuple[str, ...]]
    kept: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the report for a person."""
        lines = [f"{self.file}: {'written' if self.wrote else 'unchanged'}"]
        lines += [f"  wrote       {key}: {_listed(names)}" for key, names in self.wrote.items()]
        lines += [f"  left alone  {key}: {_listed(names)}" for key, names in self.kept.items()]
        return lines + [f"  left out    {sentence}" for sentence in self.left_out]


def adopt(cloud: str, new_cloud: str, directory: Path, datacenter: str | None) -> list[Report]:
    """Read the old cloud and write what both stack files do not say yet.

    Arguments:
        cloud: the old cloud's name in clouds.yaml.
        new_cloud: the new cloud's name in clouds.yaml.
        directory: where the stack files are.
        datacenter: where new nodes stand, or None for the only datacenter.

    Returns:
        A report for each file.

    Raises:
        SettingsError: a stack file has mistakes, or would have them; neither file was touched.
        CloudError: the old cloud could not be asked.
    """
    stein, caracal = Filling(Document(directory / STEIN_FILE)), Filling(Document(directory / CARACAL_FILE))
    for filling in (stein, caracal):
        filling.same_cloud(cloud)
    place = _datacenter(caracal.document, datacenter)
    entries = describe(survey(cloud), {key: stein.document.get(key) for key in ADOPTED})
    fill_stein(stein, entries, {"old": cloud, "new": new_cloud})
    fill_caracal(caracal, entries, {"old": cloud, "new": new_cloud}, place)
    for filling in (stein, caracal):
        filling.document.check()
    for filling in (stein, caracal):
        filling.document.write()
    return [stein.report(entries.notes), caracal.report(())]


class Filling:
    """A stack file and what is being done to it.

    Arguments:
        document: the file.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._wrote: dict[str, tuple[str, ...]] = {}
        self._kept: dict[str, tuple[str, ...]] = {}
        self._left_out: list[str] = []

    def same_cloud(self, cloud: str) -> None:
        """Refuse a file that belongs to another old cloud.

        Raises:
            SettingsError: it does.
        """
        clouds = self.document.get("clouds")
        if isinstance(clouds, Mapping) and clouds.get("old") != cloud:
            found = complaints.shown(clouds.get("old"))
            message = f"found {found}, but {complaints.shown(cloud)} is to be adopted; use --cloud with the file's name"
            raise SettingsError(self.document.path.name, [Problem("clouds.old", message)])

    def whole(self, key: str, value: Mapping[str, Any], comment: str | None = None) -> None:
        """Write a key, unless the file has it."""
        if not value:
            return
        if self.document.set(key, value, comment):
            self._wrote[key] = tuple(value)
        else:
            self._kept[key] = tuple(self.document.keys(key)) or ("no entries",)

    def each(self, key: str, entries: Mapping[str, Entry]) -> None:
        """Write the entries that the file does not have."""
        section = self.document.get(key)
        if section is not None and not isinstance(section, Mapping):
            self._kept[key] = ("not a mapping",)
            return
        known = dict(section or {})
        new = {name: entry for name, entry in entries.items() if name not in known}
        self.document.add(key, new)
        if new:
            self._wrote[key] = tuple(new)
        if known:
            self._kept[key] = tuple(str(name) for name in known)

    def leave_out(self, sentence: str) -> None:
        """Note what was not written."""
        self._left_out.append(sentence)

    def report(self, notes: tuple[str, ...]) -> Report:
        """Return what was done."""
        return Report(self.document.path.name, self._wrote, self._kept, (*notes, *self._left_out))


def fill_stein(file: Filling, entries: Entries, clouds: Mapping[str, str]) -> None:
    """Write what the old cloud's file does not mirror yet.

    Arguments:
        file: the file.
        entries: what the old cloud has.
        clouds: both clouds' names.
    """
    file.document.set_other(_DISABLED, ["openstack"])
    file.whole("clouds", clouds)
    for key, section in entries.adopted.items():
        file.each(key, section)


def fill_caracal(file: Filling, entries: Entries, clouds: Mapping[str, str], datacenter: str) -> None:
    """Write a start for the new cloud, and every node that is not listed yet.

    Arguments:
        file: the file.
        entries: what the old cloud has.
        clouds: both clouds' names.
        datacenter: where new nodes stand.
    """
    document = file.document
    document.set_other(_DISABLED, ["openstack"])
    file.whole("clouds", clouds)
    file.whole("datacenters", {datacenter: {"zone": datacenter}})
    file.whole("projects", entries.projects)
    for key, section in entries.adopted.items():
        if document.get(key) is not None:
            file.whole(key, section)
        else:
            comment = _NETWORKS_COMMENT if key == "networks" else None
            file.whole(key, _start(file, key, section), comment)
    file.each("nodes", {host: {"membership": "stein", "datacenter": datacenter} for host in entries.hosts})
    file.whole("budget", {"moving": 1, "per_datacenter": 1})


def _start(file: Filling, section: str, adopted: Mapping[str, Entry]) -> dict[str, Entry]:
    """Entries for the new cloud of what names only what its file declares."""
    document = file.document
    networks = document.get("networks")
    declared = networks.values() if isinstance(networks, Mapping) else ()
    subnets = {name for network in declared if isinstance(network, Mapping) for name in network.get("subnets") or ()}
    start: dict[str, Entry] = {}
    for name, old in adopted.items():
        entry = without_ids(old)
        missing = resolvable(
            section,
            entry,
            projects=document.keys("projects"),
            networks=document.keys("networks"),
            subnets=subnets,
            groups=adopted.keys(),
        )
        if missing is None:
            start[name] = entry
        else:
            file.leave_out(f"{section}.{name}: names {missing}, which this file does not declare")
    return start


def _datacenter(document: Document, wanted: str | None) -> str:
    declared = document.keys("datacenters")
    if not declared or wanted in declared:
        return wanted or "dc1"
    if wanted is not None:
        hint = complaints.did_you_mean(wanted, declared)
        problem = Problem("datacenters", f"--datacenter {complaints.shown(wanted)} is not declared; {hint}")
        raise SettingsError(document.path.name, [problem])
    if len(declared) > 1:
        names = complaints.alternatives(declared)
        problem = Problem(
            "datacenters", f"{len(declared)} are declared; say with --datacenter where new nodes stand: {names}"
        )
        raise SettingsError(document.path.name, [problem])
    return declared[0]


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
