"""Read one sheet of a workbook as Flowfile does, with the engine that the settings lead to."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import polars as pl
from pydantic import Field, field_validator, model_validator

from flowfile_dagster.columns.schema import frame_of
from flowfile_dagster.contract.settings import SettingsBlock
from flowfile_dagster.errors import DataError, MissingExtraError

_TIME_OF_DAY = re.compile(r"(.* )\d\d:\d\d(:\d\d)?")
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d ")
_PLACEHOLDER = re.compile(r"(__UNNAMED__|_duplicated_)\d+")
#: No sheet has more columns; openpyxl makes up empty ones to any number that it is asked for.
_SHEET_COLUMNS = 16_384
#: The number of rows from which Flowfile's calamine reading takes the types.
_SAMPLE_ROWS = 100


class ExcelTable(SettingsBlock):
    """Which part of which sheet is read. Offsets count from 0; an end of 0 means all."""

    file_type: Literal["excel"] = "excel"
    sheet_name: str | None = None
    start_row: int = Field(default=0, ge=0)
    start_column: int = Field(default=0, ge=0)
    end_row: int = Field(default=0, ge=0)
    end_column: int = Field(default=0, ge=0)
    has_headers: bool = True
    type_inference: bool = False

    @field_validator("sheet_name", mode="before")
    @classmethod
    def _blank_is_first(cls, given: Any) -> Any:
        return (given.strip() or None) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> ExcelTable:
        if 0 < self.end_row < self.start_row or 0 < self.end_column < self.start_column:
            raise ValueError("start_row and start_column must not lie beyond end_row and end_column")
        return self


def read_excel(path: Path, table: ExcelTable) -> pl.DataFrame:
    """The sheet as a table.

    An engine that cannot read the sheet gives way to openpyxl, which takes types from the cells.
    """
    _check_sheet(path, table)
    if table.type_inference or table.start_column > 0:
        return _read_openpyxl(path, table)
    read = _read_calamine if table.has_headers else _read_xlsx2csv
    try:
        return read(path, table)
    except (FileNotFoundError, MissingExtraError):
        raise
    except Exception:  # noqa: BLE001  the engines have errors of their own, with no common base
        return _read_openpyxl(path, table)


def load_openpyxl() -> Any:
    """The library openpyxl."""
    try:
        return import_module("openpyxl")
    except ImportError as error:
        raise MissingExtraError("working with Excel files", "excel") from error


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, a repeated one with the first free suffix of ``_v2``, ``_v3``, …."""
    counts: dict[str, int] = {}
    result: list[str] = []
    for name in names:
        free = name
        while free in counts:
            counts[name] += 1
            free = f"{name}_v{counts[name]}"
        counts[free] = 1
        result.append(free)
    return result


def _check_sheet(path: Path, table: ExcelTable) -> None:
    openpyxl = load_openpyxl()
    try:
        workbook = openpyxl.load_workbook(path, read_only=True)
    except (
        openpyxl.utils.exceptions.InvalidFileException,
        KeyError,
        ValueError,
        OSError,
        BadZipFile,
    ) as error:
        raise DataError(f"{path}: is not a workbook that can be read: {error}") from error
    names: list[str] = workbook.sheetnames
    workbook.close()
    if table.sheet_name is not None and table.sheet_name not in names:
        raise DataError(f"{path}: there is no sheet {table.sheet_name!r}; it has {', '.join(map(repr, names))}")


def _cells(path: Path, table: ExcelTable, max_row: int | None, **columns: int | None) -> list[tuple[Any, ...]]:
    workbook = load_openpyxl().load_workbook(path, data_only=True, read_only=True)
    try:
        sheet = workbook[table.sheet_name or workbook.sheetnames[0]]
        return list(sheet.iter_rows(min_row=table.start_row + 1, max_row=max_row, values_only=True, **columns))
    finally:
        workbook.close()


def _all_cells(path: Path, table: ExcelTable) -> list[tuple[Any, ...]]:
    return _cells(path, table.model_copy(update={"start_row": 0}), None)


def _read_polars(path: Path, table: ExcelTable, **options: Any) -> pl.DataFrame:
    try:
        frame: pl.DataFrame = pl.read_excel(
            path, engine="calamine", sheet_name=table.sheet_name, raise_if_empty=False, **options
        )
    except ImportError as error:
        raise MissingExtraError("reading Excel files", "excel") from error
    return frame


def _read_calamine(path: Path, table: ExcelTable) -> pl.DataFrame:
    options: dict[str, int] = {}
    if table.start_row:
        options["header_row"] = table.start_row
    if table.end_row:
        options["n_rows"] = table.end_row - table.start_row
    frame = _read_polars(path, table, read_options=dict(options), infer_schema_length=None)
    late = [
        name
        for name, dtype in frame.schema.items()
        if dtype != pl.String
        and frame.height > _SAMPLE_ROWS
        and frame[name].head(_SAMPLE_ROWS).null_count() == _SAMPLE_ROWS
    ]
    if late:
        sampled = _read_polars(path, table, read_options=dict(options), infer_schema_length=_SAMPLE_ROWS)
        if sampled.columns == frame.columns:
            frame = frame.with_columns(sampled[name] for name in late if sampled.schema[name] == pl.String)
    frame.columns = unique_names(_calamine_names(path, table, frame))
    return frame.select(frame.columns[: table.end_column or frame.width])


def _calamine_names(path: Path, table: ExcelTable, frame: pl.DataFrame) -> list[str]:
    """The texts of the header cells; calamine's own names where it sees another number of columns."""
    first = table.start_row + 1
    header = next(iter(_cells(path, table, min(table.end_row or first, first))), ())
    if len(header) == frame.width:
        return _header_names(header)
    return [
        f"_unnamed_column_{i}" if not name or _PLACEHOLDER.fullmatch(name) else name
        for i, name in enumerate(frame.columns)
    ]


def _header_names(cells: Sequence[Any]) -> list[str]:
    return [f"_unnamed_column_{i}" if cell is None else str(cell) for i, cell in enumerate(cells)]


def _read_xlsx2csv(path: Path, table: ExcelTable) -> pl.DataFrame:
    """The cells as xlsx2csv writes them, but with the times of day that the workbook has."""
    rows = _repair_times(_xlsx2csv_rows(path, table), _all_cells(path, table))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if not text.tell():
        return pl.DataFrame()
    text.seek(0)
    frame = pl.read_csv(text, has_header=False, skip_rows=table.start_row, truncate_ragged_lines=True)
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    frame = frame.select(frame.columns[: table.end_column or frame.width])
    return frame.head(table.end_row - table.start_row + 1) if table.end_row else frame


def _xlsx2csv_rows(path: Path, table: ExcelTable) -> list[list[str]]:
    try:
        xlsx2csv = import_module("xlsx2csv")
    except ImportError as error:
        raise MissingExtraError("reading Excel files", "excel") from error
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        workbook = xlsx2csv.Xlsx2csv(str(path), exclude_hidden_sheets=False, skip_empty_lines=False, floatformat="%f")
        workbook.convert(text, sheetname=table.sheet_name or workbook.workbook.sheets[0]["name"])
    text.seek(0)
    return list(csv.reader(text))


def _repair_times(texts: list[list[str]], cells: list[tuple[Any, ...]]) -> list[list[str]]:
    """Undo what xlsx2csv does to times: it counts hours to 12, cuts instead of rounding, and drops seconds."""
    if len(texts) != len(cells):
        raise ValueError("xlsx2csv and openpyxl see another number of rows")
    return [[_repaired(text, cell) for text, cell in zip_longest(*row)][: len(row[0])] for row in zip(texts, cells)]


def _repaired(text: str, cell: Any) -> str:
    if isinstance(cell, time):
        return cell.strftime("%H:%M:%S") if cell.second and re.fullmatch(r"\d\d:\d\d", text) else text
    found = _TIME_OF_DAY.fullmatch(text or "") if isinstance(cell, datetime) else None
    if found is None:
        return text
    moment = cell + timedelta(milliseconds=500)
    day: str = moment.strftime("%Y-%m-%d ") if _ISO_DAY.fullmatch(found[1]) else found[1]
    time_of_day: str = moment.strftime("%H:%M:%S" if found[2] else "%H:%M")
    return day + time_of_day


def _read_openpyxl(path: Path, table: ExcelTable) -> pl.DataFrame:
    rows = _cells(
        path,
        table,
        table.end_row + 1 if table.end_row else None,
        min_col=table.start_column + 1,
        max_col=min(table.end_column, _SHEET_COLUMNS) or None,
    )
    columns = list(zip_longest(*rows))
    if table.has_headers:
        names = unique_names(_header_names([column[0] for column in columns]))
        columns = [column[1:] for column in columns]
    else:
        names = [f"column_{i}" for i in range(len(columns))]
    if table.has_headers and len(rows) < 2:
        return pl.DataFrame()
    return frame_of([_cell_series(name, column) for name, column in zip(names, columns)])


def _cell_series(name: str, cells: Sequence[Any]) -> pl.Series:
    """Integers and floats together are floats; any other mixture is text, in which empty cells stay null."""
    types: set[type] = {type(cell) for cell in cells if cell is not None}
    if types == {int, float}:
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    if len(types) > 1:
        return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    return pl.Series(name, cells)
