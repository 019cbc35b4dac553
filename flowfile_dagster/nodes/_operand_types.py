"""Which types of columns the aggregating functions have a meaning for.

Polars refuses the others over a whole column, but only when it runs, and inside a group or partition it gives nulls or
wrong values of a wrong type; here they are an error everywhere, before anything runs.
"""

from __future__ import annotations

import polars as pl

from flowfile_dagster.errors import SettingsError

_NUMBERS: frozenset[str] = frozenset({"number", "decimal", "null"})
_MEASURES: frozenset[str] = _NUMBERS | {"duration"}
_POINTS: frozenset[str] = _MEASURES | {"moment"}
_ORDERED: frozenset[str] = _POINTS | {"category", "text"}
_KINDS: dict[str, frozenset[str]] = {
    "sum": _MEASURES,
    "mean": _POINTS,
    "median": _POINTS,
    "std": _MEASURES,
    "var": _NUMBERS,
    "min": _ORDERED,
    "max": _ORDERED,
    "any": _NUMBERS,
    "all": _NUMBERS,
    "cum_sum": _MEASURES - {"null"},
    "cum_min": _POINTS - {"null"} | {"category"},
    "cum_max": _POINTS - {"null"} | {"category"},
    "rolling_sum": _NUMBERS - {"decimal"},
    "rolling_mean": _POINTS,
    "rolling_std": _NUMBERS,
    "rolling_min": _POINTS - {"decimal"},
    "rolling_max": _POINTS - {"decimal"},
}


def check_operand(function: str, column: str, dtype: pl.DataType, field: str) -> None:
    """The function has a meaning for the column's type.

    Raises:
        SettingsError: it has none.
    """
    if function in _KINDS and _kind(dtype) not in _KINDS[function]:
        raise SettingsError(field, f"{function} of column {column!r} ({dtype}) is not possible")


def widen_decimal(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """What is to be summed: Decimals get the most digits before, whatever the version and the engine of Polars.

    The sum could not be cast: before Polars 1.44 it may panic where it has more digits than the column.
    """
    return column.cast(pl.Decimal(38, dtype.scale)) if isinstance(dtype, pl.Decimal) else column


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return "decimal"
    if dtype.is_numeric() or isinstance(dtype, pl.Boolean):
        return "number"
    if isinstance(dtype, pl.Duration):
        return "duration"
    if dtype.is_temporal():
        return "moment"
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return "category"
    if isinstance(dtype, pl.Null):
        return "null"
    return "text" if isinstance(dtype, (pl.String, pl.Binary)) else "nested"
