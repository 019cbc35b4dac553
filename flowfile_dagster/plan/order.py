"""Whose row order matters. Where it does not, joins and groupings may choose the faster plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.wiring import Input


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


def order_keepers(graph: FlowGraph, members: Mapping[int, Sequence[Input]], ordered: Collection[int]) -> frozenset[int]:
    """The members of a segment that are to keep an order that their rows have.

    Those in `ordered` are. An operation that makes an order is for the rows that are equal to it, unless its input
    comes in any order anyway, as from a join or a grouping that need not keep one.
    """
    keepers: set[int] = set()
    open_order: set[int] = set()
    for node_id, inputs in members.items():
        traits, is_open = graph.nodes[node_id].traits, any(item.node_id in open_order for item in inputs)
        if Trait.ORDER_PRODUCING in traits:
            if not is_open:
                keepers.add(node_id)
        elif node_id in ordered:
            keepers.add(node_id)
        elif is_open or (Trait.WIDE in traits and Trait.ORDER_SENSITIVE not in traits):
            open_order.add(node_id)
    return frozenset(keepers)
