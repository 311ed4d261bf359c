"""One actor at a time, and none whose engine is gone: with real processes, that are waited for and never timed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from migration.errors import EngineGone, LockError
from migration.guardian import ActorLock, Engine, find_engine, lock_path

PATIENCE = 60.0

HOLDER = """
import sys
from pathlib import Path
from migration.guardian import ActorLock
ActorLock(Path(sys.argv[1])).take(patience=0)
print("holds", flush=True)
sys.stdin.read()
"""


@contextmanager
def running(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program that ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "VISA_OPERATOR": "jane", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_who_holds_the_lock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    with running(HOLDER, str(path)) as holder:
        assert line(holder) == "holds"
        with pytest.raises(LockError, match=r"jane.*still acting on these clouds.*then run pulumi up again") as error:
            ActorLock(path).take(patience=0)
        assert str(holder.pid) in str(error.value)
        assert str(path) in str(error.value)


def test_the_lock_goes_with_its_holder_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with running(HOLDER, str(path)) as holder:
        assert line(holder) == "holds"
        holder.kill()
        lock = ActorLock(path)
        lock.take(patience=PATIENCE, pause=0.01)
        assert lock.handle is not None
        os.close(lock.handle)


def test_taking_it_twice_is_taking_it_once(tmp_path: Path) -> None:
    lock = ActorLock(tmp_path / "lock")
    lock.take(patience=0)
    handle = lock.handle
    lock.take(patience=0)
    assert lock.handle == handle
    assert handle is not None
    with pytest.raises(LockError):
        ActorLock(tmp_path / "lock").take(patience=0)
    os.close(handle)


def test_a_hook_that_outlives_its_actor_holds_the_lock_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = """
import subprocess, sys
from pathlib import Path
from migration.guardian import ActorLock
lock = ActorLock(Path(sys.argv[1]))
lock.take(patience=0)
hook = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=(lock.handle,))
print(hook.pid, flush=True)
sys.stdin.read()
"""
    with running(program, str(path)) as actor:
        hook = os.pidfd_open(int(line(actor)))
        actor.kill()
        actor.wait()
        with pytest.raises(LockError):
            ActorLock(path).take(patience=0)
        assert actor.stdin is not None
        actor.stdin.close()  # the hook reads the same input, and ends with it
        lock = ActorLock(path)
        lock.take(patience=PATIENCE, pause=0.01)
        assert lock.handle is not None
        os.close(lock.handle)
        os.close(hook)


def test_each_pair_of_clouds_has_its_own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = lock_path("https://stein", "https://caracal"), lock_path("https://stein", "https://other")
    assert one != other
    assert one == lock_path("https://stein", "https://caracal")
    assert one.parent == tmp_path / "visa-migration"
    assert "stein" not in one.name


# ----------------------------------------------------------------------------------------------------------- the engine


@pytest.fixture(autouse=True)
def _tests_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that ended the process of the tests would end them with exit code 0."""

    def ended(code: int) -> None:
        pytest.fail(f"the process of the tests would have ended with {code}")

    monkeypatch.setattr("migration.guardian.os._exit", ended)


def test_an_engine_that_is_gone_already() -> None:
    with running("") as engine:
        engine.wait()
    gone = Engine(engine.pid)
    with pytest.raises(EngineGone, match="nothing more is started"), gone.step():
        pytest.fail("a step began")


def test_an_engine_that_runs_lets_steps_run() -> None:
    with running("import sys; sys.stdin.read()") as process:
        engine = Engine(process.pid)
        with engine.step(), engine.step():
            engine.check()
        with pytest.raises(ZeroDivisionError), engine.step():
            _ = 1 / 0
        with engine._count:
            # The process of the tests must not end with the engine: as if a step ran.
            engine._busy += 1
        process.kill()
        assert engine.gone.wait(PATIENCE)
        with pytest.raises(EngineGone):
            engine.check()


WORKER = """
import sys
from migration.guardian import Engine
engine = Engine(int(sys.argv[1]))
"""


def test_an_idle_process_ends_with_its_engine() -> None:
    with (
        running("import sys; sys.stdin.read()") as engine,
        running(
            WORKER + "print('ready', flush=True); sys.stdin.read(); print('went on', flush=True)", str(engine.pid)
        ) as worker,
    ):
        assert line(worker) == "ready"
        engine.kill()
        assert worker.wait(PATIENCE) == 0
        assert line(worker) == ""


def test_a_step_that_runs_is_finished_and_no_other_begins() -> None:
    program = (
        WORKER
        + """
with engine.step():
    print("step", flush=True)
    engine.gone.wait()
    print("finished", flush=True)
print("went on", flush=True)
"""
    )
    with running("import sys; sys.stdin.read()") as engine, running(program, str(engine.pid)) as worker:
        assert line(worker) == "step"
        engine.kill()
        assert line(worker) == "finished"
        assert line(worker) == ""
        assert worker.wait(PATIENCE) == 0


def test_the_engine_is_the_pulumi_above_us_or_else_the_parent(tmp_path: Path) -> None:
    assert find_engine() == os.getppid()
    pulumi = tmp_path / "pulumi"
    pulumi.symlink_to("/bin/sh")
    asks = "from migration.guardian import find_engine; print(find_engine())"
    inner = f"{sys.executable} -c '{asks}'; true"
    answer = subprocess.run(
        [str(pulumi), "-c", f'echo $$; /bin/sh -c "{inner}"; true'],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    engine, found = answer.stdout.split()
    assert found == engine
