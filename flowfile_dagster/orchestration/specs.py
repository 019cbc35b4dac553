"""Flows to asset specs: pure, and usable without execution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow, CompiledNode
from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.orchestration.translator import FlowfileTranslator, FlowOutput, FlowPlace


@dataclass(frozen=True)
class FlowSpecs:
    """The specs of a flow by (node id, handle)."""

    place: FlowPlace
    by_output: Mapping[tuple[int, str], dg.AssetSpec]


class SpecBuilder:
    """Specs of all flows of a project; what one flow writes and another reads becomes a dependency."""

    def __init__(self, flows: Iterable[tuple[FlowPlace, CompiledFlow]], translator: FlowfileTranslator) -> None:
        self._translator = translator
        self._flows = dict(flows)
        self._keys = {place: self._output_keys(place, flow) for place, flow in self._flows.items()}
        self._writers = {
            node.target: self._keys[place][node.node_id, "output-0"]
            for place, flow in self._flows.items()
            for node in flow.nodes
            if node.target
        }

    def flow_specs(self, place: FlowPlace) -> FlowSpecs:
        """The specs of one flow.

        Raises:
            FlowFileError: two outputs would have one asset key.
        """
        flow, keys = self._flows[place], self._keys[place]
        _refuse_collisions(flow, keys)
        specs: dict[tuple[int, str], dg.AssetSpec] = {}
        for node in flow.nodes:
            deps = self._deps(node, keys)
            for handle in node.schemas:
                specs[node.node_id, handle] = self._translator.get_asset_spec(
                    FlowOutput(place, flow, node, handle), deps
                )
        return FlowSpecs(place, specs)

    def source_specs(self) -> list[dg.AssetSpec]:
        """One external asset per distinct thing outside that any flow reads and no flow writes."""
        read = {source.uri for flow in self._flows.values() for node in flow.nodes for source in node.sources}
        uris = {self._translator.get_source_key(uri): uri for uri in sorted(read - self._writers.keys())}
        return [
            dg.AssetSpec(key, group_name="sources", metadata={"dagster/uri": uri}, kinds={"file"})
            for key, uri in uris.items()
        ]

    def _output_keys(self, place: FlowPlace, flow: CompiledFlow) -> dict[tuple[int, str], dg.AssetKey]:
        return {
            (node.node_id, handle): self._translator.get_asset_key(FlowOutput(place, flow, node, handle))
            for node in flow.nodes
            for handle in node.schemas
        }

    def _deps(self, node: CompiledNode, keys: Mapping[tuple[int, str], dg.AssetKey]) -> list[dg.AssetKey]:
        """First the asset of each input, in order; then what the node reads outside."""
        inputs = [keys.get((item.node_id, item.handle)) or keys[item.node_id, "output-0"] for item in node.inputs]
        own = {keys[node.node_id, handle] for handle in node.schemas}
        outside = [
            self._writers.get(source.uri) or self._translator.get_source_key(source.uri) for source in node.sources
        ]
        return [*inputs, *(key for key in outside if key not in own)]


def _refuse_collisions(flow: CompiledFlow, keys: Mapping[tuple[int, str], dg.AssetKey]) -> None:
    """Dagster joins the parts of a key into one name, so ``["a", "b"]`` and ``["a__b"]`` are the same to it."""
    taken: dict[str, int] = {}
    for (node_id, _), key in keys.items():
        joined = "__".join(key.path).replace("-", "_").replace(".", "_")
        if joined in taken:
            cause = f"nodes {taken[joined]} and {node_id} would both be asset {key.to_user_string()!r}"
            raise FlowFileError(flow.path, [Problem("node_reference", cause, node_id)])
        taken[joined] = node_id
