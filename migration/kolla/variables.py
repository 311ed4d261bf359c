"""Which Ansible variables may stand where: not twice, not where they would lose, and never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from migration.complaints import path, shown
from migration.errors import Problem

SAID_ELSEWHERE: Final[Mapping[str, str]] = {
    "openstack_release": "kolla.release",
    "openstack_tag": "kolla.tag",
    "kolla_base_distro": "kolla.distro",
    "docker_registry": "kolla.registry",
    "docker_namespace": "kolla.namespace",
    "kolla_internal_vip_address": "kolla.vip.internal",
    "kolla_internal_fqdn": "kolla.vip.internal_name",
    "kolla_external_vip_address": "kolla.vip.external",
    "kolla_external_fqdn": "kolla.vip.external_name",
    "keepalived_virtual_router_id": "kolla.virtual_router_id",
    "kolla_enable_tls_internal": "kolla.tls.internal",
    "kolla_enable_tls_external": "kolla.tls.external",
    "kolla_enable_tls_backend": "kolla.tls.backend",
    "kolla_certificates_dir": "kolla.tls.certificates",
    "network_interface": "interfaces.network",
    "api_interface": "interfaces.api",
    "kolla_external_vip_interface": "interfaces.external_vip",
    "tunnel_interface": "interfaces.tunnel",
    "migration_interface": "interfaces.migration",
    "neutron_external_interface": "interfaces.neutron_external",
    "ansible_host": "the host's address",
}
"""Kolla's variables that have a key of their own in the stack file."""

DECIDED: Final[Mapping[str, str]] = {
    "keepalived_traffic_mode": "it is unicast, because nobody forwards multicast between datacenters",
    "mariadb_wsrep_extra_provider_options": "it tells Galera the datacenters",
}
"""Variables that nobody has to say."""

CEPH_DECIDES: Final = (
    "ceph_nova_keyring",
    "ceph_nova_user",
    "cinder_backend_ceph",
    "enable_cinder",
    "enable_cinder_backup",
    "glance_backend_ceph",
    "nova_backend_ceph",
)
"""Variables that follow from the users under ``ceph``, where that is configured."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PER_HOST: Final = re.compile(r"\w+_interface|my_ip|ansible_(?!ssh_)\w+")
_SECRET: Final = re.compile(
    r"(\w*_)?(password|passwd|pass|secret|token|cookie|salt|key)|swift_hash_path_(suffix|prefix)|\w+_secret_uuid"
    r"|designate_pool_id|gnocchi_(project|resource|user)_id"
)
_A_PATH: Final = ("kolla_tls_backend_key",)  # named like a secret, but says where it is
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_ASSIGNED: Final = re.compile(
    r"^[ \t]*[\w.-]*(?:password|passwd|secret|secret_key|token)[ \t]*[=:][ \t]*(?!\{\{)\S|://[^:/@\s{]+:(?!\{\{)[^@/\s]+@"
    r"|^[ \t]*key[ \t]*=[ \t]*[A-Za-z0-9+/]{38}==",
    re.MULTILINE | re.IGNORECASE,
)


def in_globals(variables: Mapping[str, object], place: Sequence[str], *, ceph: bool) -> Iterator[Problem]:
    """Check variables that go to globals.yml.

    Arguments:
        variables: what was found.
        place: where.
        ceph: whether Ceph is configured.

    Yields:
        Every mistake, without lines.
    """
    yield from _any(variables, place)
    for name in CEPH_DECIDES:
        if ceph and name in variables:
            yield Problem(path([*place, name]), "follows from the users under ceph; drop it")
    for name in variables:
        if _PER_HOST.fullmatch(name) and name not in SAID_ELSEWHERE:
            message = "globals.yml wins over what is said for a host; put it into the vars of kolla.hosts or of a host"
            yield Problem(path([*place, name]), message)
    if _true(variables.get("om_enable_rabbitmq_high_availability")) and _true(
        variables.get("om_enable_rabbitmq_quorum_queues", True)
    ):
        message = "mirrored and quorum queues exclude each other; drop it, or turn om_enable_rabbitmq_quorum_queues off"
        yield Problem(path([*place, "om_enable_rabbitmq_high_availability"]), message)


def of_hosts(variables: Mapping[str, object], above: Mapping[str, object], place: Sequence[str]) -> Iterator[Problem]:
    """Check variables of hosts.

    Arguments:
        variables: what was found.
        above: what stands in globals.yml.
        place: where.

    Yields:
        Every mistake, without lines.
    """
    yield from _any(variables, place)
    for name in variables:
        if name in above:
            yield Problem(path([*place, name]), "kolla.vars has it too and wins over every host; keep one")


def secret_in(text: str) -> bool:
    """Return whether a file's content holds a secret, as far as one can be told: keys, and passwords in clear.

    Arguments:
        text: the content; what Kolla fills in (``{{ nova_database_password }}``) is none.
    """
    return bool(_PRIVATE_KEY.search(text) or _ASSIGNED.search(text))


def _any(variables: Mapping[str, object], place: Sequence[str]) -> Iterator[Problem]:
    for name, value in variables.items():
        where = path([*place, name])
        if not _NAME.fullmatch(name):
            yield Problem(where, f"{shown(name)} is no name of a variable; use letters, digits and _")
        elif name in SAID_ELSEWHERE:
            yield Problem(where, f"{SAID_ELSEWHERE[name]} says it; drop it here")
        elif name in DECIDED:
            yield Problem(where, f"nobody has to say it: {DECIDED[name]}; drop it")
        elif _names_secret(name) or _holds_secret(value):
            yield Problem(where, "a secret; put it into Kolla's passwords.yml, or name its file")


def _names_secret(name: str) -> bool:
    return bool(_SECRET.fullmatch(name)) and name not in _A_PATH


def _holds_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_names_secret(str(name)) or _holds_secret(entry) for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return any(map(_holds_secret, value))
    return isinstance(value, str) and secret_in(value)


def _true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in {"yes", "true", "on", "1"})
