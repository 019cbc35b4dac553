"""The column lists of the three joins: what each side delivers, and under which names.

A column that is not listed is kept, after the listed ones. A right column whose name a kept left column has gets
``_right`` appended until the names differ. Kept on purpose, because later nodes refer to such names: a kept left
entry for a column that the input no longer has still claims its name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import polars as pl

from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.compat import HEADS_OF_JOINS_LOSE_ORDER
from flowfile_dagster.contract.settings import ColumnList
from flowfile_dagster.errors import DuplicateColumnError, SettingsError
from flowfile_dagster.nodes._columns import unused_name

RIGHT_SUFFIX = "_right"


@dataclass(frozen=True)
class JoinColumn:
    """A column of one side: its name in the input and in the output. A dropped key still takes part in matching."""

    source: str
    name: str
    is_kept: bool = True
    is_key: bool = False


@dataclass(frozen=True)
class JoinSide:
    """The kept columns and the keys of one side, in output order; `absent_names` are claimed by absent columns."""

    columns: tuple[JoinColumn, ...]
    absent_names: frozenset[str] = frozenset()

    @property
    def kept(self) -> tuple[JoinColumn, ...]:
        """The columns that are delivered."""
        return tuple(column for column in self.columns if column.is_kept)


def list_side(given: ColumnList, existing: Collection[str], keys: Collection[str], field: str) -> JoinSide:
    """The columns of one side in list order, then the unlisted ones in input order.

    Raises:
        SettingsError: a column is listed twice.
    """
    entries = given.select
    listed = {entry.old_name for entry in entries}
    columns = [
        JoinColumn(entry.old_name, entry.new_name, entry.keep, entry.old_name in keys)
        for entry in entries
        if entry.old_name in existing and (entry.keep or entry.old_name in keys)
    ]
    columns += [JoinColumn(name, name, is_key=name in keys) for name in existing if name not in listed]
    twice = first_repeated(column.source for column in columns)
    if twice is not None:
        raise SettingsError(field, f"column {twice!r} is listed twice; keep one entry")
    absent = {entry.new_name for entry in entries if entry.keep and entry.old_name not in existing}
    return JoinSide(tuple(columns), frozenset(absent))


def rename_overlap(left: JoinSide, right: JoinSide) -> JoinSide:
    """The right side with ``_right`` appended to names that the left side has, until none overlaps."""
    taken = {column.name for column in left.kept} | left.absent_names
    while overlap := taken & {column.name for column in right.kept}:
        columns = (
            replace(column, name=column.name + RIGHT_SUFFIX) if column.name in overlap else column
            for column in right.columns
        )
        right = replace(right, columns=tuple(columns))
    return right


def check_names(left: JoinSide, right: JoinSide) -> None:
    """Raise a `DuplicateColumnError` where two columns of one side, or two delivered columns, share a name."""
    for side, label in ((left, "left"), (right, "right")):
        double = first_repeated(column.name for column in side.columns)
        if double is not None:
            sources = " and ".join(repr(column.source) for column in side.columns if column.name == double)
            raise DuplicateColumnError(double, f"from the {label} columns {sources}; rename or drop one of them")
    double = first_repeated(column.name for column in (*left.kept, *right.kept))
    if double is not None:
        raise DuplicateColumnError(double, "it is kept on both sides; rename or drop one of them")


def working_names(sides: Sequence[JoinSide]) -> tuple[dict[str, str], ...]:
    """Per side the name of each source column during the join: its output name, or a free one for a dropped key."""
    taken = {column.name for side in sides for column in side.columns}
    return tuple(
        {
            column.source: column.name if column.is_kept else unused_name(f"dropped key {number}.{place}", taken)
            for place, column in enumerate(side.columns)
        }
        for number, side in enumerate(sides)
    )


def in_order(joined: pl.LazyFrame) -> pl.LazyFrame:
    """An inner join that keeps the order of its sides, so that this holds for a head of it, too.

    Where Polars would take the head while it joins, a step that does nothing, but sees all rows, stands between them.
    """
    return joined.select(pl.all().shift(0)) if HEADS_OF_JOINS_LOSE_ORDER else joined
