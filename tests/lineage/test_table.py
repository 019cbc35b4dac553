"""The table on an asset's page: readable, bounded, and no way for a name to become markup."""

from pathlib import Path

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.lineage.columns import ColumnId, flow_columns
from flowfile_dagster.lineage.table import MAX_BYTES, lineage_table
from tests.factories import JsonObject, formula, manual, node, write_flow


def table(folder: Path, nodes: list[JsonObject], node_id: int) -> str:
    flow = load_flow(write_flow(folder / "f.json", nodes))
    schema = flow.schemas()[node_id, "output-0"]
    columns = None if schema is None else [ColumnId("f", node_id, "output-0", name) for name in schema]
    return lineage_table(flow_columns("f", flow.graph, flow.predictions), columns, lambda found: f"n{found.node_id}")


def test_table_names_origins_and_the_nodes_between(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", "[a] + [b]"), formula(3, 2, "d", "[c] * 2")]
    assert table(tmp_path, nodes, 3).splitlines() == [
        "| column | comes from | through |",
        "| --- | --- | --- |",
        "| a | n1.a | n2 |",
        "| b | n1.b | n2 |",
        "| c | n1.a, n1.b | n2 |",
        "| d | n1.a, n1.b | n2 |",
    ]


@pytest.mark.parametrize(
    ("settings", "node_type", "expected"),
    [
        ({"polars_code_input": {"polars_code": "input_df"}}, "polars_code", "opaque: the columns are not known"),
        (
            {"sql_query_input": {"sql_code": "SELECT a FROM (SELECT a FROM input_1) AS t"}},
            "sql_query",
            "| a | opaque: ",
        ),
        ({}, "record_count", "no column: constant, counted or numbered"),
    ],
)
def test_table_says_plainly_what_has_no_origin(
    tmp_path: Path, settings: JsonObject, node_type: str, expected: str
) -> None:
    assert expected in table(tmp_path, [manual(1, {"a": [1]}), node(2, node_type, settings, 1)], 2)


def test_table_of_a_wide_output_is_bounded_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    text = table(tmp_path, [manual(1, {f"column {number} {'x' * 200}": [1] for number in range(300)})], 1)
    assert len(text.encode()) <= MAX_BYTES
    assert text.endswith(" of 300 columns")


def test_name_of_a_column_cannot_become_markup(tmp_path: Path) -> None:
    assert "| \\<b>\\|x \\`y\\` | read here |  |" in table(tmp_path, [manual(1, {"<b>|x\n`y`": [1]})], 1)
