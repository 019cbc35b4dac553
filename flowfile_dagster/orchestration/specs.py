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
        self._flows = list(flows)
        self._translator = translator
        self._writers = {
            node.target: translator.get_asset_key(FlowOutput(place, flow, node, "output-0"))
            for place, flow in self._flows
            for node in flow.nodes
            if node.target
        }

    def flow_specs(self, place: FlowPlace, flow: CompiledFlow) -> FlowSpecs:
        """The specs of one flow.

        Raises:
            FlowFileError: two outputs would have one asset key.
        """
        nodes = {node.node_id: node for node in flow.nodes}
        specs: dict[tuple[int, str], dg.AssetSpec] = {}
        taken: dict[str, int] = {}
        for node in flow.nodes:
            deps = self._deps(place, flow, node, nodes)
            for handle in node.schemas:
                spec = self._translator.get_asset_spec(FlowOutput(place, flow, node, handle), deps)
                _refuse_collision(flow, node, spec.key, taken)
                specs[node.node_id, handle] = spec
        return FlowSpecs(place, specs)

    def source_specs(self) -> list[dg.AssetSpec]:
        """One external asset per distinct thing outside that any flow reads and no flow writes."""
        uris = {
            source.uri for _, flow in self._flows for node in flow.nodes for source in node.sources
        } - self._writers.keys()
        by_key = {self._translator.get_source_key(uri): uri for uri in sorted(uris)}
        return [
            dg.AssetSpec(key, group_name="sources", metadata={"dagster/uri": uri}, kinds={"file"})
            for key, uri in by_key.items()
        ]

    def _deps(
        self, place: FlowPlace, flow: CompiledFlow, node: CompiledNode, nodes: Mapping[int, CompiledNode]
    ) -> list[dg.AssetKey]:
        inputs = [
            self._translator.get_asset_key(
                FlowOutput(place, flow, nodes[item.node_id], _handle(nodes[item.node_id], item.handle))
            )
            for item in node.inputs
        ]
        own = [self._translator.get_asset_key(FlowOutput(place, flow, node, handle)) for handle in node.schemas]
        outside = [
            self._writers.get(source.uri) or self._translator.get_source_key(source.uri) for source in node.sources
        ]
        return [*inputs, *(key for key in outside if key not in own)]


def _handle(node: CompiledNode, handle: str) -> str:
    return handle if handle in node.schemas else "output-0"


def _refuse_collision(flow: CompiledFlow, node: CompiledNode, key: dg.AssetKey, taken: dict[str, int]) -> None:
    """Dagster joins the parts of a key into one name, so ``["a", "b"]`` and ``["a__b"]`` are the same to it."""
    joined = "__".join(key.path).replace("-", "_").replace(".", "_")
    if joined in taken:
        cause = f"nodes {taken[joined]} and {node.node_id} would both be asset {key.to_user_string()!r}"
        raise FlowFileError(flow.path, [Problem("node_reference", cause, node.node_id)])
    taken[joined] = node.node_id
