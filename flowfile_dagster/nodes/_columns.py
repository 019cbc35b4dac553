"""Checks on column names that many nodes make before they build a plan."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

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
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuplicateColumnError(name, cause)
        seen.add(name)
