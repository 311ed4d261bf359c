"""The engine reads stack files with its own YAML library: what we write must mean the same to both."""
# ruff: noqa: E501 - the words read better side by side

from __future__ import annotations

import json
import random
from pathlib import Path

from tiny_project import Project

from migration import stackfile
from scripts.document import Document

NASTY = [
    "", " ", "true", "False", "null", "~", "Null", "yes", "no", "on", "off", "y", "n", "0", "-0", "010", "0o10", "0b11", "0x1F",
    "1_000", "1.", ".5", "1e3", "1E+3", ".inf", "-.Inf", ".nan", "NaN", "12:30:45", "2026-12-04", "2026-12-04T10:00:00Z",
    "::/0", "fd00::1", "a:", ":a", "a: b", "a:b", "a #b", "#a", "- a", "-", "--", "---", "...", "? a", "?", "[a]", "{a}", "a, b",
    "&a", "*a", "!a", "|", ">", "%a", "@a", "`a`", "'a'", '"a"', "it's", "back\\slash", "tab\there", "two\nlines", "end ",
    " start", "Übung", "日本", "🙂", "<<", "=", "a=b", "{node}", "10.0.0.0/8", "hw:cpu_policy", "trait:CUSTOM_X", "+1", "+a", "a\u2028b",
]  # fmt: skip


def nasty(count: int) -> list[str]:
    """Return the list above, and random words of the characters that mean something to YAML."""
    source = random.Random(7)  # noqa: S311 - the same words in every run
    letters = "ab01:-.,#&*!|>'\"%@`{}[]?~+=/_ eExXoOé"
    return NASTY + ["".join(source.choices(letters, k=source.randint(1, 6))) for _ in range(count)]


def test_every_text_reaches_the_engine_as_it_was(project: Project) -> None:
    words = list(dict.fromkeys(nasty(600)))
    path = Path(project.directory) / "Pulumi.dev.yaml"
    document = Document(path)
    document.add("values", {"list": words, "short": {"inside": "::/0", "after": "x"}})
    keys = [word for word in words if word != "<<"]  # even in quotes, the engine merges it
    document.add("keys", {word: {"id": word} for word in keys})
    document.write()
    ended = project.pulumi("config", "--stack", "dev", "--json")
    assert ended.returncode == 0, ended.stdout
    engine = json.loads(ended.stdout)
    ours = stackfile.read(path, "visa-migration")
    assert ours.problems == ()
    for key in ("values", "keys"):
        assert json.loads(engine[f"visa-migration:{key}"]["value"]) == ours.values[key]
    assert ours.values["values"] == {"list": words, "short": {"inside": "::/0", "after": "x"}}
    assert ours.values["keys"] == {word: {"id": word} for word in keys}
