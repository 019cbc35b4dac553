"""Columns of one flow as a graph: traces back to what is read, and forward to what is made."""

from pathlib import Path

from flowfile_dagster import load_flow
from flowfile_dagster.lineage.columns import ColumnGraph, ColumnId, NodeId, flow_columns
from tests.factories import JsonObject, fifteen_nodes, formula, manual, node, write_flow


def graph_of(folder: Path, nodes: list[JsonObject]) -> ColumnGraph:
    flow = load_flow(write_flow(folder / "f.json", nodes))
    return flow_columns(flow.name, flow.graph, flow.predictions)


def column(node_id: int, name: str, handle: str = "output-0") -> ColumnId:
    return ColumnId("f", node_id, handle, name)


def test_trace_leads_through_a_join_to_the_columns_that_are_read(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, fifteen_nodes())
    trace = graph.traces[column(11, "i")]
    assert trace.origins == (column(1, "a"), column(2, "c"))
    assert graph.nodes_of(trace) == tuple(NodeId("f", number) for number in (1, 2, 3, 4, 5, 6, 7, 10, 11))


def test_trace_of_a_column_that_is_only_counted_has_no_origin(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, fifteen_nodes())
    (counted,) = [found for found in graph.parents if found.node_id == 12]
    assert graph.traces[counted].origins == ()
    assert graph.nodes_of(graph.traces[counted]) == (NodeId("f", 12),)


def test_upstream_and_downstream_are_each_others_reverse(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, fifteen_nodes())
    for one in graph.parents:
        assert all(one in graph.downstream(above) for above in graph.upstream(one))
        assert all(one in graph.upstream(below) for below in graph.downstream(one))
    assert graph.downstream(column(3, "d"))[:2] == [column(4, "d"), column(4, "e")]


def test_trace_ends_at_a_node_that_does_not_say_what_it_makes(tmp_path: Path) -> None:
    query = {"sql_query_input": {"sql_code": "WITH t AS (SELECT a FROM input_1) SELECT a FROM t"}}
    nodes = [manual(1, {"a": [1]}), node(2, "sql_query", query, 1), formula(3, 2, "b", "[a] + 1")]
    graph = graph_of(tmp_path, nodes)
    assert graph.opaque == {column(2, "a")}
    assert graph.traces[column(3, "b")].origins == (column(2, "a"),)


def test_output_that_is_not_known_before_a_run_has_no_columns_yet(tmp_path: Path) -> None:
    code = {"polars_code_input": {"polars_code": "input_df"}}
    graph = graph_of(tmp_path, [manual(1, {"a": [1]}), node(2, "polars_code", code, 1), formula(3, 2, "b", "1")])
    assert graph.unknown == {(NodeId("f", 2), "output-0"), (NodeId("f", 3), "output-0")}


def test_long_chain_is_traced_within_the_size_of_its_columns(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1]}), *(formula(number, number - 1, "a", "[a] + 1") for number in range(2, 1001))]
    graph = graph_of(tmp_path, nodes)
    trace = graph.traces[column(1000, "a")]
    assert trace.origins == (column(1, "a"),)
    assert len(graph.nodes_of(trace)) == 1000
