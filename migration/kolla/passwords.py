"""Kolla's passwords.yml: read when something has to be asked, never rendered, shown or kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from migration.errors import PasswordsError


def read(path: Path) -> Mapping[str, object]:
    """Read the file.

    Arguments:
        path: Kolla's ``passwords.yml``.

    Returns:
        What it says, by name.

    Raises:
        PasswordsError: there is no such file, or it is encrypted or no YAML; its content is in no message.
    """
    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise PasswordsError(f"{path} (kolla.passwords) cannot be read: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise PasswordsError(f"{path} (kolla.passwords) says no passwords by name; is it encrypted as a whole?")
    return found


def password(path: Path, name: str) -> str:
    """Return one password.

    Raises:
        PasswordsError: it cannot be read, or is not there in clear.
    """
    found = read(path).get(name)
    if not isinstance(found, str) or not found:
        raise PasswordsError(f"{path} (kolla.passwords) has no {name} in clear")
    return found
