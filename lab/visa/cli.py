"""``python -m lab visa``: the lab's VISA, its clock, its scientists."""

from __future__ import annotations

import json
import logging
import signal
import threading
from typing import Any

import click
import requests

from lab.lab import Lab

_name = click.option("--name", default="demo", show_default=True, help="The lab.")


@click.group()
def visa() -> None:
    """A lab's VISA."""


@visa.command()
@_name
@click.option("--factor", type=click.FloatRange(0), help="Seconds of VISA's in one of ours.")
@click.option("--hours", type=click.FloatRange(0), help="Set it forward by so many hours.")
def clock(name: str, factor: float | None, hours: float | None) -> None:
    """Show VISA's clock, or let it run faster, or set it forward."""
    lab = Lab(name).visa
    wanted = {key: value for key, value in (("factor", factor), ("hours", hours)) if value is not None}
    answer = requests.request(
        "PUT" if wanted else "GET", f"{lab.endpoint}/api/lab/clock", json=wanted, timeout=60,
        headers={"Authorization": f"Bearer {lab.files.admin_token.read_text().strip()}"},
    )  # fmt: skip
    answer.raise_for_status()
    shows: dict[str, Any] = answer.json()["data"]
    click.echo(f"{shows['now']}, {shows['factor']:g} seconds in one of ours")


@visa.command()
@_name
@click.option(
    "--per-day", default=4.0, show_default=True, help="Scientists who want a new instance on a day of VISA's."
)
@click.option("--seed", default=1, show_default=True, help="The same habits for the same number.")
def scientists(name: str, per_day: float, seed: int) -> None:
    """Let scientists use VISA, by its clock; until SIGTERM. Who ended what is in the lab's visa/owners.jsonl."""
    from lab.visa.scientists import Scientists  # noqa: PLC0415 - numpy and the database are slow to load

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    lab, told = Lab(name).visa, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    Scientists(lab.endpoint, json.loads(lab.files.tokens.read_text()), per_day, seed).run(told)
