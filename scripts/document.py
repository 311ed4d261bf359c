"""A stack file that grows: comments, order and every entry that is there stay as they are."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from migration import settings, stackfile
from migration.errors import Problem, SettingsError

_FLOW: Final = 120
"""Longest entry that is written on one line."""

_PLAIN: Final = re.compile(r"[\w./][\w./ @+-]*(:[\w./@+-]+)*", re.ASCII)
_NUMBER_LIKE: Final = re.compile(r"[-+.]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F_]+")


class Document:
    """One stack file, read and then filled.

    Arguments:
        path: the file; it need not exist.

    Attributes:
        path: the file.

    Raises:
        SettingsError: it exists and is no YAML, or has a key twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = path.read_text(encoding="utf-8") if path.exists() else ""
        found = stackfile.read(path, settings.NAMESPACE) if self._before else stackfile.StackFile({}, {}, ())
        if found.problems:
            raise SettingsError(path.name, stackfile.placed(found.problems, found.lines))
        self._lines = found.lines
        self._yaml = _yaml(self._before)
        self._root = self._load()
        self._changed = False

    def _load(self) -> CommentedMap:
        try:
            root = self._yaml.load(self._before)
        except (YAMLError, ValueError) as error:
            raise SettingsError(self.path.name, [Problem("file", f"is no YAML: {error}; mend it")]) from error
        root = CommentedMap() if root is None else root
        if root.get("config") is None:
            root["config"] = CommentedMap()
        return root

    def get(self, key: str) -> Any:
        """Return what stands under a key of ours, or None."""
        return self._root["config"].get(f"{settings.NAMESPACE}:{key}")

    def keys(self, key: str) -> list[str]:
        """Return the names of the entries under a key of ours."""
        value = self.get(key)
        return [str(name) for name in value] if isinstance(value, Mapping) else []

    def set_other(self, key: str, value: Any) -> None:
        """Set a key of another namespace, where it is missing."""
        if key not in self._root["config"]:
            self._root["config"].insert(0, key, styled(value))
            self._changed = True

    def set(self, key: str, value: Any, comment: str | None = None) -> bool:
        """Set a key of ours where it is missing.

        Arguments:
            key: the key, without the namespace.
            value: what to write.
            comment: written above it.

        Returns:
            Whether it was missing.
        """
        if self.get(key) is not None:
            return False
        config, full = self._root["config"], f"{settings.NAMESPACE}:{key}"
        config[full] = styled(value, top=True)
        if comment is not None:
            config.yaml_set_comment_before_after_key(full, before=comment, indent=self._yaml.map_indent or 2)
        self._changed = True
        return True

    def add(self, key: str, entries: Mapping[str, Any]) -> None:
        """Add entries under a key of ours.

        Arguments:
            key: the key, without the namespace; nothing happens where it holds something other than entries.
            entries: entries whose names are not there yet.
        """
        if not entries or self.set(key, entries):
            return
        section = self.get(key)
        if isinstance(section, CommentedMap):
            for name, entry in entries.items():
                section[styled(name)] = styled(entry)
            self._changed = True

    def text(self) -> str:
        """Return the whole file; unchanged, to the byte, where nothing was missing."""
        if not self._changed:
            return self._before
        stream = io.StringIO()
        self._yaml.dump(self._root, stream)
        return stream.getvalue()

    def check(self) -> None:
        """Parse the file as it would be written.

        Raises:
            SettingsError: it would not parse; lines are those of the file as it is.
        """
        stack = self.path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        result = stackfile.read_text(self.text(), settings.NAMESPACE, source=self.path.name)
        settings.parse(stack, result.values, source=self.path.name, lines=self._lines)

    def write(self) -> bool:
        """Write the file in one piece.

        Returns:
            Whether there was anything to write.
        """
        text = self.text()
        if text == self._before:
            return False
        target = self.path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return True


def styled(value: Any, *, top: bool = False) -> Any:
    """Prepare a value for a file that people read: short entries take one line each.

    Arguments:
        value: mappings, lists and scalars.
        top: whether it stands directly under a key of ours, where each entry has a line of its own.

    Returns:
        The same for ruamel.yaml.
    """
    if isinstance(value, Mapping):
        mapping = CommentedMap()
        for key, inner in value.items():
            mapping[styled(str(key))] = styled(inner)
        holds_entries = top and any(isinstance(inner, Mapping) for inner in value.values())
        if _length(value) <= _FLOW and not holds_entries:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, (list, tuple)):
        sequence = CommentedSeq([styled(inner) for inner in value])
        if _length(value) <= _FLOW:
            sequence.fa.set_flow_style()
        return sequence
    # the engine reads YAML with another library: it knows more spellings of numbers, and no "::/0" between braces
    if isinstance(value, str) and (_NUMBER_LIKE.fullmatch(value) or not _PLAIN.fullmatch(value)):
        return DoubleQuotedScalarString(value)
    return value


def _length(value: Any) -> int:
    return len(repr(value).replace("'", ""))


def _yaml(text: str) -> YAML:
    """Return a reader and writer that indents the way the text does."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1 << 16  # lines that are long stay long
    mapping = re.search(r"^config:[^\n]*\n(?:\s*#[^\n]*\n)*( +)\S", text, re.MULTILINE)
    indent = len(mapping.group(1)) if mapping else 2
    sequence = re.search(r"^( *)[^\s#-][^\n]*:\s*\n( *)- ", text, re.MULTILINE)
    offset = max(len(sequence.group(2)) - len(sequence.group(1)), 0) if sequence else 2
    yaml.indent(mapping=indent, sequence=offset + 2, offset=offset)
    return yaml
