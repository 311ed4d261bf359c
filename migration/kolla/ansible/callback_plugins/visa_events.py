"""Ansible's own events as JSON lines, for migration/adapters/ansible.py.

It runs inside Ansible, under the Python of Ansible's environment: it imports nothing of ours. Results arrive here with
what ``no_log`` hides taken out already.
"""

# ruff: noqa: SLF001 - a result has no other names for what every callback plugin reads

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-not-found]

DOCUMENTATION = """
name: visa_events
type: notification
short_description: writes events as JSON lines
description: Appends one JSON document a line to the file that VISA_ANSIBLE_EVENTS names.
"""

LONGEST = 1000
"""Characters of a message; the whole is in the log."""


def _said(result: dict[str, Any]) -> str:
    """Return what a module says of its failure: of a loop, what its failed items say."""
    if isinstance(result.get("results"), list):
        items = [item for item in result["results"] if isinstance(item, dict)]
        failed = [item for item in items if item.get("failed") or item.get("unreachable")]
        words = [_said({**item, "results": None}) for item in failed]
        if words:
            return "; ".join(dict.fromkeys(words))
    parts = [result.get("msg"), result.get("reason")]
    parts += [str(result.get(key) or "")[-300:] for key in ("stderr", "module_stderr", "module_stdout")]
    words = [" ".join(str(part).split()) for part in parts if part]
    return "; ".join(dict.fromkeys(words)) or "it says nothing of why"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Writes what happened, when it happens."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "visa_events"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = open(os.environ["VISA_ANSIBLE_EVENTS"], "a", encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as Ansible runs

    def _tell(self, event: str, **what: Any) -> None:
        self._file.write(json.dumps({"event": event, **what}) + "\n")
        self._file.flush()

    def _of(self, event: str, result: Any, **what: Any) -> None:
        self._tell(event, host=result._host.get_name(), task=result._task.get_name().strip(), **what)

    def _failed(self, event: str, result: Any) -> None:
        delegate = str(result._task.delegate_to or "")
        elsewhere = delegate if delegate != result._host.get_name() else ""
        self._of(event, result, message=_said(result._result)[:LONGEST], delegate=elsewhere)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins."""
        self._tell("play", name=play.get_name().strip())

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task went well on a host."""
        facts = result._result.get("ansible_facts") or {}
        report = {"report": facts["visa_report"]} if "visa_report" in facts else {}
        self._of("ok", result, **report)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002 - Ansible's signature
        """A task failed on a host; a rescue may still follow, which only the statistics know."""
        if not ignore_errors:
            self._failed("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host could not be reached."""
        if not result._task.ignore_unreachable:
            self._failed("unreachable", result)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Ansible gives up: no host is left, or a failure was fatal for all."""
        self._tell("given-up")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """All is over."""
        self._tell("stats", hosts={host: stats.summarize(host) for host in stats.processed})
