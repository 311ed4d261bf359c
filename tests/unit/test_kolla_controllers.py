"""What is declared of the controllers, seen through Pulumi's mocks."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from components.controllers import declare_controllers
from migration.actor import Orders
from migration.adapters import files
from migration.kolla.layout import sentences
from migration.kolla.render import render
from tests.unit.kolla_stack import changed, parse
from tests.unit.test_components import Recorder, recorder, run

__all__ = ["recorder"]


def declared(recorder: Recorder, monkeypatch: pytest.MonkeyPatch, **places: object) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda line, *_more: said.append(line))
    settings = parse(changed(**places))
    run(recorder, lambda: declare_controllers(settings, ["cmp01"], None, Orders.of(settings)))
    return said


def test_every_file_is_a_resource_below_the_project(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kolla").mkdir()
    (tmp_path / "kolla" / "globals.yml").write_text("by hand\n")
    (tmp_path / "kolla" / "globals.yml").chmod(0o600)
    said = declared(recorder, monkeypatch)
    settings = parse(changed())
    expected = render(settings, ["cmp01"], None)
    assert recorder.names("RenderedFile") == [f"kolla/{path}" for path in expected]
    for path, file in expected.items():
        inputs = recorder.inputs("RenderedFile", f"kolla/{path}")
        assert (inputs["path"], inputs["content"], inputs["mode"]) == (f"kolla/{path}", file.content, "0644")
        assert inputs["found"] == (files.digest("by hand\n", 0o600) if path == "globals.yml" else "")
    assert said == [f"controllers: {sentence}" for sentence in sentences(settings)]


def test_without_kolla_nothing_is_declared() -> None:
    # outside of a program any resource would fail
    settings = parse(changed(kolla=None, controllers=None))
    assert not declare_controllers(settings, [], None, Orders.of(settings)).files
