"""Two real OpenStack clouds on one machine, to try the migration on."""

from lab.errors import LabError
from lab.lab import Lab
from lab.nodes import Fault

__all__ = ["Fault", "Lab", "LabError"]
