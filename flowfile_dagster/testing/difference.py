"""Expected against actual rows: what is missing, unexpected, changed or out of order, in a few sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import polars as pl

from flowfile_dagster.columns.dtypes import dtype_text

#: How many differences are told, and how many rows are compared with each other to find those that changed.
TOLD = 10
COMPARED = 100
#: Sums of floats differ in their last digits with the order in which they are added.
_DIGITS = 12

_Row: TypeAlias = tuple[Any, ...]


def find_differences(expected: pl.DataFrame, actual: pl.DataFrame, *, ignore_order: bool) -> list[str]:
    """The differences in the columns of `expected`, at most `TOLD` and how many more there are; none if equal.

    Expected values are read as the types of the actual columns, so that a date may be written as text.
    """
    problems = [problem for column in expected if (problem := _problem(column, actual))]
    if problems:
        return problems
    shared = expected.columns
    wanted = _rows(expected.cast({name: actual.schema[name] for name in shared}))
    found = _rows(actual.select(shared))
    missing, unexpected = _leftover(wanted, found), _leftover(found, wanted)
    told = _tell(missing, unexpected, shared)
    if not told and not ignore_order:
        told = [
            f"row {place} is {_show(row, shared)}, expected {_show(other, shared)}: the order differs"
            for place, (row, other) in enumerate(zip(found, wanted), 1)
            if repr(row) != repr(other)
        ]
    if len(wanted) != len(found):
        told.insert(0, f"{len(found):,} rows, expected {len(wanted):,}")
    return told[:TOLD] + ([f"and {len(told) - TOLD} more"] if len(told) > TOLD else [])


def _problem(expected: pl.Series, actual: pl.DataFrame) -> str | None:
    """Why a column cannot be compared."""
    if expected.name not in actual.columns:
        return f"column {expected.name!r} is missing; there are: {', '.join(map(repr, actual.columns))}"
    dtype = actual.schema[expected.name]
    try:
        expected.cast(dtype)
    except pl.exceptions.PolarsError:
        values = ", ".join(repr(value) for value in expected.head(3).to_list())
        return f"column {expected.name!r} is {dtype_text(dtype)}, which {values} does not fit"
    return None


def _rows(table: pl.DataFrame) -> list[_Row]:
    rounded = pl.selectors.float().round_sig_figs(_DIGITS)
    return table.with_columns(rounded + 0.0).rows()  # -0.0 and 0.0 are equal, and written in different ways


def _leftover(rows: Sequence[_Row], others: Sequence[_Row]) -> list[_Row]:
    """The rows that have no equal among the others; each other row is equal to one only."""
    free = Counter(repr(row) for row in others)
    left: list[_Row] = []
    for row in rows:
        if free[repr(row)] > 0:
            free[repr(row)] -= 1
        else:
            left.append(row)
    return left


def _tell(missing: list[_Row], unexpected: list[_Row], columns: Sequence[str]) -> list[str]:
    told: list[str] = []
    rest = list(unexpected)
    for row in missing:
        other = _most_alike(row, rest[:COMPARED])
        if other is None:
            told.append(f"missing: {_show(row, columns)}")
            continue
        rest.remove(other)
        changes = [
            f"{name} is {value!r}, expected {want!r}"
            for name, want, value in zip(columns, row, other)
            if repr(want) != repr(value)
        ]
        told.append(f"changed: {_show(row, columns)}: {', '.join(changes)}")
    return [*told, *(f"unexpected: {_show(row, columns)}" for row in rest)]


def _most_alike(row: _Row, others: Sequence[_Row]) -> _Row | None:
    """The row that shares most values with another one, if that are at least half."""
    best = max(others, key=lambda other: _shared(row, other), default=None)
    return best if best is not None and 2 * _shared(row, best) >= max(len(row), 2) else None


def _shared(row: _Row, other: _Row) -> int:
    return sum(repr(left) == repr(right) for left, right in zip(row, other))


def _show(row: _Row, columns: Sequence[str]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in zip(columns, row))
