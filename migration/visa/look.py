"""Look at VISA and at its project in the new cloud: once for the plan, and again before and after each act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from migration.adapters.rest import connect
from migration.adapters.visa import Visa
from migration.adapters.visa_project import ProjectLogin, open_project, without_version
from migration.errors import CloudError, VisaError
from migration.observe import Cloud, open_cloud
from migration.settings import CaracalSettings, Membership
from migration.visa.facts import Project, Room, VisaFacts, default_backend
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.ledger import AggregateLedger, Ledger
from migration.visa.settings import Backend, Offer
from migration.visa.settings import Visa as Wanted


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Hands:
    """What looks at VISA, and changes it.

    Attributes:
        wanted: the settings of VISA.
        visa: the adapter.
        login: logs in to VISA's project in the new cloud.
        ledger: opens the ledger of our own acts.
        room: says what is free in the old cloud; None where nobody can.
        old_identity: the old cloud's Keystone, without its version path, or "".
        now: the time.
    """

    wanted: Wanted
    visa: Visa
    login: Callable[[], ProjectLogin]
    ledger: Callable[[], Ledger]
    room: Callable[[], Room | None]
    old_identity: str = ""
    now: Callable[[], datetime] = _now

    @cached_property
    def project(self) -> ProjectLogin:
        """The log-in to VISA's project; raises CloudError."""
        return self.login()

    @cached_property
    def book(self) -> Ledger:
        """The ledger; raises CloudError."""
        return self.ledger()


def open_hands(settings: CaracalSettings, open_: Callable[[str], Cloud] = open_cloud) -> Hands:
    """Take from the settings how VISA and the new cloud are reached; nothing is asked yet.

    Arguments:
        settings: the stack's settings, with ``visa``.
        open_: how to log in to a cloud.

    Returns:
        What looks and acts.

    Raises:
        CloudUnreachable: clouds.yaml has no such entry.
    """
    if settings.visa is None:
        raise VisaError("visa is not configured; see docs/config.md")
    wanted = settings.visa
    login = wanted.cloud.login or settings.clouds.new
    old = settings.clouds.old
    identity = str(connect(old).config.config["auth"].get("auth_url", "")) if old is not None else ""
    return Hands(
        wanted,
        Visa.of(wanted),
        login=lambda: open_project(login, wanted.cloud.project),
        ledger=lambda: AggregateLedger(open_(settings.clouds.new)),
        room=lambda: room_in(settings, open_),
        old_identity=without_version(identity) if identity else "",
    )


def look_at_visa(hands: Hands) -> VisaFacts:
    """Look once at everything.

    Arguments:
        hands: what looks.

    Returns:
        The facts. Where the new cloud does not answer, VISA is seen without it: the way back needs no more.

    Raises:
        VisaError: VISA could not be asked. Half a look is no look.
    """
    facts = VisaFacts(
        now=hands.now(),
        objects=hands.visa.objects(),
        lives=hands.visa.lives(),
        instances=hands.visa.instances(),
        bookings=hands.visa.bookings(),
        old_identity=hands.old_identity,
    )
    project, error = _project(hands)
    facts = replace(facts, project=project, project_error=error, ledger=_ledger(hands) if project else {})
    return replace(facts, room=hands.room() if _goes_back(hands.wanted, facts) else None)


def look_or_error(
    settings: CaracalSettings, open_: Callable[[str], Cloud] = open_cloud
) -> tuple[VisaFacts | None, str]:
    """Look once at everything, where VISA answers.

    Arguments:
        settings: the stack's settings, with ``visa``.
        open_: how to log in to a cloud.

    Returns:
        The facts and "", or None and why there are none: the membership goes on by Nova alone.
    """
    try:
        return look_at_visa(open_hands(settings, open_)), ""
    except (VisaError, CloudError) as error:
        return None, str(error)


def look_again(hands: Hands, facts: VisaFacts) -> VisaFacts:
    """Look again at what an act may have changed.

    Arguments:
        hands: what looks.
        facts: an earlier whole look; what no act of ours changes is taken from it.

    Returns:
        The facts.

    Raises:
        VisaError: VISA could not be asked.
        CloudError: the new cloud, which answered then, does not now.
    """
    objects = hands.visa.objects()
    if facts.project is None:
        return replace(facts, objects=objects)
    project = hands.project.look(hands.wanted.cloud.interface)
    return replace(facts, objects=objects, project=project, ledger=hands.book.read())


def _project(hands: Hands) -> tuple[Project | None, str]:
    try:
        return hands.project.look(hands.wanted.cloud.interface), ""
    except CloudError as error:
        return None, str(error)


def _ledger(hands: Hands) -> dict[str, str]:
    try:
        return hands.book.read()
    except CloudError as error:
        raise VisaError(f"the ledger of what we did there cannot be read: {error}") from error


def _goes_back(wanted: Wanted, facts: VisaFacts) -> bool:
    """Return whether it matters what is free in the old cloud: only where users would come back to it."""
    new = facts.client(wanted.prefixes.new)
    was = default_backend(facts, wanted.prefixes.new) == "caracal" or not facts.objects.offers(DEFAULT_CLOUD)
    leaves = new is not None and new.visible and wanted.offer is not Offer.USERS
    return (was and wanted.default_backend is Backend.STEIN) or leaves


def room_in(settings: CaracalSettings, open_: Callable[[str], Cloud] = open_cloud) -> Room | None:
    """Say what is free on the nodes of the old cloud that still take instances.

    Arguments:
        settings: which nodes there are, and which of them leave.
        open_: how to log in to a cloud.

    Returns:
        The sum over the nodes, after what Placement reserves and overcommits; None where anything could not be asked.
    """
    if settings.clouds.old is None:
        return None
    staying = {name for name, node in settings.nodes.items() if node.membership is Membership.STEIN}
    try:
        old = open_(settings.clouds.old)
        serving = {one.host for one in old.nova.services() if one.enabled and one.up and one.host in staying}
        free = [old.placement.room(one.id) for one in old.nova.hypervisors() if one.host in serving]
    except CloudError:
        return None
    return Room(sum(vcpus for vcpus, _ in free), sum(ram for _, ram in free))
