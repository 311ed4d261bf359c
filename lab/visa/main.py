"""A lab's VISA as a process of its own.

usage: python -m lab.visa.main LAB_DIRECTORY
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path

from lab import ports
from lab.errors import LabError
from lab.state import State
from lab.visa import files, provision
from lab.visa.app import application, make_visa
from lab.visa.clock import Clock
from lab.visa.context import Visa
from lab.visa.jobs import Schedule, resume
from lab.visa.openstack import RealClouds
from lab.visa.population import Population
from lab.visa.rules import Limits
from lab.visa.serving import server
from lab.visa.store import Store

TURN = 0.5
"""Seconds of ours between two looks at the clock."""


def main(directory: Path) -> None:
    """Serve until SIGTERM.

    Arguments:
        directory: the lab's; its old cloud runs, at least the first time.

    Raises:
        LabError: there is no lab.
    """
    state = State.load(directory)
    if state is None:
        raise LabError(f"{directory} is no lab")
    visa = _visa(state)
    resume(visa)
    stop = threading.Event()
    jobs = threading.Thread(target=_jobs, args=(visa, stop), name="jobs")
    jobs.start()
    try:
        server(application(visa), ports.visa(state.port)).run()
    finally:
        stop.set()
        jobs.join()
        visa.work.close()
        _remember(visa)


def _visa(state: State) -> Visa:
    kept, limits = files.of(state.directory), Limits()
    population, store = Population.load(kept.population), Store(kept.database)
    provision.tokens(state.directory)
    clouds = RealClouds(provision.default_cloud(state))
    if store.setting("now") is None:
        provision.fill(store, state, population, limits)
        store.remember(now=population.now.isoformat(), factor=str(population.factor))
    clock = Clock(datetime.fromisoformat(store.setting("now") or ""), float(store.setting("factor") or 1))
    names = provision.names_by_endpoint(state.clouds)
    kept.owners.touch()
    return make_visa(store, clouds, clock, limits, log=kept.owners, names=names)


def _jobs(visa: Visa, stop: threading.Event) -> None:
    schedule = Schedule(visa)
    while not stop.wait(TURN):
        schedule.turn()
        _remember(visa)


def _remember(visa: Visa) -> None:
    """Keep the clock: it stands still while VISA does not run."""
    visa.store.remember(now=visa.clock.now().isoformat(), factor=str(visa.clock.factor))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    main(Path(sys.argv[1]))
