from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2, None], "s": ["x", "y", "z"]})


def formulas(*entries: tuple[str, str] | tuple[str, str, str | None]) -> dict[str, Any]:
    fields = [
        {"field": dict(zip(("name", "data_type"), (name, *rest))), "function": text} for name, text, *rest in entries
    ]
    return {"functions": fields}


CASES = [
    NodeCase(formulas(("b", "[a] + 1"), ("a", "[b] * 2", "Float64")), (ROWS,)),
    NodeCase(formulas(("c", "5"), ("d", 'concat([s], "-", [c])'), ("e", "null")), (ROWS,)),
    NodeCase({"function": {"field": {"name": "s"}, "function": "uppercase([s])"}}, (ROWS,)),
]


def test_entries_see_the_columns_of_entries_before() -> None:
    settings = formulas(("b", "[a] + 1"), ("c", "[b] * 10"))
    expected = ROWS.with_columns(b=pl.Series([2, 3, None]), c=pl.Series([20, 30, None]))
    assert_node("formula", settings, [ROWS], expected)


def test_existing_name_is_overwritten_in_place() -> None:
    expected = pl.DataFrame({"a": [10, 20, None], "s": ["x", "y", "z"]})
    assert_node("formula", formulas(("a", "[a] * 10")), [ROWS], expected)


def test_literal_is_repeated_for_every_row() -> None:
    assert run_node("formula", formulas(("k", '"t"')), ROWS)["output-0"]["k"].to_list() == ["t", "t", "t"]


@pytest.mark.parametrize("settings", [{}, {"functions": None}, formulas(("b", "  ")), formulas(("", ""))])
def test_without_expression_the_input_passes_through(settings: dict[str, Any]) -> None:
    assert_node("formula", settings, [ROWS], ROWS)


def test_list_wins_over_the_single_entry_even_when_empty() -> None:
    single = {"field": {"name": "b"}, "function": "1"}
    assert_node("formula", {"function": single, "functions": []}, [ROWS], ROWS)


@pytest.mark.parametrize(("data_type", "dtype"), [("Auto", pl.Int64), (None, pl.Int64), ("String", pl.String)])
def test_output_type_casts_the_result(data_type: str | None, dtype: type[pl.DataType]) -> None:
    assert run_node("formula", formulas(("b", "[a]", data_type)), ROWS)["output-0"]["b"].dtype == dtype


def test_output_type_is_strict() -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from `str` to `i64` failed"):
        run_node("formula", formulas(("b", "[s]", "Integer")), ROWS)


def test_lineage_follows_the_chain_to_the_input() -> None:
    node = find_node_type("formula")
    settings = parse_settings("formula", formulas(("b", "[a] + 1"), ("a", "concat([s], [b])"), ("k", "1")))
    (output,) = node.predict(settings, [ROWS.schema], None).values()
    a, s = ColumnOrigin(0, "a"), ColumnOrigin(0, "s")
    assert node.lineage(settings, [ROWS.schema], output) == {"a": (a, s), "s": (s,), "b": (a,), "k": ()}


def test_traits_follow_every_formula() -> None:
    node = find_node_type("formula")
    clock = parse_settings("formula", formulas(("b", "1"), ("c", "today()")))
    draw = parse_settings("formula", formulas(("b", "random_int(0, 9)")))
    assert node.traits_of(clock) == {Trait.NARROW, Trait.VOLATILE}
    assert node.traits_of(draw) == {Trait.NARROW, Trait.VOLATILE, Trait.RANDOM}


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (formulas((" ", "[a]")), r"functions\[0\].field.name: formula '\[a\]' needs the name"),
        (formulas(("b", "1"), ("c", "[a] +")), r"functions\[1\] \(column 'c'\): formula '\[a\] \+'"),
        (formulas(("b", "[a] + [s]")), r"functions\[0\] \(column 'b'\): formula .* try an explicit cast"),
        (formulas(("b", "[a]", "List")), r"functions\[0\].field.data_type: 'List' lacks its inner type"),
    ],
)
def test_bad_entry_is_named_in_the_error(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(SettingsError, match=cause):
        run_node("formula", settings, ROWS)


def test_missing_column_names_the_entry_and_columns_made_before() -> None:
    with pytest.raises(MissingColumnError, match=r"functions\[1\] \(column 'c'\).* column 'x' .*'a', 's', 'b'"):
        run_node("formula", formulas(("b", "1"), ("c", "[x]")), ROWS)


@pytest.mark.parametrize("data_type", ["int64", "Number", "List(Int64)"])
def test_unknown_output_type_does_not_load(data_type: str) -> None:
    with pytest.raises(ValidationError, match="is not a type name"):
        parse_settings("formula", formulas(("b", "1", data_type)))


def test_quotient_of_decimals_is_predicted_with_the_precision_it_gets() -> None:
    rows = pl.DataFrame({"d": ["3.00"]}).cast(pl.Decimal(12, 2))
    expected = rows.with_columns(h=pl.Series(["1.50"]).cast(pl.Decimal(38, 2)))
    assert_node("formula", formulas(("h", "[d] / 2")), [rows], expected)


def test_choice_between_a_category_and_text_is_predicted_as_the_category_it_gives() -> None:
    rows = pl.DataFrame({"c": ["x", None]}, schema={"c": pl.Categorical})
    expected = rows.with_columns(n=pl.Series(["x", "n"], dtype=pl.Categorical))
    assert_node("formula", formulas(("n", 'if is_empty([c]) then "n" else [c] endif')), [rows], expected)


def test_choice_that_reads_the_category_of_an_entry_before_is_predicted_as_the_category_it_gives() -> None:
    rows = pl.DataFrame({"a": [1, 3]})
    expected = rows.with_columns(
        c=pl.Series(["1", "3"], dtype=pl.Categorical), n=pl.Series(["zz", "3"], dtype=pl.Categorical)
    )
    settings = formulas(("c", "[a]"), ("n", 'if [a] > 2 then [c] else "zz" endif'))
    settings["functions"][0]["field"]["data_type"] = "Categorical"
    assert_node("formula", settings, [rows], expected)


def test_number_as_a_category_is_the_category_of_its_text() -> None:
    rows = pl.DataFrame({"n": [1, None], "seen": ["before", "it"]}).cast({"seen": pl.Categorical})
    expected = rows.with_columns(c=pl.Series(["1", None], dtype=pl.Categorical))
    assert_node("formula", formulas(("c", "[n]", "Categorical")), [rows], expected)


def test_similarity_of_anything_but_texts_is_an_error() -> None:
    rows = pl.DataFrame({"d": ["1.5"], "s": ["x"]}).cast({"d": pl.Decimal(5, 2)})
    with pytest.raises(SettingsError, match="compares texts, not Decimal"):
        run_node("formula", formulas(("f", "string_similarity([d], [s])")), rows)
    assert_node(
        "formula",
        formulas(("f", "string_similarity(to_string([d]), [s])")),
        [rows],
        rows.with_columns(f=pl.lit(0.0)),
    )


def test_similarity_is_predicted_with_the_type_it_gives() -> None:
    rows = pl.DataFrame({"s": ["ab", None]})
    expected = rows.with_columns(f=pl.Series([1.0, None]), h=pl.Series([0, None], dtype=pl.UInt32))
    entries = formulas(("f", "string_similarity([s], 'ab', 'fuzzy')"), ("h", "string_similarity([s], 'ab', 'hamming')"))
    assert_node("formula", entries, [rows], expected)


@pytest.mark.parametrize("function", ["greatest", "least"])
def test_greatest_and_least_are_predicted_with_the_type_they_give(function: str) -> None:
    rows = pl.DataFrame({"n": [1, None]}, schema={"n": pl.UInt32})
    assert run_node("formula", formulas(("m", f"{function}([n], 3)")), rows)["output-0"]["m"].last() == 3
