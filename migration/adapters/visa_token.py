"""Where the token of VISA's administrator comes from; it is never shown."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from migration.errors import VisaRefused
from migration.visa.settings import Token

COMMAND_TIMEOUT = 60.0
"""Seconds that the command which prints the token may take."""


def read_token(source: Token) -> str:
    """Read the token.

    Arguments:
        source: environment, file or command.

    Returns:
        The token, without the white space around it.

    Raises:
        VisaRefused: there is none, or others could read it.
    """
    if source.environment is not None:
        token = os.environ.get(source.environment, "")
        where = f"the environment variable {source.environment} (visa.token.environment)"
    elif source.file is not None:
        token = _of_file(Path(source.file).expanduser())
        where = f"the file {source.file} (visa.token.file)"
    else:
        token = _of_command(source.command or ())
        where = "what visa.token.command prints"
    token = token.strip()
    if not token or not token.isascii() or any(character.isspace() for character in token):
        found = "empty or not set" if not token else "no token: it has white space or letters beyond ASCII inside"
        raise VisaRefused(f"{where} is {found}; give the access token of a VISA administrator")
    return token


def _of_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise VisaRefused(
                    f"the token file {path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}); expected"
                    f" 0600. Run chmod 600 {path}, and replace the token if somebody may have read it"
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise VisaRefused(f"the token file {path} cannot be read ({reason}); see visa.token.file") from None


def _of_command(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False, timeout=COMMAND_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        reason = f"did not end in {COMMAND_TIMEOUT:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else error
        raise VisaRefused(
            f"the command {command[0]} that shall print the token: {reason}; see visa.token.command"
        ) from None
    if done.returncode:
        raise VisaRefused(
            f"the command {command[0]} that shall print the token ended with {done.returncode}, expected 0; run it by"
            " hand, and see visa.token.command"
        )
    return done.stdout
