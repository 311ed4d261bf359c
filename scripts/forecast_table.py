"""How a forecast looks: a table with a line of time for each node, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from migration.capacity import RoomForecast
from migration.forecast import Forecast, Holder, NodeForecast, Span
from migration.habits import days
from scripts.forecast import Outlook

WIDTH: Final = 30
"""Characters of a line of time."""
WIDE: Final = 130
"""Characters that a terminal has to have for lines of time, and for who holds a node, beside the dates."""
STEPS: Final = " ▁▂▃▄▅▆▇█"


def as_json(outlook: Outlook, *, at: datetime | None, owners: bool) -> str:
    """Return the forecast for programs; its keys are stable.

    Arguments:
        outlook: the forecast.
        at: a time to say of which nodes are empty then, or None.
        owners: whether owners may be named.
    """
    made = outlook.forecast
    document: dict[str, Any] = {
        "now": made.now.isoformat(),
        "seed": made.seed,
        "nodes": {name: _node(made, one, at, owners=owners) for name, one in made.nodes.items()},
        "fleet": _span(made.fleet),
        "habits": {owner.value: asdict(habits) for owner, habits in made.habits.items()},
        "room": _room(outlook) if outlook.advice is not None else None,
        "notes": list(made.notes),
    }
    if at is not None:
        low, median, high = made.empty(at) if made.names else (0, 0, 0)
        document["at"] = {"date": at.isoformat(), "empty": {"low": low, "median": median, "high": high}}
    return json.dumps(document, indent=2)


def _node(made: Forecast, one: NodeForecast, at: datetime | None, *, owners: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "membership": one.state.membership,
        "phase": one.state.phase,
        "instances": one.instances,
        "takes_new_instances": one.state.open,
        "ends_by_itself": one.ends,
        "empty": _span(one.span) if one.ends else None,
        "others_ended": _span(one.span) if one.never and one.holders else None,
        "holders": [_holder(each, owners=owners) for each in one.holders],
        "never": [_holder(each, owners=owners) for each in one.never],
        "unclear": one.state.unclear,
    }
    if at is not None:
        found["chance"] = made.chance(one.state.node, at)
    return found


def _span(span: Span | None) -> dict[str, str] | None:
    return {name: date.isoformat() for name, date in asdict(span).items()} if span is not None else None


def _holder(one: Holder, *, owners: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "server": one.placed.server,
        "name": one.placed.name,
        "earliest": one.earliest.isoformat() if one.earliest else None,
        "latest": one.latest.isoformat() if one.latest else None,
        "last": round(one.last, 3),
        "never": one.placed.never,
        "booked": one.placed.visa is not None and one.placed.visa.booked,
    }
    if owners:
        found["owner"] = one.placed.visa.owner_name if one.placed.visa is not None else None
    return found


def _room(outlook: Outlook) -> dict[str, Any]:
    assert outlook.advice is not None  # noqa: S101 - asked before
    advice = outlook.advice
    better = advice.better
    return {
        "configured": _order(advice.configured),
        "better": _order(better) if better is not None else None,
        "sentences": list(advice.sentences),
    }


def _order(one: RoomForecast) -> dict[str, Any]:
    return {
        "order": list(one.order),
        "ahead": one.ahead,
        "risk": one.risk,
        "short": {name: asdict(short) | {"first": short.first.isoformat()} for name, short in one.short.items()},
        "moved": {node: [day.isoformat() for day in dates] for node, dates in one.moved.items()},
        "last": [day.isoformat() for day in one.last] if one.last is not None else None,
    }


def show(outlook: Outlook, console: Console, *, at: datetime | None, owners: bool) -> None:
    """Print the forecast for people.

    Arguments:
        outlook: the forecast.
        console: where to.
        at: a time to say of which nodes are empty then, or None.
        owners: whether owners may be named.
    """
    made = outlook.forecast
    if not made.nodes:
        console.print("no node is in the old cloud")
    else:
        wide = console.width >= WIDE
        console.print(_table(made, at, owners=owners, wide=wide))
        held = {} if wide else {name: _held(one, owners=owners) for name, one in made.nodes.items()}
        for name, by in held.items():
            if by:
                console.print(f"{escape(name)} is held by {by}", soft_wrap=True, highlight=False)
        for line in _fleet(made, at):
            console.print(line, soft_wrap=True)
    if outlook.advice is not None:
        last = outlook.advice.configured.last
        if last is not None:
            console.print(
                f"\nthe last node that comes over ({len(outlook.advice.configured.order)} do, if they all may) has"
                f" moved by {last[0]} (likely), {last[1]} (90 %)",
                soft_wrap=True,
            )
        for sentence in outlook.advice.sentences:
            console.print(f"room: {escape(sentence)}", soft_wrap=True, highlight=False)
    for note in made.notes:
        console.print(f"[yellow]not known:[/] {escape(note)}", soft_wrap=True, highlight=False)


def _table(made: Forecast, at: datetime | None, *, owners: bool, wide: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("node", "phase"):
        table.add_column(column, no_wrap=True)
    table.add_column("instances", justify="right", no_wrap=True)
    for column in ("earliest", "likely", "90 %", "latest"):
        table.add_column(column, no_wrap=True)
    if at is not None:
        table.add_column(f"by {at:%Y-%m-%d}", justify="right")
    end = max((one.span.latest for one in made.nodes.values()), default=made.now)
    if wide:
        table.add_column(f"now … {end:%Y-%m-%d}", no_wrap=True)
        table.add_column("held by", ratio=1)
    for name, one in made.nodes.items():
        row = [escape(name), f"{one.state.phase}{' +' if one.state.open else ''}", str(one.instances), *_dates(one)]
        if at is not None:
            chance = made.chance(name, at)
            row.append("?" if chance is None else f"{chance:.0%}")
        if wide:
            row += [line_of_time(one.span, made.now, end) if one.ends else "", _held(one, owners=owners)]
        table.add_row(*row)
    return table


def _dates(one: NodeForecast) -> Iterator[str]:
    span = one.span
    for date in (span.earliest, span.median, span.p90, span.latest):
        if one.ends:
            yield f"{date:%Y-%m-%d}"
        else:
            yield "never" if one.known else "?"


def line_of_time(span: Span, now: datetime, end: datetime) -> str:
    """Draw when a node is empty on a line from now to the end.

    Arguments:
        span: the node's.
        now: where the line begins.
        end: where it ends.

    Returns:
        ``WIDTH`` characters: ``·`` may be empty, ``━`` until it is likely to be, ``─`` until 90 %, and then surely.
    """
    whole = max(days(end - now), 1e-9)

    def place(date: datetime) -> int:
        return min(WIDTH, round(WIDTH * days(date - now) / whole))

    early, likely, nearly, late = (place(date) for date in (span.earliest, span.median, span.p90, span.latest))
    return " " * early + "─" * (likely - early) + "━" * (nearly - likely) + "·" * (late - nearly) + "│"


def _held(one: NodeForecast, *, owners: bool) -> str:
    if one.state.unclear is not None:
        return escape(one.state.unclear)
    never = [f"{_named(each, owners=owners)}: {each.placed.never}" for each in one.never]
    first = one.holders[:1] if not never else ()
    last = [f"{_named(each, owners=owners)} until {each.latest:%Y-%m-%d}" for each in first]
    return escape("; ".join([*never, *last]))


def _named(one: Holder, *, owners: bool) -> str:
    visa = one.placed.visa
    who = f" of {visa.owner_name}" if owners and visa is not None and visa.owner_name else ""
    booked = " (booked: no inactivity limit)" if visa is not None and visa.booked else ""
    return f"{one.placed.name}{who}{booked}"


def _fleet(made: Forecast, at: datetime | None) -> Iterator[str]:
    """Say when the fleet is empty, with a curve of how many nodes are."""
    never = len(made.nodes) - len(made.names)
    span = made.fleet
    if span is not None:
        yield f"\nempty nodes of {len(made.nodes)}, likely: {curve(made, span.latest)} {len(made.names)}"
        yield (
            f"all that become empty by themselves are: {span.earliest:%Y-%m-%d} at the earliest,"
            f" {span.median:%Y-%m-%d} likely, {span.p90:%Y-%m-%d} with 90 %, {span.latest:%Y-%m-%d} at the latest"
        )
    if at is not None and made.names:
        low, median, high = made.empty(at)
        yield f"empty on {at:%Y-%m-%d}: {median} likely; {low} to {high} in eight of ten cases"
    if never:
        yield f"{never} of {len(made.nodes)} nodes do not become empty by themselves, or nobody knows"
    if any(one.state.open for one in made.nodes.values()):
        yield "+ takes new instances while VISA's default backend is the old cloud; its dates are as if it did not"


def curve(made: Forecast, end: datetime) -> str:
    """Draw how many nodes are likely to be empty, from now to a time, in ``WIDTH`` characters."""
    whole = end - made.now
    counts = [made.empty(made.now + whole * step / (WIDTH - 1))[1] for step in range(WIDTH)]
    return "".join(STEPS[round((len(STEPS) - 1) * count / max(len(made.names), 1))] for count in counts)
