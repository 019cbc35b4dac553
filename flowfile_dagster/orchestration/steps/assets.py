"""A flow as assets: which of its results share a Dagster step."""

# No postponed annotations here: Dagster reads the annotation of the step's context as an object.

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.cache import CompileCache
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.document import FlowDocument, parse_document
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.parameters import resolve_values
from flowfile_dagster.flow.resolve import resolve_graph
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.project.parameters import tell_parameters
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.specs.checks import NodeCheck, find_checks
from flowfile_dagster.orchestration.specs.specs import FlowSpecs
from flowfile_dagster.orchestration.specs.translator import IO_MANAGER_KEY
from flowfile_dagster.orchestration.steps.io_manager import io_manager_of
from flowfile_dagster.orchestration.steps.launch import LaunchSettings, flow_resource_key
from flowfile_dagster.orchestration.steps.multi_asset import build_multi_asset
from flowfile_dagster.orchestration.steps.partition_range import run_partitions
from flowfile_dagster.orchestration.steps.step import FlowStep, StepEvent

_GATE = Trait.GATE.value


@dataclass(frozen=True)
class FlowSource:
    """Where a step finds the flow that was compiled: the cache, the key in it, the root for relative paths, if one
    was given, and the folder that they stand under first."""

    cache: CompileCache
    key: str
    root: Path | None
    folder: Path

    def read_document(self, flow: CompiledFlow) -> FlowDocument:
        """The flow as it was when it was compiled."""
        return parse_document(self.cache.read_text(self.key, Path(flow.path)))

    def read_graph(self, flow: CompiledFlow, parameters: Mapping[str, object]) -> FlowGraph:
        """Its graph under these parameters."""
        return self.resolve(self.read_document(flow), flow, parameters)

    def resolve(self, document: FlowDocument, flow: CompiledFlow, parameters: Mapping[str, object]) -> FlowGraph:
        """The same for a document that was read. What could run when it was compiled is not checked in every step."""
        sound = {node.node_id for node in flow.nodes if node.problem is None}
        return resolve_graph(document, parameters=parameters, root=self.root, sound=sound)


def build_flow_assets(
    flow: CompiledFlow, specs: FlowSpecs, source: FlowSource, config: FlowConfig
) -> list[dg.AssetsDefinition]:
    """The assets of a flow: in development one step for any selection of nodes, in performance one per segment.

    Segments that are collected together share a step, too, and so do those of a flow with a gate: Dagster would skip
    a step below a closed gate even where it runs on what is left open. A partitioned flow is one step, so that a
    partition that fails does not keep the others from being finished. In development, a flow that another one reads
    from is split around its blocking checks.
    """
    name = "__".join(specs.place.key_prefix)
    checks = find_checks(flow, specs, config)
    is_one_step = config.partitions is not None or any(_GATE in node.traits for node in flow.nodes)
    if specs.mode == "development" or is_one_step:
        is_split = specs.is_read_elsewhere and not is_one_step
        homes = _steps_around(flow, {check.node_id for check in checks if check.spec.blocking and is_split})
    else:
        homes = {segment.root: segment.root if segment.bundle is None else segment.bundle for segment in specs.segments}
    names = {node.node_id: node.name for node in flow.nodes}
    steps: dict[int | None, list[dg.AssetSpec]] = {}
    for (node_id, _), spec in specs.by_output.items():
        steps.setdefault(homes[node_id], []).append(spec)
    return [
        _build_step(name if home is None else f"{name}__{names[home]}", outputs, checks, flow, specs, source, config)
        for home, outputs in steps.items()
    ]


def _steps_around(flow: CompiledFlow, blocking: Collection[int]) -> Mapping[int, int | None]:
    """The step of every node, by one of its nodes; None is the step of what is below no blocking check.

    A failed check fails its step, and Dagster then runs no step that reads anything from it. So a node with a
    blocking check has a step of its own, and nodes share one only if they are below the same checks.
    """
    above: dict[int, frozenset[int]] = {}
    first: dict[frozenset[int], int | None] = {frozenset(): None}
    for node in flow.nodes:
        inputs = [item.node_id for item in node.inputs]
        above[node.node_id] = frozenset(blocking).intersection(inputs).union(*(above[other] for other in inputs))
        if node.node_id not in blocking:
            first.setdefault(above[node.node_id], node.node_id)
    return {node_id: node_id if node_id in blocking else first[checks] for node_id, checks in above.items()}


def _build_step(
    name: str,
    outputs: list[dg.AssetSpec],
    checks: Sequence[NodeCheck],
    flow: CompiledFlow,
    specs: FlowSpecs,
    source: FlowSource,
    config: FlowConfig,
) -> dg.AssetsDefinition:
    launch_key = flow_resource_key(specs.place)
    keys = {spec.key for spec in outputs}
    own_checks = [check for check in checks if check.spec.asset_key in keys]

    def run_flow(context: dg.AssetExecutionContext, _: object) -> Iterator[StepEvent | dg.AssetMaterialization]:
        io_manager = io_manager_of(context.resources)
        store = io_manager.open_store(context.instance).of_run(context.run_id)
        launched: LaunchSettings = context.resources.original_resource_dict[launch_key]
        document = source.read_document(flow)
        given = {**config.parameters, **launched.parameters}
        bound = config.partitions.parameters if config.partitions else ()
        tell_parameters(context, specs.place, resolve_values(document, given), bound)

        def run(partition: str | None = None) -> Iterator[StepEvent]:
            values = dict[str, object](given)
            if config.partitions and partition is not None:
                values |= config.partitions.values(partition, source.folder)
            graph = source.resolve(document, flow, values)
            step = FlowStep(flow, specs, own_checks, store, context, partition)
            yield from step.run(graph, launched.mode or specs.mode, config)

        if config.partitions:
            yield from run_partitions(context, run, store, [spec.key for spec in outputs])
        else:
            yield from run()

    return build_multi_asset(
        run_flow,
        name,
        outputs,
        [check.spec for check in own_checks],
        required_resource_keys={IO_MANAGER_KEY, launch_key},
        description=flow.description or None,
        backfill_policy=dg.BackfillPolicy(config.max_partitions_per_run) if config.partitions else None,
        pool=config.pool,
    )


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
