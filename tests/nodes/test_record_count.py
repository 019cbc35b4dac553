import polars as pl
import pytest

from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings

ROWS = pl.DataFrame({"a": [1, None, 3]})
CASES = [NodeCase({}, (ROWS,)), NodeCase({}, (pl.DataFrame(),))]


@pytest.mark.parametrize(("rows", "count"), [(ROWS, 3), (ROWS.clear(), 0), (pl.DataFrame(), 0)])
def test_record_count_any_input_gives_one_row(rows: pl.DataFrame, count: int) -> None:
    assert_node(
        "record_count",
        {},
        [rows],
        pl.DataFrame({"number_of_records": [count]}, schema_overrides={"number_of_records": pl.UInt32}),
    )


def test_record_count_is_made_of_no_column() -> None:
    output = pl.Schema({"number_of_records": pl.UInt32()})
    lineage = find_node_type("record_count").lineage(parse_settings("record_count", {}), [ROWS.schema], output)
    assert lineage == {"number_of_records": ()}
