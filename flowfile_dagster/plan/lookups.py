"""Lookups in a row: nodes that can be built as one plan, so that a lookup's own lookups are joined to it first.

For every line its order is looked up, and for the order its customer. There are fewer orders than lines, so it takes
less to join the customers to the orders. Polars joins tables in the order in which they are given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.wiring import Input


@dataclass(frozen=True)
class LookupChain:
    """Nodes of one type that look something up, each for the rows of the one before.

    Attributes:
        nodes: in order.
        tables: the first input of the first node, then what each node looks up.
        sources: for each table the columnar source that it is made of, row by row; None where there is none.
        whole: the numbers of the tables of which no setting drops rows. The first one is among them.
        deciding: the columns of the result whose values decide which rows are dropped right after the last node.
    """

    nodes: tuple[int, ...]
    tables: tuple[Input, ...]
    sources: tuple[Input | None, ...]
    whole: frozenset[int]
    deciding: frozenset[str]


def lookup_chains(
    graph: FlowGraph, members: Mapping[int, Sequence[Input]], keepers: Collection[int]
) -> dict[int, LookupChain]:
    """The chains among the members of a segment, by their last node. `keepers` keep the order of their rows."""
    ends: dict[int, list[int]] = {}
    for node_id, inputs in members.items():
        if node_id not in keepers and _looks_up(graph.nodes[node_id]):
            before = inputs[0].node_id
            is_next = before in ends and graph.consumers[before] == (node_id,) and _is_alike(graph, before, node_id)
            ends[node_id] = [*(ends.pop(before) if is_next else ()), node_id]
    found = {end: _chain(graph, members, nodes) for end, nodes in ends.items() if len(nodes) > 1}
    return {end: chain for end, chain in found.items() if 0 in chain.whole}


def _looks_up(node: FlowNode) -> bool:
    return Trait.LOOKUP in node.traits and node.output_fields is None


def _is_alike(graph: FlowGraph, before: int, node_id: int) -> bool:
    """Whether two nodes have one type, and the second one does not look up what it looks up for."""
    nodes = graph.nodes[before], graph.nodes[node_id]
    return nodes[0].kind is nodes[1].kind and nodes[1].inputs[1].node_id != before


def _chain(graph: FlowGraph, members: Mapping[int, Sequence[Input]], nodes: Sequence[int]) -> LookupChain:
    tables = (members[nodes[0]][0], *(members[node_id][1] for node_id in nodes))
    ways = [_way_to_source(graph, members, table) for table in tables]
    whole = (
        number for number, way in enumerate(ways) if way and not any(_deciding(graph, item.node_id) for item in way)
    )
    sources = tuple(way[-1] if way else None for way in ways)
    return LookupChain(tuple(nodes), tables, sources, frozenset(whole), _deciding_after(graph, members, nodes[-1]))


def _way_to_source(graph: FlowGraph, members: Mapping[int, Sequence[Input]], table: Input) -> list[Input]:
    """From a table to the columnar source that it is made of, row by row; nothing where there is none."""
    way = [table]
    while way[-1].node_id in members:
        node, inputs = graph.nodes[way[-1].node_id], members[way[-1].node_id]
        if Trait.NARROW not in node.traits or Trait.VOLATILE in node.traits or len(inputs) > 1:
            break
        if not inputs:
            return way
        way.append(inputs[0])
    return []


def _deciding_after(graph: FlowGraph, members: Mapping[int, Sequence[Input]], node_id: int) -> frozenset[str]:
    """What decides up to the next node that sees many rows: Polars drops rows as soon as it can."""
    found: set[str] = set()
    while len(graph.consumers[node_id]) == 1:
        (node_id,) = graph.consumers[node_id]
        if node_id not in members or Trait.NARROW not in graph.nodes[node_id].traits:
            break
        found.update(_deciding(graph, node_id))
    return frozenset(found)


def _deciding(graph: FlowGraph, node_id: int) -> frozenset[str]:
    node = graph.nodes[node_id]
    settings: Any = node.settings
    return node.kind.deciding_columns(settings)
