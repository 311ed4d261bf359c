"""Files of Kolla's configuration directory, each a resource: the preview shows what changes in it.

What is on disk is an input (``found``), so a file that was edited by hand is seen by the preview and mended by ``up``.
The content is no output: where it is a secret it is in the state once, encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components.provider import Provider
from migration.actor import Orders
from migration.adapters import files
from migration.audit import BEGINS, DONE, FAILED, STAYS

SYSTEM = "kolla"
"""Whose files they are, in the audit log."""


class FileProvider(Provider):
    """Writes one file; it reports a failure, so that the others are written."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Write the file if it is not there as it should be."""
        path, content, mode = str(props["path"]), str(props["content"]), int(props["mode"], 8)
        wanted, failed = files.digest(content, mode), ""
        try:
            if files.found(Path(path)) != wanted:
                self._write(path, content, mode)
        except OSError as error:
            failed = f"{path}: cannot be written: {error.strerror or error}; mend that, then run pulumi up again"
        return {
            "path": path,
            "mode": props["mode"],
            "found": props["found"],
            "written": "" if failed else wanted,
            "report": {"failed": failed},
        }

    def _write(self, path: str, content: str, mode: int) -> None:
        actor = self.actor()
        actor.engine.check()
        actor.tell(SYSTEM, path, "write", BEGINS)
        try:
            files.place(Path(path), content, mode)
        except OSError as error:
            actor.tell(SYSTEM, path, "write", FAILED, str(error.strerror or error))
            raise
        actor.tell(SYSTEM, path, "write", DONE)

    def identity(self, props: Mapping[str, Any]) -> str:
        """Return the resource's id."""
        return str(props["path"])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" where the file on disk, or what we know to have written, is not what is wanted."""
        if news["path"] != olds["path"]:
            return DiffResult(changes=True, replaces=["path"], delete_before_replace=True)
        content = news.get("content")
        if not isinstance(content, str) or content == pulumi.runtime.rpc.UNKNOWN:
            return DiffResult(changes=True)  # known only once something else has been made
        wanted = files.digest(content, int(news["mode"], 8))
        return DiffResult(changes=news["found"] != wanted or olds.get("written") != wanted)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove a file that is still ours; one that somebody has edited stays."""
        path, actor = str(props["path"]), self.actor()
        actor.engine.check()
        actor.tell(SYSTEM, path, "remove", BEGINS)
        if files.remove(Path(path), str(props.get("written") or "")):
            actor.tell(SYSTEM, path, "remove", DONE)
        else:
            actor.tell(SYSTEM, path, "remove", STAYS, "it is not as we wrote it")
            print(f"{path}: is not as it was written, so it stays; remove it yourself if nobody needs it", flush=True)


class RenderedFile(Resource, module="files", name="RenderedFile"):
    """One file of ours below the project.

    Arguments:
        name: the resource's name.
        path: where the file is, relative to the project.
        content: its text; a secret stays one.
        mode: its permissions, as in 0o640.
        orders: what acts are told.
        found: the digest of what is there now, or "" (:func:`migration.adapters.files.found`).
        opts: as for every resource.

    Attributes:
        report: how it ended: ``{"failed": ""}``, or a sentence.
        written: the digest of what was written, or "" where that failed.
    """

    report: pulumi.Output[dict[str, Any]]
    written: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        path: str,
        content: pulumi.Input[str],
        mode: int,
        orders: Orders,
        *,
        found: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"path": path, "content": content, "mode": f"{mode:04o}", "found": found}
        super().__init__(FileProvider(orders), name, {**inputs, "written": None, "report": None}, opts)
