"""Schemas to and from JSON, frames that have one and no rows, and names of columns that Polars takes for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import polars as pl

from flowfile_dagster.columns.dtypes import dtype_text, parse_dtype
from flowfile_dagster.errors import DataError


def schema_to_json(schema: pl.Schema) -> list[list[str]]:
    """``[[name, dtype text], …]`` in column order."""
    return [[name, dtype_text(dtype)] for name, dtype in schema.items()]


def schema_from_json(columns: Iterable[Iterable[str]]) -> pl.Schema:
    """The reverse of `schema_to_json`."""
    return pl.Schema([(name, parse_dtype(text)) for name, text in columns])


def rowless(schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """A frame with these columns and no rows.

    `pl.LazyFrame(schema=…)` does the same, but makes every column anew, which takes four times as long.
    """
    return _rowless(tuple(schema.items()))


@lru_cache(maxsize=4096)
def _rowless(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.LazyFrame:
    return frame_of([_empty_column(dtype).alias(name) for name, dtype in columns]).lazy()


def frame_of(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """A frame of columns, each under its own name: Polars gives one that is called ``""`` another."""
    frame = pl.DataFrame(columns)
    if any(column.name == "" for column in columns):
        frame.columns = [column.name for column in columns]
    return frame


def refuse_patterns(names: Iterable[str]) -> None:
    """Raise a `DataError` for a column whose name is a pattern of names to Polars: it would give other columns."""
    for name in names:
        if name.startswith("^") and name.endswith("$"):
            raise DataError(
                f"column {name!r} cannot be named, for Polars takes ^…$ for a pattern; rename it where it comes from"
            )


@lru_cache(maxsize=4096)
def _empty_column(dtype: pl.DataType) -> pl.Series:
    return pl.Series("", [], dtype=dtype)
