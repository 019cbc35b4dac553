from datetime import date, datetime, timezone
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.errors import DataError, SettingsError
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node


def one_column(data_type: str, *cells: Any) -> dict[str, Any]:
    return {"raw_data_format": {"columns": [{"name": "a", "data_type": data_type}], "data": [list(cells)]}}


CASES = [
    NodeCase(
        {
            "raw_data_format": {
                "columns": [{"name": "id", "data_type": "Int64"}, {"name": "day", "data_type": "Date"}, {"name": "s"}],
                "data": [[1, "2"], ["2024-01-01", "x"], ["p", None]],
            }
        }
    ),
    NodeCase(one_column("Datetime", "2024-01-01 10:00:00", None)),
    NodeCase(one_column("List", [1], None)),
    NodeCase({"raw_data_format": None}),
]


def test_manual_input_two_columns_gives_typed_columns_in_order() -> None:
    settings = {
        "raw_data_format": {
            "columns": [{"name": "id", "data_type": "Integer"}, {"name": "name"}],
            "data": [[2, 1], ["x", None]],
        }
    }
    assert_node("manual_input", settings, [], pl.DataFrame({"id": [2, 1], "name": ["x", None]}))


@pytest.mark.parametrize(
    ("data_type", "cells", "expected"),
    [
        ("Int64", [1, "2", "2.5", 3.7, True, " 4", "x", None], [1, 2, 2, 3, 1, None, None, None]),
        ("Int8", [300, "-1"], [None, -1]),
        ("UInt8", [-1, 1], [None, 1]),
        ("Float64", ["1e3", 1, " 2", "x"], [1000.0, 1.0, None, None]),
        ("String", [1, 2.5, True, "s"], ["1", "2.5", "true", "s"]),
        ("Boolean", [True, 0, 2, "true"], [True, False, True, None]),
        ("Date", ["2024-01-01", "2024/01/05", "x"], [date(2024, 1, 1), date(2024, 1, 5), None]),
        ("Datetime", ["2024-01-01 10:00:00", "x"], [datetime(2024, 1, 1, 10), None]),
        ("no such type", [1], ["1"]),
        ("List", [[1, 2], None], [[1, 2], None]),
        ("Struct", [{"k": 1}], [{"k": 1}]),
    ],
)
def test_manual_input_value_of_another_type_is_converted_or_null(
    data_type: str, cells: list[Any], expected: list[Any]
) -> None:
    assert run_node("manual_input", one_column(data_type, *cells))["output-0"]["a"].to_list() == expected


def test_manual_input_datetime_with_zone_suffix_makes_the_column_utc() -> None:
    table = run_node("manual_input", one_column("Datetime", "2024-01-01T10:00:00Z"))["output-0"]
    assert table.schema == {"a": pl.Datetime("us", "UTC")}
    assert table["a"].to_list() == [datetime(2024, 1, 1, 10, tzinfo=timezone.utc)]


@pytest.mark.parametrize("data", [[], [[]], [[], []]])
def test_manual_input_without_values_gives_typed_columns(data: list[Any]) -> None:
    columns = [{"name": "a", "data_type": "Int64"}, {"name": "b", "data_type": "Date"}]
    settings = {"raw_data_format": {"columns": columns, "data": data}}
    assert_node("manual_input", settings, [], pl.DataFrame(schema={"a": pl.Int64, "b": pl.Date}))


@pytest.mark.parametrize("settings", [{}, {"raw_data_format": None}, {"raw_data_format": {"columns": [], "data": []}}])
def test_manual_input_without_data_has_no_columns(settings: dict[str, Any]) -> None:
    assert run_node("manual_input", settings)["output-0"].shape == (0, 0)


@pytest.mark.parametrize(
    ("names", "data", "message"),
    [
        (["a", "b"], [[1, 2], [1]], "same number of values.*'a': 2, 'b': 1"),
        (["a", "b", "c"], [[1, 2, 3]], "3 columns and 1 lists"),
        (["a", "b"], [[1, 2], [3, 4], [5, 6]], "2 columns and 3 lists"),
        (["a", "a"], [[1], [2]], "'a' stands there twice"),
    ],
)
def test_manual_input_data_that_is_no_table_of_columns_is_refused(
    names: list[str], data: list[Any], message: str
) -> None:
    settings = {"raw_data_format": {"columns": [{"name": name} for name in names], "data": data}}
    with pytest.raises(ValidationError, match=message):
        parse_settings("manual_input", settings)


def test_manual_input_value_that_cannot_be_built_names_the_column() -> None:
    with pytest.raises(DataError, match="column 'a' cannot be built as Date"):
        run_node("manual_input", one_column("Date", 1.5))


def test_manual_input_column_without_a_name_keeps_it() -> None:
    data = {"columns": [{"name": "", "data_type": "Int64"}, {"name": "a", "data_type": "Int64"}], "data": [[1], [2]]}
    assert_node("manual_input", {"raw_data_format": data}, [], pl.DataFrame({"": [1], "a": [2]}))


def test_manual_input_type_that_cannot_be_names_the_column() -> None:
    with pytest.raises(SettingsError, match=r"raw_data_format.columns: column 'a': 'Struct\(\[1\]\)' is no type that"):
        run_node("manual_input", one_column("Struct([1])", 1))
