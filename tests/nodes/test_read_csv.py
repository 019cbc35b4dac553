from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.errors import DataError
from tests.nodes.node_case import run_node


def read_text(root: Path, text: str | bytes, **table: Any) -> pl.DataFrame:
    (root / "t.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    received = {"path": str(root / "t.csv"), "file_type": "csv", "table_settings": table}
    return run_node("read", {"received_file": received})["output-0"]


def test_csv_values_get_types_dates_among_them(tmp_path: Path) -> None:
    table = read_text(tmp_path, "i,f,b,d,t,s\n1,1.5,true,2024-01-01,2024-01-01T10:00:00,x\n2,,,,,\n")
    expected = {
        "i": [1, 2],
        "f": [1.5, None],
        "b": [True, None],
        "d": [date(2024, 1, 1), None],
        "t": [datetime(2024, 1, 1, 10), None],
        "s": ["x", None],
    }
    assert_frame_equal(table, pl.DataFrame(expected))


@pytest.mark.parametrize(
    ("text", "table", "expected"),
    [
        ("1;x\n2;y\n", {"delimiter": ";", "has_headers": False}, {"column_1": [1, 2], "column_2": ["x", "y"]}),
        ("# a\n# b\na\n1\n", {"starting_from_line": 2}, {"a": [1]}),
        ("a,d\n1,2024-01-01\n", {"infer_schema": False}, {"a": ["1"], "d": ["2024-01-01"]}),
        ("a,b\n'x,y',1\n", {"quote_char": "'"}, {"a": ["x,y"], "b": [1]}),
        ('a,b\n"x,1\n', {"quote_char": ""}, {"a": ['"x'], "b": [1]}),
        ("a,b\r1,2\r", {"row_delimiter": "\r"}, {"a": [1], "b": [2]}),
        ("a,b\r\n1,2\r\n", {"row_delimiter": "\r\n"}, {"a": [1], "b": [2]}),
        ("a\n1\n2,3\n", {"truncate_ragged_lines": True}, {"a": [1, 2]}),
        ("a,b\n1\n", {}, {"a": [1], "b": [None]}),
        ('a,b\n"x,y",1\n', {"quote_char": "auto"}, {"a": ["x,y"], "b": [1]}),
    ],
)
def test_csv_setting_is_honoured(tmp_path: Path, text: str, table: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read_text(tmp_path, text, **table).to_dict(as_series=False) == expected


def test_csv_window_grows_until_late_values_fit(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a\n" + "1\n" * 500 + "x\n", infer_schema_length=10)
    assert table["a"].to_list() == ["1"] * 500 + ["x"]


@pytest.mark.parametrize("late", ["2.5", "x"])
def test_csv_window_grows_beyond_the_first_ten_thousand_rows(tmp_path: Path, late: str) -> None:
    table = read_text(tmp_path, "a,b\n" + "12345,1\n" * 20_000 + f"{late},2\n")
    assert table.schema["a"] == (pl.String if late == "x" else pl.Float64)
    assert table["a"][-1] == (late if late == "x" else 2.5)


def test_csv_dates_of_several_forms_in_one_column_stay_text(tmp_path: Path) -> None:
    table = read_text(tmp_path, "day\n2024-01-31\n31/01/2024\n")
    assert table["day"].to_list() == ["2024-01-31", "31/01/2024"]


LATE_WORD = "a,d\n" + "1,2024-01-01\n" * 120_000 + "x,2024-01-01\n"


def test_csv_value_beyond_every_window_fails_instead_of_becoming_null(tmp_path: Path) -> None:
    with pytest.raises((DataError, pl.exceptions.ComputeError), match="could not parse `x`"):
        read_text(tmp_path, LATE_WORD)


def test_csv_value_beyond_every_window_is_null_where_errors_are_ignored(tmp_path: Path) -> None:
    table = read_text(tmp_path, LATE_WORD, ignore_errors=True)
    assert table["a"].null_count() == 1
    assert table.schema["a"] == pl.Int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\né\n".encode("latin-1"), r"t\.csv: .*not UTF-8: set its encoding"),
        (b"a\n1\n2,3\n", "truncate_ragged_lines: true"),
        (b"", "empty CSV"),
        (b"a,a,a_duplicated_0\n1,2,3\n", r"t\.csv: cannot be read as csv: "),
        (b"a" * (5 << 20), r"t\.csv: its header is longer than 4 MiB: check row_delimiter"),
    ],
)
def test_csv_that_cannot_be_read_says_what_would_help(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_text(tmp_path, text)


def test_csv_bytes_that_are_not_utf8_are_replaced_without_dates_where_errors_are_ignored(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a,d\né,2024-01-01\n".encode("latin-1"), ignore_errors=True)
    assert table.rows() == [("�", "2024-01-01")]


def test_csv_lossy_encoding_replaces_bytes_and_keeps_dates(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a,d\né,2024-01-01\n".encode("latin-1"), encoding="UTF8-lossy")
    assert table.rows() == [("�", date(2024, 1, 1))]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_csv_in_another_encoding_is_decoded_and_its_dates_stay_text(tmp_path: Path, encoding: str) -> None:
    table = read_text(tmp_path, "a,d\né,2024-01-01\n".encode(encoding), encoding=encoding)
    assert table.rows() == [("é", "2024-01-01")]


def test_csv_in_another_encoding_keeps_values_beyond_the_first_window(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a\n" + "1\n" * 20_000 + "x\n", encoding="latin-1")
    assert table["a"].to_list()[-1] == "x"


def test_csv_byte_unknown_to_the_encoding_fails_or_is_replaced_where_errors_are_ignored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: is not text in the encoding 'ascii'"):
        read_text(tmp_path, "a\né\n", encoding="ascii")
    assert read_text(tmp_path, "a\né\n", encoding="ascii", ignore_errors=True)["a"].to_list() == ["��"]
