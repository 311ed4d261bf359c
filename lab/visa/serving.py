"""Serve VISA over HTTP on 127.0.0.1."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

PATIENCE = 20.0
"""Seconds until a server in a thread has to answer, on a busy machine."""


def server(app: ASGIApp, port: int) -> uvicorn.Server:
    """Return a server that is not running yet; its ``run`` ends by SIGTERM."""
    return uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_level="warning"))


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve from a thread, on any free port: for tests.

    Arguments:
        app: what to serve.

    Returns:
        Where it answers, as ``http://127.0.0.1:PORT``; ended at the end.

    Raises:
        TimeoutError: it does not answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = server(app, 0)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not running.started:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no server in {PATIENCE:g} s")
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(PATIENCE)
