import polars as pl
import pytest

from flowfile_dagster.errors import FormulaError, MissingColumnError
from flowfile_dagster.formula.compile import (
    can_name_column,
    check_formula,
    compile_formula,
    infer_formula,
    is_planned_right,
    is_random,
    is_volatile,
)

SCHEMA = pl.Schema({"a": pl.Int64, "s": pl.String})


@pytest.mark.parametrize(
    ("formula", "cause"),
    [
        ("  ", "is empty"),
        ("[a] +", "operator or function without its value"),
        ("[a", r"between \[ and \]"),
        ("[a//b] = 1", "// begins a comment"),
        ("[it's] = 1", "cannot hold a quote"),
        ("foo([a])", "function name is misspelled"),
        ("(1 + 2", "'\\(' at position 1 is never closed"),
    ],
)
def test_compile_bad_text_says_what_is_wrong(formula: str, cause: str) -> None:
    with pytest.raises(FormulaError, match=cause):
        compile_formula(formula)


def test_compile_clock_is_read_at_every_compilation() -> None:
    first, second = (pl.select(compile_formula("now()")).item() for _ in range(2))
    assert second > first


def test_infer_gives_the_type_over_the_columns() -> None:
    assert infer_formula("[a] / 2", SCHEMA)[1] == pl.Float64
    assert infer_formula("concat([s], [a])", SCHEMA)[1] == pl.String


def test_check_missing_column_names_a_similar_one() -> None:
    with pytest.raises(MissingColumnError, match=r"column 'A' is not in the input. Existing columns: 'a', 's'"):
        check_formula("[A] + 1", SCHEMA)


def test_check_types_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(FormulaError, match=r"not\(\[s\]\)"):
        check_formula("not([s])", SCHEMA)


@pytest.mark.parametrize("formula", ["[*]", "[^a.*$]"])
def test_check_pattern_in_brackets_is_an_error(formula: str) -> None:
    with pytest.raises(FormulaError, match="names many columns"):
        check_formula(formula, SCHEMA)


@pytest.mark.parametrize("formula", ["[a] + 1", "null", "[s]"])
def test_check_condition_that_is_not_boolean_is_an_error(formula: str) -> None:
    with pytest.raises(FormulaError, match="a condition must give Boolean"):
        check_formula(formula, SCHEMA, needs_boolean=True)


@pytest.mark.parametrize("formula", ["now()", "[a] > to d ay()", "now\n()", 'if [d] < today() then "x" else "y" endif'])
def test_volatile_clock_is_found_whatever_the_spacing(formula: str) -> None:
    assert is_volatile(formula)
    assert not is_random(formula)


def test_volatile_random_number_is_found() -> None:
    assert is_volatile("1 + random_int(0, 9)")
    assert is_random("1 + random_int(0, 9)")


@pytest.mark.parametrize("formula", ['"now()"', "'today()'", "[now()] + 1", "[a] // now()", "[today] + [now]", "1"])
def test_volatile_names_in_texts_columns_and_comments_do_not_count(formula: str) -> None:
    assert not is_volatile(formula)


@pytest.mark.parametrize("column", ["a", "two words", "a-b", "if x", "été", "a.b"])
def test_can_name_ordinary_column_is_true(column: str) -> None:
    assert can_name_column(column)


@pytest.mark.parametrize("column", ["a,b", "it's", "a//b", "a  b", "a]b", r"a\tb", "x__or__y", "*"])
def test_can_name_column_that_formulas_misread_is_false(column: str) -> None:
    assert not can_name_column(column)


@pytest.mark.parametrize(
    ("formula", "dtype", "right"),
    [
        ("[d] / 2", pl.Decimal(12, 2), False),
        ("string_similarity([a], 'x', 'fuzzy')", pl.UInt32(), False),
        ("[string_similarity(] + 'string_similarity('", pl.String(), True),
        ("[d] / 2", pl.Float64(), True),
        ('if is_empty([c]) then "n" else [c] endif', pl.String(), False),
    ],
)
def test_is_planned_right_unless_types_or_a_function_say_another_type(
    formula: str, dtype: pl.DataType, right: bool
) -> None:
    assert is_planned_right(formula, dtype, {"c": pl.Categorical()}) is right
