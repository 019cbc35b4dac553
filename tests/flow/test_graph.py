from pathlib import Path

import pytest

from flowfile_dagster import Flow, FlowFileError, load_flow
from flowfile_dagster.errors import SelectionError
from tests.factories import fifteen_nodes, formula, manual, node, write_flow


def load(folder: Path, *nodes: dict[str, object], root: Path | None = None) -> Flow:
    return load_flow(write_flow(folder / "shop.json", nodes), root=root)


def test_order_is_topological_and_by_id_among_equals(tmp_path: Path) -> None:
    nodes = [formula(1, 9, "b", "1"), manual(9, {"a": [1]}), manual(3, {"a": [1]}), formula(2, 3, "b", "1")]
    assert list(load(tmp_path, *nodes).nodes) == [3, 2, 9, 1]
    assert list(load(tmp_path, *reversed(nodes)).nodes) == [3, 2, 9, 1]


def test_consumers_are_listed_once_per_node(tmp_path: Path) -> None:
    flow = load(tmp_path, manual(1, {"a": [1]}), node(2, "union", {}, 1, 1), formula(3, 1, "b", "1"))
    assert flow.graph.consumers == {1: (2, 3), 2: (), 3: ()}


def test_ancestors_include_the_nodes_themselves_and_nothing_beside(tmp_path: Path) -> None:
    graph = load(tmp_path, *fifteen_nodes()).graph
    assert graph.ancestors([7]) == {1, 3, 4, 5, 6, 7}
    assert graph.ancestors([15, 8]) == {2, 13, 14, 15, 1, 3, 4, 5, 8}
    assert graph.ancestors([]) == frozenset()


def test_cycle_is_told_node_by_node(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 4, "b", "1"), formula(3, 2, "b", "1"), formula(4, 3, "b", "1")]
    with pytest.raises(FlowFileError, match="node 2: input_ids: the nodes form a cycle: 2 -> 3 -> 4 -> 2"):
        load(tmp_path, *nodes)


def test_node_is_found_by_id_text_or_reference(tmp_path: Path) -> None:
    graph = load(tmp_path, manual(1, {"a": [1]}, node_reference="orders")).graph
    assert [graph.find_node(name) for name in (1, "1", "orders")] == [1, 1, 1]
    with pytest.raises(SelectionError, match="shop: no node 'order'; nodes: orders"):
        graph.find_node("order")


def test_relative_path_stands_beside_the_flow_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, working = tmp_path / "flows", tmp_path / "work"
    for folder in (beside, working, working / "out"):
        folder.mkdir()
    monkeypatch.chdir(working)
    graph = load(beside).graph
    (working / "in.csv").touch()
    assert graph.resolve_path("in.csv") == working / "in.csv"
    (beside / "in.csv").touch()
    assert graph.resolve_path("in.csv") == beside / "in.csv"
    assert graph.resolve_path("out/new.csv") == working / "out" / "new.csv"
    assert graph.resolve_path("nowhere/new.csv") == beside / "nowhere" / "new.csv"
    assert graph.resolve_path(str(tmp_path / "x.csv")) == tmp_path / "x.csv"


def test_given_root_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    graph = load(tmp_path, root=tmp_path / "data").graph
    assert graph.resolve_path("in.csv") == tmp_path / "data" / "in.csv"
