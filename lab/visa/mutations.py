"""What the admin API can be told.

Nothing is atomic: each row is written as soon as it can be, and what then fails has been written all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from ariadne import MutationType
from graphql import GraphQLResolveInfo
from sqlalchemy import update

from lab.visa import store
from lab.visa.clouds import DEFAULT
from lab.visa.context import Context, admin
from lab.visa.errors import CloudDown, Refusal
from lab.visa.registry import Client, provider_of
from lab.visa.tables import (
    Base,
    CloudProvider,
    Flavour,
    FlavourLimit,
    Image,
    ImageProtocol,
    Plan,
    Role,
    RoleLifetime,
    SecurityGroup,
    SecurityGroupFilter,
    SystemNotification,
)  # fmt: skip

Info = GraphQLResolveInfo
Input = Mapping[str, Any]
T = TypeVar("T", bound=Base)
mutation = MutationType()


def _row(context: Context, table: type[T], identity: int, missing: str) -> T:
    found = context.session.get(table, identity)
    if found is None or getattr(found, "deleted", False):
        raise Refusal(missing)
    return found


def _cloud(context: Context, cloud_id: int | None) -> Client:
    found = context.visa.registry.find(context.session, cloud_id)
    if found is None:
        raise Refusal("Invalid cloud Id")
    return found


# -- clouds


@mutation.field("createCloudClient")
def create_cloud_client(_: object, info: Info, input: Input) -> Client:  # noqa: A002 - VISA's name
    """Register a cloud; whether it can be reached is not looked at."""
    context = admin(info)
    row = CloudProvider(parameters=_parameters(input))
    _describe(row, input)
    context.session.add(row)
    context.session.commit()
    return context.client(row.id)


@mutation.field("updateCloudClient")
def update_cloud_client(_: object, info: Info, id: int, input: Input) -> Client:  # noqa: A002
    """Change a cloud as a whole, secret included."""
    context = admin(info)
    if id == DEFAULT:
        raise Refusal("The default cloud provider cannot be modified")
    row = context.session.get(CloudProvider, id)
    if row is None or row.deleted_at is not None:
        raise Refusal("Cloud provider not found for the given id")
    given = _parameters(input)
    if given["placement_endpoint"] is None:  # what is left out stays as it was
        given["placement_endpoint"] = row.parameters.get("placement_endpoint")
    row.parameters = given
    _describe(row, input)
    context.session.commit()
    context.visa.registry.forget(id)
    return context.client(id)


@mutation.field("deleteCloudClient")
def delete_cloud_client(_: object, info: Info, id: int) -> bool:  # noqa: A002 - VISA's name
    """Take a cloud off the list, if it has no instances."""
    context = admin(info)
    if id == DEFAULT:
        raise Refusal("The default cloud client cannot be deleted")
    row = context.session.get(CloudProvider, id)
    if row is None or row.deleted_at is not None:
        raise Refusal("Cloud Client not found for the given id")
    if any(each.cloud_id == id for each in store.living(context.session)):
        raise Refusal("Cannot delete a cloud provider with active instances")
    row.deleted_at = context.visa.clock.now()
    context.session.commit()
    context.visa.registry.forget(id)
    return True


def _parameters(given: Input) -> dict[str, Any]:
    if given["type"] != "openstack":
        raise Refusal("Cloud provider type must be specified")
    if given.get("open_stack_provider_configuration") is None:
        raise Refusal("OpenStack provider configuration must be specified")
    return provider_of(given["open_stack_provider_configuration"])


def _describe(row: CloudProvider, given: Input) -> None:
    row.type, row.name = given["type"], given["name"]
    row.server_name_prefix, row.visible = given["server_name_prefix"], given["visible"]


# -- images


@mutation.field("createImage")
def create_image(_: object, info: Info, input: Input) -> Image:  # noqa: A002 - VISA's name
    """Let VISA know an image."""
    context = admin(info)
    _check_image(context, input)
    row = Image()
    _write_image(context, row, input)
    context.session.add(row)
    context.session.commit()
    return row


@mutation.field("updateImage")
def update_image(_: object, info: Info, id: int, input: Input) -> Image:  # noqa: A002 - VISA's name
    """Replace an image as a whole: what is left out is empty afterwards, and its cloud the default one."""
    context = admin(info)
    _check_image(context, input)
    row = _row(context, Image, id, "Image was not found for the given id")
    _write_image(context, row, input)
    context.session.commit()
    return row


@mutation.field("deleteImage")
def delete_image(_: object, info: Info, id: int) -> Image:  # noqa: A002 - VISA's name
    """Take an image off the list."""
    return _delete(admin(info), Image, id, "Image not found for the given id")


def _check_image(context: Context, given: Input) -> None:
    """Ask the cloud for the image, whatever is changed about it: also to hide it."""
    if _cloud(context, given.get("cloud_id")).access.image(given["compute_id"]) is None:
        raise Refusal("Invalid Cloud Image Id")
    if context.session.get(ImageProtocol, given["default_vdi_protocol_id"]) is None:
        raise Refusal("Invalid Default VDI Protocol Id")


def _write_image(context: Context, row: Image, given: Input) -> None:
    protocols = [context.session.get(ImageProtocol, each) for each in given["protocol_ids"]]
    known = [each for each in protocols if each is not None]
    if len(known) < len(protocols):
        raise Refusal("Protocol not found for the given id")
    row.name, row.compute_id, row.visible = given["name"], given["compute_id"], given["visible"]
    for field in ("version", "description", "icon", "boot_command", "autologin", "auto_accept_extension_request"):
        setattr(row, field, given.get(field))
    row.cloud_id = _stored(given.get("cloud_id"))
    row.default_vdi_protocol_id = given["default_vdi_protocol_id"]
    row.secondary_vdi_protocol_id = given.get("secondary_vdi_protocol_id")
    row.protocols = known


def _stored(cloud_id: int | None) -> int | None:
    """Return a cloud's id as it is stored: that of the default cloud is not."""
    return cloud_id if cloud_id is not None and cloud_id > 0 else None


# -- flavours


@mutation.field("createFlavour")
def create_flavour(_: object, info: Info, input: Input) -> Flavour:  # noqa: A002 - VISA's name
    """Let VISA know a flavour. Without one of its three lists it is written, and the server stumbles."""
    context = admin(info)
    _check_flavour(context, input)
    row = Flavour()
    context.session.add(row)
    return _write_flavour(context, row, input)


@mutation.field("updateFlavour")
def update_flavour(_: object, info: Info, id: int, input: Input) -> Flavour:  # noqa: A002 - VISA's name
    """Replace a flavour as a whole."""
    context = admin(info)
    _check_flavour(context, input)
    return _write_flavour(context, _row(context, Flavour, id, "Flavour was not found for the given id"), input)


@mutation.field("deleteFlavour")
def delete_flavour(_: object, info: Info, id: int) -> Flavour:  # noqa: A002 - VISA's name
    """Take a flavour off the list."""
    return _delete(admin(info), Flavour, id, "Flavour not found for the given id")


def _check_flavour(context: Context, given: Input) -> None:
    try:
        known = {each.id for each in _cloud(context, given.get("cloud_id")).flavours()}
    except CloudDown as error:
        raise Refusal("Error accessing Cloud") from error
    if given["compute_id"] not in known:
        raise Refusal("Invalid Cloud Flavour Id")


def _write_flavour(context: Context, row: Flavour, given: Input) -> Flavour:
    session = context.session
    row.name, row.memory, row.cpu, row.compute_id = given["name"], given["memory"], given["cpu"], given["compute_id"]
    row.cloud_id = _stored(given.get("cloud_id"))
    session.commit()
    list(given["instrument_ids"])  # the lab has no instruments; a list that is not there stumbles here all the same
    known = {role.id for role in store.rows(session, Role)}
    wanted = [role for role in given["role_ids"] if role in known]
    row.limits = [FlavourLimit(object_id=role, object_type="ROLE") for role in wanted]
    session.commit()
    row.role_lifetimes = [
        RoleLifetime(role_id=each.get("role_id"), lifetime_minutes=each["lifetime_minutes"])
        for each in given["role_lifetimes"]
        if each.get("role_id") is None or each["role_id"] in known
    ]
    session.commit()
    return row


# -- plans


@mutation.field("createPlan")
def create_plan(_: object, info: Info, input: Input) -> Plan:  # noqa: A002 - VISA's name
    """Make a plan; that the image is of another cloud than the flavour is not looked at."""
    context = admin(info)
    row = Plan()
    _write_plan(context, row, input)
    context.session.add(row)
    context.session.commit()
    return row


@mutation.field("updatePlan")
def update_plan(_: object, info: Info, id: int, input: Input) -> Plan:  # noqa: A002 - VISA's name
    """Replace a plan as a whole. One that becomes preset takes that from all others."""
    context = admin(info)
    row = _row(context, Plan, id, "Plan not found for the given id")
    _write_plan(context, row, input)
    context.session.commit()
    return row


@mutation.field("deletePlan")
def delete_plan(_: object, info: Info, id: int) -> Plan:  # noqa: A002 - VISA's name
    """Take a plan off the list."""
    return _delete(admin(info), Plan, id, "Plan not found for the given id")


def _write_plan(context: Context, row: Plan, given: Input) -> None:
    flavour = _row(context, Flavour, given["flavour_id"], "Flavour not found for the given id")
    image = _row(context, Image, given["image_id"], "Image not found for the given id")
    if given["preset"]:
        context.session.execute(update(Plan).values(preset=False))
        context.session.commit()
    row.flavour, row.image, row.preset = flavour, image, given["preset"]


# -- security groups


@mutation.field("createSecurityGroup")
def create_security_group(_: object, info: Info, input: Input) -> SecurityGroup:  # noqa: A002 - VISA's name
    """Let VISA know a security group: the only creation that can be repeated."""
    context = admin(info)
    _check_group(context, input)
    for found in store.rows(context.session, SecurityGroup):
        if found.name == input["name"]:
            if input.get("cloud_id") is None:
                raise TypeError("cloudId is null")  # where the real server stumbles
            if found.cloud_id == _stored(input["cloud_id"]):
                return found
    row = SecurityGroup(name=input["name"], cloud_id=_stored(input.get("cloud_id")))
    context.session.add(row)
    context.session.commit()
    return row


@mutation.field("updateSecurityGroup")
def update_security_group(_: object, info: Info, id: int, input: Input) -> SecurityGroup:  # noqa: A002
    """Replace a security group as a whole."""
    context = admin(info)
    row = _row(context, SecurityGroup, id, "SecurityGroup was not found for the given id")
    _check_group(context, input)
    row.name, row.cloud_id = input["name"], _stored(input.get("cloud_id"))
    context.session.commit()
    return row


@mutation.field("deleteSecurityGroup")
def delete_security_group(_: object, info: Info, id: int) -> SecurityGroup:  # noqa: A002 - VISA's name
    """Remove a security group and its filters."""
    return _remove(admin(info), SecurityGroup, id, "Security group not found for the given id")


def _check_group(context: Context, given: Input) -> None:
    if given["name"] not in _cloud(context, given.get("cloud_id")).security_groups():
        raise Refusal("Invalid Cloud Security Group")


@mutation.field("createSecurityGroupFilter")
def create_filter(_: object, info: Info, input: Input) -> SecurityGroupFilter:  # noqa: A002 - VISA's name
    """Say whose instances get a security group."""
    context = admin(info)
    if any(all(getattr(each, name) == value for name, value in input.items())
           for each in store.rows(context.session, SecurityGroupFilter)):  # fmt: skip
        raise Refusal("A security group filter for the given object id and type already exists")
    _check_filter(context, input)
    row = SecurityGroupFilter(**input)
    context.session.add(row)
    context.session.commit()
    return row


@mutation.field("updateSecurityGroupFilter")
def update_filter(_: object, info: Info, id: int, input: Input) -> SecurityGroupFilter:  # noqa: A002
    """Replace a filter."""
    context = admin(info)
    row = _row(context, SecurityGroupFilter, id, "SecurityGroupFilter was not found for the given id")
    _check_filter(context, input)
    for name, value in input.items():
        setattr(row, name, value)
    context.session.commit()
    return row


@mutation.field("deleteSecurityGroupFilter")
def delete_filter(_: object, info: Info, id: int) -> SecurityGroupFilter:  # noqa: A002 - VISA's name
    """Remove a filter: the last one makes its group everybody's."""
    return _remove(admin(info), SecurityGroupFilter, id, "SecurityGroupFilter not found for the given id")


def _check_filter(context: Context, given: Input) -> None:
    _row(context, SecurityGroup, given["security_group_id"], "SecurityGroup not found for the given id")
    kinds: Mapping[str, type[Base]] = {"ROLE": Role, "FLAVOUR": Flavour}
    kind = given["object_type"]
    if kind not in {*kinds, "INSTRUMENT"}:
        raise Refusal("ObjectType is not valid for SecurityGroupFilter")
    if kind not in kinds or context.session.get(kinds[kind], given["object_id"]) is None:
        raise Refusal(f"{kind.capitalize()} not found for the given id")


# -- notifications


@mutation.field("createSystemNotification")
def create_notification(_: object, info: Info, input: Input) -> SystemNotification:  # noqa: A002 - VISA's name
    """Show users a banner or a dialog."""
    context = admin(info)
    row = SystemNotification()
    _write_notification(row, input)
    context.session.add(row)
    context.session.commit()
    return row


@mutation.field("updateSystemNotification")
def update_notification(_: object, info: Info, id: int, input: Input) -> SystemNotification:  # noqa: A002
    """Replace a notification."""
    context = admin(info)
    row = _row(context, SystemNotification, id, "systemNotification not found for the given id")
    _write_notification(row, input)
    context.session.commit()
    return row


@mutation.field("deleteSystemNotification")
def delete_notification(_: object, info: Info, id: int) -> SystemNotification:  # noqa: A002 - VISA's name
    """Remove a notification."""
    return _remove(admin(info), SystemNotification, id, "systemNotification not found for the given id")


def _write_notification(row: SystemNotification, given: Input) -> None:
    row.message, row.level, row.type = given["message"], given["level"], given["type"]
    at = given.get("activated_at")
    try:
        row.activated_at = datetime.strptime(at, "%Y-%m-%d %H:%M:%S") if at is not None else None
    except ValueError as error:
        raise Refusal("The activation date does not have a coherent format") from error


def _delete(context: Context, table: type[T], identity: int, missing: str) -> T:
    """Mark a row as deleted; what refers to it keeps it."""
    row: Any = _row(context, table, identity, missing)
    row.deleted = True
    context.session.commit()
    found: T = row
    return found


def _remove(context: Context, table: type[T], identity: int, missing: str) -> T:
    row = _row(context, table, identity, missing)
    context.session.delete(row)
    context.session.commit()
    return row
