from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DataError, DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"id": [1, 2], "a": [1, None], "b": [0.5, 1.5], "t": ["x", "y"], "d": [date(1970, 1, 2), None]})


def unpivot(index: list[str], values: list[str] | None = None, selector: str | None = None) -> dict[str, Any]:
    mode = "column" if values is not None else "data_type"
    return {
        "unpivot_input": {
            "index_columns": index,
            "value_columns": values or [],
            "data_type_selector": selector,
            "data_type_selector_mode": mode,
        }
    }


CASES = [
    NodeCase(unpivot(["id"], ["b", "a", "t"]), (ROWS,)),
    NodeCase(unpivot(["id"], selector="numeric"), (ROWS,)),
    NodeCase(unpivot(["id"], []), (ROWS,)),
    NodeCase(unpivot([], ["a"]), (ROWS,)),
]


def test_unpivot_columns_come_one_after_the_other_in_list_order() -> None:
    expected = pl.DataFrame({"id": [1, 2, 1, 2], "variable": ["b", "b", "a", "a"], "value": [0.5, 1.5, 1.0, None]})
    assert_node("unpivot", unpivot(["id"], ["b", "a"]), [ROWS], expected)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (["a", "t"], ["1", None, "x", "y"]),
        (["d", "a"], [1, None, 1, None]),
        (["d"], [date(1970, 1, 2), None]),
    ],
)
def test_unpivot_mixed_types_become_polars_common_type(columns: list[str], values: list[Any]) -> None:
    result = run_node("unpivot", unpivot(["id"], columns), ROWS)["output-0"]
    assert_frame_equal(result.select("value"), pl.DataFrame({"value": values}))


@pytest.mark.parametrize("width", [3, 300])
def test_unpivot_row_order_is_the_same_on_the_streaming_engine(width: int) -> None:
    rows = pl.DataFrame({"id": range(50), **{f"c{number}": range(number, number + 50) for number in range(width)}})
    names = [f"c{number}" for number in range(width)]
    node, settings = find_node_type("unpivot"), parse_settings("unpivot", unpivot(["id"], names))
    result = node.build(settings, [rows.lazy()], LiteralContext())
    assert isinstance(result, pl.LazyFrame)
    expected = rows.unpivot(on=names, index="id")
    assert_frame_equal(result.collect(engine="streaming"), expected)
    assert_frame_equal(result.collect(engine="in-memory"), expected)
    assert_frame_equal(result.head(5).collect(engine="streaming"), expected.head(5))


@pytest.mark.parametrize(
    ("selector", "melted"),
    [
        ("float", ["b"]),
        ("numeric", ["id", "a", "b"]),
        ("date", ["d"]),
        ("string", ["t"]),
        (None, ["id", "a", "b", "t", "d"]),
        ("all", ["id", "a", "b", "t", "d"]),
    ],
)
def test_unpivot_by_type_melts_index_columns_too(selector: str | None, melted: list[str]) -> None:
    result = run_node("unpivot", unpivot(["id"], selector=selector), ROWS)["output-0"]
    assert result["variable"].unique(maintain_order=True).to_list() == melted
    assert result["id"].to_list() == [1, 2] * len(melted)


def test_unpivot_without_value_columns_has_no_rows_and_a_null_value() -> None:
    expected = pl.DataFrame(schema={"id": pl.Int64, "variable": pl.String, "value": pl.Null})
    assert_node("unpivot", unpivot(["id"], []), [ROWS], expected)


def test_unpivot_no_rows_keeps_the_types() -> None:
    expected = pl.DataFrame(schema={"id": pl.Int64, "variable": pl.String, "value": pl.Float64})
    assert_node("unpivot", unpivot(["id"], ["a", "b"]), [ROWS.clear()], expected)


def test_unpivot_column_named_twice_is_melted_once() -> None:
    assert run_node("unpivot", unpivot(["id", "id"], ["a", "a"]), ROWS)["output-0"].shape == (2, 3)


def test_unpivot_index_column_called_value_is_an_error() -> None:
    with pytest.raises(DuplicateColumnError, match="name 'value'"):
        run_node("unpivot", unpivot(["value"], ["a"]), ROWS.rename({"id": "value"}))


@pytest.mark.parametrize(
    ("settings", "field"),
    [(unpivot(["nope"], ["a"]), "index_columns"), (unpivot(["id"], ["nope"]), "value_columns")],
)
def test_unpivot_missing_column_names_the_field(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(MissingColumnError, match=f"unpivot_input.{field}: column 'nope'"):
        run_node("unpivot", settings, ROWS)


@pytest.mark.parametrize("other", [pl.List(pl.Int16), pl.Datetime("us")])
def test_unpivot_types_without_a_common_one_are_listed(other: Any) -> None:
    rows = pl.DataFrame(schema={"a": pl.Int16, "o": other})
    with pytest.raises(DataError, match=r"no common type: 'a' Int16, 'o' (List|Datetime)"):
        run_node("unpivot", unpivot([], ["a", "o"]), rows)


def test_unpivot_value_that_the_common_type_cannot_hold_is_an_error() -> None:
    rows = pl.DataFrame({"id": [1], "d": [date(2024, 1, 1)], "u": pl.Series([2**63], dtype=pl.UInt64)})
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from `u64` to `i64` failed"):
        run_node("unpivot", unpivot(["id"], ["d", "u"]), rows)


def test_unpivot_without_settings_cannot_run() -> None:
    with pytest.raises(SettingsError, match="unpivot_input: is missing"):
        run_node("unpivot", {}, ROWS)


def test_unpivot_lineage_of_the_value_is_every_melted_column() -> None:
    settings = parse_settings("unpivot", unpivot(["t"], ["b", "a"]))
    lineage = find_node_type("unpivot").lineage(settings, [ROWS.schema], pl.Schema())
    assert lineage == {
        "t": (ColumnOrigin(0, "t"),),
        "variable": (),
        "value": (ColumnOrigin(0, "a"), ColumnOrigin(0, "b")),
    }
