"""Run Pulumi's provider of dynamic resources, which ends when its engine is gone.

Started by path with the program's own Python, whose ``pulumi`` it uses.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolchain.host.end_with_parent import end_with_parent
else:
    from end_with_parent import end_with_parent  # run by path: the file beside this one

GRACE = 15.0
"""Seconds for a provider that is in the middle of an act: it may finish it, or end the command that it runs."""

if __name__ == "__main__":
    end_with_parent(GRACE)
    sys.path[0] = os.getcwd()  # noqa: PTH109 - the import system wants a string; as `python -m` does it
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
