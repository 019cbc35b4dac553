"""How many rows went into a node and how many came out, as far as the store knows it without counting anything."""

from __future__ import annotations

from collections.abc import Mapping

from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.plan.node_hash import upstream_hash
from flowfile_dagster.store.index import Manifest


def render_row_counts(
    node: FlowNode, handle: str, manifest: Manifest, inputs: Mapping[int, Manifest], names: Mapping[int, str]
) -> str | None:
    """``orders 1,000 + customers 50 -> 980``; None unless the result was made of exactly these inputs.

    Args:
        node: what was computed by itself.
        handle: the output that is spoken of.
        manifest: the node's result.
        inputs: stored results by node id, among them those of the node's inputs.
        names: what to call the inputs, by node id.
    """
    table = manifest.outputs.get(handle)
    if table is None or not node.inputs or any(item.node_id not in inputs for item in node.inputs):
        return None
    hashes = [inputs[item.node_id].node_hash for item in node.inputs]
    if upstream_hash(node.inputs, hashes) != manifest.parts.get("upstream"):
        return None
    counts = []
    for item in node.inputs:
        source = inputs[item.node_id].outputs.get(item.handle)
        if source is None:
            return None
        counts.append(f"{names[item.node_id]} {source.rows:,}")
    return f"{' + '.join(counts)} -> {table.rows:,}"
