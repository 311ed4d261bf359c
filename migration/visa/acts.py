"""The acts on VISA: one for each word of a step. Each is given a fresh look, and is read back by who called it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from migration.actor import Actor
from migration.errors import CloudError, VisaError
from migration.visa.facts import Flavour, Image, OfferedPlan, Project, VisaFacts
from migration.visa.instances import VisaInstance
from migration.visa.look import Hands
from migration.visa.plan import ours_of
from migration.visa.steps import Filter, Target, Word
from migration.visa.wanted import banner_key, digest, made_image_key, made_plan_key, provider_configuration

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds until VISA must be seen to reach a cloud whose credential it was just given."""

TRIAL: Final = "visa-migration acceptance"
"""The name of the instance that is tried; one of this name on the new cloud is ours, and goes."""

_LIFETIME: Final = 120  # minutes: what a killed run leaves behind ends by itself
_MADE: Final = "made"


class Acts:
    """What can be done to VISA.

    Arguments:
        actor: how to wait.
        hands: what looks at VISA and changes it.

    All acts raise ``VisaError`` or ``CloudError``.
    """

    def __init__(self, actor: Actor, hands: Hands) -> None:
        self._actor, self._hands = actor, hands

    # ---------------------------------------------------------------------------------------- the cloud client

    def register(self, facts: VisaFacts, _target: Target) -> None:
        """Register the new cloud, hidden, with a credential of its own."""
        project = _seen(facts)
        for stale in ours_of(self._hands.wanted, project):  # of a run that was killed before VISA knew of it
            self._hands.project.delete_credential(stale.id)
        wanted = self._hands.wanted
        provider = self._credential(project)
        self._hands.visa.create_client(wanted.cloud.name, wanted.prefixes.new, provider)

    def rotate(self, facts: VisaFacts, _target: Target) -> None:
        """Give VISA a new credential; the old one goes when VISA lives on the new one."""
        self._write_client(facts)

    def show(self, facts: VisaFacts, _target: Target) -> None:
        """Offer users the plans of the new cloud."""
        self._write_client(facts, visible=True)

    def hide(self, facts: VisaFacts, _target: Target) -> None:
        """Offer users the plans of the new cloud no longer."""
        self._write_client(facts, visible=False)

    def prove(self, facts: VisaFacts, _target: Target) -> None:
        """Wait until VISA is seen to reach the new cloud."""
        client = facts.client(self._hands.wanted.prefixes.new)
        if client is None:
            raise VisaError(f"it has no cloud with prefix {self._hands.wanted.prefixes.new}; run pulumi up again")
        self._prove(client.id)

    def _prove(self, cloud: int) -> None:
        def look() -> bool | None:
            life = self._hands.visa.lives().get(cloud)
            return True if life is not None and life.proved else None

        if self._actor.until(look, seconds=PATIENCE) is None:
            raise VisaError(
                f"it does not reach {self._hands.wanted.cloud.name}: no limits from Nova, or no images from Glance,"
                f" for {PATIENCE:.0f} s. Check from VISA's server that it reaches the endpoints and trusts their"
                " certificates (a self-signed one is refused); an image without a size breaks its list of images too"
            )

    def _write_client(self, facts: VisaFacts, *, visible: bool | None = None) -> None:
        """Replace the cloud client as a whole: that needs a secret, and nobody has kept the one it was given."""
        project, wanted = _seen(facts), self._hands.wanted
        client = facts.client(wanted.prefixes.new)
        if client is None:
            raise VisaError(f"it has no cloud with prefix {wanted.prefixes.new}; run pulumi up again")
        client = replace(client, name=wanted.cloud.name, visible=client.visible if visible is None else visible)
        provider = self._credential(project)
        self._hands.visa.update_client(client, provider)
        self._prove(client.id)
        for older in self._hands.project.look(wanted.cloud.interface).credentials:
            if older.prefix == wanted.prefixes.new and older.id != provider["applicationId"]:
                self._hands.project.delete_credential(older.id)

    def _credential(self, project: Project) -> dict[str, str]:
        """Make an application credential, see where it leads, and return VISA's whole provider configuration."""
        wanted = self._hands.wanted
        configuration, now = provider_configuration(wanted, project), self._hands.now()
        made = self._hands.project.create_credential(
            wanted.prefixes.new,
            wanted.credential.rotation,
            digest(configuration),
            now=now,
            expires=now + timedelta(days=wanted.credential.days),
        )
        try:
            leads_to = self._hands.project.prove_credential(made, project.endpoints["identity"])
        except CloudError:
            self._hands.project.delete_credential(made.id)
            raise
        if leads_to != project.id:
            self._hands.project.delete_credential(made.id)
            raise VisaError(
                f"{project.endpoints['identity']} leads the new application credential to project {leads_to}, expected"
                f" {project.id}; VISA would mark every instance deleted. Check the catalog of the new cloud"
            )
        return {**configuration, "applicationId": made.id, "applicationSecret": made.secret}

    # --------------------------------------------------------------------------- what binds to a cloud, and plans

    def save_flavour(self, facts: VisaFacts, target: Target) -> None:
        """Create a flavour, or complete one."""
        self._hands.visa.save_flavour(_as(Flavour, target, on=self._cloud(facts)))

    def save_image(self, facts: VisaFacts, target: Target) -> None:
        """Create an image, hidden, or change what is said of one."""
        image = _as(Image, target, on=self._cloud(facts))
        self._hands.book.write(made_image_key(image), _MADE)
        self._hands.visa.save_image(image)

    def write_image(self, _facts: VisaFacts, target: Target) -> None:
        """Show, hide or restore an image: written whole, with its own cloud."""
        self._hands.visa.save_image(_there(_as(Image, target)))

    def create_group(self, facts: VisaFacts, target: Target) -> None:
        """Let VISA give a security group to servers of the new cloud."""
        self._hands.visa.create_group(_as(str, target), self._cloud(facts))

    def limit_group(self, facts: VisaFacts, target: Target) -> None:
        """Limit a security group as it is limited in the old cloud."""
        wanted, cloud = _as(Filter, target), self._cloud(facts)
        group = next((one for one in facts.objects.groups if (one.cloud, one.name) == (cloud, wanted.group)), None)
        if group is None or not wanted.object:
            raise VisaError(f"security group {wanted.group} or {wanted.label} is not there yet; run pulumi up again")
        self._hands.visa.create_filter(group.id, wanted.object, wanted.kind)

    def create_plan(self, _facts: VisaFacts, target: Target) -> None:
        """Offer an image with a flavour of the same cloud."""
        if not isinstance(target, tuple):
            raise TypeError(target)
        image, flavour = _there(target[0]), _there(target[1])
        if image.cloud != flavour.cloud:
            raise VisaError(f"{image.label} is on cloud {image.cloud}, {flavour.name} on {flavour.cloud}; expected one")
        self._hands.book.write(made_plan_key(image, flavour), _MADE)
        self._hands.visa.create_plan(image.id, flavour.id)

    def make_preset(self, _facts: VisaFacts, target: Target) -> None:
        """Let a plan be chosen unless a user chooses."""
        self._hands.visa.make_preset(_as(OfferedPlan, target))

    def delete_plan(self, facts: VisaFacts, target: Target) -> None:
        """Take a plan out of the offer."""
        plan = _as(OfferedPlan, target)
        image, flavour = facts.objects.image(plan.image), facts.objects.flavour(plan.flavour)
        self._hands.visa.delete_plan(plan.id)
        if image is not None and flavour is not None:
            self._hands.book.write(made_plan_key(image, flavour), None)

    def announce(self, facts: VisaFacts, target: Target) -> None:
        """Show every user a line."""
        message = _as(str, target)
        if facts.project is not None:
            self._hands.book.write(banner_key(message), _MADE)
        # a day ago is past in every time zone that VISA's server may be in
        self._hands.visa.create_banner(message, self._hands.now() - timedelta(days=1))

    def withdraw(self, _facts: VisaFacts, target: Target) -> None:
        """Take a line away."""
        self._hands.visa.delete_notification(_as(int, target))

    def _cloud(self, facts: VisaFacts) -> int:
        client = facts.client(self._hands.wanted.prefixes.new)
        if client is None:
            raise VisaError(f"it has no cloud with prefix {self._hands.wanted.prefixes.new}; run pulumi up again")
        return client.id

    # ------------------------------------------------------------------------------------------------ acceptance

    def accept(self, facts: VisaFacts, target: Target) -> None:
        """Try one plan as an administrator: its instance becomes active in the new cloud, and goes."""
        plan, cloud = _as(OfferedPlan, target), self._cloud(facts)
        for left in facts.instances:
            if left.name == TRIAL and left.cloud == cloud:
                self._end(left.id)
        trial = self._begin(plan.id, cloud)
        try:
            server = self._becomes_active(trial)
            project = self._hands.project.look(self._hands.wanted.cloud.interface)
            if all(one.id != server for one in project.servers):
                raise VisaError(
                    f"instance {trial} is active, but its server {server} is not in project"
                    f" {self._hands.wanted.cloud.project} of the new cloud; nothing is offered. See VISA's log"
                )
        finally:
            self._end(trial)

    def _begin(self, plan: int, cloud: int) -> int:
        keyboard = self._hands.wanted.acceptance.keyboard
        try:
            return self._hands.visa.start(TRIAL, plan, lifetime=_LIFETIME, keyboard=keyboard)
        except VisaError:
            begun = [one.id for one in self._hands.visa.newest().values() if one.name == TRIAL and one.cloud == cloud]
            if not begun:
                raise
            return begun[0]

    def _becomes_active(self, trial: int) -> str:
        def look() -> VisaInstance | None:
            instance = self._newest().get(trial)
            if instance is None or instance.state in {"ERROR", "DELETED"}:
                state = instance.state if instance else "gone"
                raise VisaError(f"instance {trial} is {state}, expected ACTIVE; see nova-compute.log and VISA's log")
            return instance if instance.state == "ACTIVE" and instance.server else None

        timeout = self._hands.wanted.acceptance.timeout
        active = self._actor.until(look, seconds=timeout)
        if active is None or active.server is None:
            raise VisaError(f"instance {trial} did not become active in {timeout} s (visa.acceptance.timeout)")
        return active.server

    def _end(self, trial: int) -> None:
        def look() -> bool | None:
            instance = self._newest().get(trial)
            return True if instance is None or instance.state == "DELETED" else None

        self._hands.visa.delete_instance(trial)
        if self._actor.until(look, seconds=self._hands.wanted.acceptance.timeout) is None:
            raise VisaError(f"instance {trial} ({TRIAL}) does not go; end it in VISA's administration")

    def _newest(self) -> Mapping[int, VisaInstance]:
        return self._hands.visa.newest()


Act = Callable[[Acts, VisaFacts, Target], None]

ACTS: Final[Mapping[Word, Act]] = {
    Word.REGISTER: Acts.register,
    Word.ROTATE: Acts.rotate,
    Word.PROVE: Acts.prove,
    Word.SAVE_FLAVOUR: Acts.save_flavour,
    Word.CREATE_GROUP: Acts.create_group,
    Word.LIMIT_GROUP: Acts.limit_group,
    Word.SAVE_IMAGE: Acts.save_image,
    Word.CREATE_PLAN: Acts.create_plan,
    Word.TRY: Acts.accept,
    Word.SHOW_IMAGE: Acts.write_image,
    Word.SHOW: Acts.show,
    Word.HIDE_OLD: Acts.write_image,
    Word.PRESET: Acts.make_preset,
    Word.RESTORE_OLD: Acts.write_image,
    Word.HIDE: Acts.hide,
    Word.HIDE_IMAGE: Acts.write_image,
    Word.DELETE_PLAN: Acts.delete_plan,
    Word.ANNOUNCE: Acts.announce,
    Word.WITHDRAW: Acts.withdraw,
}


def _as(kind: type[T], target: Target, *, on: int | None = None) -> T:
    """Return the target of a step, where it is what the act needs; of the cloud that it must be on."""
    if not isinstance(target, kind):
        raise VisaError(
            "what this step needs is not there yet, because an earlier one was not taken; run pulumi up again"
        )
    if on is not None and getattr(target, "cloud", on) != on:
        raise VisaError("it is not on the new cloud; this is a mistake of visa-migration, report it")
    return target


Offered = TypeVar("Offered", Image, Flavour)


def _there(one: Offered) -> Offered:
    if not one.id:
        raise VisaError(f"{one.name} is not there yet; run pulumi up again")
    return one


def _seen(facts: VisaFacts) -> Project:
    if facts.project is None:
        raise VisaError(f"the new cloud cannot be asked: {facts.project_error}")
    return facts.project
