"""What Kolla-Ansible expects of Ceph's users: who there is, what each may do, and where its keyring lies.

Sources: Kolla-Ansible 2024.1, "External Ceph", and its roles' ``external_ceph.yml``; Ceph, "Block Devices and
OpenStack".
"""

from __future__ import annotations

import base64
import secrets
import struct
import time
from collections.abc import Mapping

from migration.ceph.settings import Ceph

_USES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "glance": (("images",), ()),
    "cinder": (("volumes", "vms"), ("images",)),
    "cinder-backup": (("backups",), ()),
    "nova": (("vms",), ("images",)),
}
"""The pools that each service writes, and those that it only reads."""

KEYRINGS: Mapping[str, tuple[str, ...]] = {
    "glance": ("config/glance",),
    "cinder": ("config/cinder/cinder-volume", "config/cinder/cinder-backup", "config/nova"),
    "cinder-backup": ("config/cinder/cinder-backup",),
    "nova": ("config/nova",),
}
"""The directories below Kolla's configuration where each user's keyring is looked for."""

_SECRET_TYPE = 1  # CEPH_CRYPTO_AES
_SECRET_BYTES = 16


def entity(user: str) -> str:
    """Return the name that Ceph knows a user by."""
    return f"client.{user}"


def pools_of(user: str) -> tuple[str, ...]:
    """Return every pool that the expected caps of a user name."""
    writes, reads = _USES[user]
    return (*writes, *reads)


def caps_of(ceph: Ceph, user: str) -> Mapping[str, str]:
    """Return what a user may do, by kind of daemon.

    Arguments:
        ceph: the settings; caps that stand there replace the expected ones as a whole.
        user: its name without ``client.``.

    Returns:
        Caps in Ceph's own words.
    """
    given = ceph.users[user].caps
    if given is not None:
        return {str(daemon): caps for daemon, caps in given.items()}
    writes, reads = _USES[user]
    writing = ", ".join(f"profile rbd pool={pool}" for pool in writes)
    reading = [f"profile rbd-read-only pool={pool}" for pool in reads]
    return {"mon": "profile rbd", "osd": ", ".join([writing, *reading]), "mgr": writing}


def paths_of(user: str) -> tuple[str, ...]:
    """Return where a user's keyring lies below Kolla's configuration directory."""
    return tuple(f"{directory}/ceph.{entity(user)}.keyring" for directory in KEYRINGS[user])


def keyring(user: str, key: str) -> str:
    """Write a keyring file.

    Arguments:
        user: its name without ``client.``.
        key: its key: a secret, and so is what is returned.

    Returns:
        The text of the file.
    """
    return f"[{entity(user)}]\nkey = {key}\n"


def new_key() -> str:
    """Make a key as ``ceph-authtool --gen-print-key`` does: type, time, length and 16 random bytes."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    header = struct.pack("<hiih", _SECRET_TYPE, seconds, nanoseconds, _SECRET_BYTES)
    return base64.b64encode(header + secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
