"""Checks of a stored result: which rows break them, and what is said where they cannot be evaluated."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from flowfile_dagster.engine.checks import (
    AcceptedValues,
    Check,
    FanOut,
    Judgement,
    NotNull,
    RowCount,
    RowCounts,
    Unique,
    check_name,
    judge,
)

ORDERS = pl.DataFrame(
    {
        "id": [1, 2, 2, None, None],
        "kind": ["a", "b", "b", "c", None],
        "day": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), None, date(2024, 1, 1)],
    }
)


def judge_table(*checks: Check, table: pl.DataFrame = ORDERS, left_rows: int | None = None) -> list[Judgement]:
    return judge(checks, table.lazy(), table.schema, RowCounts(table.height, left_rows))


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (Unique(columns=["id"]), 2),
        (Unique(columns=["id", "kind"]), 2),
        (Unique(columns=["id", "day"]), 0),
        (NotNull(columns=["id"]), 2),
        (NotNull(columns=["id", "day"]), 2),
        (AcceptedValues(column="kind", values=["a", "b"]), 1),
        (AcceptedValues(column="id", values=[1, 2]), 0),
        (AcceptedValues(column="day", values=["2024-01-01", "2024-01-02"]), 1),
    ],
)
def test_rows_that_break_a_check_are_counted_and_sampled(check: Check, broken: int) -> None:
    (judgement,) = judge_table(check)
    assert judgement.broken_rows == broken
    assert judgement.is_passed == (broken == 0)
    assert (0 if judgement.sample is None else judgement.sample.height) == broken


def test_sample_holds_the_rows_themselves() -> None:
    (judgement,) = judge_table(Unique(columns=["id"]))
    assert judgement.sample is not None
    assert judgement.sample.equals(ORDERS[1:3])
    assert judgement.description == "2 of 5 rows break it: no two rows have the same 'id'"


def test_sample_is_bounded_in_rows_and_columns() -> None:
    table = pl.DataFrame({f"c{index}": pl.Series([None] * 50, dtype=pl.Int64) for index in range(30)})
    (judgement,) = judge_table(NotNull(columns=["c29"]), table=table)
    assert judgement.broken_rows == 50
    assert judgement.sample is not None
    assert judgement.sample.shape == (10, 20)


@pytest.mark.parametrize(
    ("check", "passes", "description"),
    [
        (RowCount(min=5), True, "5 rows, expected at least 5 rows"),
        (RowCount(min=6), False, "5 rows, expected at least 6 rows"),
        (RowCount(min=1, max=4), False, "5 rows, expected at least 1 and at most 4 rows"),
        (FanOut(max_ratio=1), False, "5 rows from 4 in the left input, expected at most 1 times as many"),
        (FanOut(max_ratio=1.25), True, "5 rows from 4 in the left input, expected at most 1.25 times as many"),
    ],
)
def test_numbers_of_rows_are_compared_with_bounds(check: Check, passes: bool, description: str) -> None:
    (judgement,) = judge_table(check, left_rows=4)
    assert judgement.is_passed == passes
    assert judgement.description.startswith(description)


def test_fan_out_without_a_left_input_fails_and_says_so() -> None:
    (judgement,) = judge_table(FanOut(max_ratio=2))
    assert not judgement.is_passed
    assert "rows of the left input are not known" in judgement.description


def test_missing_column_fails_its_check_only_and_names_what_is_there() -> None:
    missing, good = judge_table(NotNull(columns=["kinds"]), RowCount(min=1))
    assert not missing.is_passed
    assert missing.description.startswith("column 'kinds' is not in the input. Did you mean 'kind'?")
    assert good.is_passed


@pytest.mark.parametrize("values", [["x"], ["x", 1]])
def test_values_of_another_type_fail_and_say_so(values: list[Any]) -> None:
    (judgement,) = judge_table(AcceptedValues(column="id", values=values))
    assert not judgement.is_passed
    assert "do not fit column 'id' of type Int64" in judgement.description


@pytest.mark.parametrize("values", [[0, 0.5, 1], [0.5, 1, 0]])
def test_accepted_values_may_be_whole_numbers_and_others_in_any_order(values: list[Any]) -> None:
    table = pl.DataFrame({"share": [0.0, 0.5, 1.0]})
    (judgement,) = judge_table(AcceptedValues(column="share", values=values), table=table)
    assert judgement.is_passed


def test_accepted_values_of_an_enum_need_not_be_categories() -> None:
    table = pl.DataFrame({"kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"]))})
    (judgement,) = judge_table(AcceptedValues(column="kind", values=["a", "z"]), table=table)
    assert judgement.broken_rows == 1


def test_check_that_polars_cannot_evaluate_fails_alone() -> None:
    broken, good = judge_table(Unique(columns=["id", "id"]), NotNull(columns=["id"]))
    assert not broken.is_passed
    assert broken.description.startswith("cannot be evaluated: ")
    assert good.broken_rows is not None


def test_empty_result_breaks_no_row_check() -> None:
    judgements = judge_table(Unique(columns=["id"]), NotNull(columns=["id"]), table=ORDERS.clear())
    assert [judgement.is_passed for judgement in judgements] == [True, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "row_count"}, "give `min`, `max` or both"),
        ({"type": "unique", "columns": []}, "name at least one"),
        ({"type": "not_null", "columns": ["a"], "blocking": True, "severity": "warn"}, "never blocks"),
        ({"type": "uniqe", "columns": ["a"]}, "'uniqe' found using 'type' does not match"),
        ({"type": "unique", "columns": ["a"], "block": True}, "Extra inputs are not permitted"),
        ({"type": "fan_out", "max_ratio": 0}, "greater than 0"),
        ({"type": "row_count", "min": 1, "name": "a b"}, "letters, digits and underscores only"),
    ],
)
def test_check_that_says_nothing_useful_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter[Check](Check).validate_python(given)


def test_name_is_made_of_type_and_columns_unless_given() -> None:
    assert check_name(Unique(columns=["id", "the kind"])) == "unique_id_the_kind"
    assert check_name(RowCount(min=1)) == "row_count"
    assert check_name(RowCount(min=1, name="some")) == "some"
