"""Do what the plan of a run says: an iterator of events, told as each segment completes.

An independent branch goes on after a failure. What is computed is stored under its node hash before it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES, Source, Trait
from flowfile_dagster.engine.assembly import assemble
from flowfile_dagster.engine.background import let_end, result_of, start
from flowfile_dagster.engine.choice import engine_that_runs
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.context import BundledContext, NodeContext, NodeFrames
from flowfile_dagster.engine.culprit import Culprits
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped
from flowfile_dagster.engine.rendezvous import Rendezvous
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.admission import Outcome, admit
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.node_hash import NodeHashes, explain_miss, recipe_hash
from flowfile_dagster.plan.order import ordered_nodes
from flowfile_dagster.plan.segments import Segment, delivers_table, passes_input_on, wanted_roots
from flowfile_dagster.plan.sources import SourceState, check_unchanged, fingerprint_sources, source_state
from flowfile_dagster.plan.stages import PlanInputs, Stage, is_found, plan_run
from flowfile_dagster.store.fingerprints import SourceMemory, source_memory
from flowfile_dagster.store.index import Manifest, StoredTable, Written
from flowfile_dagster.store.store import ResultStore

#: The inputs that take part, for each node of a segment that may run.
Members: TypeAlias = Mapping[int, Sequence[Input]]
#: Whether what is below a node may run, given all results so far.
Verify: TypeAlias = Callable[[int, Mapping[int, Manifest]], bool]


def run_segments(
    graph: FlowGraph,
    segments: Sequence[Segment],
    targets: Collection[int],
    store: ResultStore,
    *,
    ref_key: Callable[[FlowNode], Sequence[str]],
    engine: Engine = "in-memory",
    engines: Mapping[int, Engine] | None = None,
    verify: Verify | None = None,
    sources: SourceMemory | None = None,
) -> Iterator[NodeEvent]:
    """Bring the targets up to date, computing what they need and what is not there.

    Args:
        graph: the flow.
        segments: how its nodes are grouped.
        targets: roots of segments that are wanted. Sinks write only if they are wanted themselves.
        store: where results are found and kept.
        ref_key: the key under which a node's latest materialization is referred to in the store.
        engine: which of Polars' engines runs the plans.
        engines: engines for single segments, by root.
        verify: asked about each result before it is told; where it says no, what is below does not run.
        sources: what is known of source files; default: what the store remembers.

    Yields:
        Events for each target, and for each segment that had to run for them, in topological order. That a node failed
        or did not run is told once, however many segments it is in.
    """
    wanted = frozenset(wanted_roots(segments))
    kept = frozenset(segment.root for segment in segments if delivers_table(graph, segment)) & wanted
    sources = sources or source_memory(store.base)
    context = NodeContext(graph, engine=engine, found_schemas=sources.found_types)
    ordered = ordered_nodes(graph, kept)
    run = _Run(context, store, ref_key, engines or {}, ordered, sources.content_hash, Culprits(graph))
    plan = plan_run(graph, segments, targets, run.plan_inputs(), run.context)
    told: set[tuple[type[NodeEvent], int]] = set()
    for _, stages in groupby(plan.stages, key=_bundle_of):
        for event in run.settle(list(stages), plan.targets):
            if isinstance(event, (NodeFailed, NodeSkipped)):
                kind = (type(event), event.node_id)
                if kind in told:
                    continue
                told.add(kind)
            is_there = isinstance(event, (NodeComputed, NodeReused))
            if verify is not None and is_there and not verify(event.node_id, run.manifests):
                run.stopped_by[event.node_id] = event.node_id
            yield event


@dataclass
class _Run:
    """What is known so far of every node: what became of it, its hashes, the results of roots."""

    context: NodeContext
    store: ResultStore
    ref_key: Callable[[FlowNode], Sequence[str]]
    engines: Mapping[int, Engine]
    ordered: frozenset[int]
    content_hash: Callable[[Path], str]
    culprits: Culprits
    nonce: str = field(default_factory=lambda: uuid4().hex)
    identities: NodeHashes = field(default_factory=NodeHashes)
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    hashes: dict[int, str] = field(default_factory=dict[int, str])
    contents: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])
    manifests: dict[int, Manifest] = field(default_factory=dict[int, Manifest])
    open_handles: dict[int, frozenset[str]] = field(default_factory=dict[int, "frozenset[str]"])
    stopped_by: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def graph(self) -> FlowGraph:
        return self.context.graph

    def plan_inputs(self) -> PlanInputs:
        return PlanInputs(self.store.find, self.latest, self.fingerprint, self.identities, self.ordered)

    def latest(self, node: FlowNode) -> Manifest | None:
        ref = self.store.latest(self.ref_key(node))
        return None if ref is None else self.store.find(ref.node_hash)

    def fingerprint(self, node: FlowNode) -> str:
        return fingerprint_sources(self._sources(node), self.content_hash)

    def _sources(self, node: FlowNode) -> tuple[Source, ...]:
        settings: Any = node.settings
        return node.kind.sources(settings, self.context)

    def settle(self, stages: Sequence[Stage], targets: Collection[int]) -> Iterator[NodeEvent]:
        """Do what is planned for one segment, or for those of a bundle."""
        ready: dict[int, tuple[Stage, Members]] = {}
        for stage in stages:
            members = yield from self._prepare(stage)
            if members is not None:
                ready[stage.node_id] = (stage, members)
        together: dict[Engine, list[tuple[Stage, Members, bool]]] = {}
        for stage, members in ready.values():
            engine = self.engines.get(stage.node_id, self.context.engine)
            together.setdefault(engine, []).append((stage, members, stage.node_id in targets))
        for engine, wanted in together.items():
            if sum(stage.manifest is None for stage, _, _ in wanted) > 1:
                yield from self._finish_together(wanted, engine)
                continue
            for stage, members, is_target in wanted:
                yield from self._finish(stage, members, replace(self.context, engine=engine), is_target=is_target)

    def _prepare(self, stage: Stage) -> Generator[NodeEvent, None, Members | None]:
        """Admit the nodes of a segment; gives those that take part, or None where there is nothing to compute."""
        segment = stage.segment
        stop = self._stop_above(segment)
        if stop is not None:
            self.stopped_by[segment.root] = stop
            self.outcomes.update(dict.fromkeys(segment.nodes, "skipped"))
            if stage.action != "leave":
                because = f"a blocking check of node {stop} failed"
                yield NodeSkipped(segment.root, because, is_deliberate=False)
            return None
        if stage.action == "leave":
            self.outcomes.update(dict.fromkeys(segment.nodes, "done"))
            try:
                if stage.manifest is not None:
                    self._keep(segment.root, stage.manifest)
            except NODE_FAILURES as error:
                yield from self._fail(segment, {segment.root: ()}, error)
            return None
        members: dict[int, Sequence[Input]] = {}
        for node_id in segment.nodes:
            refusal = self._admit(node_id, members)
            if refusal is not None:
                yield refusal
        if segment.root not in members:
            yield from self._left_out(members)
            return None
        return members

    def _stop_above(self, segment: Segment) -> int | None:
        """A node that a segment hangs on, and whose result was found wanting."""
        return next((self.stopped_by[root] for root in segment.inputs if root in self.stopped_by), None)

    def _finish(self, stage: Stage, members: Members, context: NodeContext, *, is_target: bool) -> Iterator[NodeEvent]:
        segment = stage.segment
        try:
            if stage.manifest is not None:
                self._keep(segment.root, stage.manifest)
                yield NodeReused(segment.root, stage.manifest, _fused(segment, members))
            else:
                yield self._find_or_compute(segment, members, context, is_target=is_target)
        except NODE_FAILURES as error:
            chosen = self.engines.get(segment.root, self.context.engine)
            if isinstance(error, pl.exceptions.PanicException) and chosen == "auto" and context.engine != "in-memory":
                # A fault of Polars, most often of its streaming engine, which nobody asked for by name.
                in_memory = replace(self.context, engine="in-memory")
                yield from self._finish(stage, members, in_memory, is_target=is_target)
            else:
                yield from self._fail(segment, members, error)

    def _finish_together(self, wanted: Sequence[tuple[Stage, Members, bool]], engine: Engine) -> Iterator[NodeEvent]:
        """Compute the segments of a bundle in threads, which wait for each other where plans are run."""
        engine = "streaming" if engine == "auto" else engine
        rendezvous = Rendezvous(len(wanted), engine)
        shared = self._shared_frames([(stage.segment, members) for stage, members, _ in wanted])
        memory = self.context.found_schemas
        context = BundledContext(self.graph, engine=engine, found_schemas=memory, rendezvous=rendezvous, shared=shared)

        def finish(stage: Stage, members: Members, is_target: bool) -> list[NodeEvent]:
            try:
                return list(self._finish(stage, members, context, is_target=is_target))
            finally:
                rendezvous.leave()

        futures: list[Future[list[NodeEvent]]] = []
        try:
            for stage, members, is_target in wanted:
                futures.append(start(partial(finish, stage, members, is_target)))
                # One after the other, as side by side they would only take Python from each other.
                rendezvous.wait_until_awaited(len(wanted) - len(futures))
            for future in futures:
                yield from result_of(future)
        except BaseException as interrupt:
            rendezvous.stop(interrupt)
            let_end(futures)
            raise

    def _shared_frames(self, segments: Sequence[tuple[Segment, Members]]) -> Mapping[int, NodeFrames]:
        """What all segments of a bundle have in common, built once, so that Polars sees that it is the same."""
        (segment, first), *others = segments
        common = {node_id: inputs for node_id, inputs in first.items() if all(node_id in other for _, other in others)}
        try:
            return assemble(common, self._stored_frames(segment), self.context, self.ordered)
        except NodeError:
            return {}  # each segment then builds its own, and tells the failure

    def _admit(self, node_id: int, members: dict[int, Sequence[Input]]) -> NodeEvent | None:
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

    def _left_out(self, members: Members) -> Iterator[NodeEvent]:
        """Nodes that could have run, had the node that they are fused into."""
        for node_id in members:
            yield NodeSkipped(node_id, "the node that it is fused into did not run", is_deliberate=False)

    def _fail(self, segment: Segment, members: Members, error: BaseException) -> Iterator[NodeEvent]:
        found = error if isinstance(error, NodeError) else None
        if found is None and len(members) > 1:
            found = self.culprits.find(members, self._stored_frames(segment))
        failure = found or NodeError.from_exception(self.graph.location(segment.root), error)
        culprit = failure.location.node_id
        for node_id in members:
            self.outcomes[node_id] = "failed" if node_id == culprit else "skipped"
            if node_id == culprit:
                yield NodeFailed(node_id, failure)
            else:
                yield NodeSkipped(node_id, f"node {culprit}, which is in the same segment, failed", is_deliberate=False)

    def _keep(self, root: int, manifest: Manifest) -> None:
        node = self.graph.nodes[root]
        decided = manifest.open_handles
        if decided is not None and Trait.BARRIER not in node.traits:
            decided = self._decide(node, ())
        if decided is not None:
            self.open_handles[root] = frozenset(decided)
        self.outcomes[root] = "done"
        self.manifests[root] = manifest
        self.hashes[root] = manifest.node_hash
        self.contents.update({(root, handle): table.content_hash for handle, table in manifest.outputs.items()})

    def _find_or_compute(
        self, segment: Segment, members: Members, context: NodeContext, *, is_target: bool
    ) -> NodeEvent:
        node, state = self.graph.nodes[segment.root], SourceState()
        parts, recipe = self._identify(members, state)
        node_hash, fused = self.hashes[segment.root], _fused(segment, members)
        found = self.store.find(node_hash)
        damage = str(self.store.damages.get(node_hash, ""))
        if found is None and recipe:
            found = self._adopt(node_hash, recipe, parts)
        if found is not None and is_found(self.graph, segment, found, self.ordered, is_target=is_target):
            self._keep(segment.root, found)
            return NodeReused(segment.root, found, fused, damage)
        previous = self.latest(node)
        why = "damaged" if damage else explain_miss(parts, None if previous is None else previous.parts)
        started = time.perf_counter()
        result = self._compute(segment, members, context, is_target=is_target)
        seconds = time.perf_counter() - started
        self._check_sources(node, members, state)
        manifest = self._ordered_meanwhile(segment, node_hash, is_target=is_target) or self.store.record(
            [node_hash, recipe] if recipe else [node_hash],
            result.outputs,
            parts=parts,
            open_handles=result.open_handles,
            written=result.written,
            seconds=seconds,
            is_ordered=segment.root in self.ordered,
        )
        self._keep(segment.root, manifest)
        engine = engine_that_runs(node, context.engine)
        return NodeComputed(segment.root, manifest, why, seconds, engine, fused, damage)

    def _ordered_meanwhile(self, segment: Segment, node_hash: str, *, is_target: bool) -> Manifest | None:
        """The ordered result that another run recorded since this one looked: one of open order must not replace it."""
        if segment.root in self.ordered:
            return None
        found = self.store.find(node_hash)
        is_enough = found is not None and is_found(self.graph, segment, found, {segment.root}, is_target=is_target)
        return found if is_enough else None

    def _check_sources(self, node: FlowNode, members: Members, before: SourceState) -> None:
        """Raise a `DataError` if what the members read has changed; a flow may read the file that it then replaces."""
        read = [self._sources(self.graph.nodes[node_id]) for node_id in members]
        after = source_state([source for sources in read for source in sources])
        settings: Any = node.settings
        target = node.kind.target(settings, self.context) if Trait.SINK in node.traits else None
        check_unchanged(before, after, except_for=None if target is None else target.path)

    def _identify(self, members: Members, state: SourceState) -> tuple[Mapping[str, str], str | None]:
        """Hash every member; gives the parts and the recipe of the last, the root. Notes the state of the sources.

        Only what is made of stored results has a recipe, for only these have a content that can be equal to another.
        """
        parts: Mapping[str, str] = {}
        recipe: str | None = None
        for node_id, inputs in members.items():
            node = self.graph.nodes[node_id]
            sources = self._look_at_sources(node, state)
            identity = self.identities.identify(node, inputs, [self.hashes[item.node_id] for item in inputs], sources)
            parts, self.hashes[node_id] = identity.parts, identity.node_hash
            contents = [self.contents.get((item.node_id, item.handle)) for item in inputs]
            recipe = None
            if any(contents):
                known = [
                    content or f"{self.hashes[item.node_id]}:{item.handle}" for content, item in zip(contents, inputs)
                ]
                recipe = recipe_hash(parts, known)
                self.contents.update({(node_id, handle): f"{recipe}:{handle}" for handle in node.handles})
        return parts, recipe

    def _look_at_sources(self, node: FlowNode, state: SourceState) -> str:
        """The fingerprint of what a node reads; a source that cannot be read is that node's failure."""
        try:
            sources = self._sources(node)
            state.update(source_state(sources))
            is_volatile = Trait.VOLATILE in node.traits
            return self.nonce if is_volatile else fingerprint_sources(sources, self.content_hash)
        except NODE_FAILURES as error:
            raise NodeError.from_exception(self.graph.location(node.node_id), error) from error

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
            is_ordered=found.is_ordered,
        )

    def _compute(self, segment: Segment, members: Members, context: NodeContext, *, is_target: bool) -> _Result:
        node, inputs = self.graph.nodes[segment.root], members[segment.root]
        tables = self._stored_inputs(inputs)
        outputs: dict[str, StoredTable] = {}
        frames: dict[int, NodeFrames] = {}
        if tables is not None and passes_input_on(node):
            outputs = dict.fromkeys(node.handles, tables[0])
        else:
            frames.update(self._stored_frames(segment))
            frames.update(context.shared if isinstance(context, BundledContext) else {})
            unbuilt = {node_id: inputs for node_id, inputs in members.items() if node_id not in frames}
            frames.update(assemble(unbuilt, frames, context, self.ordered))
            if delivers_table(self.graph, segment):
                made = frames[segment.root].items()
                outputs = {handle: self.store.write(context.collect(frame)) for handle, frame in made}
        written = None
        if is_target and Trait.SINK in node.traits:
            if outputs and passes_input_on(node):
                written = self._write(node, self.store.scan(outputs["output-0"]), replace(self.context, engine="auto"))
            else:
                written = self._write(node, frames[inputs[0].node_id][inputs[0].handle], context)
        return _Result(outputs, self._decide(node, tables or ()), written)

    def _decide(self, node: FlowNode, tables: Sequence[StoredTable]) -> tuple[str, ...] | None:
        """What a gate decides. A decision over data is kept with the result; one over parameters is each run's own."""
        if Trait.GATE not in node.traits:
            return None
        settings: Any = node.settings
        gate = node.kind.decide(settings, [self.store.scan(table) for table in tables], self.context)
        return None if gate is None else tuple(sorted(gate.open_handles))

    def _stored_inputs(self, inputs: Sequence[Input]) -> list[StoredTable] | None:
        """The tables that a node reads, in order; None where it reads frames of its own segment."""
        found = [
            self.manifests[item.node_id].outputs.get(item.handle) if item.node_id in self.manifests else None
            for item in inputs
        ]
        tables = [table for table in found if table is not None]
        return tables if len(tables) == len(inputs) > 0 else None

    def _stored_frames(self, segment: Segment) -> dict[int, NodeFrames]:
        return {
            root: {handle: self.store.scan(table) for handle, table in self.manifests[root].outputs.items()}
            for root in segment.inputs
            if root in self.manifests
        }

    def _write(self, node: FlowNode, frame: pl.LazyFrame, context: NodeContext) -> Written | None:
        """Write a sink's file. Polars' own choice for a sink is the streaming engine, which we name."""
        settings: Any = node.settings
        node.kind.write(settings, frame, replace(context, engine=engine_that_runs(node, context.engine)))
        target = node.kind.target(settings, self.context)
        if target is None or not target.is_repeatable:
            return None
        state = target.path.stat()
        return Written(str(target.path), state.st_size, state.st_mtime_ns)


@dataclass(frozen=True)
class _Result:
    outputs: Mapping[str, StoredTable]
    open_handles: tuple[str, ...] | None
    written: Written | None


def _bundle_of(stage: Stage) -> tuple[str, int]:
    bundle = stage.segment.bundle
    return ("segment", stage.node_id) if bundle is None else ("bundle", bundle)


def _fused(segment: Segment, members: Members) -> tuple[int, ...]:
    return tuple(node_id for node_id in members if node_id != segment.root)
