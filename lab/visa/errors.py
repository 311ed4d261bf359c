"""What VISA answers with when it does not do as it was asked."""

from __future__ import annotations


class Refusal(Exception):
    """VISA refuses, and says why. Every other error is only a "System error" to who asks."""


class CloudDown(Exception):
    """A cloud refused the connection or the credential, or answered with an error that is not 404."""
