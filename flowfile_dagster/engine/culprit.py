"""Which node of a segment is to blame for a failure. It costs what the segment costs in development mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.assembly import build_node
from flowfile_dagster.engine.context import NodeContext, NodeFrames
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.store.digest import ROWS_PER_BATCH


class Culprits:
    """The nodes of one run that were found to blame: one search is enough for all segments that share such a node."""

    def __init__(self, graph: FlowGraph) -> None:
        self._context = NodeContext(graph)
        self._found: dict[int, NodeError] = {}
        self._searching = Lock()

    def find(self, members: Mapping[int, Sequence[Input]], stored: Mapping[int, NodeFrames]) -> NodeError | None:
        """The error of the member whose own work fails; None if none fails by itself.

        Args:
            members: the inputs that take part, by member, in topological order.
            stored: the frames of results that exist already.
        """
        with self._searching:
            known = next((self._found[node_id] for node_id in members if node_id in self._found), None)
            found = known or self._compute_one_by_one(members, stored)
            if found is not None:
                self._found[found.location.node_id] = found
            return found

    def _compute_one_by_one(
        self, members: Mapping[int, Sequence[Input]], stored: Mapping[int, NodeFrames]
    ) -> NodeError | None:
        frames: dict[int, NodeFrames] = dict(stored)
        last_reader = {item.node_id: node_id for node_id, inputs in members.items() for item in inputs}
        for node_id, inputs in members.items():
            node = self._context.graph.nodes[node_id]
            try:
                built = build_node(node, [frames[item.node_id][item.handle] for item in inputs], self._context)
                frames[node_id] = {handle: _as_stored(self._context.collect(frame)) for handle, frame in built.items()}
            except NODE_FAILURES as error:
                return NodeError.from_exception(self._context.graph.location(node_id), error)
            for source in {item.node_id for item in inputs if last_reader[item.node_id] == node_id}:
                del frames[source]
        return None


def _as_stored(table: pl.DataFrame) -> pl.LazyFrame:
    """In the pieces in which the store would give it: Polars tells of a failure which values of a piece it met."""
    whole = table.rechunk()
    pieces = [whole.slice(start, ROWS_PER_BATCH) for start in range(0, max(whole.height, 1), ROWS_PER_BATCH)]
    return pl.concat(pieces, rechunk=False).lazy()
