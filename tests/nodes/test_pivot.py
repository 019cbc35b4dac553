from datetime import date
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DataError, DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"id": ["x", "y", "x", "x"], "p": ["b", "a", "a", "b"], "v": [1, 2, 3, 4]})


def pivot(
    index: list[str], column: str = "p", aggregations: tuple[str, ...] = ("sum",), value: str = "v"
) -> dict[str, Any]:
    return {
        "pivot_input": {
            "index_columns": index,
            "pivot_column": column,
            "value_col": value,
            "aggregations": list(aggregations),
        },
        "output_fields": None,
    }


CASES = [NodeCase(pivot(["id"]), (ROWS,)), NodeCase(pivot([], aggregations=("first", "count")), (ROWS,))]


def test_pivot_one_aggregation_names_columns_by_value_and_zero_fills_the_sum() -> None:
    assert_node("pivot", pivot(["id"]), [ROWS], pl.DataFrame({"id": ["x", "y"], "a": [3, 2], "b": [5, 0]}))


def test_pivot_several_aggregations_add_their_names_and_leave_other_gaps_null() -> None:
    expected = pl.DataFrame(
        {"id": ["x", "y"], "a_count": [1, 1], "a_mean": [3.0, 2.0], "b_count": [2, 0], "b_mean": [2.5, None]},
        schema_overrides={"a_count": pl.UInt32, "b_count": pl.UInt32},
    )
    assert_node("pivot", pivot(["id"], aggregations=("count", "mean")), [ROWS], expected)


def test_pivot_concat_of_nulls_is_empty_text_but_a_gap_is_null() -> None:
    rows = pl.DataFrame({"id": [1, 2], "p": ["a", "b"], "v": pl.Series([None, "t"], dtype=pl.String)})
    expected = pl.DataFrame({"id": [1, 2], "a": ["", None], "b": [None, "t"]})
    assert_node("pivot", pivot(["id"], aggregations=("concat",)), [rows], expected)


def test_pivot_without_index_gives_one_row() -> None:
    assert_node("pivot", pivot([]), [ROWS], pl.DataFrame({"a": [5], "b": [5]}))


def test_pivot_null_index_forms_a_row() -> None:
    rows = pl.DataFrame({"id": [None, 1, None], "p": ["a", "a", "a"], "v": [1, 2, 3]})
    assert_node("pivot", pivot(["id"]), [rows], pl.DataFrame({"id": [None, 1], "a": [4, 2]}))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([10.0, 2.0, 1.5], ["1.5", "2.0", "10.0"]),
        ([10, 9], ["9", "10"]),
        ([True, False], ["false", "true"]),
        ([date(2024, 10, 1), date(2024, 9, 30)], ["2024-09-30", "2024-10-01"]),
        (["", "Z", "a"], ["", "Z", "a"]),
    ],
)
def test_pivot_columns_ascend_by_the_type_of_the_pivot_column(values: list[Any], names: list[str]) -> None:
    rows = pl.DataFrame({"id": [1] * len(values), "p": values, "v": range(len(values))})
    assert run_node("pivot", pivot(["id"]), rows)["output-0"].columns == ["id", *names]


def test_pivot_sum_of_durations_fills_gaps_with_zero() -> None:
    rows = ROWS.with_columns(pl.col("v").cast(pl.Duration("us")))
    expected = pl.DataFrame({"id": ["x", "y"], "a": [3, 2], "b": [5, 0]}).with_columns(
        pl.col("a", "b").cast(pl.Duration("us"))
    )
    assert_node("pivot", pivot(["id"]), [rows], expected)


def test_pivot_exactly_two_hundred_values_are_all_kept() -> None:
    rows = pl.DataFrame({"id": [1] * 200, "p": range(200), "v": range(200)})
    assert run_node("pivot", pivot(["id"]), rows)["output-0"].width == 201


def test_pivot_more_than_two_hundred_values_are_an_error_and_none_is_dropped() -> None:
    rows = pl.DataFrame({"id": [1] * 201, "p": range(201), "v": range(201)})
    with pytest.raises(DataError, match="column 'p' has more than 200 distinct values"):
        run_node("pivot", pivot(["id"]), rows)


def test_pivot_null_value_is_an_error() -> None:
    rows = pl.DataFrame({"id": [1, 1], "p": ["a", None], "v": [1, 2]})
    with pytest.raises(DataError, match="column 'p' has null values"):
        run_node("pivot", pivot(["id"]), rows)


def test_pivot_no_rows_is_an_error() -> None:
    with pytest.raises(DataError, match="no rows, so column 'p' gives no columns"):
        run_node("pivot", pivot(["id"]), ROWS.clear())


def test_pivot_value_with_the_name_of_an_index_column_is_an_error() -> None:
    rows = pl.DataFrame({"id": [1], "p": ["id"], "v": [1]})
    with pytest.raises(DuplicateColumnError, match=r"name 'id' .*a value of column 'p'"):
        run_node("pivot", pivot(["id"]), rows)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (pivot(["id"], aggregations=()), "aggregations: is empty"),
        (pivot(["id"], aggregations=("len",)), "'len' is not an aggregation; use one of sum"),
        (pivot(["sum"]), "'sum' is also the name of an index or pivot column"),
        ({}, "pivot_input: is missing"),
    ],
)
def test_pivot_settings_that_cannot_run_are_told_before_any_data(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_node_type("pivot").check(parse_settings("pivot", settings))


def test_pivot_by_a_list_column_names_its_type() -> None:
    rows = ROWS.with_columns(p=pl.concat_list("v"))
    with pytest.raises(SettingsError, match=r"column 'p' is List\(Int64\)"):
        run_node("pivot", pivot(["id"]), rows)


@pytest.mark.parametrize("aggregation", ["sum", "std"])
def test_pivot_aggregation_without_a_meaning_names_the_column(aggregation: str) -> None:
    rows = ROWS.with_columns(v=pl.date(2024, 1, 1))
    with pytest.raises(SettingsError, match=rf"aggregations: {aggregation} of column 'v' \(Date\) is not possible"):
        run_node("pivot", pivot(["id"], aggregations=(aggregation,)), rows)


def test_pivot_prediction_is_opaque_but_knows_missing_columns() -> None:
    node, context = find_node_type("pivot"), LiteralContext(is_prediction=True)
    assert node.predict(parse_settings("pivot", pivot(["id"])), [ROWS.schema], context) == {"output-0": None}
    with pytest.raises(MissingColumnError, match=r"pivot_input.value_col: column 'w'"):
        node.predict(parse_settings("pivot", pivot(["id"], value="w")), [ROWS.schema], context)


def test_pivot_lineage_of_a_new_column_is_the_value_column() -> None:
    output = pl.Schema({"id": pl.String(), "a": pl.Int64()})
    lineage = find_node_type("pivot").lineage(parse_settings("pivot", pivot(["id"])), [ROWS.schema], output)
    assert lineage == {"id": (ColumnOrigin(0, "id"),), "a": (ColumnOrigin(0, "v"),)}
