"""The lineage of flows as one HTML file that needs nothing else: click a column, and its way lights up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.lineage.columns import ColumnId, NodeId
from flowfile_dagster.lineage.layout import place_nodes
from flowfile_dagster.lineage.project import Project, ProjectFlow

_DATA = "/*DATA*/"


def render_page(project: Project, selected: Iterable[ColumnId] = ()) -> str:
    """The page, with these columns lit from the start.

    What stands in flow files enters as JSON alone, and the page makes text of it, never markup.
    """
    template = files("flowfile_dagster.lineage").joinpath("page.html").read_text(encoding="utf-8")
    data = json.dumps(page_data(project, selected), ensure_ascii=True, separators=(",", ":"))
    # A browser ends a script at the first "</script", also inside a text.
    return template.replace(_DATA, data.replace("<", "\\u003c"), 1)


def page_data(project: Project, selected: Iterable[ColumnId] = ()) -> dict[str, Any]:
    """What the page draws, as JSON values; nodes and columns go by their numbers."""
    graph = project.columns
    numbers = {column: number for number, column in enumerate(graph.parents)}
    nodes = {
        NodeId(flow.name, node_id): number
        for number, (flow, node_id) in enumerate(
            (flow, node_id) for flow in project.flows.values() for node_id in flow.graph.nodes
        )
    }
    return {
        "flows": list(project.flows),
        "nodes": [
            node
            for number, flow in enumerate(project.flows.values())
            for node in _nodes(project, flow, number, numbers)
        ],
        "edges": [
            [nodes[NodeId(flow.name, item.node_id)], nodes[NodeId(flow.name, node.node_id)], 0]
            for flow in project.flows.values()
            for node in flow.graph.nodes.values()
            for item in node.inputs
        ]
        + [[nodes[writer], nodes[reader], 1] for reader, writer in project.writers.items()],
        "columns": [
            {
                "node": nodes[column.node],
                "name": column.column,
                "type": project.column_type(column),
                "kind": graph.kind(column),
            }
            for column in numbers
        ],
        "parents": [[numbers[parent] for parent in parents] for parents in graph.parents.values()],
        "selected": [numbers[column] for column in selected],
    }


def _nodes(
    project: Project, flow: ProjectFlow, number: int, columns: Mapping[ColumnId, int]
) -> Iterator[dict[str, Any]]:
    places = place_nodes(flow.graph)
    for node in flow.graph.nodes.values():
        outputs = []
        for handle, label in zip(node.handles, node.handle_labels, strict=True):
            schema = flow.schema(node.node_id, handle)
            known = [columns[ColumnId(flow.name, node.node_id, handle, name)] for name in schema or ()]
            outputs.append(
                {"label": label if len(node.handles) > 1 else "", "columns": None if schema is None else known}
            )
        yield {
            "flow": number,
            "name": flow.names[node.node_id],
            "type": node.node_type,
            "note": node.description,
            "problem": _problem(flow, node),
            "kind": _node_kind(flow, node),
            "layer": places[node.node_id].layer,
            "y": places[node.node_id].y,
            "outputs": outputs,
        }


def _problem(flow: ProjectFlow, node: FlowNode) -> str:
    error = flow.predictions[node.node_id].error
    return error.cause if error else ""


def _node_kind(flow: ProjectFlow, node: FlowNode) -> str:
    """How a node is drawn: it does not say what it makes, nothing is known above it, it reads, it writes, or else."""
    prediction = flow.predictions[node.node_id]
    if any(schema is None or prediction.lineage.get(handle) is None for handle, schema in prediction.schemas.items()):
        is_below = any(flow.schema(item.node_id, item.handle) is None for item in node.inputs)
        return "unknown-yet" if is_below else "opaque"
    if not node.inputs:
        return "source"
    return "sink" if Trait.SINK in node.traits else "plain"
