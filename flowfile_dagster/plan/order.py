"""Whose row order matters. Where it does not, joins and groupings may choose the faster plan."""

from __future__ import annotations

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph


def ordered_nodes(graph: FlowGraph) -> frozenset[int]:
    """The nodes whose row order reaches an operation that depends on it, before another order is made.

    The order of what a flow delivers counts as undefined where the last operation does not define it, as in Flowfile.
    """
    ordered: set[int] = set()
    for node_id in reversed(list(graph.nodes)):
        for reader in graph.consumers[node_id]:
            traits = graph.nodes[reader].traits
            hands_on = reader in ordered and Trait.ORDER_PRODUCING not in traits
            if Trait.ORDER_SENSITIVE in traits or hands_on:
                ordered.add(node_id)
    return frozenset(ordered)
