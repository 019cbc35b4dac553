"""Which results configuration says something of, such as a check, so that performance mode stores them."""

from __future__ import annotations

from collections.abc import Mapping

from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.names import node_names


def checked_nodes(graph: FlowGraph, checked: Mapping[str, bool]) -> frozenset[int]:
    """The nodes whose results are looked at.

    `checked` are names of nodes, and whether a check of one counts the rows of the left input, too. Names
    that the flow does not have count for nothing: the configuration is refused elsewhere.
    """
    ids = {name: node_id for node_id, name in node_names(graph).items() if name in checked}
    inputs = {
        item.node_id for name, node_id in ids.items() if checked[name] for item in graph.nodes[node_id].inputs[:1]
    }
    return frozenset(ids.values()) | inputs
