"""What many nodes ask of columns before they build a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import polars as pl

from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError


def require_columns(names: Iterable[str], schema: pl.Schema, where: str) -> None:
    """Every name is a column of the input.

    Raises:
        MissingColumnError: for the first one that is not.
    """
    for name in names:
        if name not in schema:
            raise MissingColumnError(name, schema, where)


def require_distinct(names: Iterable[str], cause: str = "") -> None:
    """No name occurs twice.

    Raises:
        DuplicateColumnError: for the first one that does.
    """
    twice = first_repeated(names)
    if twice is not None:
        raise DuplicateColumnError(twice, cause)


def unused_name(base: str, taken: Collection[str]) -> str:
    """`base`, with underscores appended until it is none of the taken names."""
    while base in taken:
        base += "_"
    return base


def common_dtype(dtypes: Iterable[pl.DataType]) -> pl.DataType | None:
    """The type that Polars gives columns of these types below each other; None where there is none.

    Nested and plain types have none, though Polars names one and then fails or makes up values.
    """
    distinct = list(dict.fromkeys(dtypes))
    if len({dtype.is_nested() for dtype in distinct if not isinstance(dtype, pl.Null)}) > 1:
        return None
    frames = [rowless({"column": dtype}) for dtype in distinct]
    try:
        return pl.concat(frames, how="vertical_relaxed").collect_schema()["column"]
    except pl.exceptions.PolarsError:
        return None
