"""Segments: which nodes are built as one LazyFrame and collected once, and what becomes of their results."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph, FlowNode

#: Why a node is a root: its result is written (``sink``), is what the flow delivers (``output``), is marked
#: ``cache_results``, was ``selected``, is looked at by a ``check``, is dear and read by several (``fan-out``), comes
#: from chance or a clock and is read by others (``volatile``), or must be looked at as a whole before what follows can
#: be planned (``barrier``); ``node`` in development.
Reason: TypeAlias = Literal[
    "sink", "output", "cache_results", "selected", "check", "fan-out", "volatile", "barrier", "node"
]

#: A node with one of these is never built twice for one result, not even where Polars would see that it is the same.
ONCE_ONLY = frozenset({Trait.RANDOM, Trait.VOLATILE, Trait.RUNS_USER_CODE, Trait.BARRIER, Trait.SINK})


@dataclass(frozen=True)
class Segment:
    """What is built as one LazyFrame.

    `nodes` are in topological order, the root last. `inputs` are the roots of other segments that it reads, in
    topological order. Segments with the same `bundle`, the node that they share, are collected together.
    """

    root: int
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    reasons: tuple[Reason, ...]
    bundle: int | None = None


def wanted_roots(segments: Sequence[Segment]) -> tuple[int, ...]:
    """The roots that a whole flow is run for; the others only serve these."""
    return tuple(segment.root for segment in segments if set(segment.reasons) - {"fan-out", "volatile", "barrier"})


def passes_input_on(node: FlowNode) -> bool:
    """Whether a node delivers its first input as it is."""
    return Trait.PASSTHROUGH in node.traits and bool(node.inputs) and node.output_fields is None


def delivers_table(graph: FlowGraph, segment: Segment) -> bool:
    """Whether the root's rows are stored. What a fused sink streams to its file is not, unless that is looked at."""
    node = graph.nodes[segment.root]
    is_looked_at = bool({"node", "check"} & set(segment.reasons))
    is_streamed = Trait.SINK in node.traits and passes_input_on(node) and not is_looked_at
    return not is_streamed or bool(graph.consumers[segment.root])


def development_segments(graph: FlowGraph) -> tuple[Segment, ...]:
    """Each node by itself, in topological order."""
    return tuple(
        Segment(node.node_id, (node.node_id,), tuple(dict.fromkeys(item.node_id for item in node.inputs)), ("node",))
        for node in graph.nodes.values()
    )


def cheap_nodes(graph: FlowGraph, node_ids: Iterable[int], stored: Container[int]) -> frozenset[int]:
    """Nodes that do row by row work over columnar files or what is `stored`, without chance or foreign code.

    `node_ids` are those to look at, in topological order.
    """
    cheap: set[int] = set()
    for node_id in node_ids:
        node = graph.nodes[node_id]
        is_plain = Trait.NARROW in node.traits and not node.traits & ONCE_ONLY
        if is_plain and all(item.node_id in cheap or item.node_id in stored for item in node.inputs):
            cheap.add(node_id)
    return frozenset(cheap)
