from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DataError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

FIRST = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
SECOND = pl.DataFrame({"c": [True], "a": [0.5]})
CASES = [NodeCase({}, (FIRST, SECOND)), NodeCase({"union_input": {"mode": "selective"}}, (FIRST,))]


@pytest.mark.parametrize("settings", [{}, {"union_input": {"mode": "relaxed"}}, {"union_input": {"mode": "selective"}}])
def test_union_any_mode_matches_columns_by_name_in_order_of_appearance(settings: dict[str, Any]) -> None:
    expected = pl.DataFrame({"a": [1.0, 2.0, 0.5], "b": ["x", None, None], "c": [None, None, True]})
    assert_node("union", settings, [FIRST, SECOND], expected)


def test_union_one_input_passes_through() -> None:
    assert_node("union", {}, [FIRST], FIRST)


def test_union_same_input_twice_repeats_its_rows() -> None:
    assert run_node("union", {}, FIRST, FIRST)["output-0"]["a"].to_list() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ([1], ["x"], ["1", "x"]),
        ([date(1970, 1, 2)], ["x"], ["1970-01-02", "x"]),
        ([True], ["x"], ["true", "x"]),
        ([True], [2], [1, 2]),
        ([date(1970, 1, 2)], [5], [1, 5]),
        ([None], [[1]], [None, [1]]),
        ([[1]], [[0.5]], [[1.0], [0.5]]),
    ],
)
def test_union_different_types_become_polars_common_type(
    first: list[Any], second: list[Any], common: list[Any]
) -> None:
    result = run_node("union", {}, pl.DataFrame({"a": first}), pl.DataFrame({"a": second}))["output-0"]
    assert_frame_equal(result, pl.DataFrame({"a": common}))


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (pl.List(pl.Int64), pl.String, r"List\(Int64\), String"),
        (pl.Int64, pl.Struct({"x": pl.String}), "Int64, Struct"),
        (pl.Datetime("us"), pl.Datetime("us", "UTC"), "time_zone=None.*time_zone='UTC'"),
    ],
)
def test_union_types_without_a_common_one_name_the_column(first: Any, second: Any, shown: str) -> None:
    with pytest.raises(DataError, match=rf"column 'a' has types without a common one: .*{shown}"):
        run_node("union", {}, pl.DataFrame(schema={"a": first}), pl.DataFrame(schema={"a": second}))


def test_union_unknown_mode_is_a_load_error() -> None:
    with pytest.raises(ValidationError, match="mode"):
        parse_settings("union", {"union_input": {"mode": "strict"}})


def test_union_lineage_has_every_input_with_the_column() -> None:
    output = pl.Schema({"a": pl.Float64(), "b": pl.String(), "c": pl.Boolean()})
    lineage = find_node_type("union").lineage(parse_settings("union", {}), [FIRST.schema, SECOND.schema], output)
    assert lineage == {
        "a": (ColumnOrigin(0, "a"), ColumnOrigin(1, "a")),
        "b": (ColumnOrigin(0, "b"),),
        "c": (ColumnOrigin(1, "c"),),
    }


def test_union_mode_is_no_part_of_the_identity() -> None:
    node = find_node_type("union")
    selective = parse_settings("union", {"union_input": {"mode": "selective"}})
    assert node.identity(selective) == node.identity(parse_settings("union", {}))
