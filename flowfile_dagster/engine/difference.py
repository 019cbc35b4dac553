"""What is different between two stored results: columns, and rows by a key or as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from flowfile_dagster.columns.difference import SchemaDifference, compare_schemas
from flowfile_dagster.columns.schema import refuse_patterns
from flowfile_dagster.engine.collect import collect, collect_together
from flowfile_dagster.errors import DataError, MissingColumnError

#: A column that repeats a value within so many rows is no key, which is quick to see.
_FIRST_ROWS = 1_000


@dataclass(frozen=True)
class RowDifference:
    """Rows that came, went, or have other values under the same key.

    Attributes:
        key: the columns that say which rows belong together; none where rows are compared as a whole.
        changed_values: for each column the number of changed rows that have another value in it.
        samples: up to the number of rows asked for of each kind: ``added``, ``removed``, and of the changed ones,
            side by side, ``before`` and ``after``. Rows as a whole come in no order.
    """

    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    changed_values: dict[str, int]
    samples: dict[str, pl.DataFrame]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        by = f"by {', '.join(self.key)}" if self.key else "as a whole"
        text = f"rows compared {by}: {self.added:,} added, {self.removed:,} removed"
        if not self.key:
            return text
        columns = ", ".join(f"{name} {count:,}" for name, count in self.changed_values.items())
        return f"{text}, {self.changed:,} changed{f' ({columns})' if columns else ''}"


@dataclass(frozen=True)
class TableDifference:
    """What is different between two tables. `rows` is None where they have no column of the same name and type."""

    schema: SchemaDifference
    rows_before: int
    rows_after: int
    rows: RowDifference | None

    def __bool__(self) -> bool:
        return bool(self.schema or self.rows or self.rows_before != self.rows_after)


def compare_tables(
    before: pl.LazyFrame, after: pl.LazyFrame, *, key: Sequence[str] = (), samples: int = 5
) -> TableDifference:
    """Compare two results. Columns that came, went or have another type count for the schema only, not for rows.

    Args:
        before: the older result.
        after: the newer result.
        key: the columns by which rows are matched; default: the first column without nulls and repetitions in
            both, and if there is none, rows are compared as a whole.
        samples: how many rows of each kind to show.

    Raises:
        MissingColumnError: one of them lacks a key column.
        DataError: a key column changed its type, or the key is not unique, or Polars would take the name of a column
            for a pattern.
    """
    old, new = before.collect_schema(), after.collect_schema()
    refuse_patterns({**old, **new})
    key = list(dict.fromkeys(key))
    schema = compare_schemas(old, new)
    common = [name for name, dtype in new.items() if old.get(name) == dtype]
    rows_before, rows_after = _count(before), _count(after)
    _check_key(key, old, new)
    if not common:
        return TableDifference(schema, rows_before, rows_after, None)
    plain = [_comparable(frame.select(common), new) for frame in (before, after)]
    if key:
        _refuse_repeated_key(key, plain)
    found = list(key) or _find_key(plain, new)
    rows = _compare_by_key(plain, found, samples) if found else _compare_whole_rows(plain, samples)
    return TableDifference(schema, rows_before, rows_after, rows)


def _count(frame: pl.LazyFrame) -> int:
    return int(collect(frame.select(pl.len())).item())


def _comparable(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Categories as texts: each file numbers its own."""
    categories = [name for name in frame.collect_schema() if isinstance(schema[name], (pl.Categorical, pl.Enum))]
    return frame.with_columns(pl.col(categories).cast(pl.String)) if categories else frame


def _check_key(key: Sequence[str], old: pl.Schema, new: pl.Schema) -> None:
    for name in key:
        for columns in (old, new):
            if name not in columns:
                raise MissingColumnError(name, columns, "key")
        if old[name] != new[name]:
            raise DataError(f"key column {name!r} is {old[name]} before and {new[name]} after; take another key")


def _refuse_repeated_key(key: Sequence[str], frames: Sequence[pl.LazyFrame]) -> None:
    for frame, word in zip(frames, ("before", "after"), strict=True):
        repeated = _count(frame.select(key)) - _count(frame.select(key).unique())
        if repeated:
            raise DataError(f"key {', '.join(map(repr, key))}: {repeated:,} rows {word} repeat it; add columns to it")


def _find_key(frames: Sequence[pl.LazyFrame], schema: pl.Schema) -> list[str]:
    candidates = [name for name in frames[1].collect_schema() if _can_be_key(schema[name])]
    for part in ([frame.head(_FIRST_ROWS) for frame in frames], frames):
        candidates = [name for name in candidates if all(_is_unique(frame, name) for frame in part)]
    return candidates[:1]


def _can_be_key(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_temporal() or dtype in (pl.String, pl.Categorical)


def _is_unique(frame: pl.LazyFrame, name: str) -> bool:
    column = pl.col(name)
    return bool(collect(frame.select((column.n_unique() == pl.len()) & (column.null_count() == 0))).item())


def _compare_by_key(frames: Sequence[pl.LazyFrame], key: Sequence[str], samples: int) -> RowDifference:
    names = frames[1].collect_schema().names()
    values = [name for name in names if name not in key]
    keys = {name: f"key{i}" for i, name in enumerate(key)}
    sides = [
        frame.select(
            *(pl.col(name).alias(short) for name, short in keys.items()),
            *(pl.col(name).alias(f"{side}{i}") for i, name in enumerate(values)),
            pl.lit(True).alias(side),
        )
        for frame, side in zip(frames, ("before", "after"), strict=True)
    ]
    joined = sides[0].join(sides[1], on=list(keys.values()), how="full", nulls_equal=True, coalesce=True)
    differs = [pl.col(f"before{i}").ne_missing(pl.col(f"after{i}")) for i in range(len(values))]
    is_new, is_gone = pl.col("before").is_null(), pl.col("after").is_null()
    is_changed = ~is_new & ~is_gone & pl.any_horizontal(pl.lit(False), *differs)
    counts = joined.select(
        is_new.sum().alias("added"),
        is_gone.sum().alias("removed"),
        is_changed.sum().alias("changed"),
        *((is_changed & differ).sum().alias(f"value{i}") for i, differ in enumerate(differs)),
    )

    def shown(rows: pl.Expr, side: str) -> pl.LazyFrame:
        columns = {**keys, **{name: f"{side}{i}" for i, name in enumerate(values)}}
        first = joined.filter(rows).sort(list(keys.values())).head(samples)
        return first.select(pl.col(columns[name]).alias(name) for name in names)

    counted, *sampled = collect_together(
        [
            counts,
            shown(is_new, "after"),
            shown(is_gone, "before"),
            shown(is_changed, "before"),
            shown(is_changed, "after"),
        ],
        "streaming",
    )
    numbers = counted.row(0, named=True)
    changed_values = {name: numbers[f"value{i}"] for i, name in enumerate(values) if numbers[f"value{i}"]}
    kinds = dict(zip(("added", "removed", "before", "after"), sampled, strict=True))
    return RowDifference(tuple(key), numbers["added"], numbers["removed"], numbers["changed"], changed_values, kinds)


def _compare_whole_rows(frames: Sequence[pl.LazyFrame], samples: int) -> RowDifference:
    """A row that is there twice counts twice."""
    names = frames[1].collect_schema().names()
    short = {name: f"value{i}" for i, name in enumerate(names)}
    signed = [
        frame.select(*(pl.col(name).alias(alias) for name, alias in short.items()), pl.lit(sign).alias("count"))
        for frame, sign in zip(frames, (-1, 1), strict=True)
    ]
    balance = pl.concat(signed).group_by(list(short.values())).agg(pl.col("count").sum())
    count = pl.col("count")
    counts = balance.select(
        count.filter(count > 0).sum().alias("added"), (-count.filter(count < 0).sum()).alias("removed")
    )

    def shown(rows: pl.Expr) -> pl.LazyFrame:
        return balance.filter(rows).head(samples).select(pl.col(alias).alias(name) for name, alias in short.items())

    counted, added, removed = collect_together([counts, shown(count > 0), shown(count < 0)], "streaming")
    numbers = counted.row(0, named=True)
    return RowDifference((), numbers["added"], numbers["removed"], 0, {}, {"added": added, "removed": removed})
