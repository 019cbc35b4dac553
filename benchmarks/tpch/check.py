"""Whether what a run wrote is right: equal to the hand-written Polars, and for TPC-H's queries to DuckDB's answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from tpch.hand_written import QUERIES
from tpch.sql import SQL

TOLERANCE = 1e-9


class WrongResultError(Exception):
    """A measured program computed something else."""


def check_results(name: str, data: Path, out: Path, known: Path) -> None:
    """Compare every file that a flow writes. What is expected is computed once, and kept in the folder `known`.

    Raises:
        WrongResultError: names the file and the first difference.
    """
    for file, expected in QUERIES[name](data).items():
        path = out / f"{file}.parquet"
        if not path.exists():
            raise WrongResultError(f"{name}: {path.name} was not written")
        if not (known / path.name).exists():
            expected.sink_parquet(known / path.name)
        _check_same(f"{name}, {path.name}", pl.read_parquet(path), pl.read_parquet(known / path.name))
    if name in SQL and not (known / f"{name} is checked").exists():
        columns, rows = _answer(SQL[name], data)
        _check_rows(f"{name}, against DuckDB", pl.read_parquet(known / f"{name}.parquet"), columns, rows)
        (known / f"{name} is checked").touch()


def _check_same(what: str, found: pl.DataFrame, expected: pl.DataFrame) -> None:
    if found.columns != expected.columns:
        raise WrongResultError(f"{what}: columns {found.columns}, expected {expected.columns}")
    try:
        assert_frame_equal(found, expected, check_dtypes=False, rel_tol=TOLERANCE)
    except AssertionError as error:
        raise WrongResultError(f"{what}: {error}") from error


def _answer(query: str, data: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    import duckdb

    with duckdb.connect() as connection:
        for table in data.glob("*.parquet"):
            connection.execute(f"create view {table.stem} as select * from read_parquet('{table}')")
        result = connection.execute(query)
        return [column[0] for column in result.description], result.fetchall()


def _check_rows(what: str, found: pl.DataFrame, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if found.columns != columns:
        raise WrongResultError(f"{what}: columns {found.columns}, expected {columns}")
    if found.height != len(rows):
        raise WrongResultError(f"{what}: {found.height} rows, expected {len(rows)}")
    for number, (found_row, row) in enumerate(zip(found.iter_rows(), rows)):
        if not all(_is_same(value, expected) for value, expected in zip(found_row, row)):
            raise WrongResultError(f"{what}: row {number} is {found_row}, expected {row}")


def _is_same(found: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=TOLERANCE)
    return bool(found == expected)
