"""Lineage composed over a group of nodes, as a segment has it."""

from pathlib import Path

from flowfile_dagster import load_flow
from flowfile_dagster.flow.lineage import ColumnSource, compose_lineage
from tests.factories import fifteen_nodes, formula, join, manual, node, write_flow


def test_lineage_of_a_group_leads_to_the_columns_that_it_reads(tmp_path: Path) -> None:
    flow = load_flow(write_flow(tmp_path / "f.json", fifteen_nodes()))
    lineage = compose_lineage(flow.graph, flow.predictions, [3, 4, 5])["output-0"]
    assert lineage is not None
    assert lineage["e"] == (ColumnSource(1, "output-0", "a"), ColumnSource(1, "output-0", "b"))


def test_lineage_of_a_group_ends_at_its_members_without_inputs(tmp_path: Path) -> None:
    flow = load_flow(write_flow(tmp_path / "f.json", fifteen_nodes()))
    lineage = compose_lineage(flow.graph, flow.predictions, [2, 13])["output-0"]
    assert lineage is not None
    assert lineage["j"] == (ColumnSource(2, "output-0", "c"),)


def test_opaque_branch_of_a_join_leaves_the_columns_of_the_other_known(tmp_path: Path) -> None:
    query = {"sql_query_input": {"sql_code": "WITH t AS (SELECT * FROM input_1) SELECT * FROM t"}}
    nodes = [
        manual(1, {"a": [1], "b": [2]}),
        manual(2, {"a": [1], "c": [2]}),
        node(3, "sql_query", query, 2),
        join(4, 1, 3, "a"),
        formula(5, 4, "d", "[b] + 1"),
        formula(6, 5, "e", "[b] + [c]"),
    ]
    flow = load_flow(write_flow(tmp_path / "f.json", nodes))
    assert compose_lineage(flow.graph, flow.predictions, [3]) == {"output-0": None}
    lineage = compose_lineage(flow.graph, flow.predictions, [3, 4, 5, 6])["output-0"]
    assert lineage is not None
    assert lineage["d"] == (ColumnSource(1, "output-0", "b"),)
    assert "e" not in lineage
