"""A CRUSH map that becomes another one, through Ceph's own ``crushtool``.

The rule that we need has no command: the map is decompiled, the rule is put into its text, and it is compiled again.
The text rounds weights to three digits, which would move data about; so the exact weights are written back into it, and
what comes out is compared with what went in: nothing but what was asked for may differ.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration.ceph.settings import Ceph
from migration.errors import CephError

PATIENCE = 120
"""Seconds that crushtool may take; it takes milliseconds."""

TRIED = 1024
"""Placement groups that a rule is tried with."""

_SHOWN = 3
_ONE = 0x10000  # a weight of 1.0
_BUCKET = re.compile(r"^(\S+) (\S+) \{$")
_ITEM = re.compile(r"^(\s+item (\S+) weight )\S+(.*)$")
_SETS, _IN_BUCKET = re.compile(r"^choose_args (\d+) \{$"), re.compile(r"^\s+bucket_id (-\d+)$")
_SET = re.compile(r"^(\s+)\[ [\d. ]+ \]$")
_COMPATIBLE = 2**64 - 1  # how crushtool writes the number of the weight set for old clients, which is -1


@dataclass(frozen=True, slots=True)
class Layout:
    """How a pool is laid out: the map, the number of its rule in it, and how many copies there are."""

    map: bytes
    rule: int
    size: int


class CrushMap:
    """A CRUSH map.

    Arguments:
        binary: the map, as ``osd getcrushmap`` gives it.
    """

    def __init__(self, binary: bytes) -> None:
        self.binary = binary

    def dump(self) -> Mapping[str, Any]:
        """Return the map as ``osd crush dump`` does.

        Raises:
            CephError: crushtool is missing or cannot read the map.
        """
        with tempfile.TemporaryDirectory(prefix="visa-crush-") as scratch:
            found: Mapping[str, Any] = json.loads(_crushtool(*self._in(Path(scratch)), "--dump"))
            return found

    def rules(self) -> Mapping[str, int]:
        """Return the number of each rule, by name."""
        return {rule["rule_name"]: rule["rule_id"] for rule in self.dump()["rules"]}

    def wanted(self, ceph: Ceph) -> CrushMap:
        """Return the map as the settings want it.

        Arguments:
            ceph: what is wanted; its places have been found good.

        Returns:
            The map with the datacenters, the hosts in them, and the rule.

        Raises:
            CephError: crushtool failed, or changed something else as well.
        """
        with tempfile.TemporaryDirectory(prefix="visa-crush-") as scratch:
            moved = self._placed(ceph, Path(scratch))
            text = moved.decompiled(Path(scratch))
            dump = moved.dump()
            after = CrushMap(_compiled(_with_rule(_exact(text, dump), ceph, dump), Path(scratch)))
        _nothing_else(dump, after.dump(), ceph.rule.name)
        return after

    def misfit(self, rule: int, size: int) -> str:
        """Try a rule.

        Arguments:
            rule: its number.
            size: how many copies it must find places for.

        Returns:
            The first bad mappings that crushtool finds, or "".
        """
        with tempfile.TemporaryDirectory(prefix="visa-crush-") as scratch:
            test = ("--test", "--show-bad-mappings", "--rule", str(rule), "--num-rep", str(size))
            said = _crushtool(*self._in(Path(scratch)), *test, "--min-x", "0", "--max-x", str(TRIED - 1))
        lines = [line for line in said.splitlines() if line.strip()]
        more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        return "; ".join(lines[:_SHOWN]) + more

    def decompiled(self, scratch: Path) -> str:
        """Return the map's text; weights are rounded in it."""
        out = scratch / "map.txt"
        _crushtool("-d", self._in(scratch)[1], "-o", str(out))
        return out.read_text()

    def _in(self, scratch: Path) -> tuple[str, str]:
        file = scratch / "map"
        file.write_bytes(self.binary)
        return "-i", str(file)

    def _placed(self, ceph: Ceph, scratch: Path) -> CrushMap:
        """Return the map with every datacenter, and every host in its own."""
        after = self
        dump = self.dump()
        names = {bucket["name"]: bucket["id"] for bucket in dump["buckets"]}
        inside = {item["id"]: bucket["id"] for bucket in dump["buckets"] for item in bucket["items"]}
        for name, hosts in ceph.crush.datacenters.items():
            if name not in names:
                after = after.edited(scratch, "--add-bucket", name, "datacenter", "--loc", "root", ceph.crush.root)
            for host in hosts:
                if names.get(name) not in _above(names[host], inside):
                    after = after.edited(scratch, "--move", host, "--loc", "datacenter", name)
        return after

    def edited(self, scratch: Path, *words: str) -> CrushMap:
        """Return the map after one of crushtool's own changes."""
        out = scratch / "edited"
        _crushtool(*self._in(scratch), *words, "-o", str(out))
        return CrushMap(out.read_bytes())


def written(before: Layout, after: Layout, pool: int, groups: int) -> float:
    """Return how many copies of itself a pool has to write to get from one layout to another.

    Arguments:
        before: how it is.
        after: how it will be.
        pool: its number.
        groups: how many placement groups it has.

    Returns:
        Between 0 (nothing moves) and the new size (every copy lies elsewhere). Placements that an operator or the
        balancer have pinned (upmap) are not known to crushtool, so it is an estimate.

    Raises:
        CephError: crushtool failed.
    """
    was, will = _mappings(before, pool, groups), _mappings(after, pool, groups)
    return sum(len(will[group] - was.get(group, frozenset())) for group in will) / groups


def _mappings(layout: Layout, pool: int, groups: int) -> Mapping[int, frozenset[str]]:
    with tempfile.TemporaryDirectory(prefix="visa-crush-") as scratch:
        file = Path(scratch) / "map"
        file.write_bytes(layout.map)
        test = ("--test", "--show-mappings", "--rule", str(layout.rule), "--num-rep", str(layout.size))
        which = ("--pool-id", str(pool), "--min-x", "0", "--max-x", str(groups - 1))
        said = _crushtool("-i", str(file), *test, *which)
    found = re.findall(r"^CRUSH rule \d+ x (\d+) \[([^\]]*)\]", said, re.MULTILINE)
    return {int(group): frozenset(filter(None, osds.split(","))) for group, osds in found}


def _above(bucket: int, inside: Mapping[int, int]) -> Sequence[int]:
    found = []
    while bucket in inside:
        bucket = inside[bucket]
        found.append(bucket)
    return found


def _exact(text: str, dump: Mapping[str, Any]) -> str:
    """Write the exact weights back into a map's text: those of items, and those of weight sets."""
    names = {one["id"]: one["name"] for one in (*dump["buckets"], *dump["devices"])}
    weights = {
        (bucket["name"], names[item["id"]]): item["weight"] / _ONE
        for bucket in dump["buckets"]
        for item in bucket["items"]
        if item["id"] in names
    }
    sets = {
        (name, one["bucket_id"]): iter(one.get("weight_set", ()))
        for name, several in dump["choose_args"].items()
        for one in several
    }
    lines, bucket, which, place = [], "", "", 0
    for line in text.splitlines():
        exact = line
        if opened := _BUCKET.match(line):
            bucket = opened[2]
        if opened := _SETS.match(line):
            which = "-1" if int(opened[1]) == _COMPATIBLE else opened[1]
        elif opened := _IN_BUCKET.match(line):
            place = int(opened[1])
        elif (item := _ITEM.match(line)) and (bucket, item[2]) in weights:
            exact = f"{item[1]}{weights[bucket, item[2]]:.10f}{item[3]}"
        elif (row := _SET.match(line)) and (which, place) in sets:
            exact = f"{row[1]}[ {' '.join(f'{weight:.10f}' for weight in next(sets[which, place]))} ]"
        lines.append(exact)
    return "\n".join(lines) + "\n"


def _with_rule(text: str, ceph: Ceph, dump: Mapping[str, Any]) -> str:
    """Put the rule into a map's text, in the place of one of that name."""
    numbers = {rule["rule_name"]: rule["rule_id"] for rule in dump["rules"]}
    name = ceph.rule.name
    free = next(number for number in range(len(numbers) + 1) if number not in numbers.values())
    number = numbers.get(name, free)
    # Ceph 16 needs a range of sizes in every rule; 17 writes none any more
    sizes = [] if numbers and "\tmin_size " not in text else ["min_size 1", f"max_size {max(10, ceph.size)}"]
    steps = [f"step {step}" for step in ceph.rule_steps]
    body = "".join(f"\t{line}\n" for line in (f"id {number}", "type replicated", *sizes, *steps))
    rule = f"rule {name} {{\n{body}}}\n"
    if name in numbers:
        # a function, because a name is no pattern of replacement
        return re.sub(rf"^rule {re.escape(name)} \{{\n.*?^\}}\n", lambda _: rule, text, flags=re.MULTILINE | re.DOTALL)
    # weight sets come after the rules
    end = next((mark for mark in ("# choose_args", "# end crush map") if mark in text), "")
    return text.replace(end, f"{rule}\n{end}", 1) if end else text + rule


def _compiled(text: str, scratch: Path) -> bytes:
    source, out = scratch / "wanted.txt", scratch / "wanted"
    source.write_text(text)
    _crushtool("-c", str(source), "-o", str(out))
    return out.read_bytes()


def _nothing_else(before: Mapping[str, Any], after: Mapping[str, Any], rule: str) -> None:
    """Raise CephError if more than one rule differs."""

    def rest(dump: Mapping[str, Any]) -> Mapping[str, Any]:
        others = [one for one in dump["rules"] if one["rule_name"] != rule]
        # two tunables tell which features the map needs, and follow from its rules
        tunables = {key: value for key, value in dump["tunables"].items() if not key.startswith(("has_", "minimum_"))}
        return {**dump, "rules": others, "tunables": tunables}

    was, is_ = rest(before), rest(after)
    if other := [key for key in was if was[key] != is_.get(key)]:
        raise CephError(
            f"crushtool: rule {rule}",
            f"the map that crushtool compiled differs in {', '.join(other)} too; expected the rule only."
            " Add the rule by hand, and report this with the map (ceph osd getcrushmap)",
        )


def _crushtool(*words: str) -> str:
    """Run crushtool; returns what it prints, raises CephError where it fails."""
    try:
        ended = subprocess.run(["crushtool", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        raise CephError("crushtool", "there is no such command; install the package ceph-base") from None
    except subprocess.TimeoutExpired:
        raise CephError("crushtool", f"did not end within {PATIENCE} s; report this, with the CRUSH map") from None
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise CephError("crushtool", f"{' '.join(words[:1])} failed: {said[-1] if said else 'it says nothing'}")
    return ended.stdout
