"""The aggregations of `group_by` and `pivot`, by their names in flow files.

Flowfile looks unknown names up among Polars' functions, where some happen to work on one column. Those whose
meaning is clear are here too; every other name is an error that lists the valid ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import require_columns
from flowfile_dagster.nodes._operand_types import check_operand, widen_decimal

_AGGREGATIONS = (
    "sum",
    "mean",
    "median",
    "std",
    "var",
    "min",
    "max",
    "first",
    "last",
    "count",
    "n_unique",
    "concat",
    "approx_n_unique",
    "any",
    "all",
    "implode",
    "head",
    "tail",
    "cum_sum",
    "cum_count",
)
_ORDER_SENSITIVE = frozenset({"first", "last", "concat", "implode", "head", "tail", "cum_sum", "cum_count"})


def check_aggregation(name: str, field: str) -> None:
    """`name` is an aggregation.

    Raises:
        SettingsError: it is not; lists those that are.
    """
    if name not in _AGGREGATIONS:
        raise SettingsError(field, f"{name!r} is not an aggregation; use one of {', '.join(_AGGREGATIONS)}")


def build_aggregation(name: str, column: str, schema: pl.Schema, field: str) -> pl.Expr:
    """The expression that aggregates a column, checked against the column's type.

    Raises:
        MissingColumnError: the input has no such column.
        SettingsError: the aggregation is unknown, or not possible for the type.
    """
    check_aggregation(name, field)
    require_columns([column], schema, field)
    dtype = schema[column]
    check_operand(name, column, dtype, field)
    reason = _refusal(name, column, dtype)
    if reason is not None:
        raise SettingsError(field, f"{name} of column {column!r} ({dtype}) is not possible: {reason}")
    return _expression(name, pl.col(column), dtype)


def aggregation_traits(names: Iterable[str]) -> frozenset[Trait]:
    """The traits that a node gets from the aggregations it uses."""
    return frozenset({Trait.ORDER_SENSITIVE}) if _ORDER_SENSITIVE.intersection(names) else frozenset()


def aggregation_code(name: str) -> str:
    """Python for the same, to stand behind a column that is no decimal."""
    return '.cast(pl.String).str.join(",")' if name == "concat" else f".{name}()"


@lru_cache(maxsize=1024)
def _refusal(name: str, column: str, dtype: pl.DataType) -> str | None:
    """Why Polars cannot plan an aggregation, if it cannot; a node asks when it is built and when it is predicted."""
    try:
        rowless({column: dtype}).select(_expression(name, pl.col(column), dtype)).collect_schema()
    except pl.exceptions.PolarsError as error:
        return str(error).partition("\n")[0]
    return None


def _expression(name: str, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if name == "concat":
        return column.cast(pl.String).str.join(",")
    operand = widen_decimal(column, dtype) if name in ("sum", "cum_sum") else column
    result: pl.Expr = getattr(operand, name)()
    return result
