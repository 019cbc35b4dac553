"""From document to graph: a node that is wrong keeps its place and says why."""

from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.flow.document import parse_document
from flowfile_dagster.flow.resolve import resolve_graph
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.nodes.sort import Sort
from tests.factories import formula, manual, node, write_flow


@pytest.mark.parametrize("method", ["traits_of", "handles", "check"])
def test_node_type_that_fails_on_settings_cannot_run_and_leaves_the_rest_of_the_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(self: Sort, settings: Any) -> Any:
        raise KeyError("a fault of the type")

    monkeypatch.setattr(Sort, method, fail)
    nodes = [manual(1, {"a": [1]}), node(2, "sort", {}, 1), formula(3, 2, "b", "[a]"), formula(4, 1, "b", "[a]")]
    run = load_flow(write_flow(tmp_path / "flow.json", nodes)).run()
    assert run.status == {1: "computed", 2: "failed", 3: "skipped", 4: "computed"}
    assert "KeyError: 'a fault of the type'" in run.errors[2].cause


def test_nodes_known_to_be_sound_are_checked_again_only_where_parameters_stand_in_them(tmp_path: Path) -> None:
    condition = {"field": "a", "operator": "${operator}", "value": "1"}
    filtered = node(4, "filter", {"filter_input": {"mode": "basic", "basic_filter": condition}}, 1)
    nodes = [manual(1, {"a": [1]}), *(formula(number, 1, "b", "[a] +") for number in (2, 3)), filtered]
    parameters = [{"name": "operator", "default_value": "sounds like"}]
    document = parse_document(read_flow_text(write_flow(tmp_path / "flow.json", nodes, parameters=parameters)))
    graph = resolve_graph(document, sound={1, 2, 4})
    assert [node_id for node_id, found in graph.nodes.items() if found.problem] == [3, 4]
