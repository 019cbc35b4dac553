from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import Workbook
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.errors import DataError
from flowfile_dagster.nodes._excel_reader import unique_names
from tests.nodes.node_case import parse_settings, run_node

DAY = datetime(2024, 1, 1)
AFTERNOON = datetime(2024, 1, 2, 15, 30)
TYPED = [("id", "x", "d", "t", "n"), (1, 1.5, DAY, AFTERNOON, None), (2, 2, DAY, None, None)]


def read_rows(root: Path, rows: list[tuple[Any, ...]], **table: Any) -> pl.DataFrame:
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    workbook.create_sheet("Zweites")
    workbook.save(root / "book.xlsx")
    received = {"path": str(root / "book.xlsx"), "file_type": "excel", "table_settings": table}
    return run_node("read", {"received_file": received})["output-0"]


def test_excel_default_engine_tells_dates_from_times_and_types_empty_columns_as_text(tmp_path: Path) -> None:
    expected = pl.DataFrame(
        {"id": [1, 2], "x": [1.5, 2.0], "d": [date(2024, 1, 1)] * 2, "t": [AFTERNOON, None], "n": [None, None]},
        schema_overrides={"t": pl.Datetime("ms"), "n": pl.String},
    )
    assert_frame_equal(read_rows(tmp_path, TYPED), expected)


def test_excel_type_inference_gives_no_more_columns_than_a_sheet_can_have(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [("a",), (1,)], type_inference=True, end_column=2_000_000)
    assert (table.width, table["a"].to_list()) == (16_384, [1])
    beyond = read_rows(tmp_path, [("a",), (1,)], start_column=20_000, end_column=30_000)
    assert beyond.is_empty()


def test_excel_end_beyond_the_sheet_gives_all_of_it(tmp_path: Path) -> None:
    whole = read_rows(tmp_path, TYPED)
    assert_frame_equal(read_rows(tmp_path, TYPED, end_row=2_000_000_000, end_column=2_000_000_000), whole)


def test_excel_column_that_the_default_engine_has_no_type_for_becomes_text(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [("id", "t"), (1, time(10, 20)), (2, timedelta(hours=30))])
    expected = pl.DataFrame({"id": [1, 2], "t": ["10:20:00", "1 day, 6:00:00"]})
    assert_frame_equal(table, expected)


def test_excel_type_inference_never_gives_dates_and_leaves_empty_columns_untyped(tmp_path: Path) -> None:
    table = read_rows(tmp_path, TYPED, type_inference=True)
    assert dict(table.schema) == {
        "id": pl.Int64,
        "x": pl.Float64,
        "d": pl.Datetime("us"),
        "t": pl.Datetime("us"),
        "n": pl.Null,
    }


def test_excel_type_inference_makes_mixed_columns_text_and_keeps_empty_cells_null(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [("a",), (1,), ("x",), (None,), (True,)], type_inference=True)
    assert table["a"].to_list() == ["1", "x", None, "True"]


def test_excel_header_cells_become_unique_texts(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [("x", "x", None, 2024, DAY, "x"), (1, 2, 3, 4, 5, 6)])
    assert table.columns == ["x", "x_v2", "_unnamed_column_2", "2024", "2024-01-01 00:00:00", "x_v3"]


def test_excel_column_without_name_and_values_is_dropped(tmp_path: Path) -> None:
    assert read_rows(tmp_path, [("a", None, "c"), (1, None, 3)]).rows(named=True) == [{"a": 1, "c": 3}]


def test_excel_text_after_hundred_numbers_is_kept(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [("a", "b"), *[(i, None) for i in range(150)], ("word", 7)])
    assert table.row(-1) == ("word", "7")


@pytest.mark.parametrize(
    ("table", "columns", "rows"),
    [
        ({"start_row": 1, "end_row": 2}, ["1", "a"], [(2, "b")]),
        ({"end_column": 1}, ["k"], [(1,), (2,), (3,)]),
        ({"start_column": 1}, ["v"], [("a",), ("b",), ("c",)]),
        ({"has_headers": False}, ["column_1", "column_2"], [("k", "v"), ("1", "a"), ("2", "b"), ("3", "c")]),
        ({"has_headers": False, "end_row": 1}, ["column_1", "column_2"], [("k", "v"), ("1", "a")]),
        ({"has_headers": False, "type_inference": True, "start_row": 3}, ["column_0", "column_1"], [(3, "c")]),
        ({"sheet_name": "Zweites"}, [], []),
        ({"sheet_name": " "}, ["k", "v"], [(1, "a"), (2, "b"), (3, "c")]),
    ],
)
def test_excel_range_and_header_settings_choose_the_cells(
    tmp_path: Path, table: dict[str, Any], columns: list[str], rows: list[tuple[Any, ...]]
) -> None:
    found = read_rows(tmp_path, [("k", "v"), (1, "a"), (2, "b"), (3, "c")], **table)
    assert (found.columns, found.rows()) == (columns, rows)


def test_excel_without_headers_shows_the_times_that_the_cells_have(tmp_path: Path) -> None:
    table = read_rows(tmp_path, [(AFTERNOON, DAY, time(10, 30, 45), date(2024, 1, 3))], has_headers=False)
    assert table.rows() == [("2024-01-02 15:30:00", "2024-01-01 00:00:00", "10:30:45", "2024-01-03")]


def test_excel_unknown_sheet_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"book\.xlsx: there is no sheet 'Nope'; it has 'Data', 'Zweites'"):
        read_rows(tmp_path, TYPED, sheet_name="Nope")


def test_excel_file_that_is_no_workbook_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("no workbook")
    with pytest.raises(DataError, match=r"a\.xlsx: is not a workbook"):
        run_node("read", {"received_file": {"path": str(tmp_path / "a.xlsx"), "file_type": "excel"}})


@pytest.mark.parametrize("table", [{"start_row": -1}, {"start_row": 3, "end_row": 2}])
def test_excel_impossible_range_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="start_row"):
        parse_settings("read", {"received_file": {"path": "a", "file_type": "excel", "table_settings": table}})


def test_excel_unique_names_skip_a_suffix_that_is_taken() -> None:
    assert unique_names(["a", "a_v2", "a"]) == ["a", "a_v2", "a_v3"]
