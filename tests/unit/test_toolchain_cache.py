"""The cache holds whole things only, whoever builds them and however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from toolchain import cache


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISA_MIGRATION_CACHE", str(tmp_path))
    return tmp_path


def write(directory: Path) -> None:
    (directory / "thing").write_text("whole")


def stored(root: Path) -> list[str]:
    return [path.name.partition("~")[0] for path in (root / "store").iterdir()]


def test_the_users_cache_directory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISA_MIGRATION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.root() == Path("/somewhere/visa-migration")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/op")
    assert cache.root() == Path("/home/op/.cache/visa-migration")


def test_a_thing_is_built_once_and_keeps_its_path() -> None:
    places = []

    def build(directory: Path) -> None:
        places.append(directory)
        write(directory)

    assert cache.present("thing-1") is None
    assert cache.built("thing-1", build) == cache.built("thing-1", build) == cache.present("thing-1") == places[0]
    assert len(places) == 1
    assert (places[0] / "thing").read_text() == "whole"


def test_another_key_is_another_thing() -> None:
    assert cache.built("thing-1", write) != cache.built("thing-2", write)


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden", "a~b", "a b"])
def test_a_key_is_a_plain_name(key: str) -> None:
    with pytest.raises(ValueError, match="is not a cache key"):
        cache.built(key, write)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_build_that_fails_leaves_nothing(root: Path, error: type[BaseException]) -> None:
    def fail(directory: Path) -> None:
        write(directory)
        raise error

    with pytest.raises(error):
        cache.built("thing-1", fail)

    assert stored(root) == []
    assert cache.present("thing-1") is None
    assert cache.built("thing-1", write)


def killed_build(root: Path, key: str) -> None:
    """Build in another process, which is killed when it is half done."""
    code = f"""
import pathlib, time
from toolchain import cache
def build(directory):
    (directory / "half").touch()
    print("half", flush=True)
    time.sleep(600)
cache.built({key!r}, build)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert stored(root) == [key]
    assert cache.present(key) is None


@pytest.mark.parametrize("then", ["thing-1", "other-1"])
def test_what_a_killed_build_left_goes_with_the_next_one(root: Path, then: str) -> None:
    killed_build(root, "thing-1")

    cache.built(then, write)

    assert stored(root) == [then]


def test_of_two_builds_one_waits_and_says_so() -> None:
    begun, go_on, waits = threading.Event(), threading.Event(), threading.Event()
    builds = []

    def build(directory: Path) -> None:
        builds.append(directory)
        begun.set()
        assert go_on.wait(60)
        write(directory)

    found: list[Path] = []
    said: list[str] = []
    first = threading.Thread(target=lambda: found.append(cache.built("thing-1", build)))
    first.start()
    assert begun.wait(60)
    second = threading.Thread(
        target=lambda: found.append(cache.built("thing-1", build, lambda line: (said.append(line), waits.set())[0]))
    )
    second.start()
    assert waits.wait(60)
    go_on.set()
    first.join()
    second.join()

    assert len(builds) == 1
    assert found == [builds[0], builds[0]]
    assert said == ["thing-1: another process is building it; waiting for it to end"]


def test_a_build_leaves_another_one_that_runs_alone(root: Path) -> None:
    def build(directory: Path) -> None:
        write(directory)
        cache.built("other-1", write)  # sweeps; this directory is not published yet
        assert (directory / "thing").exists()

    cache.built("thing-1", build)

    assert sorted(stored(root)) == ["other-1", "thing-1"]
