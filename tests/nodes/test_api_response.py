import polars as pl
import pytest
from pydantic import ValidationError

from tests.nodes.node_case import NodeCase, assert_node, parse_settings

ROWS = pl.DataFrame({"a": [2, 1, 3]})
CASES = [NodeCase({"orientation": "columns", "max_rows": 2}, (ROWS,)), NodeCase({}, (ROWS,))]


def test_api_response_max_rows_does_not_limit_a_run() -> None:
    assert_node("api_response", {"orientation": "columns", "max_rows": 2}, [ROWS], ROWS)


def test_api_response_unknown_orientation_is_refused() -> None:
    with pytest.raises(ValidationError, match="'records' or 'columns'"):
        parse_settings("api_response", {"orientation": "rows"})
