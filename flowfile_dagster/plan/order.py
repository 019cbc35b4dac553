"""Whose row order matters. Where it does not, joins and groupings may choose the faster plan."""

from __future__ import annotations

from collections.abc import Collection

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph


def ordered_nodes(graph: FlowGraph, kept: Collection[int] = ()) -> frozenset[int]:
    """The nodes whose row order reaches something that depends on it, before an operation makes another order.

    That is an operation which looks at the order, or a result in `kept`: such a result is the same each time it is
    computed. What is only stored for other segments is not kept. In what a sink writes to a file, the order counts as
    undefined where the last operation does not define it, as in Flowfile.
    """
    ordered = set(kept)
    for node_id in reversed(list(graph.nodes)):
        for reader in graph.consumers[node_id]:
            traits = graph.nodes[reader].traits
            hands_on = reader in ordered and Trait.ORDER_PRODUCING not in traits
            if Trait.ORDER_SENSITIVE in traits or hands_on:
                ordered.add(node_id)
    return frozenset(ordered)
