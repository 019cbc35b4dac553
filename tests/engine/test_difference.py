"""What is different between two results."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from flowfile_dagster.engine.difference import RowDifference, compare_tables
from flowfile_dagster.errors import DataError, MissingColumnError


def frame(**columns: Any) -> pl.LazyFrame:
    return pl.LazyFrame(columns)


def rows_of(before: pl.LazyFrame, after: pl.LazyFrame, **options: Any) -> RowDifference:
    rows = compare_tables(before, after, **options).rows
    assert rows is not None
    return rows


def test_equal_results_have_no_difference() -> None:
    same = frame(id=[1, 2], value=[float("nan"), None], parts=[[1], None])
    difference = compare_tables(same, same)
    assert not difference
    assert str(difference.schema) == "same columns"


def test_rows_are_matched_by_the_first_column_that_is_unique_in_both() -> None:
    before = frame(group=["a", "a", "b"], id=[1, 2, 3], value=[1.0, None, 3.0], parts=[[1], [2], [3]])
    after = frame(group=["a", "b", "b"], id=[2, 3, 4], value=[None, 9.0, 4.0], parts=[[2], [3], [4]])
    rows = rows_of(before, after)
    assert (rows.key, rows.added, rows.removed, rows.changed) == (("id",), 1, 1, 1)
    assert rows.changed_values == {"value": 1}
    assert rows.samples["before"].to_dicts() == [{"group": "b", "id": 3, "value": 3.0, "parts": [3]}]
    assert rows.samples["after"].to_dicts() == [{"group": "b", "id": 3, "value": 9.0, "parts": [3]}]
    assert str(rows) == "rows compared by id: 1 added, 1 removed, 1 changed (value 1)"


def test_rows_without_a_key_are_compared_as_a_whole_and_count_as_often_as_they_are_there() -> None:
    rows = rows_of(frame(a=["x", "x", "y"], b=[1, 1, 1]), frame(a=["x", "y", "y"], b=[1, 1, 1]))
    assert (rows.key, rows.added, rows.removed, rows.changed) == ((), 1, 1, 0)
    assert rows.samples["added"].to_dicts() == [{"a": "y", "b": 1}]


def test_given_key_of_several_columns_is_used() -> None:
    before, after = frame(a=[1, 1], b=[1, 2], v=["p", "q"]), frame(a=[1, 1], b=[1, 2], v=["p", "r"])
    rows = rows_of(before, after, key=["a", "b"])
    assert (rows.key, rows.changed) == (("a", "b"), 1)


def test_key_that_repeats_is_refused() -> None:
    with pytest.raises(DataError, match="key 'a': 1 rows before repeat it"):
        compare_tables(frame(a=[1, 1]), frame(a=[1, 2]), key=["a"])


def test_key_that_is_missing_is_refused() -> None:
    with pytest.raises(MissingColumnError, match="key: column 'c'"):
        compare_tables(frame(a=[1]), frame(a=[1]), key=["c"])


def test_key_of_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="key column 'a' is Int64 before and String after"):
        compare_tables(frame(a=[1]), frame(a=["1"]), key=["a"])


def test_columns_that_came_went_or_changed_type_are_told_and_do_not_change_rows() -> None:
    difference = compare_tables(frame(id=[1], gone=[1], v=[1]), frame(v=["1"], id=[1], new=[1]))
    assert str(difference.schema) == (
        "column 'new' added, Int64; column 'gone' removed, Int64; column 'v' from Int64 to String; "
        "other order of columns"
    )
    assert difference.rows is not None
    assert not difference.rows
    assert difference


def test_results_without_a_common_column_have_no_row_difference() -> None:
    difference = compare_tables(frame(a=[1, 2]), frame(b=[1]))
    assert (difference.rows, difference.rows_before, difference.rows_after) == (None, 2, 1)


def test_columns_with_any_name_and_categories_of_different_files_are_compared() -> None:
    before = frame(change=["p", "q"], key0=[1, 2], before=[1, 1]).with_columns(pl.col("change").cast(pl.Categorical))
    after = frame(change=["q", "p"], key0=[2, 1], before=[1, 1]).with_columns(pl.col("change").cast(pl.Categorical))
    assert not compare_tables(before, after)


def test_samples_are_bounded() -> None:
    rows = rows_of(frame(id=list(range(10))), frame(id=list(range(10, 1000))), samples=3)
    assert (rows.added, rows.removed) == (990, 10)
    assert rows.samples["added"]["id"].to_list() == [10, 11, 12]
    assert rows.samples["removed"].height == 3


def test_key_column_that_is_named_twice_counts_once() -> None:
    before, after = pl.LazyFrame({"k": [1], "v": [1]}), pl.LazyFrame({"k": [1], "v": [2]})
    rows = compare_tables(before, after, key=["k", "k"]).rows
    assert rows is not None
    assert (rows.key, rows.changed) == (("k",), 1)


def test_column_whose_name_is_a_pattern_is_refused() -> None:
    frame = pl.LazyFrame({"^a.*$": [1], "ab": [2]})
    with pytest.raises(DataError, match=r"column '\^a\.\*\$' cannot be named"):
        compare_tables(frame, frame)
