from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import DataError, DuplicateColumnError, FormulaError, MissingColumnError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": ["x", "y"], "b": [1.5, 2.0], "c": [True, None]})


def rule(mode: str, **settings: Any) -> dict[str, Any]:
    return {"dynamic_rename_input": {"rename_mode": mode, **settings}}


def names(settings: dict[str, Any], rows: pl.DataFrame = ROWS) -> list[str]:
    return run_node("dynamic_rename", settings, rows)["output-0"].columns


CASES = [
    NodeCase(rule("prefix", prefix="p_"), (ROWS,)),
    NodeCase(rule("suffix", suffix="_s", selection_mode="data_type", selected_data_type="Numeric"), (ROWS,)),
    NodeCase(rule("formula", formula="uppercase([column_name])"), (ROWS,)),
    NodeCase(rule("first_row"), (ROWS,)),
]


def test_prefix_renames_all_columns_and_keeps_order_and_values() -> None:
    assert_node("dynamic_rename", rule("prefix", prefix="p_"), [ROWS], ROWS.rename({n: f"p_{n}" for n in "abc"}))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"selection_mode": "list", "selected_columns": ["c", "a", "a", "unknown"]}, ["a!", "b", "c!"]),
        ({"selection_mode": "data_type", "selected_data_type": "Numeric"}, ["a", "b!", "c"]),
        ({"selection_mode": "data_type"}, ["a", "b", "c"]),
    ],
)
def test_suffix_renames_the_chosen_columns(choice: dict[str, Any], expected: list[str]) -> None:
    assert names(rule("suffix", suffix="!", **choice)) == expected


def test_formula_reads_the_names() -> None:
    assert names(rule("formula", formula='"v2_" + [column_name]')) == ["v2_a", "v2_b", "v2_c"]


def test_formula_result_that_is_no_text_becomes_text() -> None:
    settings = rule("formula", formula="length([column_name])", selection_mode="list", selected_columns=["a"])
    assert names(settings) == ["1", "b", "c"]


@pytest.mark.parametrize("settings", [{}, rule("formula", formula="  "), rule("prefix")])
def test_empty_rule_changes_nothing(settings: dict[str, Any]) -> None:
    assert_node("dynamic_rename", settings, [ROWS], ROWS)


def test_names_may_be_swapped() -> None:
    settings = rule(
        "formula", formula='if [column_name] = "a" then "b" elseif [column_name] = "b" then "a" else "c" endif'
    )
    assert names(settings) == ["b", "a", "c"]


def test_first_row_becomes_the_names_and_is_removed() -> None:
    expected = pl.DataFrame({"x": ["y"], "1.5": [2.0], "True": [None]}, schema_overrides={"True": pl.Boolean})
    assert_node("dynamic_rename", rule("first_row"), [ROWS], expected)


def test_first_row_is_removed_even_when_no_column_is_chosen() -> None:
    assert_node("dynamic_rename", rule("first_row", selection_mode="list"), [ROWS], ROWS.slice(1))


def test_first_row_and_clock_make_the_schema_opaque() -> None:
    node = find_node_type("dynamic_rename")
    first_row = parse_settings("dynamic_rename", rule("first_row"))
    clock = parse_settings("dynamic_rename", rule("formula", formula="format_date(now())"))
    assert Trait.BARRIER in node.traits_of(first_row)
    assert Trait.VOLATILE in node.traits_of(clock)
    for settings in (first_row, clock):
        assert node.predict(settings, [ROWS.schema], LiteralContext()) == {"output-0": None}


def test_lineage_leads_to_the_old_name_at_the_same_place() -> None:
    settings = parse_settings("dynamic_rename", rule("first_row"))
    output = pl.Schema({"x": pl.String, "1.5": pl.Float64, "c": pl.Boolean})
    lineage = find_node_type("dynamic_rename").lineage(settings, [ROWS.schema], output)
    assert lineage == {new: (ColumnOrigin(0, old),) for new, old in (("x", "a"), ("1.5", "b"), ("c", "c"))}


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        (ROWS.slice(1), "no name for column 'c': its value is None"),
        (pl.DataFrame({"a": [" "]}), "no name for column 'a': its value is ' '"),
        (ROWS.clear(), "the input has no rows"),
    ],
)
def test_first_row_without_names_is_an_error(rows: pl.DataFrame, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        run_node("dynamic_rename", rule("first_row"), rows)


@pytest.mark.parametrize(
    "settings",
    [
        rule("formula", formula='"same"'),
        rule("suffix", suffix="b", selection_mode="list", selected_columns=[""]),
        rule("formula", formula='"b"', selection_mode="list", selected_columns=["a"]),
    ],
)
def test_two_columns_of_one_name_are_an_error(settings: dict[str, Any]) -> None:
    rows = pl.DataFrame({"a": [1], "b": [2], "": [3]})
    with pytest.raises(DuplicateColumnError, match=r"two output columns would have the name '(same|b)'"):
        run_node("dynamic_rename", settings, rows)


def test_formula_that_gives_null_is_an_error() -> None:
    with pytest.raises(FormulaError, match="gives null as the name for column 'a'"):
        run_node("dynamic_rename", rule("formula", formula="null"), ROWS)


def test_formula_that_reads_another_column_is_an_error() -> None:
    with pytest.raises(MissingColumnError, match=r"column 'a' is not in the input. .*'column_name'"):
        run_node("dynamic_rename", rule("formula", formula="[a]"), ROWS)
