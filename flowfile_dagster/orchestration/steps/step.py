"""One run of a flow's step: engine events become Dagster events, each as it completes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.choice import default_engine
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped
from flowfile_dagster.engine.runner import run_segments
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import ExecutionMode, FlowGraph
from flowfile_dagster.flow.names import node_names
from flowfile_dagster.flow.outside import sources_of
from flowfile_dagster.orchestration.pages.result_page import ResultPages
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.project.redaction import find_redactions
from flowfile_dagster.orchestration.specs.checks import NodeCheck, StepChecks
from flowfile_dagster.orchestration.specs.specs import FlowSpecs
from flowfile_dagster.orchestration.steps.history import latest_materializations
from flowfile_dagster.orchestration.steps.io_manager import StoredResult
from flowfile_dagster.orchestration.steps.observation import record_sources
from flowfile_dagster.plan.checked import checked_nodes
from flowfile_dagster.plan.fusion import performance_segments
from flowfile_dagster.plan.segments import Segment, development_segments
from flowfile_dagster.store.index import Manifest
from flowfile_dagster.store.refs import Ref, of_partition
from flowfile_dagster.store.store import ResultStore

#: What a step tells Dagster.
StepEvent: TypeAlias = dg.MaterializeResult[StoredResult] | dg.AssetCheckResult
#: What begins the lines of all failures but the first.
ALSO_FAILED = "also failed: "
#: What stands between a node and what is about to be computed for it, in the log of a step.
COMPUTING = ": computing "
#: What a node reads that may need more memory than there is (bytes).
_LARGE = 10_000_000


class FlowStep:
    """Runs what is selected of a flow, within one Dagster step."""

    def __init__(
        self,
        flow: CompiledFlow,
        specs: FlowSpecs,
        checks: Sequence[NodeCheck],
        store: ResultStore,
        context: dg.AssetExecutionContext,
        partition: str | None = None,
    ) -> None:
        self._specs = specs
        self._checks = checks
        self._store = store
        self._context = context
        self._partition = partition
        self._flow = flow
        self._names = {node.node_id: node.name for node in flow.nodes}
        self._failures: list[NodeError] = []
        self._not_run: list[int] = []

    def run(self, graph: FlowGraph, mode: ExecutionMode, config: FlowConfig) -> Iterator[StepEvent]:
        """Yield each selected asset as it completes; raise at the end if a node or a blocking check failed."""
        selected = self._context.selected_asset_keys
        outputs = {output: spec.key for output, spec in self._specs.by_output.items() if spec.key in selected}
        targets = {node_id for node_id, _ in outputs}
        segments = (
            development_segments(graph)
            if mode == "development"
            else performance_segments(graph, targets, checked_nodes(graph, config.checked))
        )
        chosen_checks = self._context.selected_asset_check_keys
        redactions = find_redactions(self._flow, config)
        checks = StepChecks(
            [check for check in self._checks if check.spec.key in chosen_checks],
            selected,
            graph,
            self._store,
            redactions,
        )
        by_root = {segment.root: segment for segment in segments}
        chosen, engines = config.engine or default_engine(mode), _engines_of_nodes(graph, config)
        used = {"flowfile/mode": mode, **({"flowfile/parameters": dict(graph.parameters)} if graph.parameters else {})}
        wanted = [segment for segment in self._specs.segments if segment.root in targets]
        tags = record_sources(self._context, graph, wanted, self._specs.observed, self._store)
        made = latest_materializations(self._context.instance, outputs.values())
        pages = ResultPages(self._flow, self._specs.segments, self._ref_key, self._store, redactions, made)
        for event in run_segments(
            graph,
            segments,
            targets,
            self._store,
            ref_key=lambda node: self._ref_key(node.node_id),
            engine=chosen,
            engines=engines,
            verify=checks.verify,
            announce=partial(self._announce, graph, mode),
        ):
            self._note(event, graph)
            if isinstance(event, (NodeComputed, NodeReused)):
                pages.remember(event, self._publish(event))
                for (node_id, handle), key in outputs.items():
                    if node_id == event.node_id:
                        node, segment = graph.nodes[node_id], by_root[node_id]
                        metadata = pages.render(event, node, segment, handle, key) | used
                        if isinstance(event, NodeComputed):
                            metadata["flowfile/engine"] = event.engine
                        yield _result(event, handle, key, metadata, checks.results.get(key, ()), tags.get(node_id))
        yield from checks.judge_alone(lambda node: self._latest(self._ref_key(node.node_id)))
        failures = [*map(str, self._failures), *chain.from_iterable(checks.failures.values())]
        if failures:
            # A file may be there the next time; what a check found wanting is the same then.
            raise dg.Failure(self._summary(failures), allow_retries=bool(self._failures))

    def _publish(self, event: NodeComputed | NodeReused) -> Manifest | None:
        """Make the result the latest of its node; gives the one before."""
        key = self._ref_key(event.node_id)
        previous = self._latest(key)
        self._store.publish(key, Ref(event.manifest.node_hash, "output-0"))
        return previous

    def _latest(self, key: Sequence[str]) -> Manifest | None:
        ref = self._store.latest(key)
        return None if ref is None else self._store.find(ref.node_hash)

    def _announce(
        self, graph: FlowGraph, mode: ExecutionMode, segments: Sequence[Segment], made: Mapping[int, Manifest]
    ) -> None:
        """Say what is computed together, and from how much: all that is known of a step that is killed.

        In development, where most nodes take less time than this, only of nodes that may well kill it.
        """
        lines = []
        for segment in segments:
            read = (source for node_id in segment.nodes for source in sources_of(graph.nodes[node_id], graph))
            size = sum(_size(path) for source in read for path in source.files)
            size += sum(table.bytes for root in segment.inputs if root in made for table in made[root].outputs.values())
            runs_code = Trait.RUNS_USER_CODE in graph.nodes[segment.root].traits
            if mode == "performance" or runs_code or size >= _LARGE:
                members = " -> ".join(self._names[node_id] for node_id in segment.nodes)
                lines.append(f"{graph.location(segment.root)}{COMPUTING}{members}, from {size:,} bytes")
        if lines:
            self._context.log.info("\n".join(lines))

    def _ref_key(self, node_id: int) -> Sequence[str]:
        return of_partition(self._specs.ref_key(node_id), self._partition)

    def _note(self, event: NodeEvent, graph: FlowGraph) -> None:
        match event:
            case NodeFailed():
                self._failures.append(event.error)
                self._context.log.error(str(event.error))
            case NodeSkipped():
                if not event.is_deliberate:
                    self._not_run.append(event.node_id)
                self._context.log.info(f"{graph.location(event.node_id)}: skipped, {event.because}")
            case NodeComputed() | NodeReused() if event.damage:
                again = "computed again" if isinstance(event, NodeComputed) else "found by its inputs"
                self._context.log.warning(f"{graph.location(event.node_id)}: {again}, {event.damage}")
            case _:
                pass

    def _summary(self, failures: Sequence[str]) -> str:
        first, *others = failures
        lines = [first, *(f"{ALSO_FAILED}{text}" for text in others)]
        if self._not_run:
            lines.append(f"not run because of this: nodes {', '.join(map(str, self._not_run))}")
        return "\n".join(lines)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the node that reads it tells


def _engines_of_nodes(graph: FlowGraph, config: FlowConfig) -> dict[int, Engine]:
    """The engines of the nodes that the configuration gives one of their own."""
    names = node_names(graph)
    given = {node_id: config.nodes[names[node_id]].engine for node_id in graph.nodes if names[node_id] in config.nodes}
    return {node_id: engine for node_id, engine in given.items() if engine is not None}


def _result(
    event: NodeComputed | NodeReused,
    handle: str,
    key: dg.AssetKey,
    metadata: Mapping[str, Any],
    checks: Sequence[dg.AssetCheckResult],
    tags: Mapping[str, str] | None,
) -> dg.MaterializeResult[StoredResult]:
    table = event.manifest.outputs.get(handle)
    return dg.MaterializeResult(
        asset_key=key,
        value=StoredResult(event.manifest.node_hash, handle),
        metadata=metadata,
        check_results=checks,
        tags=tags,
        data_version=dg.DataVersion(event.manifest.node_hash if table is None else table.content_hash),
    )
