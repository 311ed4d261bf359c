"""What must hold between the settings of VISA."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from migration import raw as raws
from migration.complaints import alternatives, did_you_mean, path, shown
from migration.errors import Problem
from migration.names import probe_names
from migration.raw import Raw

_PREFIX: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_TOKENS: Final = ("environment", "file", "command")


def problems(raw: Raw) -> Iterator[Problem]:
    """Check what the stack file says; yields every mistake, without lines."""
    visa = raws.mapping(raw, "visa")
    if not visa:
        return
    yield from _endpoint(visa)
    yield from _token(visa)
    yield from _prefixes(visa)
    yield from _credential(visa)
    yield from _plans(visa)
    yield from _names(visa)
    yield from _switch(visa)
    if raws.text(raws.mapping(raw, "clouds"), "old") is None and visa.get("default_backend") != "caracal":
        message = "the old cloud is retired (clouds.old is not set); only caracal can be the default backend"
        yield Problem("visa.default_backend", message)


def overlaps(prefix: str, other: str) -> bool:
    """Return whether one of two prefixes begins the other.

    VISA's nightly job deletes, per cloud, each server whose name begins with that cloud's prefix and that is none of
    its instances (visa-business, the clean-up of orphans).
    """
    return prefix.startswith(other) or other.startswith(prefix)


def _endpoint(visa: Raw) -> Iterator[Problem]:
    if (url := raws.text(visa, "endpoint")) is not None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
            yield Problem(
                "visa.endpoint",
                f"{shown(url)} is not where a VISA is; write scheme and host, as in https://visa.example.org, and the"
                " path under api_path",
            )
        elif parts.username or parts.password:
            yield Problem("visa.endpoint", "holds a user or password; drop them, the token is given under token")
        elif parts.scheme == "http" and not _loopback(parts.hostname):
            yield Problem("visa.endpoint", f"{shown(url)} would send the token in clear; use https")
    if (api := raws.text(visa, "api_path")) is not None and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", api):
        yield Problem("visa.api_path", f"{shown(api)} is no path; write one as in /api")
    if (zone := raws.text(visa, "timezone")) is not None and zone not in available_timezones():
        known = sorted(available_timezones())
        hint = did_you_mean(zone, known)
        hint = hint if hint.startswith("did you mean") else "write one as in Europe/Paris"
        yield Problem("visa.timezone", f"{shown(zone)} is no time zone; {hint}")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(visa: Raw) -> Iterator[Problem]:
    given = [key for key in _TOKENS if raws.mapping(visa, "token").get(key) is not None]
    if isinstance(visa.get("token"), Mapping) and len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        yield Problem("visa.token", f"{found}; give one of {alternatives(_TOKENS)}")


def _prefixes(visa: Raw) -> Iterator[Problem]:
    prefixes = raws.mapping(visa, "prefixes")
    for key in ("old", "new"):
        prefix = raws.text(prefixes, key)
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            yield Problem(
                f"visa.prefixes.{key}",
                f"{shown(prefix)} begins no server's name; use letters, digits, dots and hyphens",
            )
    old, new = raws.text(prefixes, "old"), raws.text(prefixes, "new")
    if old and new and overlaps(old, new):
        yield Problem(
            "visa.prefixes",
            f"{shown(min(old, new, key=len))} begins {shown(max(old, new, key=len))}: VISA's nightly clean-up of one"
            " cloud would take the other's servers for its own; use a prefix for the new cloud that neither begins"
            " the old one nor is begun by it",
        )
    ours = [name for name in probe_names("") if new and overlaps(name, new)]
    if ours:
        yield Problem(
            "visa.prefixes.new",
            f"{shown(new)}: VISA's nightly clean-up would delete visa-migration's own servers ({alternatives(ours)}…);"
            " use another one",
        )


def _credential(visa: Raw) -> Iterator[Problem]:
    credential = raws.mapping(visa, "credential")
    days = raws.number(credential, "days") or 365
    before = raws.number(credential, "renew_before") or 60
    if before >= days:
        yield Problem("visa.credential.renew_before", f"{before} is not less than days, {days}; it would never rest")


def _plans(visa: Raw) -> Iterator[Problem]:
    images, flavours = raws.mapping(visa, "images"), raws.mapping(visa, "flavours")
    seen: list[tuple[object, object]] = []
    for index, plan in enumerate(raws.listed(visa, "plans")):
        if not isinstance(plan, Mapping):
            continue
        place: list[str | int] = ["visa", "plans", index]
        yield from raws.unknown(raws.text(plan, "image"), images, "visa.images", [*place, "image"])
        yield from raws.unknown(raws.text(plan, "flavour"), flavours, "visa.flavours", [*place, "flavour"])
        pair = (plan.get("image"), plan.get("flavour"))
        if pair in seen:
            yield Problem(path(place), f"the same as plans[{seen.index(pair)}]; keep one")
        seen.append(pair)
    preset = raws.mapping(visa, "preset")
    pair = (raws.text(preset, "image"), raws.text(preset, "flavour"))
    if None not in pair and pair not in seen:
        yield Problem("visa.preset", f"{shown(pair[0])} with {shown(pair[1])} is not under plans; add it there")


def _names(visa: Raw) -> Iterator[Problem]:
    """Two entries that VISA could not tell apart."""
    seen: dict[tuple[object, object], str] = {}
    for key, image in raws.entries(visa, "images"):
        named = (image.get("name") or key, image.get("version"))
        if (other := seen.setdefault(named, key)) != key:
            yield Problem(
                path(["visa", "images", key]), f"has the name and version of {shown(other)}; give it another version"
            )


def _switch(visa: Raw) -> Iterator[Problem]:
    backend, offer = visa.get("default_backend", "stein"), visa.get("offer", "hidden")
    if backend == "caracal" and offer in {"hidden", "admins"}:
        message = f"caracal cannot be the default backend while its offer is {offer}; set offer: users"
        yield Problem("visa.default_backend", message)
    if backend == "caracal" and visa.get("preset") is None:
        yield Problem("visa.preset", "missing; the default backend needs the plan that users start from")
    if offer in {"admins", "users"} and not visa.get("plans"):
        yield Problem("visa.plans", f"empty, but offer is {offer}; give the plans to offer")
    if backend == "caracal" and visa.get("force_back") is not None:
        yield Problem("visa.force_back", "forces the way back to stein, but default_backend is caracal; drop it")
