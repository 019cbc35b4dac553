"""Do what the plan of a run says: an iterator of events, told as each segment completes.

An independent branch goes on after a failure. What is computed is stored under its node hash before it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TypeAlias

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.assembly import assemble
from flowfile_dagster.engine.background import let_end, result_of, start
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.context import BundledContext, NodeContext, NodeFrames
from flowfile_dagster.engine.culprit import Culprits
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped
from flowfile_dagster.engine.identity import Identities, Looks
from flowfile_dagster.engine.progress import Members, Progress
from flowfile_dagster.engine.rendezvous import Rendezvous
from flowfile_dagster.engine.segment_work import SegmentWork
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.order import ordered_nodes
from flowfile_dagster.plan.segments import Segment, delivers_table, wanted_roots
from flowfile_dagster.plan.stages import PlanInputs, Stage, plan_run
from flowfile_dagster.store.fingerprints import SourceMemory, source_memory
from flowfile_dagster.store.index import Manifest
from flowfile_dagster.store.store import ResultStore

#: Whether what is below a node may run, given all results so far.
Verify: TypeAlias = Callable[[int, Mapping[int, Manifest]], bool]
#: Told of segments before they are computed together, given all results so far.
Announce: TypeAlias = Callable[[Sequence[Segment], Mapping[int, Manifest]], None]


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
    announce: Announce | None = None,
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
        announce: told of the segments that are about to be computed.
        sources: what is known of source files; default: what the store remembers.

    Yields:
        Events for each target, and for each segment that had to run for them, in topological order. That a node failed
        or did not run is told once, however many segments it is in.
    """
    wanted = frozenset(wanted_roots(segments))
    kept = frozenset(segment.root for segment in segments if delivers_table(graph, segment)) & wanted
    sources = sources or source_memory(store.base)
    context = NodeContext(graph, engine=engine, found_schemas=sources.found_types)
    progress = Progress(context, store, ref_key)
    identities = Identities(progress, sources.content_hash)
    ordered = ordered_nodes(graph, kept)
    state = PlanInputs(
        store.find, progress.latest, progress.made_by_run, identities.fingerprint, identities.hashes, ordered
    )
    plan = plan_run(graph, segments, targets, state, context)
    run = _Run(progress, identities, engines or {}, ordered, plan.targets, Culprits(graph), announce)
    told: set[tuple[type[NodeEvent], int]] = set()
    for _, stages in groupby(plan.stages, key=_bundle_of):
        for event in run.settle(list(stages)):
            if isinstance(event, (NodeFailed, NodeSkipped)):
                kind = (type(event), event.node_id)
                if kind in told:
                    continue
                told.add(kind)
            is_there = isinstance(event, (NodeComputed, NodeReused))
            if verify is not None and is_there and not verify(event.node_id, progress.manifests):
                progress.stopped_by[event.node_id] = event.node_id
            yield event


@dataclass(frozen=True)
class _Run:
    """Settles one stage of the plan after the other, or those of a bundle together."""

    progress: Progress
    identities: Identities
    engines: Mapping[int, Engine]
    ordered: frozenset[int]
    targets: frozenset[int]
    culprits: Culprits
    announce: Announce | None

    def settle(self, stages: Sequence[Stage]) -> Iterator[NodeEvent]:
        """Do what is planned for one segment, or for those of a bundle."""
        ready: list[SegmentWork] = []
        for stage in stages:
            members = yield from self._prepare(stage)
            if members is not None:
                ready.append(self._work(stage, members))
        together: dict[Engine, list[SegmentWork]] = {}
        for work in ready:
            together.setdefault(self._engine(work), []).append(work)
        for engine, wanted in together.items():
            if sum(work.known is None for work in wanted) > 1:
                self._announce(wanted)
                yield from self._finish_together(wanted, engine)
                continue
            for work in wanted:
                self._announce([work])
                yield from self._finish(work, replace(self.progress.context, engine=engine))

    def _announce(self, wanted: Sequence[SegmentWork]) -> None:
        unknown = [work.segment for work in wanted if work.known is None]
        if self.announce is not None and unknown:
            self.announce(unknown, self.progress.manifests)

    def _work(self, stage: Stage, members: Members) -> SegmentWork:
        is_target = stage.node_id in self.targets
        return SegmentWork(
            self.progress, self.identities, stage.segment, members, stage.manifest, is_target, self.ordered
        )

    def _engine(self, work: SegmentWork) -> Engine:
        """The engine that was chosen for a segment."""
        return self.engines.get(work.segment.root, self.progress.context.engine)

    def _prepare(self, stage: Stage) -> Generator[NodeEvent, None, Members | None]:
        """Admit the nodes of a segment; gives those that take part, or None where there is nothing to compute."""
        segment, progress = stage.segment, self.progress
        stop = progress.stop_above(segment)
        if stop is not None:
            progress.stopped_by[segment.root] = stop
            progress.outcomes.update(dict.fromkeys(segment.nodes, "skipped"))
            if stage.action != "leave":
                because = f"a blocking check of node {stop} failed"
                yield NodeSkipped(segment.root, because, is_deliberate=False)
            return None
        if stage.action == "leave":
            progress.outcomes.update(dict.fromkeys(segment.nodes, "done"))
            try:
                if stage.manifest is not None:
                    progress.keep(segment.root, stage.manifest)
            except NODE_FAILURES as error:
                yield from self._fail(segment, {segment.root: ()}, error)
            return None
        members: dict[int, Sequence[Input]] = {}
        for node_id in segment.nodes:
            refusal = progress.admit(node_id, members)
            if refusal is not None:
                yield refusal
        if segment.root in members:
            return members
        for node_id in members:
            yield NodeSkipped(node_id, "the node that it is fused into did not run", is_deliberate=False)
        return None

    def _finish(self, work: SegmentWork, context: NodeContext) -> Iterator[NodeEvent]:
        try:
            yield work.finish(context)
        except NODE_FAILURES as error:
            is_panic = isinstance(error, pl.exceptions.PanicException)
            if is_panic and self._engine(work) == "auto" and context.engine != "in-memory":
                # A fault of Polars, most often of its streaming engine, which nobody asked for by name.
                yield from self._finish(work, replace(self.progress.context, engine="in-memory"))
            else:
                yield from self._fail(work.segment, work.members, error)

    def _finish_together(self, wanted: Sequence[SegmentWork], engine: Engine) -> Iterator[NodeEvent]:
        """Compute the segments of a bundle in threads, which wait for each other where plans are run."""
        engine = "streaming" if engine == "auto" else engine
        rendezvous = Rendezvous(len(wanted), engine)
        shared, alone = self._shared_frames(wanted), self.progress.context
        context = BundledContext(
            alone.graph, engine=engine, found_schemas=alone.found_schemas, rendezvous=rendezvous, shared=shared
        )

        def finish(work: SegmentWork) -> list[NodeEvent]:
            try:
                return list(self._finish(work, context))
            finally:
                rendezvous.leave()

        looks: Looks = {}
        futures: list[Future[list[NodeEvent]]] = []
        try:
            for work in wanted:
                futures.append(start(partial(finish, replace(work, looks=looks))))
                # One after the other, as side by side they would only take Python from each other.
                rendezvous.wait_until_awaited(len(wanted) - len(futures))
            for future in futures:
                yield from result_of(future)
        except BaseException as interrupt:
            rendezvous.stop(interrupt)
            let_end(futures)
            raise

    def _shared_frames(self, wanted: Sequence[SegmentWork]) -> Mapping[int, NodeFrames]:
        """What all segments of a bundle have in common, built once, so that Polars sees that it is the same."""
        first, *others = wanted
        common = {
            node_id: inputs
            for node_id, inputs in first.members.items()
            if all(node_id in other.members for other in others)
        }
        try:
            stored = self.progress.stored_frames(first.segment)
            return assemble(common, stored, self.progress.context, self.ordered)
        except NodeError:
            return {}  # each segment then builds its own, and tells the failure

    def _fail(self, segment: Segment, members: Members, error: BaseException) -> Iterator[NodeEvent]:
        own = NodeError.from_exception(self.progress.graph.location(segment.root), error)
        found = None
        if not isinstance(error, NodeError) and len(members) > 1:
            found = self.culprits.find(members, self.progress.stored_frames(segment))
        failure = own if found is None else found.followed_by(own)
        culprit = failure.location.node_id
        for node_id in members:
            self.progress.outcomes[node_id] = "failed" if node_id == culprit else "skipped"
            if node_id == culprit:
                yield NodeFailed(node_id, failure)
            else:
                yield NodeSkipped(node_id, f"node {culprit}, which is in the same segment, failed", is_deliberate=False)


def _bundle_of(stage: Stage) -> tuple[str, int]:
    bundle = stage.segment.bundle
    return ("segment", stage.node_id) if bundle is None else ("bundle", bundle)
