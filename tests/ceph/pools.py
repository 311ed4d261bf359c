"""A pool with two copies in each datacenter, made with Ceph's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.ceph import Ceph

RULE = """
rule two_and_two {
    id 7
    type replicated
    min_size 1
    max_size 10
    step take default
    step choose firstn 2 type datacenter
    step chooseleaf firstn 2 type host
    step emit
}
"""


def make_pool(ceph: Ceph, name: str, aside: Path) -> None:
    """Make a pool of size 4 and min_size 2 whose copies are on four hosts, two in each datacenter."""
    binary, text = aside / "map", aside / "map.txt"
    ceph.command("osd", "getcrushmap", "-o", str(binary))
    subprocess.run(["crushtool", "-d", binary, "-o", text], check=True)
    text.write_text(text.read_text().replace("# end crush map", RULE))
    subprocess.run(["crushtool", "-c", text, "-o", binary], check=True)
    ceph.command("osd", "setcrushmap", "-i", str(binary))
    ceph.command("osd", "pool", "create", name, "8", "8", "replicated", "two_and_two")
    ceph.command("osd", "pool", "set", name, "min_size", "2")
    ceph.command("osd", "pool", "application", "enable", name, "rbd")
