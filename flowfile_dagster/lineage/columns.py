"""The columns of flows as a graph: what each is made of, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.predict import NodePrediction

#: A source delivers it; its node does not say what it is made of; it is made of others; it is made of none.
ColumnKind: TypeAlias = Literal["read", "opaque", "derived", "made"]


class NodeId(NamedTuple):
    """A node of one of several flows."""

    flow: str
    node_id: int


class ColumnId(NamedTuple):
    """A column of one output of a node."""

    flow: str
    node_id: int
    handle: str
    column: str

    @property
    def node(self) -> NodeId:
        """The node that delivers it."""
        return NodeId(self.flow, self.node_id)


@dataclass(frozen=True)
class Trace:
    """Where a column comes from.

    `origins` are columns that something outside delivers, and columns of opaque nodes; none for what is counted,
    numbered or constant. `through` has a bit for each node on the way, the column's own one included: see
    `ColumnGraph.nodes_of`.
    """

    origins: tuple[ColumnId, ...]
    through: int


@dataclass(frozen=True)
class ColumnGraph:
    """The known columns of some flows, in topological order.

    `parents`: the columns that each is made of. `read` are those that a source delivers, `opaque` those of nodes that
    do not say what they make them of; both are where a trace ends. `unknown` are the outputs whose columns are not
    known.
    """

    parents: Mapping[ColumnId, tuple[ColumnId, ...]]
    read: frozenset[ColumnId]
    opaque: frozenset[ColumnId]
    unknown: frozenset[tuple[NodeId, str]]

    def kind(self, column: ColumnId) -> ColumnKind:
        """How a column comes to be."""
        if column in self.read:
            return "read"
        if column in self.opaque:
            return "opaque"
        return "derived" if self.parents[column] else "made"

    @cached_property
    def children(self) -> Mapping[ColumnId, tuple[ColumnId, ...]]:
        """The columns that are made of each."""
        found: dict[ColumnId, list[ColumnId]] = {column: [] for column in self.parents}
        for column, parents in self.parents.items():
            for parent in parents:
                found[parent].append(column)
        return {column: tuple(children) for column, children in found.items()}

    @cached_property
    def traces(self) -> Mapping[ColumnId, Trace]:
        """The trace of every column, each from those of its parents."""
        found: dict[ColumnId, Trace] = {}
        for column, parents in self.parents.items():
            own = 1 << self._bits[column.node]
            if self.kind(column) in ("read", "opaque"):
                found[column] = Trace((column,), own)
                continue
            above = [found[parent] for parent in parents]
            for trace in above:
                own |= trace.through
            if len(above) == 1:
                origins = above[0].origins
            else:
                origins = tuple(dict.fromkeys(origin for trace in above for origin in trace.origins))
            found[column] = Trace(origins, own)
        return found

    @cached_property
    def _nodes(self) -> list[NodeId]:
        return list(dict.fromkeys(column.node for column in self.parents))

    @cached_property
    def _bits(self) -> Mapping[NodeId, int]:
        return {node: bit for bit, node in enumerate(self._nodes)}

    def nodes_of(self, trace: Trace) -> tuple[NodeId, ...]:
        """The nodes that a value goes through, from its origins on."""
        bits, found = trace.through, list[NodeId]()
        while bits:
            lowest = bits & -bits
            found.append(self._nodes[lowest.bit_length() - 1])
            bits ^= lowest
        return tuple(found)

    def way_of(
        self, trace: Trace, ends: Iterable[NodeId], half: int
    ) -> tuple[tuple[NodeId, ...], int, tuple[NodeId, ...]]:
        """The first and the last nodes between the ends, up to `half` each, and how many there are between those."""
        bits = trace.through
        for node in ends:
            bits &= ~(1 << self._bits[node])
        first, last = list[NodeId](), list[NodeId]()
        while bits and len(first) < half:
            lowest = bits & -bits
            first.append(self._nodes[lowest.bit_length() - 1])
            bits ^= lowest
        while bits and len(last) < half:
            highest = bits.bit_length() - 1
            last.append(self._nodes[highest])
            bits ^= 1 << highest
        return tuple(first), bits.bit_count(), tuple(reversed(last))

    def upstream(self, column: ColumnId) -> list[ColumnId]:
        """Every column that this one is made of, in topological order, without itself."""
        return self._reached(column, self.parents)

    def downstream(self, column: ColumnId) -> list[ColumnId]:
        """Every column that is made of this one, in topological order, without itself."""
        return self._reached(column, self.children)

    def _reached(self, start: ColumnId, steps: Mapping[ColumnId, tuple[ColumnId, ...]]) -> list[ColumnId]:
        found, waiting = {start}, [start]
        while waiting:
            fresh = [column for column in steps[waiting.pop()] if column not in found]
            found.update(fresh)
            waiting.extend(fresh)
        return [column for column in self.parents if column in found and column != start]


def flow_columns(flow: str, graph: FlowGraph, predictions: Mapping[int, NodePrediction]) -> ColumnGraph:
    """The columns of one flow. `flow` is its name in the project."""
    parents: dict[ColumnId, tuple[ColumnId, ...]] = {}
    read: list[ColumnId] = []
    opaque: list[ColumnId] = []
    unknown: list[tuple[NodeId, str]] = []
    for node in graph.nodes.values():
        prediction = predictions[node.node_id]
        for handle, schema in prediction.schemas.items():
            if schema is None:
                unknown.append((NodeId(flow, node.node_id), handle))
                continue
            lineage = prediction.lineage.get(handle)
            for name in schema:
                column = ColumnId(flow, node.node_id, handle, name)
                made_of = () if lineage is None else lineage[name]
                parents[column] = tuple(
                    ColumnId(flow, node.inputs[index].node_id, node.inputs[index].handle, origin)
                    for index, origin in made_of
                )
                if lineage is None:
                    opaque.append(column)
                elif not node.inputs:
                    read.append(column)
    return ColumnGraph(parents, frozenset(read), frozenset(opaque), frozenset(unknown))


def connect(graphs: Iterable[ColumnGraph], links: Mapping[ColumnId, ColumnId]) -> ColumnGraph:
    """Several flows as one graph.

    Args:
        graphs: the flows, so that each comes after those that it reads from.
        links: for columns of readers the written column that they read.
    """
    given = list(graphs)
    read = frozenset(column for graph in given for column in graph.read)
    linked = {column: (links[column],) for column in read if column in links}
    return ColumnGraph(
        {column: linked.get(column, parents) for graph in given for column, parents in graph.parents.items()},
        read - frozenset(linked),
        frozenset(column for graph in given for column in graph.opaque),
        frozenset(output for graph in given for output in graph.unknown),
    )
