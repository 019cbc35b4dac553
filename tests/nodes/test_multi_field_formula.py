from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import DuplicateColumnError, FormulaError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2], "b": [10.0, None], "s": ["x", "y"]})


def rule(formula: str, **settings: Any) -> dict[str, Any]:
    return {"multi_field_formula_input": {"formula": formula, **settings}}


NUMBERS = {"selection_mode": "data_type", "selected_data_type": "Numeric"}
CASES = [
    NodeCase(rule("[_CurrentField_] * 2", **NUMBERS), (ROWS,)),
    NodeCase(rule("[_CurrentFieldType_]", output_mode="new", output_prefix="type of "), (ROWS,)),
    NodeCase(rule("[_CurrentField_] + [a]", selection_mode="list", selected_columns=["b", "a"]), (ROWS,)),
]


def test_replace_reads_the_values_of_the_input_for_every_column() -> None:
    settings = rule("[_currentfield_] + [a]", **NUMBERS)
    assert_node(
        "multi_field_formula", settings, [ROWS], ROWS.with_columns(a=pl.Series([2, 4]), b=pl.Series([11.0, None]))
    )


def test_new_columns_come_last_with_name_and_type_as_text() -> None:
    formula = "concat([_CurrentFieldName_], ':', [_CurrentFieldType_])"
    settings = rule(formula, output_mode="new", output_suffix="_t", selection_mode="list", selected_columns=["s", "a"])
    expected = ROWS.with_columns(s_t=pl.lit("s:String"), a_t=pl.lit("a:Int64"))
    assert_node("multi_field_formula", settings, [ROWS], expected)


def test_output_type_casts_every_result() -> None:
    settings = rule("[_CurrentField_]", output_data_type="String", **NUMBERS)
    assert run_node("multi_field_formula", settings, ROWS)["output-0"].dtypes == [pl.String] * 3


@pytest.mark.parametrize(
    "choice",
    [
        {"selection_mode": "list", "selected_columns": ["unknown"]},
        {"selection_mode": "list"},
        {"selection_mode": "data_type"},
    ],
)
def test_no_chosen_column_is_no_change(choice: dict[str, Any]) -> None:
    assert_node("multi_field_formula", rule("[_CurrentField_] * 2", **choice), [ROWS], ROWS)


def test_lineage_has_the_columns_that_each_bound_formula_reads() -> None:
    settings = parse_settings("multi_field_formula", rule("[_CurrentField_] + [b]", **NUMBERS))
    a, b, s = (ColumnOrigin(0, name) for name in "abs")
    lineage = find_node_type("multi_field_formula").lineage(settings, [ROWS.schema], ROWS.schema)
    assert lineage == {"a": (a, b), "b": (b,), "s": (s,)}


def test_traits_follow_the_formula() -> None:
    node = find_node_type("multi_field_formula")
    assert Trait.VOLATILE in node.traits_of(parse_settings("multi_field_formula", rule("now()")))
    assert Trait.RANDOM in node.traits_of(parse_settings("multi_field_formula", rule("random_int()")))


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({}, "multi_field_formula_input.formula: is empty"),
        (rule(" ", selection_mode="list"), "formula: is empty"),
        (rule("[_CurrentField_]", output_mode="new"), "output_prefix: new columns need a prefix or a suffix"),
        (rule("1", output_data_type="Struct"), "output_data_type: 'Struct' lacks its inner type"),
    ],
)
def test_incomplete_rule_is_an_error(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(SettingsError, match=cause):
        run_node("multi_field_formula", settings, ROWS)


def test_new_name_that_exists_is_an_error() -> None:
    rows = pl.DataFrame({"a": [1], "a2": [2]})
    settings = rule("1", output_mode="new", output_suffix="2", selection_mode="list", selected_columns=["a"])
    with pytest.raises(DuplicateColumnError, match=r"'a2' \(the input has it already"):
        run_node("multi_field_formula", settings, rows)


def test_column_listed_twice_is_an_error() -> None:
    with pytest.raises(DuplicateColumnError, match="lists 'a' twice"):
        run_node("multi_field_formula", rule("1", selection_mode="list", selected_columns=["a", "a"]), ROWS)


def test_name_with_double_quote_cannot_be_a_text() -> None:
    with pytest.raises(FormulaError, match="holds a double quote"):
        run_node("multi_field_formula", rule("[_CurrentFieldName_]"), pl.DataFrame({'a"b': [1]}))


def test_quotient_of_decimals_is_predicted_with_the_precision_it_gets() -> None:
    rows = pl.DataFrame({"d": ["3.00"]}).cast(pl.Decimal(12, 2))
    assert_node("multi_field_formula", rule("[d] / 2"), [rows], pl.DataFrame({"d": ["1.50"]}).cast(pl.Decimal(38, 2)))
