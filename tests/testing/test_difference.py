"""The difference of expected and actual rows, in a few sentences."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.testing.difference import find_differences

ACTUAL = pl.DataFrame({"id": [1, 2, 3], "price": [1.5, 2.5, 0.1 + 0.2], "day": [date(2024, 1, 1)] * 3})


def differences(expected: dict[str, list[Any]], *, ignore_order: bool = False) -> list[str]:
    return find_differences(pl.DataFrame(expected), ACTUAL, ignore_order=ignore_order)


def test_only_named_columns_are_compared_and_read_as_the_actual_types() -> None:
    assert differences({"id": [1, 2, 3]}) == []
    assert differences({"price": [1.5, 2.5, 0.3]}) == []
    assert differences({"day": ["2024-01-01"] * 3}) == []


def test_zero_with_a_sign_is_zero() -> None:
    negative = pl.DataFrame({"x": [-0.0]})
    assert find_differences(pl.DataFrame({"x": [0.0]}), negative, ignore_order=False) == []


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"id": [1, 2, 3, 4]}, ["3 rows, expected 4", "missing: id=4"]),
        ({"id": [1, 3]}, ["3 rows, expected 2", "unexpected: id=2"]),
        (
            {"id": [1, 2, 3], "price": [1.5, 2.0, 0.3]},
            ["changed: id=2, price=2.0: price is 2.5, expected 2.0"],
        ),
        ({"id": [7, 2, 3]}, ["missing: id=7", "unexpected: id=1"]),
        ({"id": [1, 1, 2, 3]}, ["3 rows, expected 4", "missing: id=1"]),
    ],
)
def test_rows_that_differ_are_missing_unexpected_or_changed(expected: dict[str, list[Any]], told: list[str]) -> None:
    assert differences(expected) == told
    assert differences(expected, ignore_order=True) == told


def test_values_that_are_equal_as_text_are_no_difference_and_others_are_shown() -> None:
    actual = pl.DataFrame({"k": [1, 2], "x": [float("nan"), -0.0], "y": [1, 1]})
    expected = pl.DataFrame({"k": [1, 2], "x": [float("nan"), 0.0], "y": [2, 1]})
    assert find_differences(expected, actual, ignore_order=False) == [
        "changed: k=1, x=nan, y=2: y is 1, expected 2",
        "changed: k=2, x=0.0, y=1: x is -0.0, expected 0.0",
    ]


def test_order_counts_unless_it_is_ignored() -> None:
    assert differences({"id": [2, 1, 3]})[0] == "row 1 is id=1, expected id=2: the order differs"
    assert differences({"id": [2, 1, 3]}, ignore_order=True) == []


def test_missing_column_is_named_with_those_that_exist() -> None:
    assert differences({"ids": [1]}) == ["column 'ids' is missing; there are: 'id', 'price', 'day'"]


def test_values_that_do_not_fit_the_type_are_named() -> None:
    assert differences({"id": ["x"]}) == ["column 'id' is Int64, which 'x' does not fit"]


def test_many_differences_are_bounded() -> None:
    told = find_differences(
        pl.DataFrame({"a": range(500)}), pl.DataFrame({"a": []}, {"a": pl.Int64}), ignore_order=True
    )
    assert len(told) == 11
    assert told[-1] == "and 491 more"
