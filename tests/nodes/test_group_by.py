from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"k": ["b", "a", None, "b"], "n": [1, None, 3, 4], "t": ["x", None, "y", "z"]})


def group_by(*entries: tuple[str, str] | tuple[str, str, str]) -> dict[str, Any]:
    names = ("old_name", "agg", "new_name")
    return {"groupby_input": {"agg_cols": [dict(zip(names, entry, strict=False)) for entry in entries]}}


CASES = [
    NodeCase(group_by(("n", "sum"), ("k", "groupby", "key"), ("t", "concat")), (ROWS,)),
    NodeCase(group_by(("k", "groupby")), (ROWS,)),
    NodeCase(group_by(("n", "mean"), ("t", "n_unique"), ("t", "implode")), (ROWS,)),
    NodeCase(group_by(), (ROWS,)),
]


def test_group_by_mixed_list_puts_keys_first_and_groups_in_order_of_appearance() -> None:
    settings = group_by(("n", "sum"), ("k", "groupby", "key"), ("n", "max", "top"), ("t", "concat"))
    expected = pl.DataFrame(
        {"key": ["b", "a", None], "n_sum": [5, 0, 3], "top": [4, None, 3], "t_concat": ["x,z", "", "y"]}
    )
    assert_node("group_by", settings, [ROWS], expected)


@pytest.mark.parametrize(
    ("agg", "values", "dtype", "result", "result_dtype"),
    [
        ("sum", [1, 2], pl.Int8, 3, pl.Int64),
        ("sum", [True, True], pl.Boolean, 2, pl.UInt32),
        ("sum", [None, None], pl.Int64, 0, pl.Int64),
        ("mean", [1, 2], pl.Int64, 1.5, pl.Float64),
        ("mean", [date(2024, 1, 1), date(2024, 1, 2)], pl.Date, datetime(2024, 1, 1, 12), pl.Datetime("us")),
        ("median", [1, 5, 2], pl.Int64, 2.0, pl.Float64),
        ("std", [1], pl.Int64, None, pl.Float64),
        ("var", [1, 3], pl.Int64, 2.0, pl.Float64),
        ("min", ["b", "a"], pl.String, "a", pl.String),
        ("first", [None, 2], pl.Int64, None, pl.Int64),
        ("last", [2, None], pl.Int64, None, pl.Int64),
        ("count", [1, None], pl.Int64, 1, pl.UInt32),
        ("n_unique", [1, None, None], pl.Int64, 2, pl.UInt32),
        ("concat", [1.5, None, 2.0], pl.Float64, "1.5,2.0", pl.String),
        ("concat", [None, None], pl.String, "", pl.String),
        ("any", [False, None], pl.Boolean, False, pl.Boolean),
        ("all", [True, None], pl.Boolean, True, pl.Boolean),
        ("approx_n_unique", [1, 1], pl.Int64, 1, pl.UInt32),
        ("implode", [2, None], pl.Int64, [2, None], pl.List(pl.Int64)),
        ("head", [2, None], pl.Int64, [2, None], pl.List(pl.Int64)),
        ("tail", [2, None], pl.Int64, [2, None], pl.List(pl.Int64)),
        ("cum_sum", [2, 3], pl.Int64, [2, 5], pl.List(pl.Int64)),
        ("cum_count", [2, None], pl.Int64, [1, 1], pl.List(pl.UInt32)),
    ],
)
def test_group_by_aggregation_gives_flowfiles_value_and_type(
    agg: str, values: list[Any], dtype: Any, result: Any, result_dtype: Any
) -> None:
    rows = pl.DataFrame({"k": [1] * len(values), "v": pl.Series(values, dtype=dtype)})
    expected = pl.DataFrame({"k": [1], "r": pl.Series([result], dtype=result_dtype)})
    assert_node("group_by", group_by(("k", "groupby"), ("v", agg, "r")), [rows], expected)


def test_group_by_without_keys_over_no_rows_gives_one_row() -> None:
    settings = group_by(("n", "sum"), ("n", "count"), ("n", "n_unique"), ("t", "concat"), ("n", "max"))
    expected = pl.DataFrame(
        {"n_sum": [0], "n_count": [0], "n_n_unique": [0], "t_concat": [""], "n_max": [None]},
        schema={
            "n_sum": pl.Int64,
            "n_count": pl.UInt32,
            "n_n_unique": pl.UInt32,
            "t_concat": pl.String,
            "n_max": pl.Int64,
        },
    )
    assert_node("group_by", settings, [ROWS.clear()], expected)


def test_group_by_keys_only_gives_distinct_combinations() -> None:
    assert_node("group_by", group_by(("k", "groupby")), [ROWS], pl.DataFrame({"k": ["b", "a", None]}))


def test_group_by_empty_list_gives_a_frame_without_columns() -> None:
    assert_node("group_by", group_by(), [ROWS], pl.DataFrame())


def test_group_by_key_may_take_the_name_of_an_aggregated_column() -> None:
    expected = pl.DataFrame({"n": ["b", "a", None], "total": [5, 0, 3]})
    assert_node("group_by", group_by(("k", "groupby", "n"), ("n", "sum", "total")), [ROWS], expected)


@pytest.mark.parametrize("agg", ["avg", "len", "SUM", "lit"])
def test_group_by_unknown_aggregation_lists_the_valid_ones(agg: str) -> None:
    with pytest.raises(SettingsError, match=rf"agg_cols\[1\].agg: '{agg}' is not an aggregation; use one of sum, mean"):
        run_node("group_by", group_by(("k", "groupby"), ("n", agg)), ROWS)


def test_group_by_sum_of_text_names_the_column() -> None:
    with pytest.raises(SettingsError, match=r"sum of column 't' \(String\) is not possible"):
        run_node("group_by", group_by(("t", "sum")), ROWS)


@pytest.mark.parametrize("keys", [(), (("n", "groupby"),)])
@pytest.mark.parametrize(
    ("agg", "column"),
    [
        ("mean", "t"),
        ("std", "t"),
        ("median", "c"),
        ("sum", "d"),
        ("var", "d"),
        ("min", "l"),
        ("mean", "l"),
        ("any", "t"),
    ],
)
def test_group_by_aggregate_without_a_meaning_is_an_error_with_and_without_keys(
    keys: tuple[tuple[str, str], ...], agg: str, column: str
) -> None:
    rows = ROWS.with_columns(c=pl.col("t").cast(pl.Categorical), d=date(2024, 1, 1), l=pl.concat_list("n"))
    with pytest.raises(SettingsError, match=rf"{agg} of column '{column}' \(.*\) is not possible"):
        run_node("group_by", group_by(*keys, (column, agg)), rows)


def test_group_by_sum_of_decimals_has_the_most_digits() -> None:
    rows = pl.DataFrame({"v": ["9.50", "2.25"]}).cast(pl.Decimal(3, 2))
    expected = pl.DataFrame({"v_sum": ["11.75"]}).cast(pl.Decimal(38, 2))
    assert_node("group_by", group_by(("v", "sum")), [rows], expected)


def test_group_by_two_results_of_one_name_are_an_error() -> None:
    with pytest.raises(DuplicateColumnError, match="name 'k'"):
        run_node("group_by", group_by(("k", "groupby"), ("n", "sum", "k")), ROWS)


def test_group_by_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match="column 'm' is not in the input"):
        run_node("group_by", group_by(("m", "sum")), ROWS)


def test_group_by_without_settings_cannot_run() -> None:
    with pytest.raises(SettingsError, match="groupby_input: is missing"):
        run_node("group_by", {}, ROWS)


def test_group_by_unknown_key_in_an_entry_is_a_load_error() -> None:
    with pytest.raises(ValidationError, match="alias"):
        parse_settings("group_by", {"groupby_input": {"agg_cols": [{"old_name": "n", "agg": "sum", "alias": "s"}]}})


def test_group_by_lineage_of_an_aggregate_is_its_source_column() -> None:
    settings = parse_settings("group_by", group_by(("n", "sum"), ("k", "groupby", "key")))
    lineage = find_node_type("group_by").lineage(settings, [ROWS.schema], pl.Schema())
    assert lineage == {"key": (ColumnOrigin(0, "k"),), "n_sum": (ColumnOrigin(0, "n"),)}


@pytest.mark.parametrize(("agg", "is_sensitive"), [("sum", False), ("first", True), ("concat", True)])
def test_group_by_is_order_sensitive_only_with_positional_aggregations(agg: str, is_sensitive: bool) -> None:
    traits = find_node_type("group_by").traits_of(parse_settings("group_by", group_by(("n", agg))))
    assert (Trait.ORDER_SENSITIVE in traits) is is_sensitive


def test_group_by_output_type_is_no_part_of_the_identity() -> None:
    node, entry = find_node_type("group_by"), {"old_name": "n", "agg": "sum"}
    plain, typed = (
        parse_settings("group_by", {"groupby_input": {"agg_cols": [{**entry, **extra}]}})
        for extra in ({}, {"output_type": "Int64"})
    )
    assert node.identity(plain) == node.identity(typed)


def test_group_by_key_that_flowfile_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"groupby_input\.agg_columns\n.*not permitted"):
        parse_settings("group_by", {"groupby_input": {"agg_cols": [], "agg_columns": []}})
