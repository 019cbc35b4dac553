"""Bring one segment up to date: find its result, or build it as one plan, run that, and store what it gives."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.assembly import assemble
from flowfile_dagster.engine.choice import engine_that_runs
from flowfile_dagster.engine.context import BundledContext, NodeContext, NodeFrames
from flowfile_dagster.engine.events import NodeComputed, NodeReused
from flowfile_dagster.engine.identity import Identities, Look, Looks
from flowfile_dagster.engine.progress import Members, Progress
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.plan.node_hash import explain_miss
from flowfile_dagster.plan.segments import Segment, delivers_table, passes_input_on
from flowfile_dagster.plan.stages import is_found
from flowfile_dagster.store.index import Manifest, StoredTable, Written


@dataclass(frozen=True)
class SegmentWork:
    """A segment and the members that take part in it.

    `known`: the result that planning found. `is_target`: it is wanted itself, so a sink writes its file. `ordered`: the
    nodes whose row order matters. `looks`: what was seen of sources, by all segments that are computed together.
    """

    progress: Progress
    identities: Identities
    segment: Segment
    members: Members
    known: Manifest | None
    is_target: bool
    ordered: frozenset[int]
    looks: Looks = field(default_factory=dict[int, Look])

    @property
    def node(self) -> FlowNode:
        """The root: the node whose result the segment delivers."""
        return self.progress.graph.nodes[self.segment.root]

    @property
    def fused(self) -> tuple[int, ...]:
        """The other members."""
        return tuple(node_id for node_id in self.members if node_id != self.segment.root)

    def finish(self, context: NodeContext) -> NodeReused | NodeComputed:
        """See to it that the result is there, and note it in the progress of the run.

        Raises:
            NodeError: a member cannot be built, or a source cannot be read.
            Exception: what Polars and the files say.
        """
        if self.known is None:
            return self._find_or_compute(context)
        self.progress.keep(self.segment.root, self.known)
        return NodeReused(self.segment.root, self.known, self.fused)

    def _find_or_compute(self, context: NodeContext) -> NodeReused | NodeComputed:
        progress, store, root = self.progress, self.progress.store, self.segment.root
        parts, recipe = self.identities.identify(self.members, self.looks)
        node_hash = progress.hashes[root]
        found = store.find(node_hash)
        damage = str(store.damages.get(node_hash, ""))
        if found is None and recipe:
            found = self._adopt(node_hash, recipe, parts)
        if found is not None and self._is_enough(found, self.ordered):
            progress.keep(root, found)
            return NodeReused(root, found, self.fused, damage)
        previous = progress.latest(self.node)
        why = "damaged" if damage else explain_miss(parts, None if previous is None else previous.parts)
        started = time.perf_counter()
        result = self._compute(context)
        seconds = time.perf_counter() - started
        self.identities.check_sources(self.node, self.members, self.looks)
        manifest = self._ordered_meanwhile(node_hash) or store.record(
            [node_hash, recipe] if recipe else [node_hash],
            result.outputs,
            parts=parts,
            open_handles=result.open_handles,
            written=result.written,
            seconds=seconds,
            is_ordered=root in self.ordered,
        )
        progress.keep(root, manifest)
        engine = engine_that_runs(self.node, context.engine)
        return NodeComputed(root, manifest, why, seconds, engine, self.fused, damage)

    def _is_enough(self, found: Manifest, ordered: frozenset[int]) -> bool:
        return is_found(self.progress.graph, self.segment, found, ordered, is_target=self.is_target)

    def _adopt(self, node_hash: str, recipe: str, parts: Mapping[str, str]) -> Manifest | None:
        """A result of equal settings over inputs of equal content, now also known under this node hash."""
        found = self.progress.store.find(recipe)
        if found is None:
            return None
        return self.progress.store.record(
            [node_hash],
            found.outputs,
            parts=parts,
            open_handles=found.open_handles,
            written=found.written,
            seconds=found.seconds,
            is_ordered=found.is_ordered,
        )

    def _ordered_meanwhile(self, node_hash: str) -> Manifest | None:
        """The ordered result that another run recorded since this one looked: one of open order must not replace it."""
        if self.segment.root in self.ordered:
            return None
        found = self.progress.store.find(node_hash)
        return found if found is not None and self._is_enough(found, frozenset({self.segment.root})) else None

    def _compute(self, context: NodeContext) -> _Result:
        progress, segment, node = self.progress, self.segment, self.node
        inputs = self.members[segment.root]
        tables = progress.stored_inputs(inputs)
        outputs: dict[str, StoredTable] = {}
        frames: dict[int, NodeFrames] = {}
        if tables is not None and passes_input_on(node):
            outputs = dict.fromkeys(node.handles, tables[0])
        else:
            frames.update(progress.stored_frames(segment))
            frames.update(context.shared if isinstance(context, BundledContext) else {})
            unbuilt = {node_id: given for node_id, given in self.members.items() if node_id not in frames}
            frames.update(assemble(unbuilt, frames, context, self.ordered))
            if delivers_table(progress.graph, segment):
                made = frames[segment.root].items()
                outputs = {handle: progress.store_table(context.collect(frame)) for handle, frame in made}
        written = None
        if self.is_target and Trait.SINK in node.traits:
            if outputs and passes_input_on(node):
                stored = progress.scan(outputs["output-0"])
                written = self._write(stored, replace(progress.context, engine="auto"))
            else:
                written = self._write(frames[inputs[0].node_id][inputs[0].handle], context)
        return _Result(outputs, progress.decide(node, tables or ()), written)

    def _write(self, frame: pl.LazyFrame, context: NodeContext) -> Written | None:
        """Write a sink's file. Polars' own choice for a sink is the streaming engine, which we name."""
        node = self.node
        settings: Any = node.settings
        rows = node.kind.write(settings, frame, replace(context, engine=engine_that_runs(node, context.engine)))
        target = node.kind.target(settings, context)
        if target is None or not target.is_repeatable:
            return None
        state = target.path.stat()
        return Written(str(target.path), state.st_size, state.st_mtime_ns, rows)


@dataclass(frozen=True)
class _Result:
    outputs: Mapping[str, StoredTable]
    open_handles: tuple[str, ...] | None
    written: Written | None
