"""Typed-in data: a list of values per column, built with the declared types."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from pydantic import model_validator

from flowfile_dagster.columns.dtypes import is_bare_nested, parse_dtype
from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.columns.schema import frame_of
from flowfile_dagster.contract.settings import NamedColumn, NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError, SettingsError

_ZONE = re.compile(r":\d\d(\.\d+)?\s*([A-Za-z]+|[+-]\d\d:?(\d\d)?)$")


class RawData(SettingsBlock):
    """The table: ``data[i]`` holds the values of ``columns[i]``."""

    columns: tuple[NamedColumn, ...]
    data: tuple[tuple[Any, ...], ...]

    @model_validator(mode="after")
    def _is_rectangular(self) -> RawData:
        names = [column.name for column in self.columns]
        if (twice := first_repeated(names)) is not None:
            raise ValueError(f"columns: the name {twice!r} stands there twice")
        if not any(self.data):
            return self
        if len(self.data) != len(names):
            raise ValueError(
                f"data: it must hold one list of values per column, but there are {len(names)} columns "
                f"and {len(self.data)} lists; rows are not accepted here"
            )
        lengths = {name: len(values) for name, values in zip(names, self.data)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"data: all columns must have the same number of values, but they have {lengths}")
        return self


class ManualDataSettings(NodeSettings):
    """Settings of the nodes that hold typed-in data."""

    raw_data_format: RawData | None = None


def manual_frame(raw: RawData | None) -> pl.LazyFrame:
    """The table as a frame; what does not fit the declared type becomes null.

    Nothing is collected: texts of dates and times stay texts here, and the plan parses them.
    """
    if raw is None or not raw.columns:
        return pl.LazyFrame()
    values = raw.data if any(raw.data) else ((),) * len(raw.columns)
    series = [_series(column, cells) for column, cells in zip(raw.columns, values)]
    parsed = [
        pl.col(column.name).str.strptime(dtype, strict=False)  # type: ignore[arg-type]  # stubs want a class
        for column, cells in zip(raw.columns, values)
        if (dtype := _dtype(column)) is not None and _is_parsed_later(dtype, cells)
    ]
    frame = frame_of(series).lazy()
    return frame.with_columns(parsed) if parsed else frame


def _dtype(column: NamedColumn) -> pl.DataType | None:
    try:
        return None if is_bare_nested(column.data_type) else parse_dtype(column.data_type)
    except SettingsError as error:
        raise SettingsError("raw_data_format.columns", f"column {column.name!r}: {error.cause}") from error


def _is_parsed_later(dtype: pl.DataType, cells: tuple[Any, ...]) -> bool:
    """Whether the cells are texts of a moment; one with a time zone decides the dtype, so it is parsed at once."""
    if dtype not in (pl.Date(), pl.Datetime("us"), pl.Time()):
        return False
    texts = [cell for cell in cells if cell is not None]
    return bool(texts) and all(isinstance(cell, str) and not _ZONE.search(cell) for cell in texts)


def _series(column: NamedColumn, cells: tuple[Any, ...]) -> pl.Series:
    dtype = _dtype(column)
    if dtype is not None and _is_parsed_later(dtype, cells):
        dtype = pl.String()
    try:
        return pl.Series(column.name, cells, dtype=dtype, strict=False)
    except (TypeError, ValueError, OverflowError, PolarsError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise DataError(f"column {column.name!r} cannot be built as {column.data_type}: {cause}") from error
