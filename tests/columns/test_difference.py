import polars as pl
import pytest

from flowfile_dagster.columns.difference import compare_schemas, explain_difference

BEFORE = pl.Schema({"a": pl.Int64(), "b": pl.String()})


@pytest.mark.parametrize(
    ("after", "all_of_it", "first"),
    [
        ({"a": pl.Int64(), "b": pl.String()}, "same columns", None),
        ({"a": pl.Int64()}, "column 'b' removed, String", "column 'b' is missing"),
        (
            {"a": pl.Float64(), "c": pl.Date(), "b": pl.String()},
            "column 'c' added, Date; column 'a' from Int64 to Float64",
            "column 'a' is Float64, expected Int64",
        ),
        ({**BEFORE, "c": pl.Date()}, "column 'c' added, Date", "column 'c' was not expected"),
        (
            {"b": pl.String(), "a": pl.Int64()},
            "other order of columns",
            "columns are in another order: ['b', 'a'], expected ['a', 'b']",
        ),
    ],
)
def test_difference_is_told_as_a_whole_or_by_its_first_part(
    after: dict[str, pl.DataType], all_of_it: str, first: str | None
) -> None:
    difference = compare_schemas(BEFORE, pl.Schema(after))
    assert str(difference) == all_of_it
    assert bool(difference) is (first is not None)
    assert explain_difference(BEFORE, pl.Schema(after)) == first


def test_column_that_came_does_not_reorder_those_that_stay() -> None:
    assert not compare_schemas(BEFORE, pl.Schema({"c": pl.Date(), **BEFORE})).is_reordered
