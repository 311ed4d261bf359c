"""Give a lab's VISA its beginning: an environment that names the old cloud, and the instances that run there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from keystoneauth1.identity import v3
from keystoneauth1.session import Session as Login
from openstack.compute.v2.server import Server
from openstack.connection import Connection
from sqlalchemy.orm import Session

from lab import seed
from lab.clouds import administrator, identity, login
from lab.layout import OLD, REGION, Cloud
from lab.state import State
from lab.visa import files
from lab.visa.clouds import Default, Provider
from lab.visa.pasts import Kind, Past, course_end, pasts
from lab.visa.people import ADMINISTRATOR, PEOPLE, people
from lab.visa.population import Population
from lab.visa.rules import Limits
from lab.visa.store import Store, rows
from lab.visa.tables import (
    STAFF,
    BookingFlavour,
    BookingRequest,
    BookingToken,
    Flavour,
    FlavourLimit,
    Image,
    ImageProtocol,
    Instance,
    Plan,
    Role,
    RoleLifetime,
    SecurityGroup,
    SecurityGroupFilter,
)  # fmt: skip

PREFIX = "visa-old"
GROUPS = ("visa-default", "default")  # the second one is for staff alone
VARIABLES = {
    "VISA_CLOUD_NAME": "name",
    "VISA_CLOUD_SERVER_NAME_PREFIX": "prefix",
    "VISA_CLOUD_OPENSTACK_APPLICATION_ID": "application_id",
    "VISA_CLOUD_OPENSTACK_APPLICATION_SECRET": "application_secret",
    "VISA_CLOUD_OPENSTACK_IDENTITY_ENDPOINT": "identity_endpoint",
    "VISA_CLOUD_OPENSTACK_COMPUTE_ENDPOINT": "compute_endpoint",
    "VISA_CLOUD_OPENSTACK_IMAGE_ENDPOINT": "image_endpoint",
    "VISA_CLOUD_OPENSTACK_NETWORK_ENDPOINT": "network_endpoint",
    "VISA_CLOUD_OPENSTACK_ADDRESS_PROVIDER": "address_provider",
    "VISA_CLOUD_OPENSTACK_ADDRESS_PROVIDER_UUID": "address_provider_uuid",
}
"""VISA's environment, and what of the default cloud each variable says."""


def default_cloud(state: State) -> Default:
    """Return the default cloud of VISA's environment; the environment is made first where there is none.

    Arguments:
        state: the lab; its old cloud runs.

    Returns:
        The old cloud, reached by an application credential of its account ``visa-api``.
    """
    file = files.of(state.directory).environment
    if not file.exists():
        values = _environment(state.cloud(OLD))
        files.write_secret(file, "".join(f"{name}={value}\n" for name, value in values.items()))
    found = dict(line.split("=", 1) for line in file.read_text().splitlines())
    values = {field: found[variable] for variable, field in VARIABLES.items()}
    return Default(values.pop("name"), values.pop("prefix"), Provider(**values))


def _environment(cloud: Cloud) -> Mapping[str, str]:
    account = {**login(cloud, seed.PROJECT), "username": seed.USERS[0]}
    with Connection(session=Login(auth=v3.Password(**account)), region_name=REGION) as connection:
        name = f"visa-{secrets.token_hex(4)}"  # one of a VISA that was killed at this very point may be there
        credential = identity(connection).create_application_credential(str(connection.current_user_id), name)
        network = connection.network.find_network(seed.NETWORK, ignore_missing=False)
    values = {
        "name": "Stein", "prefix": PREFIX, "application_id": credential.id, "application_secret": credential.secret,
        "identity_endpoint": cloud.url("keystone"), "compute_endpoint": cloud.url("nova"),
        "image_endpoint": cloud.url("glance"), "network_endpoint": cloud.url("neutron"),
        "address_provider": seed.NETWORK, "address_provider_uuid": network.id,
    }  # fmt: skip
    return {variable: values[field] for variable, field in VARIABLES.items()}


def tokens(directory: Path) -> Mapping[str, str]:
    """Return everybody's token, made first where there are none; the administrator's has a file of its own."""
    kept = files.of(directory)
    if not kept.tokens.exists():
        made = {name: secrets.token_urlsafe(24) for name in PEOPLE}
        files.write_secret(kept.admin_token, made[ADMINISTRATOR] + "\n")
        files.write_secret(kept.tokens, json.dumps(made))
    found: dict[str, str] = json.loads(kept.tokens.read_text())
    return found


def fill(store: Store, state: State, population: Population, limits: Limits) -> None:
    """Fill the database as a VISA has it that has run on the old cloud for long.

    Its servers become VISA's instances, with names as VISA gives them; but for some that VISA does not know.

    Arguments:
        store: an empty database; either all of it is written, or nothing.
        state: the lab; its old cloud runs.
        population: what VISA begins with.
        limits: VISA's.
    """
    now, known = population.now, tokens(state.directory)
    with administrator(state.cloud(OLD), seed.PROJECT) as old, store.session() as session:
        there = [each for each in old.compute.servers(all_projects=True) if each.name.startswith(f"{seed.PREFIX}-")]
        servers = sorted(there, key=lambda each: int(each.metadata["id"]))
        session.add_all(people(known.__getitem__))
        session.flush()
        plans = _offers(session, old)
        owners = [(int(each.metadata["id"]), str(each.metadata["owner"])) for each in servers]
        for server, past in zip(servers, pasts(owners, population, now, limits), strict=True):
            if past.kind is Kind.UNKNOWN:
                continue
            instance = _instance(server, past, plans)
            session.add(instance)
            if past.kind is Kind.BOOKED:
                _book(session, instance, past)
            if server.name != f"{PREFIX}-{past.number}":
                old.compute.update_server(server, name=f"{PREFIX}-{past.number}")
        session.commit()


def _offers(session: Session, old: Connection) -> Mapping[tuple[str, str], Plan]:
    """Offer every image of the old cloud in every flavor; return the plans by Glance's id and the flavor's name."""
    staff = next(role for role in rows(session, Role) if role.name == STAFF)
    protocols = [ImageProtocol(name="GUACD", port=4822), ImageProtocol(name="WEBX", port=5555)]
    session.add_all(protocols)
    session.flush()
    images = {
        each.id: Image(
            name=each.name, version="20.04", description=None, icon="circle-user", compute_id=each.id, visible=True,
            boot_command="#cloud-config\n", autologin="VISA_PAM", auto_accept_extension_request="ALL",
            protocols=protocols, default_vdi_protocol_id=protocols[1].id,
        )
        for each in old.image.images() if each.name in seed.IMAGES[OLD]
    }  # fmt: skip
    by_name = {each.name: each for each in old.compute.flavors()}
    flavours = {
        name: Flavour(name=name, memory=ram, cpu=cpus, compute_id=by_name[name].id)
        for name, (cpus, ram, _) in seed.FLAVORS.items()
    }
    large = flavours["visa.large"]
    large.limits = [FlavourLimit(object_id=staff.id, object_type="ROLE")]
    large.role_lifetimes = [RoleLifetime(role=staff, lifetime_minutes=30 * 24 * 60)]
    plans = {
        (image.compute_id, flavour.name): Plan(image=image, flavour=flavour, preset=False)
        for image in images.values() for flavour in flavours.values()
    }  # fmt: skip
    next(iter(plans.values())).preset = True
    for_all, for_staff = (SecurityGroup(name=name) for name in GROUPS)
    for_staff.filters = [SecurityGroupFilter(object_id=staff.id, object_type="ROLE")]
    session.add_all([*plans.values(), for_all, for_staff])
    session.flush()
    return plans


def _instance(server: Server, past: Past, plans: Mapping[tuple[str, str], Plan]) -> Instance:
    owner, network = server.metadata["owner"], server.addresses.get(seed.NETWORK) or [{}]
    plan = plans[server.image.id, server.flavor["original_name"]]
    return Instance(
        id=past.number, uid=server.metadata["uid"], name=f"{owner}'s desktop", comments=None, state="ACTIVE",
        compute_id=server.id, ip_address=network[0].get("addr"), plan=plan,
        owner_id=owner, username=owner, keyboard_layout="en-gb-qwerty", created_at=past.created,
        last_seen_at=past.seen, last_interaction_at=past.seen, termination_date=past.ends,
        lifetime_minutes=past.lifetime // timedelta(minutes=1),
    )  # fmt: skip


def _book(session: Session, instance: Instance, past: Past) -> None:
    """Let an instance be one of two of a course; the other voucher is free."""
    ends, flavour, owner = course_end(past.seen), instance.plan.flavour, instance.owner_id
    request = BookingRequest(
        uid=secrets.token_hex(4), name=f"Course of {owner}", created_at=past.created - timedelta(days=30),
        start_date=past.created.date().isoformat(), end_date=(ends - timedelta(days=1)).date().isoformat(),
        owner_id=owner, state="ACCEPTED", flavours=[BookingFlavour(flavour=flavour, quantity=2)],
    )  # fmt: skip
    vouchers = [
        BookingToken(uid=secrets.token_hex(4), booking_request=request, flavour=flavour, owner_id=owner)
        for _ in range(2)
    ]
    session.add_all(vouchers)
    session.flush()
    vouchers[0].instance_id, instance.booking_token_id = instance.id, vouchers[0].id
    instance.termination_date = ends


def names_by_endpoint(clouds: Sequence[Cloud]) -> Mapping[str, str]:
    """Return which lab cloud answers at which identity endpoint."""
    return {cloud.url("keystone"): cloud.name for cloud in clouds}
