import polars as pl
import pytest
from pydantic import ValidationError

from tests.nodes.node_case import NodeCase, assert_node, parse_settings

ROWS = pl.DataFrame({"a": [2, 1], "b": ["x", None]})
CASES = [NodeCase({"output_name": "result"}, (ROWS,))]


def test_flow_output_delivers_its_input() -> None:
    assert_node("flow_output", {"output_name": "result"}, [ROWS], ROWS)


def test_flow_output_name_with_other_characters_is_refused() -> None:
    with pytest.raises(ValidationError, match="'2nd' must begin with a letter"):
        parse_settings("flow_output", {"output_name": "2nd"})
