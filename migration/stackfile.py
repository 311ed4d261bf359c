"""A Pulumi stack file as plain values, with the line of every place and the mistakes that only the text shows.

Scalars are read as the Pulumi engine reads them, so that a file means the same here and there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from migration import complaints
from migration.errors import Problem, SettingsError

NO_SECRETS: Final = (
    "holds a secret, and no key of visa-migration needs one; passwords belong in clouds.yaml or the environment"
)

_TOO_DEEP: Final = "nested too deep or inside itself; write it out"
_INTEGER: Final = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)")
_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class StackFile:
    """What a stack file says under one namespace.

    Attributes:
        values: the values by key, without the namespace.
        lines: the line of each place, counted from 1.
        problems: what the text itself has wrong, such as a key given twice.
    """

    values: Mapping[str, object]
    lines: Mapping[str, int]
    problems: tuple[Problem, ...]


def read(path: Path, namespace: str) -> StackFile:
    """Read a stack file.

    Arguments:
        path: the file.
        namespace: the part before the colon of the keys to read.

    Returns:
        What it says under that namespace.

    Raises:
        SettingsError: it cannot be read, or is no YAML.
    """
    try:
        return read_text(path.read_text(encoding="utf-8"), namespace, source=path.name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"cannot be read ({reason}); write it by hand, or with: visa-migration adopt"
        raise SettingsError(path.name, [Problem(str(path.parent), message)]) from error
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8; save the file as UTF-8 text"
        raise SettingsError(path.name, [Problem("file", message)]) from error


def read_text(text: str, namespace: str, *, source: str) -> StackFile:
    """Read the text of a stack file.

    Arguments:
        text: the YAML.
        namespace: the part before the colon of the keys to read.
        source: the file, as the reader would name it.

    Returns:
        What it says under that namespace.

    Raises:
        SettingsError: it is no YAML.
    """
    try:
        root: Node | None = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"is no YAML: {error.problem or error.context}; mend the line or the one before it"
        raise SettingsError(source, [Problem("file", message, mark.line + 1 if mark else None)]) from error
    except (YAMLError, ValueError, RecursionError, AttributeError) as error:
        # ruamel lets a few of Python's own errors through on broken text
        reason = str(error).partition("\n")[0]
        raise SettingsError(source, [Problem("file", f"is no YAML: {reason}; mend it")]) from error
    return _Reader(namespace).file(root)


def placed(problems: Iterable[Problem], lines: Mapping[str, int]) -> list[Problem]:
    """Give problems their lines, and sort them the way the file reads.

    Arguments:
        problems: what was found.
        lines: the line of each known place.

    Returns:
        The problems, each once. A place that is not in the file (a missing key) has the line of what should hold it.
    """
    with_lines = [
        problem if problem.line is not None else replace(problem, line=_line(problem.place, lines))
        for problem in problems
    ]
    return sorted(dict.fromkeys(with_lines), key=lambda problem: problem.line or 0)


def _line(place: str, lines: Mapping[str, int]) -> int | None:
    while place:
        if place in lines:
            return lines[place]
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return None


class _Reader:
    """Walks the YAML nodes of one file."""

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}:"
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        self._open: list[Node] = []

    def file(self, root: Node | None) -> StackFile:
        values: dict[str, object] = {}
        config = self._child(root, "config")
        for key, node in self._entries(config, ()):
            if key.startswith(self._prefix):
                name = key.removeprefix(self._prefix)
                values[name] = self._value(node, (name,))
        return StackFile(values, self._lines, tuple(self._problems))

    def _child(self, root: Node | None, wanted: str) -> Node | None:
        if root is None:
            return None
        if not isinstance(root, MappingNode):
            self._problem(("file",), root, "is no mapping; a stack file starts with config:")
            return None
        return next((node for key, node in self._entries(root, ()) if key == wanted), None)

    def _entries(self, node: Node | None, place: tuple[str | int, ...]) -> Iterable[tuple[str, Node]]:
        if node is None or (isinstance(node, ScalarNode) and node.tag == f"{_TAG}null"):
            return
        if not isinstance(node, MappingNode):
            self._problem(place or ("config",), node, "found no mapping; expected keys and their values")
            return
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._problem(place or ("config",), key_node, "a key is a list or a mapping; expected text")
                continue
            key = key_node.value
            inner = (*place, key.removeprefix(self._prefix))
            if key in seen:
                message = f"listed twice, first on line {seen[key]}; keep one of them"
                self._problems.append(Problem(complaints.path(inner), message, line))
                continue
            seen[key] = line
            self._lines.setdefault(complaints.path(inner), line)
            yield key, value_node

    def _value(self, node: Node, place: tuple[str | int, ...]) -> object:
        if any(node is above for above in self._open) or len(self._open) > 50:
            self._problem(place, node, _TOO_DEEP)
            return None
        self._lines.setdefault(complaints.path(place), node.start_mark.line + 1)
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                entries = {key: self._value(inner, (*place, key)) for key, inner in self._entries(node, place)}
                if entries.keys() == {"secure"}:
                    self._problem(place, node, NO_SECRETS)
                return entries
            if isinstance(node, SequenceNode):
                return [self._value(inner, (*place, index)) for index, inner in enumerate(node.value)]
            return _scalar(node)
        finally:
            self._open.pop()

    def _problem(self, place: tuple[str | int, ...], node: Node, message: str) -> None:
        self._problems.append(Problem(complaints.path(place), message, node.start_mark.line + 1))


def _scalar(node: Node) -> object:
    text: str = node.value
    if node.tag == f"{_TAG}null":
        return None
    if node.tag == f"{_TAG}bool":
        return text.lower() == "true"
    if node.tag == f"{_TAG}int" and _INTEGER.fullmatch(digits := text.replace("_", "")):
        # a leading zero means octal to the engine, as it did in YAML 1.1
        octal = len(digits.lstrip("+-")) > 1 and digits.lstrip("+-").startswith("0") and digits.isdigit()
        return int(digits, 8 if octal and not set(digits) & set("89") else 0 if not octal else 10)
    if node.tag == f"{_TAG}float":
        try:
            return float(text.replace("_", ""))
        except ValueError:
            return text
    return text
