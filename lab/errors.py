"""What can go wrong with the lab."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do this; the message says what was found, what was expected and what to do next."""


class ServiceError(LabError):
    """A process of a cloud ended, or did not answer in time; the message ends with its last log lines."""


class CephError(LabError):
    """Ceph refuses, or one of its tools fails; the message has its own words."""


class NoAnswer(CephError):
    """Ceph does not answer in time: its monitors have no quorum, or too few copies are up."""
