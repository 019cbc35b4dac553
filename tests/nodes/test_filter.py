from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import FormulaError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, parse_settings, run_node

ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "name": ["apple", "", None, "10"],
        "age": [34, None, 27, 62],
        "day": [date(2024, 1, 31), date(2023, 1, 1), None, date(2030, 1, 1)],
    }
)


def basic(field: str, operator: str, value: str = "", value2: str | None = None) -> dict[str, Any]:
    condition = {"field": field, "operator": operator, "value": value, "value2": value2}
    return {"filter_input": {"mode": "basic", "basic_filter": condition}}


def advanced(formula: str, *, split: bool = False) -> dict[str, Any]:
    return {"filter_input": {"mode": "advanced", "advanced_filter": formula}, "split_mode": split}


def kept(settings: dict[str, Any], rows: pl.DataFrame = ROWS) -> list[int]:
    return run_node("filter", settings, rows)["output-0"]["id"].to_list()


CASES = [
    NodeCase(basic("age", "greater_than", "30"), (ROWS,)),
    NodeCase(basic("name", "in", "apple,10"), (ROWS,)),
    NodeCase(advanced("[age] > 30 and is_not_empty([name])"), (ROWS,)),
    NodeCase(advanced("[age] > 30", split=True), (ROWS,)),
]


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("age", ">", "30", [1, 4]),
        ("age", "in", "27, 62", [3, 4]),
        ("age", "not_in", "27,62", [1]),
        ("name", "contains", "^a", [1]),
        ("id", "contains", "1", [1]),
        ("name", "not_contains", "a", [2, 4]),
        ("name", "in", "apple,", [1, 2]),
        ("day", "<", "2024-02-01", [1, 2]),
        ("name", "is_null", "", [3]),
        ("name", "is_not_null", "", [1, 2, 4]),
    ],
)
def test_basic_condition_keeps_the_rows_that_meet_it(
    field: str, operator: str, value: str, expected: list[int]
) -> None:
    assert kept(basic(field, operator, value)) == expected


def test_basic_between_includes_both_bounds() -> None:
    assert kept(basic("age", "between", "27", "34")) == [1, 3]


def test_basic_ends_with_nothing_keeps_empty_texts_but_starts_with_nothing_all_texts() -> None:
    assert kept(basic("name", "ends_with")) == [2]
    assert kept(basic("name", "starts_with")) == [1, 2, 4]


def test_basic_value_with_backslash_is_read_as_an_escape() -> None:
    rows = pl.DataFrame({"id": [1, 2], "path": ["C:\\temp", "C:\temp"]})
    assert kept(basic("path", "equals", "C:\\temp"), rows) == [2]
    assert kept(basic("path", "equals", "C:\\\\temp"), rows) == [1]


def test_old_keys_are_understood() -> None:
    condition = {"field": "age", "filter_type": "<=", "filter_value": "34"}
    assert kept({"filter_input": {"filter_type": "basic", "basic_filter": condition}}) == [1, 3]


def test_null_values_mean_the_defaults() -> None:
    condition = {"field": "name", "operator": None, "value": None}
    assert kept({"filter_input": {"mode": None, "basic_filter": condition, "advanced_filter": None}}) == [2]


def test_value_that_is_a_number_does_not_load() -> None:
    with pytest.raises(ValidationError, match="valid string"):
        parse_settings("filter", {"filter_input": {"basic_filter": {"field": "age", "value": 1}}})


def test_advanced_formula_keeps_rows_where_it_is_true_and_drops_null() -> None:
    assert kept(advanced("[age] > 30")) == [1, 4]


def test_split_sends_rows_to_pass_and_fail_and_drops_null_from_both() -> None:
    assert find_node_type("filter").handles(parse_settings("filter", advanced("true", split=True))) == ("pass", "fail")
    outputs = run_node("filter", advanced("[age] > 30", split=True), ROWS)
    assert [table["id"].to_list() for table in outputs.values()] == [[1, 4], [3]]


def test_split_at_random_sends_each_row_to_one_output() -> None:
    rows = pl.DataFrame({"id": range(500), "__condition__": range(500)})
    outputs = run_node("filter", advanced("random_int() = 1", split=True), rows)
    assert all(table.columns == rows.columns for table in outputs.values())
    assert sorted(value for table in outputs.values() for value in table["id"]) == list(range(500))


@pytest.mark.parametrize(
    ("settings", "traits"),
    [
        (advanced("[day] < now()"), {Trait.VOLATILE}),
        (advanced("random_int() = 1"), {Trait.VOLATILE, Trait.RANDOM}),
        (advanced("random_int() = 1", split=True), {Trait.VOLATILE, Trait.RANDOM, Trait.BARRIER}),
        (advanced('[name] = "now()"'), set()),
        (basic("age", "equals", "random_int(0, 5)"), {Trait.VOLATILE, Trait.RANDOM}),
    ],
)
def test_traits_follow_the_formula(settings: dict[str, Any], traits: set[Trait]) -> None:
    assert find_node_type("filter").traits_of(parse_settings("filter", settings)) == {Trait.NARROW, *traits}


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (basic("age", "equals", "abc"), "'abc' does not fit operator 'equals' on column 'age' of type Int64"),
        (basic("age", "in", "1,"), "'1,' does not fit operator 'in'"),
        (basic("name", "equals", 'a"b'), "cannot hold a double quote"),
        (basic("day", "equals", "31-01-2024"), r"basic_filter\.value: '31-01-2024' must be a date"),
        (basic("age", "between", "1"), r"basic_filter\.value2: .* upper bound"),
        (basic("age", "like", "1"), r"basic_filter\.operator: 'like' is unknown"),
        (basic("", "equals", "1"), r"basic_filter\.field: is empty"),
        ({"filter_input": {"mode": "basic"}}, r"basic_filter\.field: is empty"),
        (advanced("  "), "advanced_filter: is empty"),
    ],
)
def test_condition_that_cannot_be_read_is_an_error(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(SettingsError, match=cause):
        run_node("filter", settings, ROWS)


@pytest.mark.parametrize("column", ["a,b", "it's", "a  b"])
def test_basic_column_that_no_condition_can_name_is_an_error(column: str) -> None:
    with pytest.raises(SettingsError, match="no condition can name column"):
        run_node("filter", basic(column, "equals", "1"), pl.DataFrame({column: [1], "a b": [1]}))


def test_basic_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"basic_filter.field: column 'nam' .* Did you mean 'name'"):
        run_node("filter", basic("nam", "equals", "1"), ROWS)


def test_advanced_formula_that_is_no_condition_is_an_error() -> None:
    with pytest.raises(FormulaError, match="gives Int64, but a condition must give Boolean"):
        run_node("filter", advanced("[age] + 1"), ROWS)
