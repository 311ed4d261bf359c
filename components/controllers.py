"""The controllers: Kolla-Ansible's configuration directory, file by file, and what the preview says of the layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.files import RenderedFile
from components.summary import Account
from migration.actor import Orders
from migration.adapters.files import digest, found
from migration.ceph.access import CephAccess
from migration.kolla.layout import guards as controllers_guards
from migration.kolla.layout import sentences
from migration.kolla.render import render
from migration.settings import CaracalSettings

__all__ = ["Controllers", "controllers_guards", "declare_controllers"]


@dataclass(frozen=True)
class Controllers:
    """What was declared of the controllers.

    Attributes:
        files: the rendered files, by path relative to the project.
        failed: why one could not be written, or "", by the same paths.
        account: what the summary is told: of those that are to be written.
    """

    files: Mapping[str, RenderedFile]
    failed: Mapping[str, pulumi.Output[str]]
    account: Account


def declare_controllers(
    settings: CaracalSettings,
    computes: Sequence[str],
    ceph: CephAccess | None,
    orders: Orders,
    opts: pulumi.ResourceOptions | None = None,
) -> Controllers:
    """Declare Kolla's directory, and say what may fail.

    Arguments:
        settings: the stack's settings.
        computes: the nodes that are compute hosts (:func:`migration.kolla.render.computes_of`).
        ceph: how hosts find Ceph, or None.
        orders: what acts are told.
        opts: as for every resource.

    Returns:
        The files; none where Kolla is not configured.
    """
    if settings.kolla is None:
        return Controllers({}, {}, Account())
    directory = Path(settings.kolla.directory)
    parent = pulumi.ComponentResource("visa:cloud:Controllers", "controllers", None, opts)
    for sentence in sentences(settings):
        pulumi.log.info(f"controllers: {sentence}", parent)
    rendered = {str(directory / name): file for name, file in render(settings, computes, ceph).items()}
    there = {path: found(Path(path)) for path in rendered}
    below = pulumi.ResourceOptions(parent=parent)
    files = {
        path: RenderedFile(path, path, file.content, file.mode, orders, found=there[path], opts=below)
        for path, file in rendered.items()
    }
    parent.register_outputs({})
    failed = {path: file.report.apply(_failed) for path, file in files.items()}
    stale = [path for path, file in rendered.items() if there[path] != digest(file.content, file.mode)]
    account = Account({path: ["write"] for path in stale}, {path: failed[path] for path in stale})
    return Controllers(files, failed, account)


def _failed(report: Mapping[str, str] | None) -> str:
    """Return what failed; nothing is known of it in a preview."""
    return report["failed"] if report else ""
