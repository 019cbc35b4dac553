from typing import Any

import polars as pl
import pytest

from flowfile_dagster.errors import DuplicateColumnError
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, run_node

LEFT = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
RIGHT = pl.DataFrame({"a": [True, False, None]})


def cross(left: Any = (), right: Any = ()) -> dict[str, Any]:
    return {"cross_join_input": {"left_select": {"select": left}, "right_select": {"select": right}}}


CASES = [
    NodeCase(cross(), (LEFT, RIGHT)),
    NodeCase(cross([{"old_name": "b", "new_name": "c"}, {"old_name": "a", "keep": False}]), (LEFT, RIGHT)),
]


def test_cross_join_pairs_all_rows_left_major() -> None:
    expected = pl.DataFrame({"a": [1, 1, 1, 2, 2, 2], "b": [*"xxxyyy"], "a_right": [True, False, None] * 2})
    assert_node("cross_join", cross(), [LEFT, RIGHT], expected)


@pytest.mark.parametrize("values", [[*"wxyz", None], [{"f": 1}, None, {"f": None}, {"f": 2}, None]])
def test_cross_join_that_is_streamed_keeps_nulls(values: list[Any]) -> None:
    expected = pl.DataFrame({"t": [value for value in values for _ in range(3)], "a": [True, False, None] * 5})
    context = LiteralContext(engine="streaming")
    assert_node("cross_join", cross(), [pl.DataFrame({"t": values}), RIGHT], expected, context=context)


def test_cross_join_renames_even_without_automatic_selection() -> None:
    settings = {**cross(left=["b"]), "auto_generate_selection": False}
    assert run_node("cross_join", settings, LEFT, RIGHT)["output-0"].columns == ["b", "a", "a_right"]


def test_cross_join_bare_and_long_lists_are_read() -> None:
    settings = {"cross_join_input": {"left_select": ["b"], "right_select": {"renames": [{"old_name": "a"}]}}}
    assert run_node("cross_join", settings, LEFT, RIGHT)["output-0"].columns == ["b", "a", "a_right"]


def test_cross_join_dropping_one_side_repeats_the_other() -> None:
    drop = [{"old_name": "a", "keep": False}]
    assert_node("cross_join", cross(right=drop), [LEFT, RIGHT], LEFT[[0, 0, 0, 1, 1, 1]])


def test_cross_join_name_taken_on_the_right_itself_fails() -> None:
    right = RIGHT.with_columns(a_right=1)
    with pytest.raises(DuplicateColumnError, match=r"'a_right' .*right columns 'a' and 'a_right'"):
        run_node("cross_join", cross(), LEFT, right)
