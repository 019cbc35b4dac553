from typing import Any

import polars as pl
import pytest

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame(
    {"s": ["  a  b1! ", None, None], "n": [1, None, None], "b": [True, None, None], "e": [None, None, None]},
    schema_overrides={"n": pl.Int8, "e": pl.String},
)
NOTHING = {"replace_nulls_with_blank": False, "replace_nulls_with_zero": False, "trim_whitespace": False}


def rules(**settings: Any) -> dict[str, Any]:
    return {"cleansing_input": settings}


def cleaned(text: str, **settings: Any) -> str:
    return run_node("data_cleansing", rules(**{**NOTHING, **settings}), pl.DataFrame({"s": [text]}))["output-0"]["s"][0]


CASES = [
    NodeCase({}, (ROWS,)),
    NodeCase(rules(remove_null_rows=True, case_mode="titlecase"), (ROWS,)),
    NodeCase(rules(remove_null_columns=True), (ROWS,)),
]


def test_without_settings_nulls_are_replaced_and_texts_trimmed() -> None:
    expected = ROWS.with_columns(
        s=pl.Series(["a  b1!", "", ""]), n=pl.Series([1, 0, 0], dtype=pl.Int8), e=pl.Series(["", "", ""])
    )
    assert_node("data_cleansing", {}, [ROWS], expected)


def test_rows_without_any_value_are_removed() -> None:
    assert_node("data_cleansing", rules(remove_null_rows=True, **NOTHING), [ROWS], ROWS.head(1))


def test_columns_without_any_value_are_removed_whatever_the_choice() -> None:
    settings = rules(remove_null_columns=True, selection_mode="list", **NOTHING)
    assert_node("data_cleansing", settings, [ROWS], ROWS.drop("e"))


def test_columns_are_judged_by_the_input_before_rows_are_removed() -> None:
    rows = pl.DataFrame({"a": [1, None], "b": [None, None]})
    settings = rules(remove_null_rows=True, remove_null_columns=True, **NOTHING)
    assert_node("data_cleansing", settings, [rows], pl.DataFrame({"a": [1]}))


def test_columns_stay_when_the_input_has_no_rows() -> None:
    assert_node("data_cleansing", rules(remove_null_columns=True), [ROWS.clear()], ROWS.clear())


def test_only_listed_columns_are_cleaned_and_unknown_ones_ignored() -> None:
    settings = rules(selection_mode="list", selected_columns=["n", "unknown"])
    assert_node("data_cleansing", settings, [ROWS], ROWS.with_columns(n=pl.Series([1, 0, 0], dtype=pl.Int8)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"remove_letters": True}, " 1-  2! "),
        ({"remove_numbers": True}, " é-  ß! "),
        ({"remove_punctuation": True}, " é1  ß2 "),
        ({"normalize_whitespace": True}, " é1- ß2! "),
        ({"normalize_whitespace": True, "trim_whitespace": True, "remove_punctuation": True}, "é1 ß2"),
        ({"remove_all_whitespace": True, "trim_whitespace": True}, "é1-ß2!"),
        ({"case_mode": "uppercase"}, " É1-  SS2! "),
    ],
)
def test_text_is_cleaned_by_each_rule(settings: dict[str, Any], expected: str) -> None:
    assert cleaned(" é1-  ß2! ", **settings) == expected


@pytest.mark.parametrize(("case_mode", "expected"), [("lowercase", "ab cd"), ("titlecase", "Ab Cd"), ("none", "aB cD")])
def test_case_is_changed_last(case_mode: str, expected: str) -> None:
    assert cleaned("aB cD", case_mode=case_mode) == expected


def test_decimal_keeps_its_type_when_nulls_become_zero() -> None:
    rows = pl.DataFrame({"d": pl.Series([None, "1.50"]).cast(pl.Decimal(10, 2))})
    assert run_node("data_cleansing", {}, rows)["output-0"]["d"].dtype == pl.Decimal(10, 2)


def test_removing_columns_makes_the_schema_opaque() -> None:
    node = find_node_type("data_cleansing")
    settings = parse_settings("data_cleansing", rules(remove_null_columns=True))
    assert Trait.BARRIER in node.traits_of(settings)
    assert node.predict(settings, [ROWS.schema], LiteralContext()) == {"output-0": None}
