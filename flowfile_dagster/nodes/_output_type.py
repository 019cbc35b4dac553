"""The type that a formula's result is cast to, as a setting (flow format 3.1)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import polars as pl
from pydantic import AfterValidator

from flowfile_dagster.columns.dtypes import is_bare_nested, parse_dtype
from flowfile_dagster.errors import SettingsError

_INTEGERS = tuple(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128))
_FLOATS = ("Float16", "Float32", "Float64", "Decimal", "Integer", "Double")
_TEXTS = ("String", "Utf8", "Categorical", "Boolean", "Binary")
_TEMPORAL = ("Date", "Datetime", "Time", "Duration")
_NAMES = frozenset({"Auto", *_INTEGERS, *_FLOATS, *_TEXTS, *_TEMPORAL, "List", "Struct", "Array"})


def _check_name(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"{name!r} is not a type name; the names are {', '.join(sorted(_NAMES))}")
    return name


#: A type name that must be known; null and ``Auto`` keep the type that the expression gives.
OutputType: TypeAlias = Annotated[str, AfterValidator(_check_name)] | None


def output_dtype(field: str, name: str | None) -> pl.DataType | None:
    """The dtype to cast to, or None for none.

    Raises:
        SettingsError: the name lacks its inner type; `field` is the path that the message names.
    """
    if name is None or name == "Auto":
        return None
    if is_bare_nested(name):
        raise SettingsError(field, f"{name!r} lacks its inner type; choose Auto to keep the type of the formula")
    return parse_dtype(name)


def cast_result(expression: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    """The expression cast strictly, so that a value that does not fit is an error."""
    return expression if dtype is None else expression.cast(dtype)
