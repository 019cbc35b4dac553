"""A flow as assets, and the steps that run it: each result is yielded as it completes."""

# No postponed annotations here: Dagster reads the annotation of the step's context as an object.

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.cache import CompileCache
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped
from flowfile_dagster.engine.runner import default_engine, engine_that_runs, run_segments
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.document import parse_document
from flowfile_dagster.flow.graph import ExecutionMode, FlowGraph, FlowNode
from flowfile_dagster.flow.names import node_names
from flowfile_dagster.flow.resolve import resolve_graph
from flowfile_dagster.orchestration.io_manager import FlowfileIOManager, StoredResult
from flowfile_dagster.orchestration.metadata import result_metadata
from flowfile_dagster.orchestration.specs import FlowSpecs
from flowfile_dagster.orchestration.translator import IO_MANAGER_KEY, FlowPlace
from flowfile_dagster.plan.fusion import performance_segments
from flowfile_dagster.plan.segments import Segment, development_segments
from flowfile_dagster.store.store import Ref, ResultStore


@dataclass(frozen=True)
class FlowSource:
    """Where a step finds the flow that was compiled: the cache, the key in it, and the root for relative paths."""

    cache: CompileCache
    key: str
    root: Path | None

    def read_graph(self, flow: CompiledFlow) -> FlowGraph:
        """The graph of the flow as it was when it was compiled."""
        return resolve_graph(parse_document(self.cache.read_text(self.key, Path(flow.path))), root=self.root)


@dataclass(frozen=True)
class Engines:
    """Which of Polars' engines runs a flow, and single nodes of it; None is the mode's own choice."""

    of_flow: Engine | None = None
    of_nodes: Mapping[int, Engine] = field(default_factory=dict[int, Engine])


def build_flow_assets(
    flow: CompiledFlow, specs: FlowSpecs, source: FlowSource, engines: Engines
) -> list[dg.AssetsDefinition]:
    """The assets of a flow: in development one step for any selection of nodes, in performance one per segment.

    Segments that are collected together share a step, too, and so do those of a flow with a gate: Dagster would skip
    a step below a closed gate even where it runs on what is left open.
    """
    name = "__".join(specs.place.key_prefix)
    if specs.mode == "development" or any(GATE in node.traits for node in flow.nodes):
        return [_build_step(name, list(specs.by_output.values()), flow, specs, source, engines)]
    nodes = {node.node_id: node for node in flow.nodes}
    steps: dict[int, list[dg.AssetSpec]] = {}
    for segment in specs.segments:
        steps.setdefault(segment.root if segment.bundle is None else segment.bundle, []).extend(
            specs.of_segment(segment)
        )
    return [
        _build_step(f"{name}__{nodes[node_id].name}", outputs, flow, specs, source, engines)
        for node_id, outputs in steps.items()
    ]


def _build_step(
    name: str,
    outputs: list[dg.AssetSpec],
    flow: CompiledFlow,
    specs: FlowSpecs,
    source: FlowSource,
    engines: Engines,
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=outputs,
        can_subset=True,
        required_resource_keys={IO_MANAGER_KEY},
        description=flow.description or None,
        config_schema=RUN_CONFIG,
    )
    def run_flow(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[StoredResult]]:
        io_manager: FlowfileIOManager = context.resources.original_resource_dict[IO_MANAGER_KEY]
        store = io_manager.open_store(context.instance)
        mode: ExecutionMode = context.op_execution_context.op_config.get("mode") or specs.mode
        yield from _Step(flow, specs, store, context).run(source.read_graph(flow), mode, engines)

    return run_flow


def build_broken_asset(flow: BrokenFlow, place: FlowPlace) -> dg.AssetsDefinition:
    """A flow file that did not load, as one visible asset that says why and cannot run."""

    @dg.asset(
        key=dg.AssetKey(list(place.key_prefix)),
        group_name=place.group,
        description=f"**This flow file does not load:** {flow.error}",
        metadata={"flowfile/flow_file": dg.MetadataValue.path(flow.path), "flowfile/problem": flow.error},
        kinds={"flowfile"},
    )
    def broken_flow() -> None:
        raise dg.Failure(flow.error, allow_retries=False)

    return broken_flow


GATE = Trait.GATE.value

#: What may be said of a step in the launchpad.
RUN_CONFIG = {
    "mode": dg.Field(
        dg.Enum("FlowfileMode", [dg.EnumValue("development"), dg.EnumValue("performance")]),
        is_required=False,
        description="development: every node is computed and stored by itself; performance: nodes are fused",
    )
}


class _Step:
    """One run of a flow's step: engine events become Dagster events."""

    def __init__(
        self, flow: CompiledFlow, specs: FlowSpecs, store: ResultStore, context: dg.AssetExecutionContext
    ) -> None:
        self._specs = specs
        self._store = store
        self._context = context
        self._schemas = {node.node_id: node.schemas for node in flow.nodes}
        self._source_bytes = {
            node.node_id: sum(size for source in node.sources for _, size, _, _ in source.state) for node in flow.nodes
        }
        self._failures: list[NodeError] = []
        self._not_run: list[int] = []

    def run(
        self, graph: FlowGraph, mode: ExecutionMode, engines: Engines
    ) -> Iterator[dg.MaterializeResult[StoredResult]]:
        """Yield each selected asset as it completes; raise at the end if any node failed."""
        selected = self._context.selected_asset_keys
        outputs = {output: spec.key for output, spec in self._specs.by_output.items() if spec.key in selected}
        targets = {node_id for node_id, _ in outputs}
        segments = development_segments(graph) if mode == "development" else performance_segments(graph, targets)
        ref_key = self._ref_key(graph)
        by_root = {segment.root: segment for segment in segments}
        chosen = engines.of_flow or default_engine(mode)
        if mode == "performance":
            self._announce(graph, segments, targets)
        for event in run_segments(
            graph,
            segments,
            targets,
            self._store,
            ref_key=ref_key,
            engine=chosen,
            engines=engines.of_nodes,
        ):
            self._note(event, graph)
            if isinstance(event, (NodeComputed, NodeReused)):
                self._store.publish(ref_key(graph.nodes[event.node_id]), Ref(event.manifest.node_hash, "output-0"))
            if isinstance(event, (NodeComputed, NodeReused)):
                for (node_id, handle), key in outputs.items():
                    if node_id == event.node_id:
                        ran = engines.of_nodes.get(node_id, chosen)
                        ran = engine_that_runs(by_root[node_id], graph.nodes[node_id], ran)
                        yield self._result(
                            event,
                            handle,
                            key,
                            {"flowfile/mode": mode, "flowfile/engine": ran},
                        )
        if self._failures:
            raise dg.Failure(self._summary(), allow_retries=False)

    def _announce(self, graph: FlowGraph, segments: Sequence[Segment], targets: Collection[int]) -> None:
        """Say what is computed together, and from how much: all that is known of a step that is killed."""
        names = node_names(graph)
        for segment in segments:
            if segment.root in targets:
                members = " -> ".join(names[node_id] for node_id in segment.nodes)
                size = sum(self._source_bytes[node_id] for node_id in segment.nodes)
                text = f"{graph.name}: computing {names[segment.root]} ({members}), which reads files of {size:,} bytes"
                self._context.log.info(text)

    def _ref_key(self, graph: FlowGraph) -> Callable[[FlowNode], Sequence[str]]:
        """The node's own key in the store, whichever of its outputs are assets."""
        names = node_names(graph)
        return lambda node: ("nodes", *self._specs.place.key_prefix, names[node.node_id])

    def _result(
        self, event: NodeComputed | NodeReused, handle: str, key: dg.AssetKey, settings: Mapping[str, str]
    ) -> dg.MaterializeResult[StoredResult]:
        predicted = self._schemas[event.node_id].get(handle)
        table = event.manifest.outputs.get(handle)
        return dg.MaterializeResult(
            asset_key=key,
            value=StoredResult(event.manifest.node_hash, handle),
            metadata={**result_metadata(event, handle, predicted, self._store), **settings},
            data_version=dg.DataVersion(event.manifest.node_hash if table is None else table.content_hash),
        )

    def _note(self, event: NodeEvent, graph: FlowGraph) -> None:
        match event:
            case NodeFailed():
                self._failures.append(event.error)
                self._context.log.error(str(event.error))
            case NodeSkipped():
                if not event.is_deliberate:
                    self._not_run.append(event.node_id)
                self._context.log.info(f"{graph.location(event.node_id)}: skipped, {event.because}")
            case _:
                pass

    def _summary(self) -> str:
        first, *others = (str(error) for error in self._failures)
        lines = [first, *(f"also failed: {text}" for text in others)]
        if self._not_run:
            lines.append(f"not run because of this: nodes {', '.join(map(str, self._not_run))}")
        return "\n".join(lines)
