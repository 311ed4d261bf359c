"""Where librados' binding comes from, and what is said where there is none."""

from __future__ import annotations

import importlib.machinery
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from migration.adapters import ceph
from migration.errors import CephError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose Python has no module rados; the distribution's are in this directory."""
    monkeypatch.setitem(sys.modules, "rados", None)
    monkeypatch.setattr(ceph, "PLACES", [str(tmp_path)])
    ceph._found.cache_clear()
    yield tmp_path
    ceph._found.cache_clear()


def test_a_machine_without_it_is_told_the_package(place: Path) -> None:
    with pytest.raises(CephError, match=r"found none; expected the binding rados .* package python3-rados"):
        ceph.binding()


def test_one_for_another_python_is_named(place: Path) -> None:
    (place / "rados.cpython-39-x86_64-linux-gnu.so").touch()
    with pytest.raises(CephError, match=r"rados\.cpython-39-x86_64-linux-gnu\.so, which is not for Python 3\.1"):
        ceph.binding()


def test_a_file_that_is_no_module_is_named(place: Path) -> None:
    (place / f"rados{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_text("no module")
    with pytest.raises(CephError, match=r"cannot be loaded .*python3-rados"):
        ceph.binding()


def test_the_module_that_python_finds_comes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "rados.py").write_text("ORIGIN = 'here'\n")
    monkeypatch.delitem(sys.modules, "rados")
    monkeypatch.syspath_prepend(place)
    assert ceph.binding().ORIGIN == "here"
    monkeypatch.delitem(sys.modules, "rados")


def test_threads_that_begin_at_once_wait_for_a_whole_module(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    def slowly(file: Path) -> str:
        begun.append(file)
        assert not others.wait(0.2)  # nobody else gets anything meanwhile
        return "module"

    others = threading.Event()

    def load() -> str:
        found = str(ceph.binding())
        others.set()
        return found

    (place / f"rados{importlib.machinery.EXTENSION_SUFFIXES[0]}").touch()
    monkeypatch.setattr(ceph, "_loaded", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert {future.result() for future in [pool.submit(load) for _ in range(4)]} == {"module"}
    assert len(begun) == 1
