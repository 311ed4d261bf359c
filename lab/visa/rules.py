"""VISA's rules, without any cloud or database: who is offered what, who gets which groups, when instances end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lab.visa.tables import ADMIN, STAFF, Flavour, Instance, Plan, SecurityGroup, User


@dataclass(frozen=True, slots=True)
class Limits:
    """How long instances live and may be idle, in hours."""

    user_lifetime: int = 336
    staff_lifetime: int = 1440
    user_inactivity: int = 96
    staff_inactivity: int = 192


def lifetime(user: User, flavour: Flavour, limits: Limits) -> timedelta:
    """Return how long an instance may live: the longest of what the flavour has for the user's roles, and the defaults.

    A flavour's own lifetime for a role, or for everybody, takes the place of that default.
    """
    minutes = {each.role.name if each.role else None: each.lifetime_minutes for each in flavour.role_lifetimes}
    minutes = {None: limits.user_lifetime * 60, STAFF: limits.staff_lifetime * 60} | minutes
    return timedelta(minutes=max(time for role, time in minutes.items() if role is None or user.has_role(role)))


def ends(instance: Instance, limits: Limits) -> datetime | None:
    """Return when an instance ends if nobody does anything; None: never.

    An instance without a termination date is immortal however idle it is. One of a booking has no inactivity limit.
    """
    if instance.termination_date is None:
        return None
    if instance.booking_token_id is not None or instance.last_seen_at is None:
        return instance.termination_date
    hours = limits.staff_inactivity if instance.owner.has_role(STAFF) else limits.user_inactivity
    return min(instance.termination_date, instance.last_seen_at + timedelta(hours=hours))


def offered(plans: Iterable[Plan], user: User) -> list[Plan]:
    """Return the plans that a user sees.

    Arguments:
        plans: what an administrator sees.
        user: who asks; an administrator sees all, also hidden ones.

    Returns:
        Small ones first.
    """
    seen = [plan for plan in plans if user.has_role(ADMIN) or (shown(plan) and _allowed(plan.flavour, user))]
    return sorted(seen, key=lambda plan: (plan.flavour.cpu, plan.flavour.memory))


def shown(plan: Plan) -> bool:
    """Say whether a plan's image and its cloud are visible; the flavour's cloud is not looked at."""
    return plan.image.visible and (plan.image.cloud is None or plan.image.cloud.visible)


def _allowed(flavour: Flavour, user: User) -> bool:
    roles = {role.id for role in user.roles}
    return not flavour.limits or any(each.object_type == "ROLE" and each.object_id in roles for each in flavour.limits)


def security_groups(groups: Sequence[SecurityGroup], instance: Instance) -> list[str]:
    """Return the names of the security groups that an instance's server gets.

    Arguments:
        groups: all of them, of all clouds.
        instance: whose; an administrator's gets every group of its cloud.

    Returns:
        The names: a group without a filter is for everybody.
    """
    roles = {role.id for role in instance.owner.roles}

    def wanted(group: SecurityGroup) -> bool:
        if not group.filters or instance.owner.has_role(ADMIN):
            return True
        return any(
            (each.object_type == "ROLE" and each.object_id in roles)
            or (each.object_type == "FLAVOUR" and each.object_id == instance.plan.flavour_id)
            for each in group.filters
        )

    here = [group for group in groups if group.cloud_id == instance.cloud_id and wanted(group)]
    return list(dict.fromkeys(group.name for group in here))


def struck(last: datetime, now: datetime, every: timedelta, at: timedelta = timedelta()) -> bool:
    """Say whether a job's hour has struck since it was last looked.

    Arguments:
        last: when it was last looked.
        now: now.
        every: between two strokes, counted from midnight.
        at: of the first stroke after midnight.
    """
    midnight = datetime(last.year, last.month, last.day) + at

    def strokes(moment: datetime) -> int:
        return (moment - midnight) // every

    return strokes(now) > strokes(last)
