"""The plan of VISA's backend: which steps bring it from what it is to what is wanted. A pure function.

The steps are in the order in which they are taken, part by part; the way back is planned by the same function. A step
is said in words that hold before and after an object exists, so that a saved preview and a look in the middle of
an ``up`` speak of the same step: no step names an id of VISA's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from migration.facts import DefaultBackend
from migration.visa import guards
from migration.visa.facts import ApplicationCredential, CloudClient, Flavour, Image, OfferedPlan, Project, VisaFacts
from migration.visa.facts import default_backend as backend_of
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.marks import hidden, mark_of, restored
from migration.visa.settings import Backend, Offer, Visa
from migration.visa.steps import Part, Target, VisaStep, Word
from migration.visa.wanted import (
    banner_key,
    digest,
    made_image_key,
    made_plan_key,
    provider_configuration,
    wanted,
)

NOT_ASKED = DefaultBackend(None, "VISA was not asked")


@dataclass(frozen=True, slots=True)
class VisaPlan:
    """What will be done about VISA now.

    Attributes:
        steps: in their order.
        refusals: why nothing at all may be touched; then there are no steps.
        waits: why some steps that are wanted are not taken now, a sentence each.
        warnings: what a person should know, a sentence each.
        backend: where VISA starts new instances, in words for the membership.
    """

    steps: tuple[VisaStep, ...] = ()
    refusals: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    backend: DefaultBackend = NOT_ASKED

    def of(self, part: Part) -> tuple[VisaStep, ...]:
        """Return the steps of one part."""
        return tuple(step for step in self.steps if step.part is part)


def plan_visa(visa: Visa, facts: VisaFacts | None, *, old: str | None, new: str, error: str = "") -> VisaPlan:
    """Decide what to do about VISA.

    Arguments:
        visa: what is wanted.
        facts: one look, or None where VISA could not be asked: then nothing is done, and the membership waits.
        old: the old cloud's name in clouds.yaml, or None once it is retired.
        new: the new cloud's name.
        error: why there are no facts.

    Returns:
        The plan.
    """
    if facts is None:
        return VisaPlan(warnings=(f"VISA is left as it is: {error}",), backend=DefaultBackend(None, error))
    backend = _backend(visa, facts, old, new)
    planner = _Planner(visa, facts)
    planner.plan()
    refusals = (*guards.contradictions(visa, facts), *planner.refusals)
    steps = () if refusals else tuple(planner.steps)
    return VisaPlan(steps, refusals, tuple(planner.waits), tuple(planner.warnings), backend)


def _backend(visa: Visa, facts: VisaFacts, old: str | None, new: str) -> DefaultBackend:
    match backend_of(facts, visa.prefixes.new):
        case "caracal":
            return DefaultBackend(new, f"VISA starts new instances on {new}")
        case "stein":
            return DefaultBackend(old, f"VISA still offers plans of {old or 'its default cloud'}")
        case None:
            return DefaultBackend(None, "VISA offers plans of neither cloud")


class _Planner:
    """Collects the steps of one plan.

    ``waits`` stops what offers anything, but nothing of the way back: that needs neither the new cloud nor its project.
    """

    def __init__(self, visa: Visa, facts: VisaFacts) -> None:
        self.visa, self.facts = visa, facts
        self.client = facts.client(visa.prefixes.new)
        self.cloud = self.client.id if self.client else 0
        self.steps: list[VisaStep] = []
        self.waits: list[str] = []
        self.warnings: list[str] = []
        self.refusals: list[str] = []

    def plan(self) -> None:
        if self.facts.project is None:
            self.waits.append(f"the new cloud's side of VISA is left as it is: {self.facts.project_error}")
            self._back()
        else:
            self.want = wanted(self.visa, self.facts, self.facts.project, self.cloud)
            self.waits += [*self.want.missing, *guards.unfit(self.visa, self.facts.project)]
            self.warnings += self.want.warnings
            self.refusals += self.want.mistakes
            self._forward(self.facts.project)
            self._back()
            self._withdraw()
        self._banner()

    def _forward(self, project: Project) -> None:
        self._register(project)
        if not self.waits:
            self._objects()
        offered, switched = self._offer(), self._switch()
        if not self.waits:
            self._accept(offered, switched)
            self.steps += [*offered, *switched]
        self._prove()

    def _add(self, part: Part, word: Word, subject: str, detail: str = "", target: Target = None) -> None:
        self.steps.append(VisaStep(part, word, subject, detail, target))

    # ---------------------------------------------------------------------------------------------- the cloud client

    def _register(self, project: Project) -> None:
        name, networks = self.visa.cloud.name, ", ".join(self.visa.cloud.networks)
        if self.client is None:
            if not self.waits:
                detail = (
                    f"hidden, prefix {self.visa.prefixes.new}, project {self.visa.cloud.project}, network {networks}"
                )
                self._add(Part.CLOUD, Word.REGISTER, name, detail)
        elif why := self._stale(self.client, project):
            self._add(Part.CLOUD, Word.ROTATE, f"the credential of {name}", why)

    def _stale(self, client: CloudClient, project: Project) -> str:
        """Return why VISA needs a new application credential, or ""."""
        made = ours_of(self.visa, project)
        if len(made) != 1:
            return "none is ours" if not made else f"{len(made)} are there: a replacement was cut off"
        one, wanted_ = made[0], self.visa.credential
        if one.rotation != wanted_.rotation:
            return f"rotation {one.rotation} -> {wanted_.rotation}"
        if one.expires is None:
            return "it never expires"
        if (one.expires - self.facts.now).days < wanted_.renew_before:
            return f"it expires on {one.expires:%Y-%m-%d}"
        configuration = provider_configuration(self.visa, project)
        if one.endpoints != digest(configuration) and not self.want.missing:
            return "the new cloud's endpoints or networks have changed"
        return f"renamed from {client.name}" if client.name != self.visa.cloud.name else ""

    def _prove(self) -> None:
        """Prove first that VISA reaches the cloud, wherever anything is made or offered; a rotation does so itself."""
        if any(step.word is not Word.ROTATE for step in self.steps):
            place = next((i for i, step in enumerate(self.steps) if step.part is not Part.CLOUD), len(self.steps))
            detail = "Nova tells VISA its limits, Glance its images"
            self.steps.insert(
                place, VisaStep(Part.CLOUD, Word.PROVE, f"that VISA reaches {self.visa.cloud.name}", detail)
            )
        elif not self.steps and self.client is not None and not self.facts.alive(self.cloud):
            self.waits.append(
                f"VISA does not reach {self.visa.cloud.name}: no limits, or no images. See whether the new cloud is up;"
                " if it is, raise visa.credential.rotation"
            )

    # --------------------------------------------------------------------------------- what binds to a cloud, and plans

    def _objects(self) -> None:
        for flavour in self.want.flavours.values():
            if flavour.id == 0 or flavour != self.facts.objects.flavour(flavour.id):
                detail = f"{flavour.cpu:g} vCPU, {flavour.memory} MiB, Nova's {flavour.compute}{_limits(flavour)}"
                self._add(Part.FLAVOURS, Word.SAVE_FLAVOUR, flavour.name, detail, flavour)
        self._groups()
        for image in self.want.images.values():
            if image.id == 0 or image != self.facts.objects.image(image.id):
                detail = f"{'changed' if image.id else 'hidden'}, Glance's {image.compute}"
                self._add(Part.IMAGES, Word.SAVE_IMAGE, image.label, detail, image)
        if self.visa.offer is not Offer.HIDDEN:
            for image, flavour in self._pairs():
                if self._plan_of(image, flavour) is None:
                    self._add(Part.PLANS, Word.CREATE_PLAN, _pair(image, flavour), "", (image, flavour))

    def _groups(self) -> None:
        known = {group.name: group for group in self.facts.objects.groups if self.cloud and group.cloud == self.cloud}
        for name, filters in sorted(self.want.groups.items()):
            group = known.get(name)
            if group is None:
                self._add(Part.SECURITY_GROUPS, Word.CREATE_GROUP, name, "", name)
            have = group.filters if group else frozenset()
            for one in filters:
                if (one.object, one.kind) not in have:
                    self._add(
                        Part.SECURITY_GROUPS, Word.LIMIT_GROUP, f"{name} to {one.label}", "as in the old cloud", one
                    )

    def _pairs(self) -> Iterable[tuple[Image, Flavour]]:
        for plan in self.visa.plans:
            image, flavour = self.want.images.get(plan.image), self.want.flavours.get(plan.flavour)
            if image is not None and flavour is not None:
                yield image, flavour

    def _plan_of(self, image: Image, flavour: Flavour) -> OfferedPlan | None:
        plans = self.facts.objects.plans
        both = (image.id, flavour.id)
        return next((plan for plan in plans if 0 not in both and (plan.image, plan.flavour) == both), None)

    # ---------------------------------------------------------------------------------------------- offer and switch

    def _accept(self, offered: list[VisaStep], switched: list[VisaStep]) -> None:
        opens = [step for step in [*offered, *switched] if step.word in {Word.SHOW, Word.PRESET}]
        if opens and self.visa.acceptance.enabled:
            chosen = self.visa.preset or self.visa.plans[0]
            image, flavour = self.want.images[chosen.image], self.want.flavours[chosen.flavour]
            detail = "an administrator's instance becomes active in the new cloud, and goes"
            self._add(Part.ACCEPTANCE, Word.TRY, _pair(image, flavour), detail, self._plan_of(image, flavour))

    def _offer(self) -> list[VisaStep]:
        steps = []
        if self.visa.offer is not Offer.HIDDEN:
            steps = [
                VisaStep(Part.OFFER, Word.SHOW_IMAGE, image.label, "", replace(image, visible=True))
                for image in self.want.images.values()
                if not image.visible
            ]
        if self.visa.offer is Offer.USERS and (self.client is None or not self.client.visible):
            steps.append(VisaStep(Part.OFFER, Word.SHOW, self.visa.cloud.name, "users are offered its plans"))
        return steps

    def _switch(self) -> list[VisaStep]:
        if self.visa.default_backend is not Backend.CARACAL or self.visa.preset is None:
            return []
        image = self.want.images.get(self.visa.preset.image)
        flavour = self.want.flavours.get(self.visa.preset.flavour)
        if image is None or flavour is None:
            return []  # self.waits says so
        now = self.facts.objects.preset
        seen = self.facts.lives.get(DEFAULT_CLOUD)
        old = [
            i for i in self.facts.objects.images if i.cloud == DEFAULT_CLOUD and (i.visible or i.extensions != "NONE")
        ]
        # one that is hidden already and gone from its Glance can be changed no more, and need not be
        old = [i for i in old if i.visible or (seen is not None and i.compute in seen.images)]
        steps = [
            VisaStep(
                Part.SWITCH,
                Word.HIDE_OLD,
                i.label,
                "no longer offered, no automatic extension",
                hidden(i, now.id if now is not None and now.image == i.id else None),
            )
            for i in old
        ]
        # Only now: as long as the old preset is one, its image is marked as its.
        plan = self._plan_of(image, flavour)
        if plan is None or not plan.preset:
            why = "chosen unless a user chooses"
            steps.append(VisaStep(Part.SWITCH, Word.PRESET, _pair(image, flavour), why, plan))
        if steps:
            self.waits += [*guards.booked(self.visa, self.facts, self.cloud), *guards.unwritable(old, self.facts)]
        return steps

    def _back(self) -> None:
        """Plan the way back to the old cloud: what the switch did is undone, and nothing else."""
        if self.visa.default_backend is Backend.CARACAL:
            return
        objects = self.facts.objects
        marks = {
            image.id: mark for image in objects.images if (mark := mark_of(image)) and image.cloud == DEFAULT_CLOUD
        }
        marked = [image for image in objects.images if image.id in marks]
        if marked and self.client is not None:
            self.refusals += guards.too_little_room(self.visa, self.facts, self.client)
        if stuck := list(guards.unwritable(marked, self.facts)):
            self.waits += stuck
            return
        # First: what the preset was is known only as long as its image is marked.
        before = {mark.plan for mark in marks.values()}
        plan = next((plan for plan in objects.plans if plan.id in before), None)
        preset = objects.image(objects.preset.image) if objects.preset else None
        if plan is not None and not plan.preset:
            self._add(Part.SWITCH, Word.PRESET, "the plan that it was before", "", plan)
        elif plan is None and marked and preset is not None and preset.cloud != DEFAULT_CLOUD:
            self.waits.append(f"{preset.label} stays the preset: it is not known what it was before")
        for image in marked:
            as_it_was = restored(image)
            shown = "offered" if as_it_was.visible else "hidden as it was"
            detail = f"{shown} again, automatic extension {as_it_was.extensions or 'as by default'}"
            self._add(Part.SWITCH, Word.RESTORE_OLD, image.label, detail, as_it_was)

    def _withdraw(self) -> None:
        """Take out of the offer what is ours and not wanted any more; the instances on it live on."""
        if self.client is None:
            return
        if self.client.visible and self.visa.offer is not Offer.USERS:
            self._add(Part.WITHDRAWAL, Word.HIDE, self.visa.cloud.name, "users are offered its plans no longer")
            if self.facts.objects.offers(self.cloud):
                self.refusals += guards.too_little_room(self.visa, self.facts, self.client)
        declared = {image.id for image in self.want.images.values()}
        if len(self.want.images) < len(self.visa.images) or len(self.want.flavours) < len(self.visa.flavours):
            return  # what is not there yet may be what one of these is
        for image in self.facts.objects.images:
            ours = image.cloud == self.cloud and made_image_key(image) in self.facts.ledger
            if image.visible and ours and (image.id not in declared or self.visa.offer is Offer.HIDDEN):
                why = "its offer is hidden" if image.id in declared else "no longer declared"
                self._add(
                    Part.WITHDRAWAL,
                    Word.HIDE_IMAGE,
                    image.label,
                    f"{why}, Glance's {image.compute}",
                    replace(image, visible=False),
                )
        pairs = {(image.id, flavour.id) for image, flavour in self._pairs()}
        for plan in self.facts.objects.plans:
            on, size = self.facts.objects.image(plan.image), self.facts.objects.flavour(plan.flavour)
            if on is None or size is None or on.cloud != self.cloud or (plan.image, plan.flavour) in pairs:
                continue
            if made_plan_key(on, size) in self.facts.ledger and not plan.preset:
                subject = f"{on.label} / {size.name}"
                detail = f"no longer declared, {on.compute} with {size.compute}"
                self._add(Part.WITHDRAWAL, Word.DELETE_PLAN, subject, detail, plan)

    def _banner(self) -> None:
        switched = self.visa.default_backend is Backend.CARACAL
        if switched and self.waits:
            return  # it would say what is not so yet
        wanted_ = self.visa.banner.after if switched else self.visa.banner.before
        shown = [one for one in self.facts.objects.notifications if one.type == "BANNER"]
        if wanted_ is not None and all(one.message != wanted_ for one in shown):
            self._add(Part.BANNER, Word.ANNOUNCE, wanted_, "", wanted_)
        ours = {self.visa.banner.before, self.visa.banner.after}
        for one in shown:
            if one.message != wanted_ and (one.message in ours or banner_key(one.message) in self.facts.ledger):
                self._add(Part.BANNER, Word.WITHDRAW, one.message, "", one.id)


def ours_of(visa: Visa, project: Project) -> list[ApplicationCredential]:
    """Return our application credentials for the new cloud's client, the newest last."""
    found = [one for one in project.credentials if one.prefix == visa.prefixes.new and one.project == project.id]
    return sorted(found, key=lambda one: one.made)


def _pair(image: Image, flavour: Flavour) -> str:
    """Return a plan as people call it."""
    return f"{image.label} / {flavour.name}"


def _limits(flavour: Flavour) -> str:
    words = [f"{len(flavour.instruments)} instruments"] if flavour.instruments else []
    words += [f"{len(flavour.roles)} roles"] if flavour.roles else []
    words += [f"{len(flavour.lifetimes)} lifetimes"] if flavour.lifetimes else []
    return f", limited by {', '.join(words)}" if words else ""
