"""What comes out of a file is what went in, and lies in the file's pages."""

import datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.store.mapped import scan_mapped

COLUMNS = {
    "string": pl.Series(["a", None, "longer than twelve bytes"]),
    "categorical": pl.Series(["x", "y", None], dtype=pl.Categorical),
    "enum": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
    "time": pl.Series([datetime.time(1), None, datetime.time(2)]),
    "date": pl.Series([datetime.date(2020, 1, 1), None, None]),
    "datetime": pl.Series([datetime.datetime(2020, 1, 1)] * 3, dtype=pl.Datetime("ns", "Europe/Paris")),
    "duration": pl.Series([datetime.timedelta(1)] * 3),
    "decimal": pl.Series(["1.5", "2", None]).cast(pl.Decimal(10, 2)),
    "list": pl.Series([[1], None, []]),
    "struct": pl.Series([{"a": 1, "b": ["x"]}] * 3),
    "boolean": pl.Series([True, None, False]),
    "binary": pl.Series([b"x", b"", None]),
    "wide": pl.Series([1, 2, 2**100], dtype=pl.Int128),
    "nothing": pl.Series([None, None, None]),
    "array": pl.Series([[1, 2]] * 3, dtype=pl.Array(pl.Int64, 2)),
    "small": pl.Series([1, 2, None], dtype=pl.Int8),
    "nan": pl.Series([1.5, float("nan"), None]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_column_of_every_type_comes_back(tmp_path: Path, name: str) -> None:
    table = pl.DataFrame({name: COLUMNS[name]})
    table.write_ipc(tmp_path / "[x].arrow", compression="uncompressed")
    for part in (table, table.head(0)):
        part.write_ipc(tmp_path / "[x].arrow", compression="uncompressed")
        assert_frame_equal(scan_mapped(tmp_path / "[x].arrow", table.schema).collect(), part)


def test_first_rows_are_the_first_batches(tmp_path: Path) -> None:
    table = pl.concat([pl.DataFrame({"a": [index]}) for index in range(5)], rechunk=False)
    table.write_ipc(tmp_path / "x.arrow", compression="uncompressed", record_batch_size=1)
    assert scan_mapped(tmp_path / "x.arrow", table.schema, 2).collect()["a"].to_list() == [0, 1]


def test_unlinked_file_can_still_be_read(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": range(100_000)})
    table.write_ipc(tmp_path / "x.arrow", compression="uncompressed")
    frame = scan_mapped(tmp_path / "x.arrow", table.schema)
    (tmp_path / "x.arrow").unlink()
    assert frame.collect().equals(table)


def test_table_without_columns_needs_no_file(tmp_path: Path) -> None:
    assert scan_mapped(tmp_path / "x.arrow", pl.Schema()).collect().shape == (0, 0)


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan_mapped(tmp_path / "x.arrow", pl.Schema({"a": pl.Int64}))
