from datetime import date, datetime
from typing import Any, Literal

import polars as pl
import pytest

from flowfile_dagster.columns.casting import cast_column
from flowfile_dagster.errors import DataError, SettingsError


def cast(values: pl.Series, type_name: str) -> pl.Series:
    expression = cast_column("c", values.dtype, type_name)
    assert expression is not None
    return values.alias("c").to_frame().select(expression).to_series()


@pytest.mark.parametrize(
    ("values", "type_name", "expected"),
    [
        (["1", " 2", "1.5", "x", None], "Int64", [1, None, None, None, None]),
        (["1e3", "x"], "Float64", [1000.0, None]),
        (["2024-01-31", "31/01/2024", None], "Date", [date(2024, 1, 31), None, None]),
        (["2024-01-31 10:00:00", "x"], "Datetime", [datetime(2024, 1, 31, 10), None]),
        (["10:00:00"], "Time", [None]),
        ([1.9, -1.9, float("nan")], "integer", [1, -1, None]),
        ([0, 2, None], "Boolean", [False, True, None]),
        ([1, 300], "Int8", [1, None]),
        ([True, False], "String", ["true", "false"]),
        ([1.0, 1e20], "no such type", ["1.0", "1e+20"]),
        ([date(2024, 1, 31)], "String", ["2024-01-31"]),
        ([1], "Date", [date(1970, 1, 2)]),
        ([1], "Datetime", [datetime(1970, 1, 1, 0, 0, 0, 1)]),
    ],
)
def test_cast_value_that_does_not_fit_is_null(values: list[Any], type_name: str, expected: list[Any]) -> None:
    assert cast(pl.Series(values), type_name).to_list() == expected


@pytest.mark.parametrize(
    ("source", "type_name"),
    [
        (pl.Datetime("ms"), "Datetime"),
        (pl.Decimal(10, 2), "Decimal"),
        (pl.Decimal(10, 2), "Decimal(12, 3)"),
        (pl.List(pl.Int8), "List"),
        (pl.Int64(), "int"),
        (pl.String(), "int64"),
    ],
)
def test_cast_to_the_same_base_type_does_nothing(source: pl.DataType, type_name: str) -> None:
    assert cast_column("c", source, type_name) is None


@pytest.mark.parametrize("type_name", ["Decimal", "List", "pl.Struct", "Enum"])
def test_cast_to_an_incomplete_type_is_an_error(type_name: str) -> None:
    with pytest.raises(SettingsError, match=r"data_type: column 'c': .* needs its .*, for example"):
        cast_column("c", pl.Int64(), type_name)


def test_cast_to_a_type_that_cannot_be_names_the_column() -> None:
    with pytest.raises(SettingsError, match=r"data_type: column 'c': \"Decimal\('a'\)\" is no type that Polars can"):
        cast_column("c", pl.Int64(), "Decimal('a')")


def test_cast_text_to_datetime_honours_unit_and_zone() -> None:
    assert cast(pl.Series(["2024-01-31 10:00:00"]), "Datetime('ms', 'UTC')").dtype == pl.Datetime("ms", "UTC")


def test_cast_numbers_to_categories_uses_their_text() -> None:
    assert cast(pl.Series([3, None]), "Categorical").cast(pl.String).to_list() == ["3", None]


def test_cast_of_a_struct_is_planned_as_the_struct_that_it_gives() -> None:
    frame = pl.LazyFrame({"c": [{"a": 1, "b": {"d": "x"}}, {"a": 2, "b": {"d": "3"}}]})
    expression = cast_column("c", frame.collect_schema()["c"], "Float64")
    assert expression is not None
    result = frame.select(expression)
    assert result.collect_schema()["c"] == pl.Struct({"a": pl.Float64, "b": pl.Struct({"d": pl.Float64})})
    assert result.collect().schema == result.collect_schema()
    assert result.collect()["c"].to_list() == [{"a": 1.0, "b": {"d": None}}, {"a": 2.0, "b": {"d": 3.0}}]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("type_name", ["Date", "Datetime", "Datetime('ms', 'UTC')"])
@pytest.mark.parametrize("values", [["01/31/2024", None], [""]])
def test_cast_text_without_any_date_fails_when_run_on_any_engine(
    values: list[str | None], type_name: str, engine: Literal["in-memory", "streaming"]
) -> None:
    expression = cast_column("c", pl.String(), type_name)
    assert expression is not None
    with pytest.raises(DataError, match=r"column 'c' cannot become Date.*: could not find an appropriate format"):
        pl.LazyFrame({"c": values}).select(expression).collect(engine=engine)
