"""What is known so far of every node of a run: what became of it, its hash, the results of roots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeAlias

import polars as pl

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.context import NodeContext, NodeFrames
from flowfile_dagster.engine.events import NodeEvent, NodeFailed, NodeSkipped
from flowfile_dagster.flow.admission import Outcome, admit
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.segments import Segment
from flowfile_dagster.store.index import Manifest, StoredTable
from flowfile_dagster.store.store import ResultStore

#: The size of a stored result that stays at hand (bytes).
_AT_HAND_BELOW = 1 << 18
_MOST_AT_HAND = 64
#: The inputs that take part, for each node of a segment that may run.
Members: TypeAlias = Mapping[int, Sequence[Input]]


@dataclass
class Progress:
    """The state of a run, by node.

    Attributes:
        hashes: the node hashes of all that took part.
        contents: by node and handle, what identifies a result by its content.
        manifests: the results of roots.
        stopped_by: the node whose result was found wanting, by itself and by what is below it.
        at_hand: the last small results that this run has stored, by content hash: opening a file takes longer.
    """

    context: NodeContext
    store: ResultStore
    ref_key: Callable[[FlowNode], Sequence[str]]
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    hashes: dict[int, str] = field(default_factory=dict[int, str])
    contents: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])
    manifests: dict[int, Manifest] = field(default_factory=dict[int, Manifest])
    open_handles: dict[int, frozenset[str]] = field(default_factory=dict[int, "frozenset[str]"])
    stopped_by: dict[int, int] = field(default_factory=dict[int, int])
    at_hand: dict[str, pl.LazyFrame] = field(default_factory=dict[str, pl.LazyFrame])

    @property
    def graph(self) -> FlowGraph:
        """The flow."""
        return self.context.graph

    def latest(self, node: FlowNode) -> Manifest | None:
        """The latest result of a node, whatever it was made of."""
        ref = self.store.latest(self.ref_key(node))
        return None if ref is None else self.store.find(ref.node_hash)

    def made_by_run(self, node: FlowNode) -> Manifest | None:
        """The result that this run has given a node already, in another step."""
        ref = self.store.of_this_run(self.ref_key(node))
        return None if ref is None else self.store.find(ref.node_hash)

    def stop_above(self, segment: Segment) -> int | None:
        """A node that a segment hangs on, and whose result was found wanting."""
        return next((self.stopped_by[root] for root in segment.inputs if root in self.stopped_by), None)

    def admit(self, node_id: int, members: dict[int, Sequence[Input]]) -> NodeEvent | None:
        """Let a node take part; otherwise the event that says why not."""
        problem = self.graph.problem_error(node_id)
        if problem is not None:
            self.outcomes[node_id] = "failed"
            return NodeFailed(node_id, problem)
        admission = admit(self.graph.nodes[node_id], self.outcomes, self.open_handles)
        self.outcomes[node_id] = admission.outcome
        if admission.outcome != "done":
            return NodeSkipped(node_id, admission.because, admission.outcome == "closed")
        members[node_id] = admission.inputs
        return None

    def keep(self, root: int, manifest: Manifest) -> None:
        """Note the result of a root."""
        node = self.graph.nodes[root]
        decided = manifest.open_handles
        if decided is not None and Trait.BARRIER not in node.traits:
            decided = self.decide(node, ())
        if decided is not None:
            self.open_handles[root] = frozenset(decided)
        self.outcomes[root] = "done"
        self.manifests[root] = manifest
        self.hashes[root] = manifest.node_hash
        self.contents.update({(root, handle): table.content_hash for handle, table in manifest.outputs.items()})

    def store_table(self, table: pl.DataFrame) -> StoredTable:
        """Put what a node has made into the store."""
        stored = self.store.write(table)
        if stored.bytes < _AT_HAND_BELOW:
            if len(self.at_hand) == _MOST_AT_HAND:
                self.at_hand.clear()  # the store has them all
            self.at_hand[stored.content_hash] = _copy(table).lazy()
        return stored

    def scan(self, table: StoredTable) -> pl.LazyFrame:
        """A result as a frame."""
        found = self.at_hand.get(table.content_hash)
        return self.store.scan(table) if found is None else found

    def decide(self, node: FlowNode, tables: Sequence[StoredTable]) -> tuple[str, ...] | None:
        """What a gate decides. A decision over data is kept with the result; one over parameters is each run's own."""
        if Trait.GATE not in node.traits:
            return None
        settings: Any = node.settings
        gate = node.kind.decide(settings, [self.scan(table) for table in tables], self.context)
        return None if gate is None else tuple(sorted(gate.open_handles))

    def stored_inputs(self, inputs: Sequence[Input]) -> list[StoredTable] | None:
        """The tables that a node reads, in order; None where it reads frames of its own segment."""
        found = [
            self.manifests[item.node_id].outputs.get(item.handle) if item.node_id in self.manifests else None
            for item in inputs
        ]
        tables = [table for table in found if table is not None]
        return tables if len(tables) == len(inputs) > 0 else None

    def stored_frames(self, segment: Segment) -> dict[int, NodeFrames]:
        """The results that a segment reads."""
        return {
            root: {handle: self.scan(table) for handle, table in self.manifests[root].outputs.items()}
            for root in segment.inputs
            if root in self.manifests
        }


def _copy(table: pl.DataFrame) -> pl.DataFrame:
    """The same in one piece of memory of its own: the first rows of a large table would keep all of it."""
    return pl.DataFrame.deserialize(BytesIO(table.rechunk().serialize()))
