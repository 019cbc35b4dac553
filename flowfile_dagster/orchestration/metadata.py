"""Metadata of assets: what is known before a run, and what a run found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from flowfile_dagster.columns.schema import schema_to_json
from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, SchemaText
from flowfile_dagster.engine.events import NodeComputed, NodeReused
from flowfile_dagster.engine.preview import render_preview
from flowfile_dagster.store.store import ResultStore

COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"


def definition_metadata(
    flow: CompiledFlow, node: CompiledNode, handle: str, input_keys: Sequence[dg.AssetKey]
) -> dict[str, Any]:
    """What the asset page shows before any run. `input_keys`: the asset of each of the node's inputs, in order."""
    metadata: dict[str, Any] = {
        "flowfile/flow_file": dg.MetadataValue.path(flow.path),
        "flowfile/node_id": node.node_id,
        "flowfile/position": f"{node.position[0]}, {node.position[1]}",
    }
    reference = dg.LocalFileCodeReference(file_path=flow.path, line_number=node.line, label=f"node {node.node_id}")
    metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(code_references=[reference])
    schema = node.schemas.get(handle)
    metadata |= {"flowfile/schema": "opaque"} if schema is None else {COLUMN_SCHEMA: table_schema(schema)}
    lineage = node.lineage.get(handle)
    if lineage is not None:
        metadata[COLUMN_LINEAGE] = dg.TableColumnLineage(
            deps_by_column={
                column: [dg.TableColumnDep(input_keys[index], name) for index, name in origins]
                for column, origins in lineage.items()
            }
        )
    if node.problem or node.warning:
        metadata["flowfile/problem"] = node.problem or node.warning
    if node.group:
        metadata["flowfile/canvas_group"] = node.group
    if node.target:
        metadata["dagster/uri"] = node.target
    return metadata


def table_schema(schema: SchemaText) -> dg.TableSchema:
    """A schema as Dagster shows it."""
    return dg.TableSchema(columns=[dg.TableColumn(name, dtype) for name, dtype in schema])


def result_metadata(
    event: NodeComputed | NodeReused, handle: str, predicted: SchemaText | None, store: ResultStore
) -> dict[str, Any]:
    """What a materialization shows: rows, bytes, schema, a preview, how the result came about."""
    manifest = event.manifest
    table = manifest.outputs[handle]
    schema = schema_to_json(table.schema)
    metadata: dict[str, Any] = {
        "dagster/row_count": table.rows,
        "dagster/size_bytes": table.bytes,
        "flowfile/preview": dg.MetadataValue.md(render_preview(store.scan(table), table.rows)),
        "flowfile/schema": dg.MetadataValue.json(schema),
        "flowfile/cache": f"miss:{event.why}" if isinstance(event, NodeComputed) else "hit",
        "flowfile/node_hash": manifest.node_hash,
        "flowfile/seconds": event.seconds if isinstance(event, NodeComputed) else 0.0,
        "flowfile/stored_at": dg.MetadataValue.path(str(store.path(table))),
    }
    if _is_shown_better(schema, predicted):
        metadata[COLUMN_SCHEMA] = table_schema([(name, dtype) for name, dtype in schema])
    if manifest.written is not None:
        metadata["dagster/uri"] = manifest.written.path
        metadata["flowfile/written_bytes"] = manifest.written.size
    return metadata


def _is_shown_better(schema: list[list[str]], predicted: SchemaText | None) -> bool:
    """Whether to repeat the schema: where definition and materialization both have one, the UI lower-cases names."""
    is_new = predicted is None or [list(column) for column in predicted] != schema
    return is_new or all(name == name.lower() for name, _ in schema)
