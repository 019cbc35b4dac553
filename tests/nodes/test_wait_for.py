import polars as pl

from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings

ROWS = pl.DataFrame({"a": [2, 1], "b": ["x", None]})
SIGNAL = pl.DataFrame({"done": [True]})
CASES = [NodeCase({}, (ROWS, SIGNAL))]


def test_wait_for_delivers_the_main_input() -> None:
    assert_node("wait_for", {}, [ROWS, SIGNAL], ROWS)


def test_wait_for_opaque_right_input_leaves_the_schema_known() -> None:
    node = find_node_type("wait_for")
    assert node.predict(parse_settings("wait_for", {}), [ROWS.schema, None], LiteralContext()) == {
        "output-0": ROWS.schema
    }
