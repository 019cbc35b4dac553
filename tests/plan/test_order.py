"""Row order is kept where something depends on it, and only there."""

from pathlib import Path

from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.plan.order import order_keepers, ordered_nodes
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, write_flow

ROWS = manual(1, {"a": [1, 2]})
OTHER = manual(2, {"a": [1, 2], "b": [3, 4]})
NUMBER: JsonObject = {"record_id_input": {"output_column_name": "n"}}
SORT: JsonObject = {"sort_input": [{"column": "a"}]}


def ordered(folder: Path, *nodes: JsonObject) -> frozenset[int]:
    return ordered_nodes(read_graph(write_flow(folder / "flow.json", nodes)))


def test_order_matters_up_to_what_numbers_the_rows(tmp_path: Path) -> None:
    nodes = [ROWS, OTHER, join(3, 1, 2, "a"), advanced_filter(4, 3, "[a] > 0"), node(5, "record_id", NUMBER, 4)]
    assert ordered(tmp_path, *nodes) == {1, 2, 3, 4}


def test_order_does_not_matter_before_a_sort(tmp_path: Path) -> None:
    nodes = [ROWS, OTHER, join(3, 1, 2, "a"), node(4, "sort", SORT, 3), node(5, "record_id", NUMBER, 4)]
    assert ordered(tmp_path, *nodes) == {4}


def test_sort_by_nothing_makes_no_order(tmp_path: Path) -> None:
    nodes = [ROWS, OTHER, join(3, 1, 2, "a"), node(4, "sort", {"sort_input": []}, 3), node(5, "record_id", NUMBER, 4)]
    assert ordered(tmp_path, *nodes) == {1, 2, 3, 4}


def test_order_of_what_is_kept_matters_up_to_a_sort(tmp_path: Path) -> None:
    nodes = [ROWS, OTHER, join(3, 1, 2, "a"), formula(4, 3, "c", "[a]"), node(5, "sort", SORT, 3)]
    graph = read_graph(write_flow(tmp_path / "flow.json", nodes))
    assert ordered_nodes(graph, {4}) == {1, 2, 3, 4}
    assert ordered_nodes(graph, {5}) == {5}


def test_order_of_what_is_delivered_does_not_matter(tmp_path: Path) -> None:
    assert ordered(tmp_path, ROWS, OTHER, join(3, 1, 2, "a"), formula(4, 3, "c", "[a]")) == frozenset()


def test_sort_keeps_the_order_of_equal_rows_unless_what_comes_in_has_none(tmp_path: Path) -> None:
    below_read = [ROWS, formula(3, 1, "c", "[a]"), node(4, "sort", SORT, 3), node(5, "record_id", NUMBER, 4)]
    below_join = [ROWS, OTHER, join(3, 1, 2, "a"), node(4, "sort", SORT, 3), node(5, "record_id", NUMBER, 4)]
    for nodes, keepers in ((below_read, {4}), (below_join, set[int]())):
        graph = read_graph(write_flow(tmp_path / "flow.json", nodes))
        members = {item.node_id: item.inputs for item in graph.nodes.values()}
        assert order_keepers(graph, members, ordered_nodes(graph)) == keepers
        assert order_keepers(graph, members, graph.nodes) == graph.nodes.keys()
