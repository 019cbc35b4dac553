"""Metadata of assets: what is known before a run, and what a run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import dagster as dg

from flowfile_dagster.columns.difference import explain_difference
from flowfile_dagster.columns.schema import schema_from_json, schema_to_json
from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, CompiledSegment, SchemaText
from flowfile_dagster.engine.events import NodeComputed, NodeReused
from flowfile_dagster.engine.preview import SAMPLED_ROWS, render_preview
from flowfile_dagster.orchestration.pages.settings import settings_markdown, snippet_markdown
from flowfile_dagster.orchestration.project.redaction import NOTHING, Redaction
from flowfile_dagster.store.index import StoredTable
from flowfile_dagster.store.store import ResultStore

COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"

#: Output column to (asset, column) pairs.
ColumnOrigins: TypeAlias = Mapping[str, Sequence[tuple[dg.AssetKey, str]]]


def definition_metadata(
    flow: CompiledFlow,
    node: CompiledNode,
    handle: str,
    segment: CompiledSegment | None,
    columns: ColumnOrigins | None,
    beyond: str,
) -> dict[str, Any]:
    """What the asset page shows before any run. `columns`: the origins of each column; None is opaque.

    `beyond`: what goes below the table of the lineage: where the columns come from that other flows write.
    """
    metadata: dict[str, Any] = {
        "flowfile/flow_file": _path(flow.path),
        "flowfile/node_id": node.node_id,
        "flowfile/position": f"{node.position[0]}, {node.position[1]}",
    }
    reference = dg.LocalFileCodeReference(file_path=flow.path, line_number=node.line, label=f"node {node.node_id}")
    metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(code_references=[reference])
    schema = node.schemas.get(handle)
    metadata |= {"flowfile/schema": "opaque"} if schema is None else {COLUMN_SCHEMA: table_schema(schema)}
    if handle in node.lineage_tables:
        metadata["flowfile/column_lineage"] = dg.MetadataValue.md(node.lineage_tables[handle] + beyond)
    if columns is not None:
        # A node may read an input twice, and Dagster takes no origin twice.
        metadata[COLUMN_LINEAGE] = dg.TableColumnLineage(
            deps_by_column={
                column: [dg.TableColumnDep(key, name) for key, name in dict.fromkeys(origins)]
                for column, origins in columns.items()
            }
        )
    members = [node] if segment is None or segment.nodes == [node.node_id] else _members(flow, segment)
    if any(member.settings_text for member in members):
        metadata["flowfile/settings"] = dg.MetadataValue.md(settings_markdown(members))
    if any(member.snippet for member in members):
        metadata["flowfile/polars"] = dg.MetadataValue.md(snippet_markdown(members))
    if segment is not None and segment.reasons != ["node"]:
        metadata |= _segment_metadata(flow, segment)
    if node.problem or node.warning:
        metadata["flowfile/problem"] = node.problem or node.warning
    if node.group:
        metadata["flowfile/canvas_group"] = node.group
    if any(member.notes for member in members):
        metadata["flowfile/notes"] = dg.MetadataValue.md("\n\n".join(filter(None, (item.notes for item in members))))
    if node.target:
        metadata["dagster/uri"] = node.target
    return metadata


def _members(flow: CompiledFlow, segment: CompiledSegment) -> list[CompiledNode]:
    nodes = {node.node_id: node for node in flow.nodes}
    return [nodes[node_id] for node_id in segment.nodes]


def _segment_metadata(flow: CompiledFlow, segment: CompiledSegment) -> dict[str, Any]:
    nodes = {node.node_id: node for node in flow.nodes}
    metadata: dict[str, Any] = {
        "flowfile/boundary": ", ".join(segment.reasons),
        "flowfile/fused_nodes": dg.MetadataValue.md(_drawing(_members(flow, segment), nodes)),
    }
    if segment.bundle is not None:
        bundled = [other.root for other in flow.segments if other.bundle == segment.bundle]
        metadata["flowfile/collected_with"] = ", ".join(nodes[root].name for root in bundled if root != segment.root)
    return metadata


def _drawing(members: Sequence[CompiledNode], nodes: Mapping[int, CompiledNode]) -> str:
    """The segment as a list in the order of the work: each node, and what it reads."""
    inside = {node.node_id for node in members}
    lines = []
    for node in members:
        reads = [nodes[item.node_id].name + ("" if item.node_id in inside else " (stored)") for item in node.inputs]
        arrow = f" <- {', '.join(reads)}" if reads else ""
        lines.append(f"- `{node.name}`{arrow}: {node.description or node.node_type}")
    return "\n".join(lines)


def table_schema(schema: SchemaText) -> dg.TableSchema:
    """A schema as Dagster shows it."""
    return _table_schema(tuple((name, dtype) for name, dtype in schema))


# Most columns go through several nodes unchanged, and so do many schemas.
@lru_cache(maxsize=4096)
def _table_schema(schema: tuple[tuple[str, str], ...]) -> dg.TableSchema:
    return dg.TableSchema(columns=[_column(name, dtype) for name, dtype in schema])


@lru_cache(maxsize=16384)
def _column(name: str, dtype: str) -> dg.TableColumn:
    return dg.TableColumn(name, dtype)


@lru_cache(maxsize=1024)
def _path(path: str) -> dg.PathMetadataValue:
    """Each node of a flow names its file."""
    return dg.MetadataValue.path(path)


def result_metadata(
    event: NodeComputed | NodeReused,
    handle: str,
    predicted: SchemaText | None,
    store: ResultStore,
    redaction: Redaction = NOTHING,
) -> dict[str, Any]:
    """What a materialization shows: rows, bytes, schema, a preview, how the result came about."""
    manifest = event.manifest
    metadata: dict[str, Any] = {
        "flowfile/cache": f"miss:{event.why}" if isinstance(event, NodeComputed) else "hit",
        "flowfile/node_hash": manifest.node_hash,
        "flowfile/seconds": event.seconds if isinstance(event, NodeComputed) else 0.0,
    }
    table = manifest.outputs.get(handle)
    if table is not None:
        metadata |= _table_metadata(table, predicted, store, redaction)
    if manifest.written is not None:
        metadata["dagster/uri"] = manifest.written.path
        metadata["flowfile/written_bytes"] = manifest.written.size
        if table is None and manifest.written.rows is not None:
            metadata["dagster/row_count"] = manifest.written.rows
    return metadata


def _table_metadata(
    table: StoredTable, predicted: SchemaText | None, store: ResultStore, redaction: Redaction
) -> dict[str, Any]:
    schema = schema_to_json(table.schema)
    metadata: dict[str, Any] = {
        "dagster/row_count": table.rows,
        "dagster/size_bytes": table.bytes,
        "flowfile/schema": dg.MetadataValue.json(schema),
        "flowfile/stored_at": dg.MetadataValue.path(store.place(table)),
    }
    if store.is_at_hand(table):
        preview = render_preview(lambda: store.scan(table, SAMPLED_ROWS), table.rows, redaction.hides)
        metadata["flowfile/preview"] = dg.MetadataValue.md(preview)
    if predicted is not None and (difference := explain_difference(schema_from_json(predicted), table.schema)):
        metadata["flowfile/schema_difference"] = difference
    if _is_shown_better(schema, predicted):
        metadata[COLUMN_SCHEMA] = table_schema([(name, dtype) for name, dtype in schema])
    return metadata


def _is_shown_better(schema: list[list[str]], predicted: SchemaText | None) -> bool:
    """Whether to repeat the schema: where definition and materialization both have one, the UI lower-cases names."""
    is_new = predicted is None or [list(column) for column in predicted] != schema
    return is_new or all(name == name.lower() for name, _ in schema)
