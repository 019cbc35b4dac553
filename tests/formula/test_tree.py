"""Text and fixed dates give what the formula library gives, without its Python functions and parsing."""

from datetime import date, datetime, time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars_expr_transformer import simple_function_to_expr

from flowfile_dagster.formula.compile import infer_formula

TEXTS = ["", "a", "Green apple", "ÄÖ é", "x.y", "1.5", "(", "  padded ", "2024-01-31", "\n", None]

#: One column of each type that a formula may read, nulls among the values.
COLUMNS = pl.DataFrame(
    {
        "text": TEXTS,
        "other": ["a", "", "e", None, ".", "x", "(", " ", "-", "\n", "b"],
        "whole": [0, -1, 7, 1234567890123, None, 3, 4, 5, 6, 7, 8],
        "small": pl.Series([1, 2, 3, None, 5, 6, 7, 8, 9, 10, 11], dtype=pl.UInt8),
        "real": [0.0, -1.5, 1e20, 1e-7, None, float("nan"), float("inf"), 2.0, 3.25, 1 / 3, -0.0],
        "single": pl.Series([0.1, 1.5, None, 2, 3, 4, 5, 6, 7, 8, 9], dtype=pl.Float32),
        "flag": [True, False, None] * 3 + [True, False],
        "day": [date(2024, 1, 31), None, date(1, 1, 1)] * 3 + [date(1999, 12, 31), None],
        "moment": [datetime(2024, 1, 31, 10, 0, 0, 123456), None] * 5 + [datetime(1969, 1, 1)],
        "hour": [time(10, 30), None, time(0, 0, 0, 1)] * 3 + [time(23, 59), None],
        "amount": pl.Series(["1.10", None, "-2.00"] * 3 + ["0.05", "7"]).cast(pl.Decimal(10, 2)),
        "kind": pl.Series(["a", "b", None] * 3 + ["ä", ""], dtype=pl.Categorical),
        "grade": pl.Series(["low", None, "high"] * 3 + ["low", "low"], dtype=pl.Enum(["low", "high"])),
        "nothing": pl.Series([None] * 11, dtype=pl.Null),
        "span": pl.Series([1, None, 3] * 3 + [4, 5], dtype=pl.Duration("us")),
        "utc": pl.Series([datetime(2024, 1, 31, 10), None] * 5 + [None], dtype=pl.Datetime("ms", "UTC")),
        "list": [[1, 2], None, []] * 3 + [[3], [4]],
    }
)

#: Every function of the library that renders an argument as text; `{}` is the argument.
TEMPLATES = [
    "contains({}, 'e')",
    "contains({}, '1|a')",
    "contains({}, '')",
    "contains({}, [other])",
    "contains('Green apple', {})",
    "count_match({}, 'a')",
    "length({})",
    "uppercase({})",
    "lowercase({})",
    "titlecase({})",
    "left({}, 2)",
    "left({}, [small])",
    "right({}, 2)",
    "right({}, [small])",
    "replace({}, 'a', 'b')",
    "replace({}, '.', '')",
    "find_position({}, 'a')",
    "find_position({}, [other])",
    "pad_left({}, 12, '0')",
    "pad_right({}, 12, '-')",
    "trim({})",
    "left_trim({})",
    "right_trim({})",
    "mid({}, 1, 3)",
    "substring({}, 0, 2)",
    "starts_with({}, 'a')",
    "starts_with({}, [other])",
    "ends_with({}, '00')",
    "ends_with({}, [other])",
    "reverse({})",
    "repeat({}, 2)",
    "split({}, '.')",
    "contains({}, 'a') = false",
    "if contains({}, 'a') then uppercase({}) else left({}, 1) endif",
    "uppercase(trim(left({}, 5)))",
    "concat(lowercase({}), '-', trim({}))",
    "length(concat({}, 'x')) + length({})",
]
ARGUMENTS = [f"[{name}]" for name in COLUMNS.columns] + ["concat([text], [other])", "[whole] * 2", "[day]", "'fixed'"]


def both(formula: str, frame: pl.DataFrame) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """What the library's expression gives and what ours gives; None where it fails."""
    answers: list[pl.DataFrame | None] = []
    for compiled in (simple_function_to_expr, lambda text: infer_formula(text, frame.schema)[0]):
        try:
            answers.append(frame.select("text", result=compiled(formula)))
        except Exception:  # noqa: BLE001  the library and Polars raise many types for what does not fit
            answers.append(None)
    return answers[0], answers[1]


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_text_of_every_type_is_what_the_library_makes_of_it(argument: str) -> None:
    for template in TEMPLATES:
        formula = template.replace("{}", argument)
        theirs, ours = both(formula, COLUMNS)
        if theirs is not None:
            assert ours is not None, formula
            assert_frame_equal(ours, theirs, check_exact=True)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.none() | st.text(max_size=8), max_size=8),
    pattern=st.text(st.characters(exclude_characters="\"'[]\\/\n\r\t{}", exclude_categories=["Cs", "Cc"]), max_size=4),
    template=st.sampled_from(["contains([text], '{}')", "contains([text], '{}') = false", "starts_with([text], '{}')"]),
)
def test_text_tests_keep_the_same_rows_as_the_library(texts: list[str | None], pattern: str, template: str) -> None:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    theirs, ours = both(template.replace("{}", pattern), frame)
    if theirs is not None:
        assert ours is not None
        assert_frame_equal(ours, theirs)


@pytest.mark.parametrize("name", ["text", "whole", "real", "flag", "day", "moment", "kind"])
def test_text_functions_run_no_python(name: str) -> None:
    expression, _ = infer_formula(f"contains(trim([{name}]), 'a')", COLUMNS.schema)
    assert "python" not in str(expression).lower()
    assert "python" in str(simple_function_to_expr(f"contains([{name}], 'a')")).lower()


def test_text_condition_is_pushed_down_to_the_file() -> None:
    expression, _ = infer_formula("contains([text], 'e')", COLUMNS.schema)
    plan = COLUMNS.lazy().with_columns(pl.col("whole") + 1).filter(expression).explain()
    assert plan.index("FILTER") > plan.index("WITH_COLUMNS")


MOMENTS = ["2024-01-31", "2024-02-30", "2024-1-5", "0001-01-01", "9999-12-31", "x", "", "2024-01-31 10:00:00"]
LATE_MOMENTS = ["2024-01-31 24:00:00", "2024-01-31 23:59:60", "2024-01-31T10:00:00", "2024-01-31 10:00", "0000-01-01"]


@pytest.mark.parametrize("text", MOMENTS + LATE_MOMENTS)
@pytest.mark.parametrize(
    "template",
    ["[day] >= to_date('{}')", "[moment] < to_datetime('{}')", "if [flag] then to_date('{}') else [day] endif"],
)
def test_fixed_dates_are_what_the_library_makes_of_them(template: str, text: str) -> None:
    theirs, ours = both(template.replace("{}", text), COLUMNS)
    assert theirs is None or (ours is not None and ours.equals(theirs) and ours.schema == theirs.schema)


def test_fixed_dates_are_constants() -> None:
    expression, _ = infer_formula('[day] >= to_date("2024-01-31")', COLUMNS.schema)
    assert "strptime" not in str(expression)
