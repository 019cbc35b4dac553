from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.output_fields import apply_output_fields, output_fields_lineage
from flowfile_dagster.contract.settings import OutputFieldConfig
from flowfile_dagster.errors import DuplicateColumnError, SettingsError

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", "y"], "when": [datetime(2024, 1, 1)] * 2})


def config(mode: str, *fields: dict[str, Any], enabled: bool = True, validate: bool = False) -> OutputFieldConfig:
    return OutputFieldConfig.model_validate(
        {"enabled": enabled, "validation_mode_behavior": mode, "fields": fields, "validate_data_types": validate}
    )


def apply(asked: OutputFieldConfig, rows: pl.DataFrame = ROWS) -> pl.DataFrame:
    return apply_output_fields(asked, rows.lazy()).collect(engine="in-memory")


B, A = {"name": "b"}, {"name": "a", "data_type": "Int64"}
NEW = {"name": "n", "data_type": "Int64", "default_value": "7"}


@pytest.mark.parametrize(
    ("mode", "columns"),
    [
        ("select_only", ["b", "a"]),
        ("add_missing", ["b", "n", "a"]),
        ("add_missing_keep_extra", ["b", "n", "a", "when"]),
    ],
)
def test_output_fields_mode_decides_about_missing_and_extra_columns(mode: str, columns: list[str]) -> None:
    assert apply(config(mode, B, NEW, A)).columns == columns


def test_output_fields_raise_on_missing_lists_them_sorted() -> None:
    with pytest.raises(SettingsError, match="no column 'm', 'n'; it has 'a', 'b', 'when'"):
        apply(config("raise_on_missing", NEW, B, {"name": "m"}))


def test_output_fields_raise_on_missing_selects_when_all_are_there() -> None:
    assert_frame_equal(apply(config("raise_on_missing", B, A)), ROWS.select("b", "a"))


@pytest.mark.parametrize("asked", [config("select_only", B, enabled=False), config("select_only")])
def test_output_fields_disabled_or_empty_change_nothing(asked: OutputFieldConfig) -> None:
    assert_frame_equal(apply(asked), ROWS)


def test_output_fields_existing_columns_are_not_cast() -> None:
    assert apply(config("add_missing", {"name": "a", "data_type": "String"})).schema == {"a": pl.Int64}


@pytest.mark.parametrize(
    ("data_type", "text", "value", "dtype"),
    [
        ("Int64", "7", 7, pl.Int64),
        ("Int64", "[a]+1", None, pl.Int64),
        ("Int8", "300", None, pl.Int8),
        ("Float64", "1.5", 1.5, pl.Float64),
        ("String", "EU", "EU", pl.String),
        ("String", None, None, pl.String),
        ("Integer", "7", 7, pl.Int64),
        ("Boolean", None, None, pl.Boolean),
        ("Date", "2024-01-31", date(2024, 1, 31), pl.Date),
        ("Date", "31-01-2024", None, pl.Date),
        ("Datetime", "2024-01-31T10:30:00.5", datetime(2024, 1, 31, 10, 30, 0, 500_000), pl.Datetime("us")),
        ("Datetime", "2024-01-31 10:30", datetime(2024, 1, 31, 10, 30), pl.Datetime("us")),
        ("Datetime", "2024-01-31T10:30:00Z", datetime(2024, 1, 31, 10, 30), pl.Datetime("us")),
        ("Time", "10:30:00", time(10, 30), pl.Time),
    ],
)
def test_output_fields_default_is_text_read_as_the_type(
    data_type: str, text: str | None, value: Any, dtype: Any
) -> None:
    asked = config("add_missing", {"name": "n", "data_type": data_type, "default_value": text}, A)
    expected = pl.DataFrame({"n": pl.Series([value, value], dtype=dtype), "a": [1, 2]})
    assert_frame_equal(apply(asked), expected)


@pytest.mark.parametrize(
    ("data_type", "text", "message"),
    [
        ("Boolean", "true", "column 'n': a default text cannot become Boolean"),
        ("List", None, "column 'n': 'List' needs its inner type"),
    ],
)
def test_output_fields_impossible_default_names_the_column(data_type: str, text: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        apply(config("add_missing", {"name": "n", "data_type": data_type, "default_value": text}))


@pytest.mark.parametrize(
    ("data_type", "value", "expected"),
    [("Int8", 2.5, 2), ("Int8", 300, None), ("Boolean", 0, False), ("Boolean", 2.5, True), ("Decimal", 5, Decimal(5))],
)
def test_output_fields_default_of_another_type_is_cast_without_strictness(
    data_type: str, value: Any, expected: Any
) -> None:
    asked = config("add_missing", {"name": "n", "data_type": data_type, "default_value": ""})
    field = asked.fields[0].model_copy(update={"default_value": value})
    assert apply(asked.model_copy(update={"fields": (field,)})).rows() == [(expected,)] * 2


def test_output_fields_boolean_cannot_become_a_decimal() -> None:
    asked = config("add_missing", {"name": "n", "data_type": "Decimal", "default_value": ""})
    field = asked.fields[0].model_copy(update={"default_value": True})
    with pytest.raises(SettingsError, match="column 'n': a default boolean cannot become Decimal"):
        apply(asked.model_copy(update={"fields": (field,)}))


def test_output_fields_default_in_the_file_is_text() -> None:
    with pytest.raises(ValidationError, match=r"default_value\n.*must be text: write '7'"):
        config("add_missing", {"name": "n", "default_value": 7})


@pytest.mark.parametrize("data_type", ["int64", "Categorical", "Auto", "List(Int64)", "${p}", ""])
def test_output_fields_type_name_that_flowfile_does_not_know_is_refused(data_type: str) -> None:
    with pytest.raises(
        ValidationError, match=r"data_type\n.* is not a type name; the names are Array, Binary, Boolean"
    ):
        config("select_only", {"name": "n", "data_type": data_type}, enabled=False)


def test_output_fields_only_new_columns_keep_the_rows() -> None:
    assert_frame_equal(apply(config("add_missing", NEW)), pl.DataFrame({"n": [7, 7]}))


def test_output_fields_only_new_columns_over_no_rows_add_none() -> None:
    assert_frame_equal(apply(config("add_missing", NEW), ROWS.clear()), pl.DataFrame(schema={"n": pl.Int64}))


def test_output_fields_listed_twice_are_an_error() -> None:
    with pytest.raises(DuplicateColumnError, match="name 'a'"):
        apply(config("select_only", A, A))


def test_output_fields_validation_accepts_the_types_own_name() -> None:
    asked = config("select_only", A, {"name": "when", "data_type": "Datetime"}, NEW, validate=True)
    assert apply(asked).columns == ["a", "when"]


@pytest.mark.parametrize("declared", ["Integer", "String", "Int32"])
def test_output_fields_validation_of_another_name_fails(declared: str) -> None:
    with pytest.raises(SettingsError, match=f"column 'a' is Int64, not {declared}"):
        apply(config("select_only", {"name": "a", "data_type": declared}, validate=True))


def test_output_fields_lineage_keeps_what_is_left_and_makes_added_columns_constants() -> None:
    lineage = {"a": (ColumnOrigin(0, "z"),), "b": (ColumnOrigin(1, "b"),)}
    schema = pl.Schema({"a": pl.Int64(), "n": pl.Int64()})
    asked = config("add_missing", A, NEW)
    assert output_fields_lineage(asked, lineage, schema) == {"a": (ColumnOrigin(0, "z"),), "n": ()}
    assert output_fields_lineage(asked, None, schema) is None
