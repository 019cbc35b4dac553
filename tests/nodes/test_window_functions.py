from typing import Any, Literal

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"day": [3, 1, 2, 4], "g": ["x", "x", "y", "y"], "v": [10, 20, None, 40]})


def window(*functions: dict[str, Any], order_by: str | None = "day", partition_by: str | None = None) -> dict[str, Any]:
    return {
        "window_input": {
            "partition_by": [partition_by] if partition_by else [],
            "order_by": [{"column": order_by}] if order_by else [],
            "window_functions": [{"new_column_name": "r", **function} for function in functions],
        }
    }


def rolling(function: str = "rolling_sum", **settings: Any) -> dict[str, Any]:
    return {"column": "v", "function": function, "window_size": 2, **settings}


def values(settings: dict[str, Any], rows: pl.DataFrame = ROWS) -> list[Any]:
    return run_node("window_functions", settings, rows)["output-0"]["r"].to_list()


CASES = [
    NodeCase(window(rolling("rolling_mean"), partition_by="g"), (ROWS,)),
    NodeCase(window({"function": "tile", "number_of_groups": 3}), (ROWS,)),
    NodeCase(
        window({"column": "v", "function": "rank"}, {"column": "g", "function": "count", "new_column_name": "c"}),
        (ROWS,),
    ),
    NodeCase(window(), (ROWS,)),
]


def test_window_functions_order_by_sorts_the_whole_output() -> None:
    expected = pl.DataFrame(
        {"day": [1, 2, 3, 4], "g": ["x", "y", "x", "y"], "v": [20, None, 10, 40], "r": [20, None, 30, 40]}
    )
    assert_node("window_functions", window({"column": "v", "function": "cum_sum"}, partition_by="g"), [ROWS], expected)


def test_window_functions_without_functions_leave_the_input_unsorted() -> None:
    assert_node("window_functions", window(), [ROWS], ROWS)


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        (rolling(), [None, None, None, 50]),
        (rolling(edge_behavior=None), [None, None, None, 50]),
        (rolling(min_periods=1), [20, 20, 10, 50]),
        (rolling(edge_behavior="partial"), [20, 20, 10, 50]),
        (rolling(edge_behavior="partial", min_periods=2), [20, 20, 10, 50]),
        (rolling("rolling_min", edge_behavior="partial"), [20, 20, 10, 10]),
        (rolling("rolling_max", edge_behavior="partial"), [20, 20, 10, 40]),
        (rolling("rolling_mean", edge_behavior="partial"), [20.0, 20.0, 10.0, 25.0]),
    ],
)
def test_window_functions_rolling_edges(settings: dict[str, Any], result: list[Any]) -> None:
    assert values(window(settings)) == result


def test_window_functions_fill_zero_replaces_nulls_of_the_data_too() -> None:
    rows = pl.DataFrame({"day": [1, 2, 3], "v": [None, None, 5]})
    assert values(window(rolling("rolling_std", edge_behavior="fill_zero")), rows) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("function", "result", "dtype"),
    [
        ("cum_count", [1, 1, 2, 3], pl.UInt32),
        ("cum_min", [20, None, 10, 10], pl.Int64),
        ("cum_max", [20, None, 20, 40], pl.Int64),
        ("rank", [2, None, 1, 3], pl.UInt32),
        ("sum", [70] * 4, pl.Int64),
        ("count", [3] * 4, pl.UInt32),
        ("min", [10] * 4, pl.Int64),
        ("max", [40] * 4, pl.Int64),
        ("median", [20.0] * 4, pl.Float64),
        ("mean", [70 / 3] * 4, pl.Float64),
    ],
)
def test_window_functions_give_flowfiles_value_and_type(function: str, result: list[Any], dtype: Any) -> None:
    table = run_node("window_functions", window({"column": "v", "function": function}), ROWS)["output-0"]
    assert table["r"].to_list() == result
    assert table["r"].dtype == dtype


@pytest.mark.parametrize(
    ("method", "result"),
    [
        (None, [1, 2, 3]),
        ("ordinal", [1, 2, 3]),
        ("dense", [1, 1, 2]),
        ("min", [1, 1, 3]),
        ("max", [2, 2, 3]),
        ("average", [1.5, 1.5, 3.0]),
    ],
)
def test_window_functions_rank_ignores_order_by_except_for_ordinal_ties(method: str | None, result: list[Any]) -> None:
    rows = pl.DataFrame({"day": [1, 2, 3], "v": [5, 5, 7]})
    assert values(window({"column": "v", "function": "rank", "rank_method": method}), rows) == result


@pytest.mark.parametrize(
    ("groups", "result"),
    [(1, [1] * 5), (2, [1, 1, 1, 2, 2]), (3, [1, 1, 2, 2, 3]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5])],
)
def test_window_functions_tile_puts_larger_tiles_first(groups: int, result: list[int]) -> None:
    rows = pl.DataFrame({"day": range(5)})
    assert values(window({"function": "tile", "number_of_groups": groups}), rows) == result


def test_window_functions_partition_restarts_the_tiles() -> None:
    settings = window({"function": "tile", "number_of_groups": 2}, partition_by="g")
    assert values(settings) == [1, 1, 2, 2]


def test_window_functions_existing_name_is_overwritten_in_place_from_the_old_values() -> None:
    settings = window(
        {"column": "v", "function": "sum", "new_column_name": "v"}, {"column": "v", "function": "max"}, order_by=None
    )
    expected = ROWS.with_columns(v=pl.lit(70), r=pl.lit(40)).cast({"v": pl.Int64, "r": pl.Int64})
    assert_node("window_functions", settings, [ROWS], expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (window(rolling(), order_by=None), "rolling_sum needs at least one order_by column"),
        (window({"function": "tile", "number_of_groups": 2}, order_by=None), "tile needs at least one order_by column"),
        (window({"function": "tile"}), "tile needs number_of_groups"),
        (window(rolling(window_size=0)), "rolling_sum needs window_size"),
        (window({"function": "rank"}), "rank needs a column"),
        (window({"column": "v", "function": "lag"}), "function"),
        (window(rolling(), rolling()), "two window functions have new_column_name 'r'"),
    ],
)
def test_window_functions_incomplete_settings_are_load_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_settings("window_functions", settings)


@pytest.mark.parametrize("partition_by", [None, "day"])
@pytest.mark.parametrize(
    ("function", "column"),
    [("mean", "g"), ("std", "d"), ("cum_min", "g"), ("rolling_std", "d"), ("rolling_mean", "g"), ("rolling_max", "m")],
)
def test_window_functions_without_a_meaning_for_the_type_are_an_error_in_partitions_too(
    function: str, column: str, partition_by: str | None
) -> None:
    settings = window({"column": column, "function": function, "window_size": 2}, partition_by=partition_by)
    with pytest.raises(SettingsError, match=rf"\[0\].column: {function} of column '{column}' \(.*\) is not possible"):
        run_node("window_functions", settings, ROWS.with_columns(d=pl.date(2024, 1, 1), m=pl.lit(1, pl.Decimal(3, 2))))


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("partition_by", [None, "g"])
@pytest.mark.parametrize(("function", "sums"), [("cum_sum", ["9.99", "19.98"]), ("sum", ["19.98", "19.98"])])
def test_window_functions_sums_of_decimals_have_the_most_digits_on_every_engine(
    function: str, sums: list[str], partition_by: str | None, engine: Literal["in-memory", "streaming"]
) -> None:
    rows = pl.DataFrame({"day": [1, 2], "g": ["a", "a"], "v": ["9.99", "9.99"]}).cast({"v": pl.Decimal(3, 2)})
    settings = window({"column": "v", "function": function}, partition_by=partition_by)
    context = LiteralContext(engine=engine)
    table = run_node("window_functions", settings, rows, context=context)["output-0"]
    assert_frame_equal(table.select("r"), pl.DataFrame({"r": sums}).cast(pl.Decimal(38, 2)))


def test_window_functions_rolling_over_a_column_without_type_gives_nulls() -> None:
    rows = pl.DataFrame({"day": [1, 2], "v": [None, None]})
    table = run_node("window_functions", window(rolling("rolling_mean")), rows)["output-0"]
    assert_frame_equal(table.select("r"), pl.DataFrame({"r": [None, None]}, schema={"r": pl.Float64}))


@pytest.mark.parametrize("periods", [-1, 3])
def test_window_functions_min_periods_outside_the_window_are_an_error(periods: int) -> None:
    with pytest.raises(SettingsError, match=r"min_periods: is .* from 0 to window_size \(2\)"):
        run_node("window_functions", window(rolling(min_periods=periods)), ROWS)


@pytest.mark.parametrize(
    "settings", [window(rolling(column="w")), window(rolling(), order_by="w"), window(rolling(), partition_by="w")]
)
def test_window_functions_missing_column_names_what_exists(settings: dict[str, Any]) -> None:
    with pytest.raises(MissingColumnError, match="column 'w' is not in the input"):
        run_node("window_functions", settings, ROWS)


def test_window_functions_lineage_is_the_source_column_and_nothing_for_a_tile() -> None:
    settings = parse_settings(
        "window_functions",
        window(rolling(), {"function": "tile", "number_of_groups": 2, "new_column_name": "t"}, partition_by="g"),
    )
    lineage = find_node_type("window_functions").lineage(settings, [ROWS.schema], pl.Schema())
    assert lineage is not None
    assert (lineage["r"], lineage["t"], lineage["g"]) == ((ColumnOrigin(0, "v"),), (), (ColumnOrigin(0, "g"),))


def test_window_functions_partition_mean_does_not_depend_on_the_order() -> None:
    node = find_node_type("window_functions")
    mean = parse_settings("window_functions", window({"column": "v", "function": "mean"}, order_by=None))
    running = parse_settings("window_functions", window({"column": "v", "function": "cum_sum"}))
    assert node.traits_of(mean) == {Trait.WIDE}
    assert node.traits_of(running) == {Trait.WIDE, Trait.ORDER_SENSITIVE, Trait.ORDER_PRODUCING}
