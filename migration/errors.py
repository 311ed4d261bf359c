"""Every error of the migration, in one tree.

::

    MigrationError
    ├── SettingsError        mistakes in a stack file, all of them at once
    ├── GuardError           a wave that must not start; nothing was touched
    ├── CloudError           a cloud could not be asked, or refused
    │   ├── CloudUnreachable     no answer, or no way to log in
    │   └── CloudRefused         an answer that is an error (HTTP code kept)
    ├── StepError            one step on one node failed; the others go on
    │   ├── HookError            a hook could not be run, failed, or hung
    │   └── ProbeError           the probe server did not come up or go
    ├── AnsibleError         Ansible could not be run as it was asked to
    ├── PasswordsError       Kolla's passwords cannot be read
    ├── MemberSilent         Galera, RabbitMQ or HAProxy of a controller did not answer
    ├── VisaError            VISA could not be asked, or refused
    │   ├── VisaUnreachable      no answer, or one that is not VISA's
    │   └── VisaRefused          an answer that is an error, or a log-in that was refused
    ├── CephError            Ceph could not be asked at all: no binding, no configuration, no key
    │   ├── CephUnreachable      no quorum of monitors answered in time
    │   └── CephRefused          an answer that is an error (its number kept)
    ├── ImageError           one image could not be copied; the others go on
    ├── LockError            somebody else is acting
    └── EngineGone           the Pulumi engine is gone: nothing more may be started

A message says what was found, what was expected and what to do next, and names the node.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass


class MigrationError(Exception):
    """Parent of every error of the migration."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a stack file.

    Attributes:
        place: where it is, as a path in the file (``nodes.cmp07.membership``).
        message: what was found and how to mend it.
        line: line in the file, counted from 1, or None where only the values are known.
    """

    place: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return ``[line N: ]place: message``."""
        line = f"line {self.line}: " if self.line is not None else ""
        return f"{line}{self.place}: {self.message}"


class SettingsError(MigrationError):
    """A stack file has mistakes; all of them are in ``problems``.

    Arguments:
        source: the file, as the reader would name it (``Pulumi.caracal.yaml``).
        problems: every mistake found.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class GuardError(MigrationError):
    """Guards refuse this change as a whole; nothing was touched.

    Arguments:
        reasons: every guard that refuses, a sentence each.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))


class CloudError(MigrationError):
    """A cloud could not be asked, or refused.

    Arguments:
        cloud: its name in clouds.yaml.
        message: what happened and what to do next.
    """

    def __init__(self, cloud: str, message: str) -> None:
        self.cloud = cloud
        super().__init__(f"{cloud}: {message}")


class CloudUnreachable(CloudError):
    """No answer from the cloud, or no way to log in to it."""


class CloudRefused(CloudError):
    """The cloud answered with an error.

    Arguments:
        cloud: its name in clouds.yaml.
        message: what happened and what to do next.
        status: the HTTP status code.
    """

    def __init__(self, cloud: str, message: str, status: int) -> None:
        self.status = status
        super().__init__(cloud, message)


class StepError(MigrationError):
    """A step on a node failed; other nodes go on.

    Arguments:
        node: the node.
        step: the step, by its word in the glossary.
        message: what was found, what was expected, what to do next.
    """

    def __init__(self, node: str, step: str, message: str) -> None:
        self.node = node
        self.step = step
        super().__init__(f"{node}: {step}: {message}")


class HookError(StepError):
    """A hook could not be run, failed, or did not end in time."""


class ProbeError(StepError):
    """The probe server did not come up, or did not go away."""


class AnsibleError(MigrationError):
    """Ansible was asked for a run that must not be, or could not be started."""


class VisaError(MigrationError):
    """VISA could not be asked, or refused.

    Arguments:
        message: what was found, what was expected, what to do next; never a secret.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"VISA: {message}")


class VisaUnreachable(VisaError):
    """No answer from VISA, or one that is not VISA's."""


class VisaRefused(VisaError):
    """VISA answered with an error, or refused the log-in."""


class CephError(MigrationError):
    """Ceph could not be asked, or refused.

    Arguments:
        command: the monitors' command with its arguments, or what was being done.
        message: what happened and what to do next.
    """

    def __init__(self, command: str, message: str) -> None:
        self.command = command
        super().__init__(f"ceph: {command}: {message}")


class CephUnreachable(CephError):
    """No quorum of monitors answered in time."""


class CephRefused(CephError):
    """The monitors answered with an error.

    Arguments:
        command: the monitors' command with its arguments.
        message: what happened and what to do next.
        code: the error's number, as in :mod:`errno`.
    """

    def __init__(self, command: str, message: str, code: int) -> None:
        self.code = code
        super().__init__(command, message)

    @property
    def missing(self) -> bool:
        """Whether what was asked for does not exist."""
        return self.code == errno.ENOENT


class PasswordsError(MigrationError):
    """Kolla's passwords cannot be read."""


class MemberSilent(MigrationError):
    """Galera, RabbitMQ or HAProxy of a controller did not answer, or what answered is something else."""


class ImageError(MigrationError):
    """An image could not be copied; others go on.

    Arguments:
        name: its name in the new cloud.
        message: what was found, what was expected, what to do next.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")


class LockError(MigrationError):
    """Somebody else is acting on these clouds."""


class EngineGone(MigrationError):
    """The Pulumi engine that asked for these steps is gone; no further step may start."""
