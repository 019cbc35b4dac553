"""Write one sheet of a workbook.

A workbook that is kept goes through openpyxl, which loses its images and the stored results of formulas.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.errors import DataError
from flowfile_dagster.nodes._excel_reader import load_openpyxl
from flowfile_dagster.nodes._file_writer import replacement_of

MAX_ROWS, MAX_COLUMNS, MAX_CHARACTERS = 1_048_576, 16_384, 32_767


def write_workbook(table: pl.DataFrame, path: Path, sheet_name: str) -> None:
    """A workbook with this sheet alone."""
    _check_fits(table)
    content = io.BytesIO()
    table.write_excel(content, worksheet=sheet_name)
    with replacement_of(path) as scratch:
        scratch.write_bytes(content.getvalue())


def update_sheet(table: pl.DataFrame, path: Path, sheet_name: str) -> None:
    """Replace one sheet of an existing workbook, or add it; the others stay."""
    _check_fits(table)
    workbook = load_openpyxl().load_workbook(path)
    position = None
    if sheet_name in workbook.sheetnames:
        position = workbook.sheetnames.index(sheet_name)
        del workbook[sheet_name]
    _fill_sheet(workbook, workbook.create_sheet(sheet_name, position), table)
    _save(workbook, path)


def append_to_sheet(table: pl.DataFrame, path: Path, sheet_name: str) -> None:
    """Add rows below those of a sheet with the same header; a missing or empty sheet is filled."""
    _check_fits(table)
    workbook = load_openpyxl().load_workbook(path)
    if sheet_name not in workbook.sheetnames:
        _fill_sheet(workbook, workbook.create_sheet(sheet_name), table)
    elif not (header := _header(workbook[sheet_name])):
        _fill_sheet(workbook, workbook[sheet_name], table)
    elif header != table.columns:
        raise DataError(
            f"{path}: cannot append, the sheet {sheet_name!r} has the columns {header}, the new rows {table.columns}"
        )
    else:
        _add_rows(workbook[sheet_name], table)
    _save(workbook, path)


def _check_fits(table: pl.DataFrame) -> None:
    """Refuse what the writers leave out or cut off without a word."""
    if table.height >= MAX_ROWS or table.width > MAX_COLUMNS:
        raise DataError(f"{table.height} rows and {table.width} columns are more than an Excel sheet can hold")
    headers: dict[str, str] = {}
    for name in table.columns:
        if name.lower() in headers:
            both = f"{headers[name.lower()]!r} and {name!r}"
            raise DataError(f"an Excel table cannot have the columns {both}: they differ in upper and lower case only")
        headers[name.lower()] = name
    texts = table.select(pl.col(pl.String).str.len_chars().max())
    for name, longest in zip(texts.columns, texts.row(0) if texts.width else (), strict=True):
        if longest is not None and longest > MAX_CHARACTERS:
            raise DataError(f"column {name!r} has a text of {longest} characters; an Excel cell holds {MAX_CHARACTERS}")


def _header(sheet: Any) -> list[Any]:
    cells = [cell.value for cell in sheet[1]]
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _add_rows(sheet: Any, table: pl.DataFrame) -> None:
    """Add rows; a named table that ended with the last row grows with them."""
    last = sheet.max_row
    for row in _cell_values(table).iter_rows():
        sheet.append(row)
    for region in sheet.tables.values():
        start, _, end = region.ref.partition(":")
        column = end.rstrip("0123456789")
        if end == f"{column}{last}":
            region.ref = f"{start}:{column}{sheet.max_row}"
            if region.autoFilter is not None:
                region.autoFilter.ref = region.ref


def _fill_sheet(workbook: Any, sheet: Any, table: pl.DataFrame) -> None:
    for row in (table.columns, *_cell_values(table).iter_rows()):
        sheet.append(row)
    if not table.height or not table.width:
        return
    openpyxl = load_openpyxl()
    taken = {name for each in workbook.worksheets for name in each.tables}
    name = next(name for i in range(len(taken) + 1) if (name := f"Frame{i}") not in taken)
    last = openpyxl.utils.get_column_letter(table.width)
    tables = openpyxl.worksheet.table
    region = tables.Table(displayName=name, ref=f"A1:{last}{table.height + 1}")
    region.tableStyleInfo = tables.TableStyleInfo(showRowStripes=True)
    sheet.add_table(region)


def _cell_values(table: pl.DataFrame) -> pl.DataFrame:
    """Nested values as text and datetimes without their zone, for cells have neither."""
    return table.with_columns(
        pl.Series(name, [None if cell is None else str(cell) for cell in table[name].to_list()], dtype=pl.String)
        if dtype.is_nested() or dtype == pl.Object
        else pl.col(name).dt.replace_time_zone(None)
        for name, dtype in table.schema.items()
        if dtype.is_nested() or dtype == pl.Object or getattr(dtype, "time_zone", None)
    )


def _save(workbook: Any, path: Path) -> None:
    content = io.BytesIO()
    workbook.save(content)
    with replacement_of(path) as scratch:
        scratch.write_bytes(content.getvalue())
