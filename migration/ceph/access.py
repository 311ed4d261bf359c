"""How a service of OpenStack reaches Ceph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CephAccess:
    """What a service needs to know of Ceph beside its key.

    Attributes:
        conf: a minimal ceph.conf, without leading tabs (Kolla's parser of INI files takes them for a mistake).
    """

    conf: str
