"""Casts that a user asks for in a select: never strict, and dates are read from text."""

from __future__ import annotations

import polars as pl

from flowfile_dagster.columns.dtypes import base_name, is_bare_nested, parse_dtype, struct_fields
from flowfile_dagster.errors import DataError, SettingsError


def cast_column(column: str, source: pl.DataType, type_name: str) -> pl.Expr | None:
    """The column as the named type; None where source and target have one base type, so nothing is to be done.

    Values that do not fit become null. Text becomes a date by one format that is inferred for the whole column.

    Raises:
        SettingsError: the name lacks a part without which there is no type (``Decimal``, ``List``, …).
    """
    name = type_name.strip().removeprefix("pl.")
    if name == base_name(source):
        return None
    if name == "Decimal":
        raise SettingsError("data_type", f"column {column!r}: Decimal needs its precision, for example Decimal(10, 2)")
    if is_bare_nested(name):
        raise SettingsError("data_type", f"column {column!r}: {name} needs its inner type, for example List(Int64)")
    try:
        target = parse_dtype(type_name)
    except SettingsError as error:
        raise SettingsError(error.field, f"column {column!r}: {error.cause}") from error
    if target.base_type() == source.base_type():
        return None
    if source == pl.String:
        if isinstance(target, pl.Date):
            return _dates(column, pl.first().str.to_date(strict=False), target)
        if isinstance(target, pl.Datetime):
            return _dates(column, _text_to_datetime(target), target)
    return castable(pl.col(column), source, target).cast(reached_dtype(source, target), strict=False)


def castable(expression: pl.Expr, source: pl.DataType, target: pl.DataType) -> pl.Expr:
    """What is to be cast: of numbers their text, if they become categories.

    Polars would take them as the numbers of whatever categories the process has come across.
    """
    is_number_to_category = source.is_numeric() and isinstance(target, pl.Categorical)
    return expression.cast(pl.String) if is_number_to_category else expression


def reached_dtype(source: pl.DataType, target: pl.DataType) -> pl.DataType:
    """What a cast arrives at: of a struct, Polars casts each field by itself, unless all of it becomes text."""
    if not isinstance(source, pl.Struct) or isinstance(target, (pl.Struct, pl.String)):
        return target
    return pl.Struct({name: reached_dtype(field, target) for name, field in struct_fields(source).items()})


def _dates(column: str, reading: pl.Expr, target: pl.DataType) -> pl.Expr:
    """The texts of a column as dates, read by one engine whichever runs the plan.

    Where no text has a form that Polars knows, in-memory fails and the streaming engine gives nulls.
    """

    def read(texts: pl.Series) -> pl.Series:
        try:
            return texts.to_frame().select(reading).to_series()
        except pl.exceptions.ComputeError as error:
            cause = str(error).partition("\n")[0]
            raise DataError(f"column {column!r} cannot become {target}: {cause}") from error

    return pl.col(column).map_batches(read, return_dtype=target)


def _text_to_datetime(target: pl.Datetime) -> pl.Expr:
    text = pl.first().str
    if target == pl.Datetime("us"):
        return text.to_datetime(strict=False)
    return text.to_datetime(strict=False, time_unit=target.time_unit, time_zone=target.time_zone)
