"""Type names of flow files, and what becomes of those that Polars cannot build."""

import polars as pl
import pytest

from flowfile_dagster.columns.dtypes import parse_dtype
from flowfile_dagster.errors import SettingsError


@pytest.mark.parametrize("text", ["Struct(5)", "List(5)", "Datetime('xx')", "int64", "", "nothing", "List("])
def test_name_that_constructs_no_type_is_text_as_in_flowfile(text: str) -> None:
    assert parse_dtype(text) == pl.String()


@pytest.mark.parametrize(
    "text",
    [
        *("Decimal('a')", "Decimal(100, 0)", "Decimal(5, 9)", "Decimal(-1, -1)", "Decimal(1.5, 0)"),
        *(
            "Datetime('us', 5)",
            "Datetime(time_zone='No/Where')",
            "Array(Int64, shape=(-1,))",
            "Struct({1: Int64})",
            "Struct([1])",
            "Categorical(5)",
        ),
        "List(Decimal('a'))",
    ],
)
def test_type_that_polars_cannot_have_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_dtype(text)
    assert str(caught.value).startswith(f"data_type: {text!r} is no type that Polars can have: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("pl.Datetime('ms', 'UTC')", pl.Datetime("ms", "UTC")),
        ("Decimal(precision=10, scale=2)", pl.Decimal(10, 2)),
        ("Array(Int64, shape=(3,))", pl.Array(pl.Int64, 3)),
        ("Struct({'a': List(Int8)})", pl.Struct({"a": pl.List(pl.Int8)})),
    ],
)
def test_parametrised_type_is_read(text: str, dtype: pl.DataType) -> None:
    assert parse_dtype(text) == dtype
