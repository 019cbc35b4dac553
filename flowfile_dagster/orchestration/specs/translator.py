"""How a node appears in Dagster: one method to override, applied to assets and to the dependencies on them alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, CompiledSegment
from flowfile_dagster.flow.names import slug
from flowfile_dagster.orchestration.pages.metadata import ColumnOrigins, definition_metadata
from flowfile_dagster.orchestration.project.place import FlowPlace

IO_MANAGER_KEY = "flowfile_io_manager"


@dataclass(frozen=True)
class NodeOutput:
    """One output of one node, which becomes one asset.

    Attributes:
        place: where the flow stands in the project.
        flow: the flow as it was compiled.
        node: what is known of the node before a run.
        handle: ``output-0``, ``output-1``, …
        history_path: folders, flow and node by the names that they have, or had when their history began.
        segment: what is computed together to make it; None while only the key is asked for.
        url: where the node opens in Flowfile, if that is configured.
    """

    place: FlowPlace
    flow: CompiledFlow
    node: CompiledNode
    handle: str
    history_path: Sequence[str]
    segment: CompiledSegment | None = None
    url: str | None = None

    @property
    def label(self) -> str | None:
        """What the output is called; None for a node with one output."""
        labels = self.node.handle_labels
        return None if len(labels) == 1 else labels[int(self.handle.removeprefix("output-"))]


@dataclass(frozen=True)
class OutputEdges:
    """What an output is made of.

    Attributes:
        deps: the assets that it depends on.
        columns: for each column the columns of those assets; None is opaque.
        beyond: where the columns of files come from that other flows write, as markdown.
    """

    deps: Sequence[dg.AssetKey]
    columns: ColumnOrigins | None
    beyond: str = ""


class FlowfileTranslator:
    """Turns a node's output into an asset spec. Subclass it and override `get_asset_spec`, or `get_asset_key`.

    What depends on an output asks the same methods, so a key that is changed in either changes everywhere.
    """

    def resolve_key(self, output: NodeOutput) -> dg.AssetKey:
        """The key that the output's spec has, whichever method decides it."""
        if type(self).get_asset_spec is FlowfileTranslator.get_asset_spec:
            return self.get_asset_key(output)
        return self.get_asset_spec(output, OutputEdges((), None)).key

    def get_asset_key(self, output: NodeOutput) -> dg.AssetKey:
        """``[folders…, flow, node]``; where a node has several outputs, the label is part of the last name."""
        *above, name = output.history_path
        return dg.AssetKey([*above, name if output.label is None else f"{name}_{slug(output.label)}"])

    def get_source_key(self, uri: str) -> dg.AssetKey:
        """The key of something outside that flows read: ``["sources", …]`` from its path."""
        parts = [slug(part) for part in uri.replace("\\", "/").split("/") if part.strip(".:")]
        return dg.AssetKey(["sources", *parts[-3:]])

    def get_source_spec(self, uri: str, key: dg.AssetKey) -> dg.AssetSpec | None:
        """The spec of something outside that flows read; None where another part of the project defines the asset.

        A subclass whose `get_source_key` gives another key than this class names an asset that is there already; to
        rename sources that nothing else defines, override this method, too.
        """
        if key != FlowfileTranslator.get_source_key(self, uri):
            return None
        return dg.AssetSpec(key, group_name="sources", metadata={"dagster/uri": uri}, kinds={"file"})

    def get_asset_spec(self, output: NodeOutput, edges: OutputEdges) -> dg.AssetSpec:
        """The spec of one output."""
        node = output.node
        return dg.AssetSpec(
            key=self.get_asset_key(output),
            deps=[_dependency(key) for key in edges.deps],
            description=_description(node, has_parameters=bool(output.flow.parameters)),
            metadata={
                **definition_metadata(output.flow, node, output.handle, output.segment, edges.columns, edges.beyond),
                "dagster/io_manager_key": IO_MANAGER_KEY,
                **({} if output.url is None else {"flowfile/open": dg.MetadataValue.url(output.url)}),
            },
            group_name=output.place.group,
            code_version=_code_version(output),
            tags={"flowfile/flow": slug(output.flow.name)[:63], "flowfile/node_type": slug(node.node_type)[:63]},
            kinds={"polars", "flowfile", slug(node.node_type)[:63]},
        )


@lru_cache(maxsize=16384)
def _dependency(key: dg.AssetKey) -> dg.AssetDep:
    """Making one takes Dagster almost as long as the rest of a spec, and sources are read by many nodes."""
    return dg.AssetDep(key)


def _code_version(output: NodeOutput) -> str:
    """The hash of the settings of all that is computed together."""
    members = output.segment.nodes if output.segment else [output.node.node_id]
    if len(members) == 1:
        return output.node.settings_hash
    hashes = {node.node_id: node.settings_hash for node in output.flow.nodes}
    return hashlib.sha256(" ".join(hashes[node_id] for node_id in members).encode()).hexdigest()


def _description(node: CompiledNode, *, has_parameters: bool) -> str:
    parts = [node.description or node.node_type]
    unless_set = " with the parameters' defaults" if has_parameters else ""
    if node.problem:
        parts.append(f"**Cannot run{unless_set}:** {node.problem}")
    elif node.warning:
        parts.append(f"**Will fail{unless_set}:** {node.warning}")
    return "\n\n".join(parts)
