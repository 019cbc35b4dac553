"""Do what the development plan says: an iterator of events, one for each node as it completes.

An independent branch goes on after a failure. What is computed is stored under its node hash before it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flowfile_dagster.contract.node_type import NODE_FAILURES, Source, Trait, by_handle
from flowfile_dagster.contract.output_fields import apply_output_fields
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.admission import Outcome, admit
from flowfile_dagster.plan.development import PlanInputs, Stage, is_still_written, plan_development
from flowfile_dagster.plan.node_hash import combine, explain_miss, hash_parts, recipe_hash
from flowfile_dagster.plan.sources import check_unchanged, fingerprint_sources, source_state
from flowfile_dagster.store.fingerprints import FingerprintMemory
from flowfile_dagster.store.index import Manifest, StoredTable, Written
from flowfile_dagster.store.store import ResultStore


def run_development(
    graph: FlowGraph,
    targets: Collection[int],
    store: ResultStore,
    *,
    ref_key: Callable[[FlowNode], Sequence[str]],
) -> Iterator[NodeEvent]:
    """Bring the targets up to date, computing what they need and what is not there.

    Args:
        graph: the flow.
        targets: ids of the nodes that are wanted. Sinks write only if they are wanted themselves.
        store: where results are found and kept.
        ref_key: the key under which a node's latest materialization is referred to in the store.

    Yields:
        One event for each target, and one for each node that had to run for them, in topological order.
    """
    run = _Run(graph, store, ref_key)
    plan = plan_development(graph, targets, run.plan_inputs(), run.context)
    for stage in plan.stages:
        event = run.settle(stage, is_target=stage.node_id in plan.targets)
        if event is not None:
            yield event


@dataclass
class _Run:
    graph: FlowGraph
    store: ResultStore
    ref_key: Callable[[FlowNode], Sequence[str]]
    nonce: str = field(default_factory=lambda: uuid4().hex)
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    manifests: dict[int, Manifest] = field(default_factory=dict[int, Manifest])
    open_handles: dict[int, frozenset[str]] = field(default_factory=dict[int, "frozenset[str]"])

    @property
    def context(self) -> NodeContext:
        return NodeContext(self.graph)

    def plan_inputs(self) -> PlanInputs:
        return PlanInputs(self.store.find, self.latest, self.fingerprint)

    def latest(self, node: FlowNode) -> Manifest | None:
        ref = self.store.latest(self.ref_key(node))
        return None if ref is None else self.store.find(ref.node_hash)

    def fingerprint(self, node: FlowNode) -> str:
        memory = FingerprintMemory(self.store.base / "fingerprints")
        return fingerprint_sources(self._sources(node), memory.content_hash)

    def _sources(self, node: FlowNode) -> tuple[Source, ...]:
        settings: Any = node.settings
        return node.kind.sources(settings, self.context)

    def settle(self, stage: Stage, *, is_target: bool) -> NodeEvent | None:
        node = self.graph.nodes[stage.node_id]
        try:
            if stage.action == "leave":
                self.outcomes[node.node_id] = "done"
                if stage.manifest is not None:
                    self._keep(node, stage.manifest)
                return None
            problem = self.graph.problem_error(node.node_id)
            if problem is not None:
                return self._fail(node, problem)
            admission = admit(node, self.outcomes, self.open_handles)
            if admission.outcome != "done":
                self.outcomes[node.node_id] = admission.outcome
                return NodeSkipped(node.node_id, admission.because, admission.outcome == "closed")
            if stage.manifest is not None:
                self._keep(node, stage.manifest)
                return NodeReused(node.node_id, stage.manifest)
            return self._find_or_compute(node, admission.inputs, is_target=is_target)
        except NODE_FAILURES as error:
            return self._fail(node, NodeError.from_exception(self.graph.location(node.node_id), error))

    def _fail(self, node: FlowNode, error: NodeError) -> NodeFailed:
        self.outcomes[node.node_id] = "failed"
        return NodeFailed(node.node_id, error)

    def _keep(self, node: FlowNode, manifest: Manifest) -> None:
        decided = manifest.open_handles
        if decided is not None and Trait.BARRIER not in node.traits:
            decided = self._decide(node, ())
        if decided is not None:
            self.open_handles[node.node_id] = frozenset(decided)
        self.outcomes[node.node_id] = "done"
        self.manifests[node.node_id] = manifest

    def _find_or_compute(self, node: FlowNode, inputs: Sequence[Input], *, is_target: bool) -> NodeEvent:
        state = source_state(self._sources(node))
        parts = self._parts(node, inputs)
        tables = [self.manifests[item.node_id].outputs[item.handle] for item in inputs]
        node_hash, recipe = combine(parts), recipe_hash(parts, [table.content_hash for table in tables])
        is_write = is_target and Trait.SINK in node.traits
        found = self.store.find(node_hash) or self._adopt(node_hash, recipe, parts)
        if found is not None and (not is_write or is_still_written(found)):
            self._keep(node, found)
            return NodeReused(node.node_id, found)
        why = explain_miss(parts, self._previous_parts(node))
        started = time.perf_counter()
        outputs = self._outputs(node, tables)
        decided = self._decide(node, tables)
        written = self._write(node, tables) if is_write else None
        seconds = time.perf_counter() - started
        check_unchanged(state)
        manifest = self.store.record(
            [node_hash, recipe], outputs, parts=parts, open_handles=decided, written=written, seconds=seconds
        )
        self._keep(node, manifest)
        return NodeComputed(node.node_id, manifest, why, seconds)

    def _parts(self, node: FlowNode, inputs: Sequence[Input]) -> dict[str, str]:
        upstream = [self.manifests[item.node_id].node_hash for item in inputs]
        sources = self.nonce if Trait.VOLATILE in node.traits else self.fingerprint(node)
        return hash_parts(node, inputs, upstream, sources)

    def _adopt(self, node_hash: str, recipe: str, parts: Mapping[str, str]) -> Manifest | None:
        """A result of equal settings over inputs of equal content, now also known under this node hash."""
        found = self.store.find(recipe)
        if found is None:
            return None
        return self.store.record(
            [node_hash],
            found.outputs,
            parts=parts,
            open_handles=found.open_handles,
            written=found.written,
            seconds=found.seconds,
        )

    def _previous_parts(self, node: FlowNode) -> Mapping[str, str] | None:
        previous = self.latest(node)
        return None if previous is None else previous.parts

    def _outputs(self, node: FlowNode, tables: Sequence[StoredTable]) -> dict[str, StoredTable]:
        settings: Any = node.settings
        config = settings.output_field_config
        is_reshaped = config is not None and config.is_active
        if Trait.PASSTHROUGH in node.traits and tables and not is_reshaped:
            return dict.fromkeys(node.handles, tables[0])
        frames = by_handle(node.kind.compute(settings, [self.store.scan(table) for table in tables], self.context))
        if is_reshaped:
            frames["output-0"] = apply_output_fields(config, frames["output-0"])
        return {handle: self.store.write(self.context.collect(frames[handle])) for handle in node.handles}

    def _decide(self, node: FlowNode, tables: Sequence[StoredTable]) -> tuple[str, ...] | None:
        """What a gate decides. A decision over data is kept with the result; one over parameters is each run's own."""
        settings: Any = node.settings
        gate = node.kind.decide(settings, [self.store.scan(table) for table in tables], self.context)
        return None if gate is None else tuple(sorted(gate.open_handles))

    def _write(self, node: FlowNode, tables: Sequence[StoredTable]) -> Written | None:
        settings: Any = node.settings
        node.kind.write(settings, self.store.scan(tables[0]), self.context)
        target = node.kind.target(settings, self.context)
        if target is None or not target.is_repeatable:
            return None
        state = target.path.stat()
        return Written(str(target.path), state.st_size, state.st_mtime_ns)
