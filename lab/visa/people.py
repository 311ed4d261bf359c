"""Who uses the lab's VISA."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.visa.store import hashed
from lab.visa.tables import ADMIN, STAFF, Role, User

ADMINISTRATOR = "admin"
PEOPLE: Mapping[str, str | None] = {
    "ada": None, "bohr": STAFF, "curie": None, "dirac": None, "einstein": STAFF, "fermi": None, ADMINISTRATOR: ADMIN,
}  # fmt: skip
"""Everybody's role: scientists without one are users, who need an experiment."""

QUOTA = 5
ROLES = (ADMIN, STAFF, "GUEST", "IT_SUPPORT")
GROUP = "reactor"


def people(token: Callable[[str], str]) -> list[Role | User]:
    """Return all roles and users.

    Arguments:
        token: the token of a user, by name.

    Returns:
        Rows to be stored.
    """
    roles = {name: Role(name=name) for name in ROLES}
    group = Role(name=GROUP, description="Who works at the reactor", is_group=True)
    users = [
        User(
            id=name, first_name=name.capitalize(), last_name=name[::-1].capitalize(), email=f"{name}@example.org",
            instance_quota=-1 if role == ADMIN else QUOTA, token_hash=hashed(token(name)),
            roles=[roles[role]] if role else [],
        )
        for name, role in PEOPLE.items()
    ]  # fmt: skip
    return [*roles.values(), group, *users]
