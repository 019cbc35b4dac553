"""Flows to asset specs: pure, and usable without execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, CompiledSegment, CompiledSource
from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.flow.outside import needed_flows
from flowfile_dagster.orchestration.pages.metadata import ColumnOrigins
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.project.project import Project
from flowfile_dagster.orchestration.specs.sources import OutsideSource, OutsideSources
from flowfile_dagster.orchestration.specs.translator import FlowfileTranslator, NodeOutput, OutputEdges
from flowfile_dagster.orchestration.specs.written_files import WrittenFile, render_origins, written_columns
from flowfile_dagster.plan.sources import belongs_to


@dataclass(frozen=True)
class FlowSpecs:
    """The specs of a flow by (node id, handle), and the segments that their roots stand for.

    `observed` are the sources that it reads and whose state Dagster keeps, by identity; `history_paths` the paths under
    which the history of each node is kept; `is_read_elsewhere` says whether another flow reads a file that it writes.
    """

    place: FlowPlace
    mode: ExecutionMode
    segments: Sequence[CompiledSegment]
    by_output: Mapping[tuple[int, str], dg.AssetSpec]
    observed: Mapping[str, dg.AssetKey]
    history_paths: Mapping[int, Sequence[str]]
    is_read_elsewhere: bool

    def ref_key(self, node_id: int) -> Sequence[str]:
        """The node's own key in the store, whichever of its outputs are assets."""
        return ("nodes", *self.history_paths[node_id])

    def of_segment(self, segment: CompiledSegment) -> list[dg.AssetSpec]:
        """The specs of a segment's root, one per handle."""
        return [spec for (node_id, _), spec in self.by_output.items() if node_id == segment.root]

    def partitioned(self, partitions: dg.PartitionsDefinition[str]) -> FlowSpecs:
        """The same, every one partitioned."""
        specs = {output: spec.replace_attributes(partitions_def=partitions) for output, spec in self.by_output.items()}
        return replace(self, by_output=specs)


class SpecBuilder:
    """Specs of all flows of a project; what one flow writes and another reads becomes a dependency."""

    def __init__(self, project: Project, translator: FlowfileTranslator) -> None:
        self._translator = translator
        self._flows = project.flows
        self._flowfile_url = project.flowfile_url
        self._paths = {
            place: {node.node_id: project.renames.history_path(place, node.name) for node in flow.nodes}
            for place, flow in self._flows.items()
        }
        self._keys = {place: self._output_keys(place, flow) for place, flow in self._flows.items()}
        self._sources = OutsideSources(project.flows, translator, project.named_sources())
        self._writers: dict[str, tuple[FlowPlace, dg.AssetKey]] = {}
        self._writing_nodes: dict[dg.AssetKey, CompiledNode] = {}
        for place, node in ((place, node) for place, flow in self._flows.items() for node in flow.nodes):
            if node.target:
                key = self._keys[place][node.node_id, "output-0"]
                self._writers[node.target] = (place, key)
                self._writing_nodes[key] = node
        self._readable = self._writers_without_cycles()
        self._read = {key for keys in self._readable.values() for key in keys}

    def flow_specs(self, place: FlowPlace, mode: ExecutionMode) -> FlowSpecs:
        """The specs of one flow: of every node, or in performance of every segment's root.

        Raises:
            FlowFileError: two outputs would have one asset key.
        """
        flow = self._flows[place]
        _refuse_collisions(flow, self._keys[place])
        nodes = {node.node_id: node for node in flow.nodes}
        segments = flow.segments if mode == "performance" else [_own_segment(node) for node in flow.nodes]
        specs: dict[tuple[int, str], dg.AssetSpec] = {}
        for segment in segments:
            node = nodes[segment.root]
            deps = self._deps(place, segment, nodes)
            written = self._written_elsewhere(place, [nodes[node_id] for node_id in segment.nodes])
            for handle in node.schemas:
                output = NodeOutput(
                    place,
                    flow,
                    self._without_waiting(node),
                    handle,
                    self._paths[place][node.node_id],
                    segment,
                    None if self._flowfile_url is None else _link(self._flowfile_url, flow, node),
                )
                columns = self._column_origins(place, segment, handle, written_columns(written))
                edges = OutputEdges(deps, columns, render_origins(written))
                specs[node.node_id, handle] = self._translator.get_asset_spec(output, edges)
        observed = self._sources.observable(self._read_outside(place))
        is_read = not self._read.isdisjoint(self._keys[place].values())
        return FlowSpecs(place, mode, segments, specs, observed, self._paths[place], is_read)

    def _without_waiting(self, node: CompiledNode) -> CompiledNode:
        """A node that reads what another flow has yet to write is not expected to fail."""
        waits = node.warning is not None and any(self._writers_of(source) for source in node.sources)
        return replace(node, warning=None) if waits else node

    def outside_sources(self) -> list[tuple[dg.AssetSpec, OutsideSource]]:
        """What is read outside and stands for itself: no flow of the project writes all of it."""
        needed = {identity for place in self._flows for identity in self._read_outside(place)}
        specs = self._sources.specs
        return [(specs[identity], self._sources.by_identity[identity]) for identity in sorted(needed & specs.keys())]

    def _read_outside(self, place: FlowPlace) -> list[str]:
        """The sources of a flow, but for those that another flow writes all of."""
        return [
            source.identity
            for node in self._flows[place].nodes
            for source in node.sources
            if self._sources.keys[source.identity] in self._origins(place, source)
        ]

    def _writers_of(self, source: CompiledSource) -> list[tuple[FlowPlace, dg.AssetKey]]:
        """The flows' own writers of what a node reads."""
        if source.pattern is None:
            return [self._writers[source.uri]] if source.uri in self._writers else []
        return [writer for target, writer in self._writers.items() if belongs_to(target, source.pattern)]

    def _written_elsewhere(self, place: FlowPlace, members: Sequence[CompiledNode]) -> list[WrittenFile]:
        """The files that nodes read and other flows write."""
        return [
            WrittenFile(node, self._writing_nodes[key], key)
            for node in members
            for source in node.sources
            if source.pattern is None
            for key in self._readable.get((place, source.identity), ())
        ]

    def _writers_without_cycles(self) -> dict[tuple[FlowPlace, str], list[dg.AssetKey]]:
        """By reading flow and source the writers that the reader may depend on: no flow then waits for itself."""
        needs: dict[FlowPlace, set[FlowPlace]] = {}
        allowed: dict[tuple[FlowPlace, str], list[dg.AssetKey]] = {}
        for place, flow in self._flows.items():
            sources = {source.identity: source for node in flow.nodes for source in node.sources}
            for identity, source in sources.items():
                for writer, key in self._writers_of(source):
                    if place not in needed_flows(writer, needs):
                        needs.setdefault(place, set()).add(writer)
                        allowed.setdefault((place, identity), []).append(key)
        return allowed

    def _origins(self, place: FlowPlace, source: CompiledSource) -> list[dg.AssetKey]:
        """The assets that a source's content comes from: what writes it, and where that may not be all, itself."""
        writers = self._readable.get((place, source.identity), [])
        return writers if writers and source.pattern is None else [*writers, self._sources.keys[source.identity]]

    def _output_keys(self, place: FlowPlace, flow: CompiledFlow) -> dict[tuple[int, str], dg.AssetKey]:
        return {
            (node.node_id, handle): self._translator.resolve_key(
                NodeOutput(place, flow, node, handle, self._paths[place][node.node_id])
            )
            for node in flow.nodes
            for handle in node.schemas
        }

    def _deps(self, place: FlowPlace, segment: CompiledSegment, nodes: Mapping[int, CompiledNode]) -> list[dg.AssetKey]:
        """The results that a segment reads, and what it reads outside."""
        members = [nodes[node_id] for node_id in segment.nodes]
        inside = set(segment.nodes)
        inputs = [
            self._key(place, item.node_id, item.handle)
            for node in members
            for item in node.inputs
            if item.node_id not in inside
        ]
        outside = [key for node in members for source in node.sources for key in self._origins(place, source)]
        own = {self._key(place, segment.root, handle) for handle in nodes[segment.root].schemas}
        return [key for key in dict.fromkeys([*inputs, *outside]) if key not in own]

    def _column_origins(
        self, place: FlowPlace, segment: CompiledSegment, handle: str, read: Mapping[tuple[int, str], dg.AssetKey]
    ) -> ColumnOrigins | None:
        """The columns of other assets that each is made of. `read`: the writers of columns that its nodes read."""
        lineage = segment.lineage.get(handle)
        if lineage is None:
            return None
        return {
            column: [
                (key, name)
                for above, output, name in origins
                if (key := self._key(place, above, output) if above in segment.inputs else read.get((above, name)))
            ]
            for column, origins in lineage.items()
        }

    def _key(self, place: FlowPlace, node_id: int, handle: str) -> dg.AssetKey:
        keys = self._keys[place]
        return keys.get((node_id, handle)) or keys[node_id, "output-0"]


def _link(template: str, flow: CompiledFlow, node: CompiledNode) -> str:
    values = {"path": flow.path, "flow": flow.name, "node_id": str(node.node_id)}
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return template


def _own_segment(node: CompiledNode) -> CompiledSegment:
    """A node by itself, as development has it."""
    inputs = [item.node_id for item in node.inputs]
    return CompiledSegment(node.node_id, [node.node_id], inputs, ["node"], node.lineage)


def _refuse_collisions(flow: CompiledFlow, keys: Mapping[tuple[int, str], dg.AssetKey]) -> None:
    """Dagster joins the parts of a key into one name, so ``["a", "b"]`` and ``["a__b"]`` are the same to it."""
    taken: dict[str, int] = {}
    for (node_id, _), key in keys.items():
        joined = "__".join(key.path).replace("-", "_").replace(".", "_")
        if joined in taken:
            cause = f"nodes {taken[joined]} and {node_id} would both be asset {key.to_user_string()!r}"
            raise FlowFileError(flow.path, [Problem("node_reference", cause, node_id)])
        taken[joined] = node_id
