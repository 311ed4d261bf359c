"""Marks: what is ours, what is not, and what survives in the ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.marks import (
    LEDGER_KEY,
    REGISTERED_DISABLED,
    Mark,
    Record,
    Stage,
    is_moving,
    is_ours,
    parse_ledger,
    parse_record,
)


@pytest.mark.parametrize(
    ("reason", "ours", "moving"),
    [
        (None, False, False),
        ("", False, False),
        ("broken fan -- jane", False, False),
        ("visa", False, False),
        ("see visa-migration: leaving", False, False),
        ("Visa-Migration: leaving for the new cloud", False, False),
        (REGISTERED_DISABLED, False, False),
        (str(Mark.LEAVING), True, False),
        (str(Mark.MOVING), True, True),
        ("visa-migration: leaving for the new cloud", True, False),
    ],
)
def test_whose_a_disabled_reason_is(reason: str | None, ours: bool, moving: bool) -> None:
    assert (is_ours(reason), is_moving(reason)) == (ours, moving)


@pytest.mark.parametrize("mark", Mark)
def test_a_mark_fits_into_novas_column_and_the_runbook(mark: Mark) -> None:
    assert len(mark) <= 255
    assert mark.isprintable()


@pytest.mark.parametrize(
    ("value", "record"),
    [
        ("left 2026-11-23T10:00:00Z 1-2-3", Record(Stage.LEFT, "2026-11-23T10:00:00Z", "1-2-3")),
        ("deployed 2026-11-23T10:00:00Z", Record(Stage.DEPLOYED, "2026-11-23T10:00:00Z")),
        ("accepted 2026-11-23T10:00:00Z 1-2-3", Record(Stage.ACCEPTED, "2026-11-23T10:00:00Z", "1-2-3")),
        ("", None),
        ("accepted", None),
        ("gone 2026-11-23T10:00:00Z", None),
        ("left a b c", None),
    ],
)
def test_a_record_is_read(value: str, record: Record | None) -> None:
    assert parse_record(value) == record


names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,63}\Z")
records = st.builds(
    Record,
    st.sampled_from(Stage),
    st.datetimes().map(lambda when: when.isoformat(timespec="seconds") + "Z"),
    st.one_of(st.just(""), st.uuids().map(str)),
)


@given(st.dictionaries(names, records))
def test_a_ledger_is_read_as_it_was_written(ledger: dict[str, Record]) -> None:
    metadata = {LEDGER_KEY + node: str(record) for node, record in ledger.items()}
    assert parse_ledger(metadata) == ledger


@given(names, records)
def test_an_entry_fits_into_novas_column(node: str, record: Record) -> None:
    assert len(LEDGER_KEY + node) <= 255
    assert len(str(record)) <= 255


def test_what_is_not_ours_in_the_ledger_is_left_out() -> None:
    metadata = {"availability_zone": "dc1", "visa-migration:cmp01": "what?", "cmp02": "accepted 2026-11-23T10:00:00Z"}
    assert parse_ledger(metadata) == {}
