"""One look at everything that stack ``caracal`` declares, and the plan of each part. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from migration.ceph.access import CephAccess, access_of
from migration.ceph.look import look_at_ceph
from migration.ceph.plan import CephPlan, plan_ceph, unasked
from migration.errors import CephUnreachable
from migration.facts import Facts
from migration.flavors import flavor_differences
from migration.images.look import look_at_images
from migration.images.plan import ImagePlan, plan_images
from migration.kolla.layout import guards
from migration.kolla.roll import RollPlan
from migration.kolla.roll_orders import look_and_plan
from migration.observe import look
from migration.plan import Plan, make_plan
from migration.settings import CaracalSettings
from migration.visa.look import look_or_error
from migration.visa.plan import VisaPlan, plan_visa


@dataclass(frozen=True)
class Whole:
    """What was seen, and what will be done about it.

    Attributes:
        facts: both clouds, and VISA's default backend.
        plan: the nodes.
        images: the images, by name.
        visa: VISA, or None where it is not configured.
        ceph: Ceph, or None where it is not configured.
        access: how hosts find Ceph, or None.
        wanted: what each controller is to have, by controller and part.
        roll: which controllers change, and in which order.
        refusals: why nothing at all may be touched; empty if all guards hold.
        warnings: what a person should know, a sentence each.
    """

    facts: Facts
    plan: Plan
    images: Mapping[str, ImagePlan]
    visa: VisaPlan | None = None
    ceph: CephPlan | None = None
    access: CephAccess | None = None
    wanted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    roll: RollPlan = field(default_factory=RollPlan)
    refusals: Sequence[str] = ()
    warnings: Sequence[str] = ()


def look_at_nodes(settings: CaracalSettings) -> tuple[Facts, Plan, VisaPlan | None]:
    """Look at both clouds and at VISA, and plan the nodes.

    Arguments:
        settings: what is wanted.

    Returns:
        The facts, the plan of the nodes, and that of VISA where it is configured.
    """
    facts, visa = look(settings), None
    if settings.visa is not None:
        seen, error = look_or_error(settings)
        visa = plan_visa(settings.visa, seen, old=settings.clouds.old, new=settings.clouds.new, error=error)
        facts = replace(facts, backend=visa.backend)
    return facts, make_plan(settings, facts), visa


def look_at_everything(settings: CaracalSettings) -> Whole:
    """Look once at all that the stack declares.

    Arguments:
        settings: what is wanted.

    Returns:
        The facts and the plans.
    """
    facts, plan, visa = look_at_nodes(settings)
    images = plan_images(settings, look_at_images(settings))
    ceph = _ceph(settings)
    refused, warned = guards(settings)
    refusals = [*plan.refusals, *(each.refusal for each in images.values() if each.refusal), *refused]
    refusals += [*(ceph.refusals if ceph else ()), *(visa.refusals if visa else ())]
    warnings = [*flavor_differences(facts.old.flavors if facts.old else {}, settings.flavors), *warned]
    whole = Whole(facts, plan, images, visa, ceph, refusals=refusals, warnings=warnings)
    if settings.kolla is None:
        return whole
    access = access_of(ceph, Path(settings.kolla.directory)) if ceph else None
    roll, wanted = look_and_plan(settings, access, facts.new.aggregates if facts.new else None)
    return replace(whole, access=access, wanted=wanted, roll=roll)


def _ceph(settings: CaracalSettings) -> CephPlan | None:
    if settings.ceph is None:
        return None
    try:
        return plan_ceph(settings.ceph, look_at_ceph(settings.ceph))
    except CephUnreachable as error:
        return unasked(settings.ceph, error)
