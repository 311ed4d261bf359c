"""What can go wrong when the tools are found or built."""

from __future__ import annotations


class ToolchainError(Exception):
    """A tool cannot be had; the message says which, why, and what to do."""
