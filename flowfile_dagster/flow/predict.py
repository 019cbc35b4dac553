"""One walk over a graph that gives every node its schema and column lineage. Runs no transformation.

Rows are read of files that do not say their types, and plans without rows are run where Polars plans another type.
Each node starts from the predicted schemas of its inputs, so the cost is linear in the number of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NODE_FAILURES, MaybeSchema
from flowfile_dagster.contract.output_fields import apply_output_fields, output_fields_lineage
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.admission import Outcome, admit, decide_without_data
from flowfile_dagster.flow.graph import FlowGraph, FlowNode, output_field_handles


@dataclass(frozen=True)
class NodePrediction:
    """What is known of a node before it runs; None is opaque. `error`: the node is already seen to fail."""

    schemas: Mapping[str, MaybeSchema]
    lineage: Mapping[str, ColumnLineage | None] = field(default_factory=dict[str, "ColumnLineage | None"])
    error: NodeError | None = None


def predict_graph(
    graph: FlowGraph,
    context: BuildContext,
    known: Mapping[int, Mapping[str, pl.Schema]] | None = None,
    read: Mapping[int, MaybeSchema] | None = None,
) -> dict[int, NodePrediction]:
    """The prediction of every node, in topological order.

    `known` holds schemas of results that exist already; they stand in where a prediction is opaque. `read` holds what
    readers will find, whatever they find now.
    """
    predictions: dict[int, NodePrediction] = {}
    outcomes: dict[int, Outcome] = {}
    open_handles: dict[int, frozenset[str]] = {}
    for node in graph.nodes.values():
        admission = admit(node, outcomes, open_handles)
        outcomes[node.node_id] = admission.outcome
        decided = decide_without_data(node, context)
        if decided is not None:
            open_handles[node.node_id] = decided
        if node.node_id in (read or {}):
            schema = (read or {})[node.node_id]
            lineage = None if schema is None else dict.fromkeys(schema, ())
            predictions[node.node_id] = NodePrediction({"output-0": schema}, {"output-0": lineage})
            continue
        # A node that a closed gate leaves out is predicted as if it ran: other parameters may open the gate.
        live = admission.inputs if admission.outcome == "done" else node.inputs
        inputs = [predictions[item.node_id].schemas.get(item.handle) for item in live]
        prediction = _predict_node(graph, node, inputs, context)
        stored = (known or {}).get(node.node_id)
        if stored and prediction.error is None:
            prediction = _with_stored(prediction, stored, node, inputs)
        if len(live) < len(node.inputs):
            prediction = _with_places(prediction, [node.inputs.index(item) for item in live])
        predictions[node.node_id] = prediction
    return predictions


def _with_stored(
    prediction: NodePrediction, stored: Mapping[str, pl.Schema], node: FlowNode, inputs: list[MaybeSchema]
) -> NodePrediction:
    """The prediction with the schemas of a result in place of opaque ones, and the lineage that these allow."""
    schemas = {handle: stored.get(handle) if given is None else given for handle, given in prediction.schemas.items()}
    if node.output_fields is not None:
        return replace(prediction, schemas=schemas)
    lineage = {
        handle: columns if prediction.schemas[handle] is not None else _lineage(node, inputs, schemas[handle])
        for handle, columns in prediction.lineage.items()
    }
    return replace(prediction, schemas=schemas, lineage=lineage)


def _with_places(prediction: NodePrediction, places: Sequence[int]) -> NodePrediction:
    """The prediction made from some of a node's inputs, with lineage that counts among all of them."""
    lineage = {
        handle: None
        if columns is None
        else {
            column: tuple(ColumnOrigin(places[origin.input], origin.column) for origin in origins)
            for column, origins in columns.items()
        }
        for handle, columns in prediction.lineage.items()
    }
    return replace(prediction, lineage=lineage)


def _predict_node(graph: FlowGraph, node: FlowNode, inputs: list[MaybeSchema], context: BuildContext) -> NodePrediction:
    opaque = dict.fromkeys(node.handles)
    if not node.can_run:
        return NodePrediction(opaque, opaque, graph.problem_error(node.node_id))
    kind: Any = node.kind
    try:
        schemas = dict(kind.predict(node.settings, inputs, context))
        lineage = {handle: _lineage(node, inputs, schema) for handle, schema in schemas.items()}
        _apply_output_fields(node, schemas, lineage)
    except NODE_FAILURES as error:
        return NodePrediction(opaque, opaque, NodeError.from_exception(graph.location(node.node_id), error))
    return NodePrediction(schemas, lineage)


def _lineage(node: FlowNode, inputs: list[MaybeSchema], output: MaybeSchema) -> ColumnLineage | None:
    known = [schema for schema in inputs if schema is not None]
    if output is None or len(known) < len(inputs):
        return None
    return node.kind.lineage(node.settings, known, output)


def _apply_output_fields(
    node: FlowNode, schemas: dict[str, MaybeSchema], lineage: dict[str, ColumnLineage | None]
) -> None:
    config = node.output_fields
    if config is None:
        return
    for handle in output_field_handles(node):
        schema = schemas.get(handle)
        if schema is not None:
            result = apply_output_fields(config, rowless(schema)).collect_schema()
            schemas[handle] = result
            lineage[handle] = output_fields_lineage(config, lineage.get(handle), result)
