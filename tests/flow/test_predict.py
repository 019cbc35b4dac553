"""One walk gives every node its schema and lineage; nothing is run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.engine import context as engine_context
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.predict import predict_graph
from flowfile_dagster.nodes.filter import Filter
from flowfile_dagster.nodes.unique import Unique
from tests.factories import JsonObject, fifteen_nodes, formula, join, manual, node, write_flow

PIVOT: JsonObject = {
    "pivot_input": {"index_columns": ["a"], "pivot_column": "b", "value_col": "c", "aggregations": ["sum"]}
}
SOURCE = manual(1, {"a": [1], "b": ["x"], "c": [2]}, "Int64", "String", "Int64")


def load(folder: Path, *nodes: JsonObject, **settings: Any) -> Flow:
    return load_flow(write_flow(folder / "shop.json", nodes, **settings))


def schema_of(flow: Flow, node_id: int, handle: str = "output-0") -> pl.Schema | None:
    return flow.schemas()[node_id, handle]


def output_fields(*names: str) -> JsonObject:
    fields = [{"name": name, "data_type": "String"} for name in names]
    return {"enabled": True, "validation_mode_behavior": "add_missing", "fields": fields}


def test_schema_is_that_of_the_run_for_every_node(tmp_path: Path) -> None:
    flow = load(tmp_path, *fifteen_nodes())
    predicted, run = flow.schemas(), flow.run()
    assert len(predicted) == 15
    assert predicted == {(node_id, "output-0"): run.frame(node_id).schema for node_id in flow.nodes}


def test_prediction_collects_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_context, "collect", lambda frame: pytest.fail("a plan was run"))
    monkeypatch.setattr(pl.LazyFrame, "collect", lambda *given, **named: pytest.fail("a plan was run"))
    assert None not in load(tmp_path, *fifteen_nodes()).schemas().values()


def test_chain_of_ten_thousand_nodes_builds_each_node_once_and_on_nothing_but_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    build = Unique.build

    def note(self: Unique, settings: Any, frames: Sequence[pl.LazyFrame], context: Any) -> Any:
        plans.append(frames[0].explain(optimized=False))
        return build(self, settings, frames, context)

    monkeypatch.setattr(Unique, "build", note)
    uniques = [node(number, "unique", {"unique_input": {"columns": ["a"]}}, number - 1) for number in range(2, 10_001)]
    flow = load(tmp_path, manual(1, {"a": [1]}), *uniques)
    assert schema_of(flow, 10_000) == {"a": pl.Int64}
    assert len(plans) == 9_999
    assert set(plans) == {plans[0]}


def test_opaque_schema_makes_what_is_below_opaque_and_nothing_else(tmp_path: Path) -> None:
    nodes = [SOURCE, node(2, "pivot", PIVOT, 1), formula(3, 2, "d", "[a]"), formula(4, 1, "d", "[a]")]
    flow = load(tmp_path, *nodes, node(5, "union", {}, 3, 4), node(6, "record_count", {}, 3))
    assert [node_id for (node_id, _), schema in flow.schemas().items() if schema is None] == [2, 3, 5, 6]
    assert all(prediction.error is None for prediction in flow.predictions.values())
    assert flow.predictions[5].lineage == {"output-0": None}
    assert flow.predictions[4].lineage["output-0"] is not None


@pytest.mark.parametrize(
    "broken",
    [
        formula(2, 1, "d", "[nope] + 1"),
        node(2, "sort", None, 1),
        node(2, "sort", {"sort_input": "x"}, 1),
        node(2, "no_such_type", {}, 1),
        node(2, "sort", {"sort_input": []}),
        {"id": 2, "type": "read", "input_ids": [], "right_input_id": None,
         "setting_input": {"received_file": {"path": "gone.csv", "file_type": "csv"}}},
    ],
)  # fmt: skip
def test_broken_node_is_opaque_and_leaves_the_others(tmp_path: Path, broken: JsonObject) -> None:
    flow = load(tmp_path, SOURCE, broken, formula(3, 2, "e", "1"), formula(4, 1, "f", "[a]"))
    error = flow.predictions[2].error
    assert error is not None
    assert str(error).startswith(f"shop / 2 / {broken['type']}: ")
    assert schema_of(flow, 2) is schema_of(flow, 3) is None
    assert flow.predictions[3].error is None
    assert schema_of(flow, 4) == {"a": pl.Int64, "b": pl.String, "c": pl.Int64, "f": pl.Int64}


@pytest.mark.parametrize("failure", [ValueError("boom"), pl.exceptions.PanicException("boom"), RecursionError("boom")])
def test_node_type_that_breaks_in_prediction_does_not_take_down_the_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*given: object) -> Mapping[str, pl.Schema]:
        raise failure

    monkeypatch.setattr(Filter, "predict", fail)
    flow = load(
        tmp_path, SOURCE, node(2, "filter", {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}}, 1)
    )
    assert str(flow.predictions[2].error).splitlines()[0] == "shop / 2 / filter: boom"


def test_known_schema_stands_in_for_an_opaque_one_and_what_is_below_is_predicted_from_it(tmp_path: Path) -> None:
    flow = load(tmp_path, SOURCE, node(2, "pivot", PIVOT, 1), formula(3, 2, "d", "[x]"))
    stored = pl.Schema({"a": pl.Int64, "x": pl.Int64})
    predictions = predict_graph(flow.graph, NodeContext(flow.graph, is_prediction=True), {2: {"output-0": stored}})
    assert predictions[2].schemas["output-0"] == stored
    assert predictions[3].schemas["output-0"] == {"a": pl.Int64, "x": pl.Int64, "d": pl.Int64}
    assert predictions[3].lineage["output-0"] == {
        "a": (ColumnOrigin(0, "a"),), "x": (ColumnOrigin(0, "x"),), "d": (ColumnOrigin(0, "x"),),
    }  # fmt: skip


def test_known_schema_never_replaces_a_predicted_one(tmp_path: Path) -> None:
    flow = load(tmp_path, manual(1, {"a": [1]}), manual(2, {}))
    stored = {"output-0": pl.Schema({"z": pl.Int64})}
    predictions = predict_graph(flow.graph, NodeContext(flow.graph, is_prediction=True), {1: stored, 2: stored})
    assert [prediction.schemas["output-0"] for prediction in predictions.values()] == [{"a": pl.Int64}, {}]


def test_every_output_of_a_split_has_its_schema(tmp_path: Path) -> None:
    settings = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    split = node(2, "filter", settings, 1, outputs=[3], output_handles=["output-1"])
    flow = load(tmp_path, SOURCE, split, formula(3, 2, "d", "1"))
    assert schema_of(flow, 2) == schema_of(flow, 2, "output-1") == schema_of(flow, 1)
    assert schema_of(flow, 3) is not None


def test_output_fields_shape_the_prediction_and_its_lineage(tmp_path: Path) -> None:
    settings = {"output_field_config": output_fields("a", "z"), "record_id_input": {}}
    flow = load(tmp_path, SOURCE, node(2, "record_id", settings, 1))
    assert schema_of(flow, 2) == {"a": pl.Int64, "z": pl.String}
    assert flow.predictions[2].lineage["output-0"] == {"a": (ColumnOrigin(0, "a"),), "z": ()}


def test_lineage_counts_inputs_in_the_order_of_their_frames(tmp_path: Path) -> None:
    flow = load(tmp_path, SOURCE, manual(2, {"a": [1], "d": [2]}), join(3, 1, 2, "a"))
    lineage = flow.predictions[3].lineage["output-0"]
    assert lineage is not None
    assert lineage["c"] == (ColumnOrigin(0, "c"),)
    assert lineage["d"] == (ColumnOrigin(1, "d"),)


@pytest.mark.parametrize(("wanted", "columns"), [(True, ["a", "b"]), (False, ["a"])])
def test_union_below_a_parameter_gate_is_predicted_from_what_the_gate_leaves_open(
    tmp_path: Path, wanted: bool, columns: list[str]
) -> None:
    gate = {"gate_input": {"condition_source": "parameter", "parameter": "extra", "operator": "is_true"}}
    nodes = [
        manual(1, {"b": ["x"]}, "String"),
        manual(2, {"a": [1]}),
        node(3, "gate", gate, 1),
        node(4, "union", {"union_input": {"mode": "relaxed"}}, 2, 3),
    ]
    parameters = [{"name": "extra", "type": "boolean", "default_value": str(wanted).lower()}]
    flow = load(tmp_path, *nodes, parameters=parameters)
    assert list(schema_of(flow, 4) or {}) == columns == flow.run().frame(4).columns
    lineage = flow.predictions[4].lineage["output-0"] or {}
    assert {column: list(origins) for column, origins in lineage.items()} == {
        name: [ColumnOrigin(["a", "b"].index(name), name)] for name in columns
    }
    assert schema_of(flow, 3) == pl.Schema({"b": pl.String})


def test_lineage_of_a_union_counts_a_closed_input(tmp_path: Path) -> None:
    gate = {"gate_input": {"condition_source": "parameter", "parameter": "extra", "operator": "is_true"}}
    nodes = [
        manual(1, {"a": [1]}),
        manual(2, {"a": [1]}),
        node(3, "gate", gate, 1),
        node(4, "union", {"union_input": {"mode": "relaxed"}}, 3, 2),
    ]
    parameters = [{"name": "extra", "type": "boolean", "default_value": "false"}]
    flow = load(tmp_path, *nodes, parameters=parameters)
    assert flow.predictions[4].lineage["output-0"] == {"a": (ColumnOrigin(1, "a"),)}


def test_lineage_of_a_pivot_is_known_with_the_schema_of_its_result(tmp_path: Path) -> None:
    flow = load(tmp_path, SOURCE, node(2, "pivot", PIVOT, 1), formula(3, 2, "d", "[x]"))
    known = {2: {"output-0": pl.Schema({"a": pl.Int64(), "x": pl.Int64()})}}
    predictions = predict_graph(flow.graph, NodeContext(flow.graph, is_prediction=True), known)
    assert predictions[2].lineage["output-0"] == {"a": (ColumnOrigin(0, "a"),), "x": (ColumnOrigin(0, "c"),)}
    assert predictions[3].lineage["output-0"] is not None


def test_reader_is_predicted_with_what_it_will_find(tmp_path: Path) -> None:
    reader = node(1, "read", {"received_file": {"path": "missing.csv", "file_type": "csv"}})
    flow = load(tmp_path, reader, formula(2, 1, "b", "[a] + 1"))
    read = {1: pl.Schema({"a": pl.Int64()})}
    predictions = predict_graph(flow.graph, NodeContext(flow.graph, is_prediction=True), read=read)
    assert predictions[1].error is None
    assert predictions[2].schemas == {"output-0": pl.Schema({"a": pl.Int64(), "b": pl.Int64()})}
