"""Column lineage across several nodes: from the columns of a node back to those that the group of nodes begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.predict import NodePrediction


class ColumnSource(NamedTuple):
    """A column of one output of a node."""

    node_id: int
    handle: str
    column: str


#: Output column to the columns that it is made of, without those that are opaque; None if all are.
ComposedLineage: TypeAlias = Mapping[str, tuple[ColumnSource, ...]] | None


def compose_lineage(
    graph: FlowGraph, predictions: Mapping[int, NodePrediction], members: Sequence[int]
) -> dict[str, ComposedLineage]:
    """The lineage of every output of the last of `members`, which are in topological order.

    It goes back to outputs of nodes outside of them, and to those of members without inputs, such as readers.
    """
    composed: dict[tuple[int, str], ComposedLineage] = {}
    inside = set(members)
    for node_id in members:
        node = graph.nodes[node_id]
        for handle in node.handles:
            composed[node_id, handle] = _compose(node, handle, predictions[node_id], composed, inside)
    return {handle: composed[members[-1], handle] for handle in graph.nodes[members[-1]].handles}


def _compose(
    node: FlowNode,
    handle: str,
    prediction: NodePrediction,
    composed: Mapping[tuple[int, str], ComposedLineage],
    inside: set[int],
) -> ComposedLineage:
    lineage = prediction.lineage.get(handle)
    if lineage is None:
        return None
    if not node.inputs:
        return {column: (ColumnSource(node.node_id, handle, column),) for column in lineage}
    result: dict[str, tuple[ColumnSource, ...]] = {}
    for column, origins in lineage.items():
        found: dict[ColumnSource, None] = {}
        for index, name in origins:
            item = node.inputs[index]
            if item.node_id not in inside:
                found[ColumnSource(item.node_id, item.handle, name)] = None
                continue
            above = (composed[item.node_id, item.handle] or {}).get(name)
            if above is None:
                break
            found.update(dict.fromkeys(above))
        else:
            result[column] = tuple(found)
    return result
