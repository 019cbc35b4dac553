import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

SAMPLE = {"columns": [{"name": "a", "data_type": "Int64"}], "data": [[1, None]]}
CASES = [NodeCase({"input_name": "orders", "raw_data_format": SAMPLE}), NodeCase({})]


def test_flow_input_alone_serves_its_sample_data() -> None:
    assert_node("flow_input", {"input_name": "x1", "raw_data_format": SAMPLE}, [], pl.DataFrame({"a": [1, None]}))


def test_flow_input_without_sample_data_has_no_columns() -> None:
    assert run_node("flow_input", {})["output-0"].shape == (0, 0)


@pytest.mark.parametrize("name", ["", "1a", "_a", "a b", "a-b"])
def test_flow_input_name_with_other_characters_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must begin with a letter"):
        parse_settings("flow_input", {"input_name": name})


def test_flow_input_name_does_not_enter_the_identity() -> None:
    node = find_node_type("flow_input")
    identities = [node.identity(parse_settings("flow_input", {"input_name": name})) for name in ("a", "b")]
    assert identities[0] == identities[1]
