from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import MissingColumnError, MissingExtraError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame(
    {"parent": ["car", "car", "wheel", None], "child": ["wheel", "screw", "screw", "car"], "qty": [4, 20, 5, 1]}
)


def explode(**settings: Any) -> dict[str, Any]:
    return {"explode_hierarchy_input": {"parent_column": "parent", "child_column": "child", **settings}}


CASES = [
    NodeCase(explode(quantity_column="qty"), (ROWS,)),
    NodeCase(explode(output_detail="levels", include_self=True), (ROWS,)),
    NodeCase(explode(output_detail="paths", quantity_column="qty"), (ROWS,)),
]


def test_explode_hierarchy_totals_multiply_along_paths_and_add_over_them() -> None:
    expected = pl.DataFrame(
        {
            "ancestor": ["car", "car", "wheel"],
            "descendant": ["wheel", "screw", "screw"],
            "level": [1, 1, 1],
            "quantity": [4.0, 40.0, 5.0],
            "is_leaf": [False, True, True],
        },
        schema_overrides={"level": pl.UInt32},
    )
    assert_node("explode_hierarchy", explode(quantity_column="qty"), [ROWS], expected, check_row_order=False)


def test_explode_hierarchy_levels_have_a_row_per_depth() -> None:
    settings = explode(output_detail="levels", quantity_column="qty", top_level_only=True)
    result = run_node("explode_hierarchy", settings, ROWS)["output-0"].filter(descendant="screw")
    assert dict(zip(result["level"], result["quantity"], strict=True)) == {1: 20.0, 2: 20.0}


def test_explode_hierarchy_paths_add_parent_quantity_and_path() -> None:
    result = run_node("explode_hierarchy", explode(output_detail="paths"), ROWS)["output-0"]
    names = ["ancestor", "descendant", "level", "parent", "quantity_per", "quantity", "is_leaf", "path"]
    assert result.columns == names
    assert ["car", "wheel", "screw"] in result["path"].to_list()


def test_explode_hierarchy_include_self_adds_level_zero() -> None:
    result = run_node("explode_hierarchy", explode(include_self=True), ROWS)["output-0"].filter(level=0)
    assert sorted(result["ancestor"]) == ["car", "screw", "wheel"]


def test_explode_hierarchy_max_depth_cuts_paths() -> None:
    result = run_node("explode_hierarchy", explode(max_depth=1, quantity_column="qty"), ROWS)["output-0"]
    assert result.filter(ancestor="car", descendant="screw")["quantity"].to_list() == [20.0]


@pytest.mark.parametrize(
    ("parent", "child", "result"),
    [
        (pl.Int64, pl.Int64, pl.Int64),
        (pl.Int8, pl.Int8, pl.Int64),
        (pl.UInt8, pl.Int16, pl.Int64),
        (pl.UInt8, pl.UInt8, pl.Int64),
        (pl.UInt16, pl.Int16, pl.Int32),
        (pl.Int32, pl.Int32, pl.Int32),
        (pl.Int32, pl.Int8, pl.Int32),
        (pl.UInt32, pl.UInt8, pl.UInt32),
        (pl.UInt32, pl.Int32, pl.Int64),
        (pl.Int32, pl.Int64, pl.Int64),
        (pl.UInt64, pl.UInt8, pl.UInt64),
        (pl.UInt64, pl.Int64, pl.String),
        (pl.Int128, pl.Int128, pl.String),
        (pl.Int64, pl.String, pl.String),
        (pl.Float64, pl.Float64, pl.String),
        (pl.Decimal(10, 2), pl.Decimal(10, 2), pl.String),
    ],
)
def test_explode_hierarchy_ids_stay_integers_where_one_type_holds_both(parent: Any, child: Any, result: Any) -> None:
    rows = pl.DataFrame({"parent": pl.Series([1, 2]).cast(parent), "child": pl.Series([2, 3]).cast(child)})
    table = run_node("explode_hierarchy", explode(), rows)["output-0"]
    assert (table["ancestor"].dtype, table["descendant"].dtype) == (result, result)


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (pl.DataFrame({"parent": ["a", "b"], "child": ["b", "a"]}), explode(), "[Cc]ycle"),
        (ROWS.with_columns(qty=None), explode(quantity_column="qty"), "null"),
    ],
)
def test_explode_hierarchy_cycle_or_null_quantity_fails_when_read(
    rows: pl.DataFrame, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(pl.exceptions.ComputeError, match=message):
        run_node("explode_hierarchy", settings, rows)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (explode(parent_column=""), "parent_column: is empty"),
        (explode(child_column=""), "child_column: is empty"),
        (explode(child_column="parent"), "choose two different columns"),
    ],
)
def test_explode_hierarchy_unusable_columns_are_told_before_any_data(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_node_type("explode_hierarchy").check(parse_settings("explode_hierarchy", settings))


def test_explode_hierarchy_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"column 'qy' .*Did you mean 'qty'"):
        run_node("explode_hierarchy", explode(quantity_column="qy"), ROWS)


@pytest.mark.parametrize("depth", [-1, 2**32])
def test_explode_hierarchy_impossible_depth_is_a_load_error(depth: int) -> None:
    with pytest.raises(ValidationError, match="max_depth"):
        parse_settings("explode_hierarchy", explode(max_depth=depth))


def test_explode_hierarchy_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars_grouper", None)
    with pytest.raises(MissingExtraError, match=r"flowfile-dagster\[graph\]"):
        run_node("explode_hierarchy", explode(), ROWS)


def test_explode_hierarchy_lineage_of_the_quantity_is_the_edges_and_their_quantity() -> None:
    settings = parse_settings("explode_hierarchy", explode(quantity_column="qty"))
    output = pl.Schema(dict.fromkeys(("ancestor", "descendant", "level", "quantity"), pl.String()))
    lineage = find_node_type("explode_hierarchy").lineage(settings, [ROWS.schema], output)
    parent, child, quantity = (ColumnOrigin(0, name) for name in ("parent", "child", "qty"))
    assert lineage == {
        "ancestor": (parent,),
        "descendant": (child,),
        "level": (parent, child),
        "quantity": (parent, child, quantity),
    }
