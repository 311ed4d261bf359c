"""``python -m toolchain ensure|env|status``: have the tools, print what to export for them, say where they are."""

from __future__ import annotations

import argparse
import shlex
import sys

from toolchain import ToolchainError, ensure, status


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says.

    Arguments:
        arguments: the command line without the program's name; by default that of this process.

    Returns:
        The exit code: 0, 1 when a tool cannot be had, 130 when interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m toolchain", description="The Pulumi engine and its plugins.")
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("ensure", help="find the tools, or build them once into the cache")
    what.add_parser("env", help='the same, and print what to export: eval "$(python -m toolchain env)"')
    what.add_parser("status", help="say where each part is; builds nothing")
    chosen = parser.parse_args(arguments).what
    if chosen == "status":
        print("\n".join(status()))
        return 0
    try:
        tools = ensure(lambda line: print(line, file=sys.stderr, flush=True))
    except ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was being built is gone, the next run begins it anew", file=sys.stderr)
        return 130
    if chosen == "env":
        for name, value in tools.environment().items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
