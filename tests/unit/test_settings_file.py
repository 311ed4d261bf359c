"""Reading a stack file's text: lines, keys given twice, secrets, and text that is no YAML."""
# ruff: noqa: E501 - the tables read better with a line for each case

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from migration import settings, stackfile
from migration.errors import SettingsError
from migration.settings import CaracalSettings, SteinSettings

HEAD = "config:\n  visa-migration:clouds: {old: stein, new: caracal}\n  visa-migration:datacenters: {dc1: {}}\n"


def load(directory: Path, text: str | bytes, name: str = "Pulumi.caracal.yaml") -> CaracalSettings | SteinSettings:
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return settings.load(path)


def mistakes(directory: Path, text: str | bytes, name: str = "Pulumi.caracal.yaml") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(directory, text, name)
    assert all(line.startswith(f"{name}: ") for line in str(caught.value).splitlines())
    return [str(problem) for problem in caught.value.problems]


def values(text: str) -> Any:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    read = stackfile.read_text(f"config:\n  visa-migration:x:\n{lines}", "visa-migration", source="f")
    return read.values["x"]


def test_both_stacks_load(tmp_path: Path) -> None:
    assert isinstance(load(tmp_path, HEAD), CaracalSettings)
    stein = "config: {'visa-migration:clouds': {old: a, new: b}}\nencryptionsalt: v1:x\n"
    assert isinstance(load(tmp_path, stein, "Pulumi.stein.yaml"), SteinSettings)


def test_other_namespaces_are_left_alone(tmp_path: Path) -> None:
    load(tmp_path, HEAD + "  other:nodes: {secure: x}\n  pulumi:disable-default-providers: [openstack]\n")


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    text = HEAD + (
        "  visa-migration:nodes:\n"
        "    cmp01: {membership: caracl, datacenter: dc1}\n"
        "    cmp02:\n"
        "      membership: stein\n"
        "      datacenter: dc9\n"
        "    cmp03:\n"
        "      datacenter: dc1\n"
        "  visa-migration:hooks:\n"
        "    leave:\n"
        "      argv:\n"
        "        - 5\n"
        "        - '{node}'\n"
    )
    assert mistakes(tmp_path, text) == [
        'line 5: nodes.cmp01.membership: "caracl" is not a membership; use stein, draining or caracal',
        'line 8: nodes.cmp02.datacenter: "dc9" is not declared under datacenters; did you mean "dc1"?',
        "line 9: nodes.cmp03.membership: missing; give the node's membership: stein, draining or caracal",
        "line 14: hooks.leave.argv[0]: found 5, expected text; put it in quotes",
    ]


def test_a_node_listed_twice(tmp_path: Path) -> None:
    text = HEAD + (
        "  visa-migration:nodes:\n"
        "    cmp01: {membership: stein, datacenter: dc1}\n"
        "    cmp01: {membership: caracal, datacenter: dc1}\n"
        "    cmp02: {membership: stein, datacenter: dc1, membership: caracal}\n"
        "  visa-migration:nodes: {}\n"
    )
    assert mistakes(tmp_path, text) == [
        "line 6: nodes.cmp01: listed twice, first on line 5; keep one of them",
        "line 7: nodes.cmp02.membership: listed twice, first on line 7; keep one of them",
        "line 8: nodes: listed twice, first on line 4; keep one of them",
    ]


def test_a_secret_is_refused_once(tmp_path: Path) -> None:
    text = HEAD + "  visa-migration:probe: {image: {secure: v1:abc}, network: n}\n  visa-migration:audit: {secure: q}\n"
    found = mistakes(tmp_path, text)
    assert [line for line in found if "secret" in line] == [
        f"line 4: probe.image: {stackfile.NO_SECRETS}",
        f"line 5: audit: {stackfile.NO_SECRETS}",
    ]
    assert not any("abc" in line for line in found)
    assert len(found) == 3  # and the network that is not declared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"config: [", "line 1: file: is no YAML: "),
        (b"config:\n\tx: 1\n", "line 2: file: is no YAML: "),
        (b"\xff\xfe\xfa", "file: byte 0 is not UTF-8; save the file as UTF-8 text"),
        (b"a\x00b", "file: is no YAML: "),
        (b"- a\n", "line 1: file: is no mapping; a stack file starts with config:"),
        (b"config: 5\n", "line 1: config: found no mapping; expected keys and their values"),
        (b"", "clouds: missing; "),
        (b"config:\n", "clouds: missing; "),
        (b"config:\n  visa-migration:clouds: &a {old: s, new: c, x: *a}\n", "line 2: clouds.x: nested too deep or inside itself"),
        (b"config:\n  visa-migration:nodes: {? [a] : b}\n", "line 2: nodes: a key is a list or a mapping; expected text"),
    ],
)  # fmt: skip
def test_text_that_is_no_stack_file(tmp_path: Path, text: bytes, expected: str) -> None:
    assert any(
        line.startswith(expected) or line.partition(": ")[2].startswith(expected) for line in mistakes(tmp_path, text)
    )


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read \(No such file or directory\); .*visa-migration adopt"):
        settings.load(tmp_path / "Pulumi.caracal.yaml")


# What engine 3.259.0 makes of the same text, seen through `pulumi preview`.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 7", {"a": 7}),
        ("a: 010", {"a": 8}),
        ("a: 0o10", {"a": 8}),
        ("a: '010'", {"a": "010"}),
        ("a: 1.5", {"a": 1.5}),
        ("a: yes", {"a": "yes"}),
        ("a: True", {"a": True}),
        ("a: ~", {"a": None}),
        ("7: x", {"7": "x"}),
        ("[1, two]", [1, "two"]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_scalars_mean_what_they_mean_to_the_engine(text: str, expected: object) -> None:
    found = values(text)
    assert found == expected
    assert [type(value) for value in (found if isinstance(found, list) else found.values())] == [
        type(value)
        for value in (expected if isinstance(expected, list) else expected.values())  # type: ignore[attr-defined]
    ]


def test_json_text_is_read_as_the_engine_hands_it_over(tmp_path: Path) -> None:
    loaded = load(tmp_path, HEAD + """  visa-migration:budget: '{"moving": 3}'\n""")
    assert isinstance(loaded, CaracalSettings)
    assert loaded.budget.moving == 3


pieces = [*"ab:-{}[]&*!|>'\"#%@`,? \n\t~0123é", "config:", "visa-migration:nodes", "<<", ": ", "\n  ", "&a ", "*a"]
yaml_like = st.lists(st.sampled_from(pieces)).map("".join)


@limits(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(yaml_like, yaml_like.map(lambda text: HEAD + "  visa-migration:nodes: " + text), st.text()))
def test_any_text_loads_or_is_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.caracal.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(SettingsError):
        settings.load(path)
