"""A real Ceph on one machine: what Ceph does when a datacenter, a monitor or the quorum is lost can be tried on it."""

from lab.ceph.cluster import Ceph
from lab.ceph.layout import Monitors

__all__ = ["Ceph", "Monitors"]
