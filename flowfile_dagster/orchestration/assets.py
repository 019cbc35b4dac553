"""A flow as assets: which of its results share a Dagster step."""

# No postponed annotations here: Dagster reads the annotation of the step's context as an object.

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.cache import CompileCache
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.document import FlowDocument, parse_document
from flowfile_dagster.flow.parameters import resolve_values
from flowfile_dagster.flow.resolve import resolve_graph
from flowfile_dagster.orchestration.config import FlowConfig
from flowfile_dagster.orchestration.io_manager import FlowfileIOManager, StoredResult
from flowfile_dagster.orchestration.launch import LaunchSettings, flow_resource_key
from flowfile_dagster.orchestration.parameters import tell_parameters
from flowfile_dagster.orchestration.partition_range import run_partitions
from flowfile_dagster.orchestration.specs import FlowSpecs
from flowfile_dagster.orchestration.step import FlowStep
from flowfile_dagster.orchestration.translator import IO_MANAGER_KEY, FlowPlace


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


def build_flow_assets(
    flow: CompiledFlow, specs: FlowSpecs, source: FlowSource, config: FlowConfig
) -> list[dg.AssetsDefinition]:
    """The assets of a flow: in development one step for any selection of nodes, in performance one per segment.

    Segments that are collected together share a step, too, and so do those of a flow with a gate: Dagster would skip
    a step below a closed gate even where it runs on what is left open. A partitioned flow is one step, so that a
    partition that fails does not keep the others from being finished.
    """
    name = "__".join(specs.place.key_prefix)
    is_one_step = config.partitions is not None or any(GATE in node.traits for node in flow.nodes)
    if specs.mode == "development" or is_one_step:
        return [_build_step(name, list(specs.by_output.values()), flow, specs, source, config)]
    nodes = {node.node_id: node for node in flow.nodes}
    steps: dict[int, list[dg.AssetSpec]] = {}
    for segment in specs.segments:
        steps.setdefault(segment.root if segment.bundle is None else segment.bundle, []).extend(
            specs.of_segment(segment)
        )
    return [
        _build_step(f"{name}__{nodes[node_id].name}", outputs, flow, specs, source, config)
        for node_id, outputs in steps.items()
    ]


def _build_step(
    name: str,
    outputs: list[dg.AssetSpec],
    flow: CompiledFlow,
    specs: FlowSpecs,
    source: FlowSource,
    config: FlowConfig,
) -> dg.AssetsDefinition:
    launch_key = flow_resource_key(specs.place)

    @dg.multi_asset(
        name=name,
        specs=outputs,
        can_subset=True,
        required_resource_keys={IO_MANAGER_KEY, launch_key},
        description=flow.description or None,
        backfill_policy=dg.BackfillPolicy(config.max_partitions_per_run) if config.partitions else None,
    )
    def run_flow(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[StoredResult]]:
        io_manager: FlowfileIOManager = context.resources.original_resource_dict[IO_MANAGER_KEY]
        store = io_manager.open_store(context.instance)
        launched: LaunchSettings = context.resources.original_resource_dict[launch_key]
        document = source.read_document(flow)
        given = {**config.parameters, **launched.parameters}
        bound = config.partitions.parameters if config.partitions else ()
        tell_parameters(context, specs.place, resolve_values(document, given), bound)

        def run(partition: str | None = None) -> Iterator[dg.MaterializeResult[StoredResult]]:
            values = dict[str, object](given)
            if config.partitions and partition is not None:
                values |= config.partitions.values(partition, source.folder)
            graph = resolve_graph(document, parameters=values, root=source.root)
            step = FlowStep(flow, specs, store, context, partition)
            yield from step.run(graph, launched.mode or specs.mode, config)

        if config.partitions:
            yield from run_partitions(context, run, store, [spec.key for spec in outputs])
        else:
            yield from run()

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
