"""The state of sources as Dagster keeps it: observed on request, and by every run that reads a source."""

# No postponed annotations here: Dagster reads the annotation of the step's context as an object.

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from flowfile_dagster.compile.form import CompiledSegment
from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.outside import sources_of
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.specs.sources import OutsideSource
from flowfile_dagster.orchestration.specs.translator import IO_MANAGER_KEY
from flowfile_dagster.orchestration.steps.history import (
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG,
    latest_observed_version,
)
from flowfile_dagster.orchestration.steps.io_manager import io_manager_of
from flowfile_dagster.plan.sources import source_version
from flowfile_dagster.store.fingerprints import FingerprintMemory, fingerprint_memory
from flowfile_dagster.store.store import ResultStore

#: The data version of a source that could never be read.
_NEVER_READ = "never read"


def build_source_assets(
    outside: Sequence[tuple[dg.AssetSpec, OutsideSource]], read_graph: Callable[[FlowPlace], FlowGraph]
) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """External assets for sources: one step observes any selection of those that are files."""
    observed = {spec.key: source for spec, source in outside if source.is_observable}
    plain = [spec for spec, source in outside if not source.is_observable]
    if not observed:
        return [*plain]
    mark = hashlib.sha256(" ".join(sorted(key.to_user_string() for key in observed)).encode()).hexdigest()[:8]

    def observe_sources(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        io_manager = io_manager_of(context.resources)
        memory = fingerprint_memory(io_manager.open_store(context.instance).base)
        by_place: dict[FlowPlace, list[dg.AssetKey]] = {}
        for key in sorted(context.selected_asset_keys):
            by_place.setdefault(observed[key].place, []).append(key)
        for place, keys in by_place.items():
            graph = read_graph(place)
            for key in keys:
                result = _observe(key, observed[key], graph, memory)
                if result is None:
                    context.log.warning(f"{observed[key].source.uri} cannot be read, so its state is not observed")
                    # Without a result Dagster would skip what reads the source, and call the run a success.
                    known = latest_observed_version(context.instance, key) or _NEVER_READ
                    result = dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(known))
                yield result

    as_asset: Callable[..., dg.AssetsDefinition] = dg.multi_observable_source_asset(
        name=f"observe_sources_{mark}",
        specs=[spec for spec, source in outside if source.is_observable],
        can_subset=True,
        required_resource_keys={IO_MANAGER_KEY},
    )
    return [*plain, as_asset(observe_sources)]


def _observe(
    key: dg.AssetKey, item: OutsideSource, graph: FlowGraph, memory: FingerprintMemory
) -> dg.ObserveResult | None:
    for source in sources_of(graph.nodes[item.node_id], graph):
        if source.identity == item.source.identity and (version := _version(source, memory)) is not None:
            return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(version), metadata=_size(source))
    return None


def record_sources(
    context: dg.AssetExecutionContext,
    graph: FlowGraph,
    segments: Iterable[CompiledSegment],
    observed: Mapping[str, dg.AssetKey],
    store: ResultStore,
) -> dict[int, dict[str, str]]:
    """Look at the sources of segments before they are read, and tell Dagster of those that it knows otherwise.

    Args:
        context: of the step.
        graph: the flow.
        segments: what the selected assets stand for. What is computed together in this run may be more or less.
        observed: the assets of sources by identity.
        store: where what is remembered of files is kept.

    Returns:
        By root the tags that say what its materialization was made from, or from something newer. Dagster itself
        would name the state last observed, which a file may have left since.
    """
    memory = fingerprint_memory(store.base)
    versions: dict[dg.AssetKey, str] = {}
    tags: dict[int, dict[str, str]] = {}
    for segment in segments if observed else ():
        for source in (item for node_id in segment.nodes for item in sources_of(graph.nodes[node_id], graph)):
            key = observed.get(source.identity)
            version = None if key is None else versions.get(key) or _version(source, memory)
            if key is None or version is None:
                continue
            if key not in versions and version != latest_observed_version(context.instance, key):
                tag = {DATA_VERSION_TAG: version}
                context.log_event(dg.AssetObservation(asset_key=key, tags=tag, metadata=_size(source)))
            versions[key] = version
            tags.setdefault(segment.root, {})[f"{INPUT_DATA_VERSION_TAG}/{key.to_user_string()}"] = version
    return tags


def _version(source: Source, memory: FingerprintMemory) -> str | None:
    try:
        return source_version(source, memory.content_hash)
    except OSError:
        return None


def _size(source: Source) -> dict[str, Any]:
    return {"flowfile/files": len(source.files), "dagster/uri": source.uri}
