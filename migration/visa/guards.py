"""Guards between VISA and an accident: pure functions of settings and facts, a sentence for each that refuses.

Each protects from something that was seen on a real VISA 3.8.2; docs/visa.md says from what.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from migration.visa.checks import overlaps
from migration.visa.facts import CloudClient, GlanceImage, Image, Project, VisaFacts
from migration.visa.instances import DEFAULT_CLOUD
from migration.visa.settings import Visa

ALIVE_BOOKINGS = frozenset({"CREATED", "ACCEPTED"})
"""States of a booking request whose voucher may still be used."""


def contradictions(visa: Visa, facts: VisaFacts) -> Iterator[str]:
    """Yield why VISA and the settings cannot both be meant: then nothing of VISA is touched."""
    yield from _prefixes(visa, facts)
    if facts.project is not None:
        yield from _same_project(visa, facts, facts.project)
        yield from _re_pointed(visa, facts, facts.project)


def _prefixes(visa: Visa, facts: VisaFacts) -> Iterator[str]:
    new = visa.prefixes.new
    default = facts.objects.client(DEFAULT_CLOUD)
    if default is not None and default.prefix != visa.prefixes.old:
        yield (
            f"visa.prefixes.old is {visa.prefixes.old}, but servers of VISA's default cloud begin with"
            f" {default.prefix};"
            " is this the VISA that is meant? Write what it has"
        )
    ours = [client for client in facts.objects.clients if client.prefix == new and client.id != DEFAULT_CLOUD]
    if len(ours) > 1:
        ids = ", ".join(str(client.id) for client in ours)
        yield (
            f"VISA has {len(ours)} cloud clients with prefix {new} (ids {ids}); expected one. Each of them takes the"
            " others' servers for orphans and deletes them at night: delete the empty ones in VISA's administration"
        )
    for client in facts.objects.clients:
        if client.prefix != new and overlaps(client.prefix, new):
            yield (
                f"visa.prefixes.new is {new}, and servers of VISA's cloud {client.name} begin with {client.prefix}: the"
                " nightly clean-up of one would delete the other's servers. Use a prefix that neither begins the other"
                " nor is begun by it"
            )
        if client.name == visa.cloud.name and client.prefix != new:
            yield (
                f"VISA has a cloud {client.name} already, with prefix {client.prefix}, not {new}; a prefix is never"
                " changed, for VISA would not know its servers again. Use another visa.cloud.name, or that prefix"
            )


def _same_project(visa: Visa, facts: VisaFacts, project: Project) -> Iterator[str]:
    """The same project, registered twice, means that each cloud's clean-up deletes the other's servers."""
    both = f"project {visa.cloud.project} ({project.id})"
    mend = "the same project is never registered twice, for the nightly clean-up deletes what it does not know"
    if facts.old_identity and _host(facts.old_identity) == _host(project.endpoints.get("identity", "")):
        yield (
            f"clouds.old and clouds.new lead to the same Keystone, {facts.old_identity}; VISA's default cloud would be"
            f" registered again: {mend}. Check clouds.yaml"
        )
    here = {server.id for server in project.servers}
    ours = facts.client(visa.prefixes.new)
    for client in facts.objects.clients:
        if ours is not None and client.id == ours.id:
            continue
        known = [i for i in facts.instances if i.cloud == client.id and i.server in here]
        named = [server.name for server in project.servers if server.name.startswith(client.prefix)]
        if known or named:
            yield (
                f"{both} is that of VISA's cloud {client.name} already ({len(known)} of its instances are there, and"
                f" {len(named)} servers named {client.prefix}…); {mend}. Give visa.cloud.project a project of its own"
            )
    for prefix in sorted({one.prefix for one in project.credentials if one.project == project.id}):
        if prefix != visa.prefixes.new:
            yield (
                f"{both} was registered with prefix {prefix} before; {mend}. If that cloud is gone from VISA, delete"
                " its application credential"
            )
    strangers = [server.name for server in project.servers if server.name.startswith(visa.prefixes.new)]
    if ours is None and strangers:
        yield (
            f"{both} has {len(strangers)} servers whose names begin with {visa.prefixes.new} ({strangers[0]} …), and"
            " VISA knows none of them: it would delete them in the first night. Use another prefix, or another project"
        )


def _host(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def _re_pointed(visa: Visa, facts: VisaFacts, project: Project) -> Iterator[str]:
    """A cloud client whose credential leads elsewhere: every instance answers 404, and VISA marks it deleted."""
    ours = facts.client(visa.prefixes.new)
    elsewhere = sorted(
        {one.project for one in project.credentials if one.prefix == visa.prefixes.new and one.project != project.id}
    )
    if elsewhere:
        yield (
            f"prefix {visa.prefixes.new} was registered for project {elsewhere[0]}, and visa.cloud.project"
            f" {visa.cloud.project} is {project.id}; a cloud client is never pointed elsewhere, for VISA would mark its"
            " instances deleted. Give the new project a prefix of its own"
        )
    here = {server.id for server in project.servers}
    held = [i for i in facts.instances if ours is not None and i.cloud == ours.id and i.server is not None]
    if held and not any(instance.server in here for instance in held):
        yield (
            f"VISA has {len(held)} instances on {visa.cloud.name}, and none of their servers is in project"
            f" {visa.cloud.project} ({project.id}); a cloud client is never pointed elsewhere. Check"
            " visa.cloud.project, visa.cloud.login and clouds.yaml"
        )


def unfit(visa: Visa, project: Project) -> Iterator[str]:
    """Yield what of the project would break VISA's own lists."""
    sizeless = [image for image in project.images if _breaks(image)]
    if sizeless:
        names = ", ".join(sorted(image.name or image.id for image in sizeless))
        yield (
            f"images without a size in the new cloud's Glance break VISA's list of images: {names}; wait until they are"
            " uploaded, or delete them"
        )
    volumes = [server.name for server in project.servers if server.from_volume]
    if volumes:
        yield (
            f"servers that boot from a volume break VISA's list of servers: {', '.join(sorted(volumes))}; move them out"
            f" of project {visa.cloud.project}"
        )


def _breaks(image: GlanceImage) -> bool:
    return image.size is None


def booked(visa: Visa, facts: VisaFacts, cloud: int) -> Iterator[str]:
    """Yield the booking requests whose vouchers would lose their plans by the switch."""
    today = facts.now.date().isoformat()
    for booking in facts.bookings:
        lasts = booking.end >= today or not booking.end
        elsewhere = booking.clouds - {cloud}
        if booking.state in ALIVE_BOOKINGS and lasts and elsewhere and booking.id not in visa.looked_at_bookings:
            yield (
                f"booking request {booking.id} lasts until {booking.end or 'nobody knows when'} with flavours of the"
                " old cloud: its vouchers offer no plan once the old images are hidden, and a hidden plan stays open to"
                " who has a voucher. Talk to its owner, then add its number to visa.looked_at_bookings"
            )


def unwritable(images: list[Image], facts: VisaFacts) -> Iterator[str]:
    """Yield the old images that cannot be written now: VISA asks their Glance before it changes them."""
    life = facts.lives.get(DEFAULT_CLOUD)
    if images and (life is None or not life.proved):
        yield (
            "VISA does not reach the old cloud, and cannot change its images without it: bring the old cloud's Nova and"
            " Glance back"
        )
        return
    for image in images:
        if life is not None and image.compute not in life.images:
            yield (
                f"image {image.label} of the old cloud cannot be changed in VISA: its Glance has {image.compute} no"
                " more. Put it back into Glance, or delete the image in VISA's administration"
            )


def too_little_room(visa: Visa, facts: VisaFacts, client: CloudClient) -> Iterator[str]:
    """Yield why the old cloud cannot take what users have on the new one."""
    sizes = {flavour.name: flavour for flavour in facts.objects.flavours if flavour.cloud == client.id}
    held = [instance for instance in facts.instances if instance.cloud == client.id]
    known = [sizes[instance.flavor] for instance in held if instance.flavor in sizes]
    vcpus, ram = sum(int(flavour.cpu) for flavour in known), sum(flavour.memory for flavour in known)
    mend = 'Leave default_backend: caracal, or say why in visa.force_back: "REASON"'
    if visa.force_back is not None:
        return
    if facts.room is None:
        yield f"going back to the old cloud needs room there, and nobody could say how much there is. {mend}"
    elif len(known) < len(held):
        unknown = len(held) - len(known)
        yield f"going back to the old cloud: the size of {unknown} instances on {client.name} is not known. {mend}"
    elif facts.room.vcpus < vcpus or facts.room.ram < ram:
        yield (
            f"going back to the old cloud leaves too little room: users hold {vcpus} vCPU and {ram} MiB on"
            f" {client.name}, and the nodes that still take instances in the old cloud have {facts.room.vcpus} vCPU and"
            f" {facts.room.ram} MiB free. {mend}"
        )
