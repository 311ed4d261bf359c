"""Where the Pulumi engine, its language host and the OpenStack provider come from."""

from toolchain.errors import ToolchainError
from toolchain.tools import Toolchain, ensure, status

__all__ = ["Toolchain", "ToolchainError", "ensure", "status"]
