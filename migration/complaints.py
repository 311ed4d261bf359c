"""What pydantic found wrong, as sentences for the person who wrote the file.

A sentence says what was found, what was expected and how to mend it. Where a value may be long it is cut short.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from migration.errors import Problem

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST = 60

_KINDS: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping (names and their values)",
    "mapping_type": "a mapping (names and their values)",
    "model_type": "a mapping (keys and their values)",
    "model_attributes_type": "a mapping (keys and their values)",
}
_MEND: Mapping[str, str] = {
    "string_type": "put it in quotes",
    "int_type": "write digits without quotes",
    "bool_type": "write true or false without quotes",
}


def path(parts: Iterable[str | int]) -> str:
    """Write a place in a file the way ``pulumi config set --path`` reads it.

    Arguments:
        parts: keys, and positions in lists.

    Returns:
        For example ``nodes["cmp.07"].membership`` or ``hooks.leave.argv[0]``.
    """
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def shown(value: object) -> str:
    """Show a value found in a file, cut to a readable length.

    Arguments:
        value: what was found.

    Returns:
        Text in double quotes, numbers as they are, containers by their kind.
    """
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def alternatives(words: Iterable[str]) -> str:
    """Join words for a sentence.

    Arguments:
        words: what may be used.

    Returns:
        ``a, b or c``.
    """
    *first, last = [*words] or ["nothing"]
    return f"{', '.join(first)} or {last}" if first else last


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Guess what a misspelt word should have been.

    Arguments:
        word: what was found.
        known: what exists.

    Returns:
        ``did you mean "nodes"?``, or the words that exist.
    """
    names = list(known)
    if close := difflib.get_close_matches(word, names, n=1):
        return f'did you mean "{close[0]}"?'
    return f"use {alternatives(names)}" if names else "there is none to choose from"


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate everything that pydantic found.

    Arguments:
        error: what it raised.
        model: the model that was to be built.

    Returns:
        One problem for each mistake, without lines.
    """
    return [Problem(path(found["loc"]), _sentence(found, model)) for found in error.errors(include_url=False)]


def _sentence(found: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    word = str(found["loc"][-1]) if found["loc"] else ""
    if kind in _KINDS:
        mend = f"; {_MEND[kind]}" if kind in _MEND and isinstance(value, (str, int, float)) else ""
        return f"found {shown(value)}, expected {_KINDS[kind]}{mend}"
    match kind:
        case "extra_forbidden":
            sentence = f"unknown key; {did_you_mean(word, _fields(_owner(found, model)))}"
        case "missing":
            sentence = f"missing; give {_fields(_owner(found, model))[word].description}"
        case "enum" | "literal_error":
            # pydantic has already written the choices: 'a', 'b' or 'c'
            choices = str(context["expected"]).replace("'", "")
            sentence = f"{shown(value)} is not a {word.replace('_', ' ')}; use {choices}"
        case "greater_than_equal":
            sentence = f"{shown(value)} is too small; use {context['ge']} or more"
        case "less_than_equal":
            sentence = f"{shown(value)} is too large; use {context['le']} or less"
        case "too_short":
            sentence = "an empty list; give at least one entry"
        case "string_too_short":
            sentence = "empty text; give a name"
        case _:
            sentence = found["msg"]
    return sentence


def _owner(found: ErrorDetails, model: type[BaseModel]) -> type[BaseModel]:
    """Find the model that the last key of a place belongs to."""
    owner: type[BaseModel] = model
    for part in found["loc"][:-1]:
        field = _fields(owner).get(str(part))
        if field is not None and (inner := _inner(field.annotation)) is not None:
            owner = inner
    return owner


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields by the keys that the file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, getattr(annotation, "__args__", ()))), None)
