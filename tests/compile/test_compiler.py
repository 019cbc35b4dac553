"""One flow in its compiled form, and that form as JSON."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.compile.compiler import compile_flow
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow, from_json, to_json
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.nodes.read import Read
from flowfile_dagster.plan.node_hash import settings_hash
from flowfile_dagster.store.store import ResultStore
from tests.factories import JsonObject, fifteen_nodes, formula, manual, node, read_csv, write_file, write_flow


def compiled(path: Path, **parameters: object) -> CompiledFlow | BrokenFlow:
    return compile_flow(read_flow_text(path), root=None, parameters=parameters, checked={}, store=None)


def through_json(flow: CompiledFlow | BrokenFlow) -> CompiledFlow | BrokenFlow:
    return from_json(json.loads(json.dumps(to_json(flow))))


def flow_of_everything(folder: Path) -> Path:
    data = folder / "in.csv"
    data.write_text("a,b\n1,x\n")
    settings = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > ${p}"}, "split_mode": True}
    nodes = [
        read_csv(1, data, node_reference="orders", description="all orders", group_id=1, x_position=5, y_position=-6),
        node(2, "filter", settings, 1, outputs=[3], output_handles=["output-1"]),
        write_file(3, 2, folder / "out.csv"),
        node(4, "sort", None, 1),
        formula(5, 1, "z", "[nope]"),
        node(6, "pivot", {"pivot_input": {"index_columns": ["a"], "pivot_column": "b", "value_col": "a"}}, 1),
    ]
    parameters = [
        {"name": "p", "type": "integer", "default_value": "0"},
        {"name": "e", "type": "enum", "enum_values": ["x"]},
    ]
    path = write_flow(
        folder / "all.json", nodes, parameters=parameters, description="about", execution_mode="Development"
    )
    value: JsonObject = json.loads(path.read_text())
    path.write_text(
        json.dumps({**value, "groups": [{"id": 1, "name": "Input"}], "comments": [{"id": 1, "text": "new"}]})
    )
    return path


def test_json_form_is_read_back_equal(tmp_path: Path) -> None:
    for flow in (compiled(flow_of_everything(tmp_path)), BrokenFlow("a", "/a.json", "because")):
        again = through_json(flow)
        assert json.dumps(to_json(again)) == json.dumps(to_json(flow))
        assert through_json(again) == again
        assert type(again) is type(flow)


def test_compiled_form_says_what_the_graph_says(tmp_path: Path) -> None:
    path = flow_of_everything(tmp_path)
    flow, graph = compiled(path), load_flow(path).graph
    assert isinstance(flow, CompiledFlow)
    assert (flow.name, flow.path, flow.execution_mode, flow.description) == ("all", str(path), "development", "about")
    read, split, output, unset, wrong, pivot = flow.nodes
    assert [entry.node_id for entry in flow.nodes] == list(graph.nodes)
    assert (read.name, read.description, read.group, read.position) == ("orders", "all orders", "Input", (5, -6))
    assert [entry.notes for entry in flow.nodes if entry.notes] == ["new"]
    assert [source.uri for source in read.sources] == [str(tmp_path / "in.csv")]
    assert (list(split.handle_labels), output.inputs[0].handle) == (["pass", "fail"], "output-1")
    assert (output.target, "sink" in output.traits) == (str(tmp_path / "out.csv"), True)
    assert unset.problem == "setting_input: the node has not been configured in Flowfile"
    assert wrong.problem is None
    assert wrong.warning is not None
    assert "column 'nope'" in wrong.warning
    assert pivot.schemas == {"output-0": None}
    assert "opaque" in pivot.lineage_tables["output-0"]
    assert "| a | orders.a |  |" in split.lineage_tables["output-1"]
    assert pivot.warning is None
    assert [entry.settings_hash for entry in flow.nodes] == [settings_hash(entry) for entry in graph.nodes.values()]
    assert [(item.name, item.default, list(item.enum_values)) for item in flow.parameters] == [
        ("p", 0, []),
        ("e", "", ["x"]),
    ]


def test_schemas_and_lineage_are_those_of_the_prediction(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "f.json", fifteen_nodes())
    flow, predictions = compiled(path), load_flow(path).predictions
    assert isinstance(flow, CompiledFlow)
    for entry in flow.nodes:
        schema, lineage = entry.schemas["output-0"], entry.lineage["output-0"]
        assert schema is not None
        assert lineage is not None
        assert [name for name, _ in schema] == list(predictions[entry.node_id].schemas["output-0"] or ())
        assert set(lineage) == {name for name, _ in schema}


def test_flow_that_does_not_load_is_a_broken_flow(tmp_path: Path) -> None:
    cycle = write_flow(tmp_path / "cycle.json", [formula(1, 1, "b", "1")])
    unknown = write_flow(tmp_path / "f.json", [manual(1, {"a": [1]})])
    for flow, cause in ((compiled(cycle), "cycle"), (compiled(unknown, nope=1), "parameter 'nope'")):
        assert isinstance(flow, BrokenFlow)
        assert cause in flow.error


def test_mistake_of_ours_in_a_flow_is_a_broken_flow_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Read, "target", fail)
    path = flow_of_everything(tmp_path)
    flow = compiled(path)
    assert isinstance(flow, BrokenFlow)
    assert flow.error == f"{path}: RuntimeError: a mistake"


def test_source_that_is_no_path_watches_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Read, "predict", lambda *given: {"output-0": None})
    received = {"path": "https://example.org/x.csv", "file_type": "csv"}
    flow = compiled(write_flow(tmp_path / "f.json", [node(1, "read", {"received_file": received})]))
    assert isinstance(flow, CompiledFlow)
    assert [(source.uri, list(source.state)) for source in flow.nodes[0].sources] == [("https://example.org/x.csv", [])]


def test_compiling_creates_no_store(tmp_path: Path) -> None:
    data, store = tmp_path / "in.csv", ResultStore(tmp_path / "store")
    data.write_text("day\n2024-01-31\n")
    os.utime(data, (1, 1))
    text = read_flow_text(write_flow(tmp_path / "a.json", [read_csv(1, data)]))
    flow = compile_flow(text, root=None, parameters={}, checked={}, store=store)
    assert isinstance(flow, CompiledFlow)
    assert flow.nodes[0].schemas["output-0"] == [("day", "Date")]
    assert not store.base.exists()


@pytest.mark.parametrize(
    "change", [{"format": 0}, {"nodes": [{}]}, {"nodes": 7}, {"parameters": [{"x": 1}]}, {"extra": 1}]
)
def test_other_form_is_not_read(tmp_path: Path, change: JsonObject) -> None:
    value = to_json(compiled(write_flow(tmp_path / "f.json", [manual(1, {"a": [1]})])))
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_json(json.loads(json.dumps({**value, **change})))
