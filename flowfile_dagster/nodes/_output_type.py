"""The type that a formula's result is cast to, as a setting."""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypeAlias

import polars as pl
from pydantic import AfterValidator

from flowfile_dagster.columns.casting import castable, reached_dtype
from flowfile_dagster.columns.dtypes import CHECKED_NAMES, check_type_name, is_bare_nested, parse_dtype
from flowfile_dagster.errors import SettingsError

_NAMES = CHECKED_NAMES | {"Auto", "Categorical"}

#: A type name that must be known; null and ``Auto`` keep the type that the expression gives.
OutputType: TypeAlias = Annotated[str, AfterValidator(partial(check_type_name, names=_NAMES))] | None


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


def cast_result(expression: pl.Expr, given: pl.DataType, target: pl.DataType | None) -> tuple[pl.Expr, pl.DataType]:
    """The expression cast strictly, so that a value that does not fit is an error; and the type that it has then."""
    if target is None:
        return expression, given
    reached = reached_dtype(given, target)
    return castable(expression, given, target).cast(reached), reached
