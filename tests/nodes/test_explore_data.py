import polars as pl
import pytest

from tests.nodes.node_case import NodeCase, assert_node

ROWS = pl.DataFrame({"a": [2, 1], "b": [[1], None]})
CASES = [NodeCase({"graphic_walker_input": {"is_initial": True, "specList": []}}, (ROWS,)), NodeCase({}, (ROWS,))]


@pytest.mark.parametrize("charts", [None, {"is_initial": False, "specList": [{"x": 1}]}])
def test_explore_data_delivers_its_input_whatever_the_charts(charts: object) -> None:
    assert_node("explore_data", {"graphic_walker_input": charts}, [ROWS], ROWS)
