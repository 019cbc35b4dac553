"""Where nodes stand when their columns are drawn: as on the canvas, but with room for tall cards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flowfile_dagster.flow.graph import FlowGraph

#: Nodes of the canvas that are closer than this stand above each other.
_SAME_COLUMN = 90


class Place(NamedTuple):
    """A node's place: the number of its layer from the left, and what it is sorted by in there, from the top."""

    layer: int
    y: int


def place_nodes(graph: FlowGraph) -> dict[int, Place]:
    """A place for every node: by its position on the canvas, or by what it reads where positions tell nothing."""
    positions = {node_id: node.position for node_id, node in graph.nodes.items()}
    if len(set(positions.values())) < len(positions):
        return _by_inputs(graph)
    layers = _layers(x for x, _ in positions.values())
    return {node_id: Place(layers[x], y) for node_id, (x, y) in positions.items()}


def _layers(values: Iterable[int]) -> dict[int, int]:
    """The number of the layer of each x."""
    layers: dict[int, int] = {}
    start: int | None = None
    layer = -1
    for x in sorted(set(values)):
        if start is None or x - start >= _SAME_COLUMN:
            start, layer = x, layer + 1
        layers[x] = layer
    return layers


def _by_inputs(graph: FlowGraph) -> dict[int, Place]:
    places: dict[int, Place] = {}
    taken: dict[int, int] = {}
    for node in graph.nodes.values():
        layer = 1 + max((places[item.node_id].layer for item in node.inputs), default=-1)
        places[node.node_id] = Place(layer, taken.get(layer, 0) * 100)
        taken[layer] = taken.get(layer, 0) + 1
    return places
