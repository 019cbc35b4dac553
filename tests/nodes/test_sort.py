import polars as pl
import pytest

from flowfile_dagster.errors import MissingColumnError
from tests.nodes.node_case import NodeCase, assert_node, run_node

ROWS = pl.DataFrame({"a": [2, None, 1, 2], "b": ["x", "y", "z", "w"]})
CASES = [NodeCase({"sort_input": [{"column": "a", "how": "desc"}]}, (ROWS,))]


def test_sort_two_keys_orders_by_both() -> None:
    settings = {"sort_input": [{"column": "a", "how": "Descending"}, {"column": "b"}]}
    assert_node("sort", settings, [ROWS], pl.DataFrame({"a": [None, 2, 2, 1], "b": ["y", "w", "x", "z"]}))


@pytest.mark.parametrize("how", ["asc", "up", "", None])
def test_sort_unknown_direction_is_ascending_with_nulls_first(how: str | None) -> None:
    settings = {"sort_input": [{"column": "a", "how": how}]}
    assert run_node("sort", settings, ROWS)["output-0"]["a"].to_list() == [None, 1, 2, 2]


def test_sort_without_keys_passes_the_input_through() -> None:
    assert_node("sort", {"sort_input": []}, [ROWS], ROWS)


def test_sort_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"column 'c' is not in the input.* 'a', 'b'"):
        run_node("sort", {"sort_input": [{"column": "c"}]}, ROWS)
