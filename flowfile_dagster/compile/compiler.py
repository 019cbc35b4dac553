"""Compile one flow: parse, resolve, predict. Runs in a worker process, never in the one that loads definitions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.columns.schema import schema_to_json
from flowfile_dagster.compile.form import (
    BrokenFlow,
    CompiledFlow,
    CompiledInput,
    CompiledNode,
    CompiledParameter,
    CompiledSegment,
    CompiledSource,
)
from flowfile_dagster.compile.settings_text import render_settings
from flowfile_dagster.compile.snippet import render_snippet
from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.errors import FlowfileDagsterError, ParameterError
from flowfile_dagster.flow.document import FlowDocument, parse_document
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.flow.lineage import compose_lineage
from flowfile_dagster.flow.names import node_names
from flowfile_dagster.flow.notes import notes_by_node
from flowfile_dagster.flow.outside import sources_of, target_of
from flowfile_dagster.flow.predict import NodePrediction, predict_graph
from flowfile_dagster.flow.resolve import resolve_graph
from flowfile_dagster.flow.text import FlowText
from flowfile_dagster.lineage.columns import ColumnGraph, ColumnId, flow_columns
from flowfile_dagster.lineage.table import lineage_table
from flowfile_dagster.plan.checked import checked_nodes
from flowfile_dagster.plan.fusion import performance_segments
from flowfile_dagster.plan.node_hash import settings_hash
from flowfile_dagster.plan.segments import Segment, development_segments
from flowfile_dagster.plan.sources import fingerprint_sources
from flowfile_dagster.plan.stages import PlanInputs, Stage, plan_run
from flowfile_dagster.store.fingerprints import SCHEMAS, FileMemory, fingerprint_memory, stat_signature
from flowfile_dagster.store.store import ResultStore

_MAX_WATCHED_FOLDERS = 1000


def compile_flow(
    text: FlowText,
    *,
    root: Path | None,
    parameters: Mapping[str, object],
    checked: Mapping[str, bool],
    store: ResultStore | None,
) -> CompiledFlow | BrokenFlow:
    """The compiled form of a flow file's text; a flow that does not load gives a `BrokenFlow`, never an error."""
    try:
        document = parse_document(text)
        graph = resolve_graph(document, parameters=parameters, root=root)
        return _compile(document, graph, checked, store)
    except ParameterError as error:
        return BrokenFlow(text.path.stem, str(text.path), str(error), parameter=error.name)
    except FlowfileDagsterError as error:
        return BrokenFlow(text.path.stem, str(text.path), str(error))
    except Exception as error:  # noqa: BLE001  one flow must not take down the others
        return BrokenFlow(text.path.stem, str(text.path), f"{text.path}: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Findings:
    """What the whole flow has to be looked at for; `notes` and `saved` settings by node id."""

    context: NodeContext
    names: Mapping[int, str]
    notes: Mapping[int, str]
    saved: Mapping[int, Mapping[str, Any] | None]
    predictions: Mapping[int, NodePrediction]
    columns: ColumnGraph


def _compile(
    document: FlowDocument, graph: FlowGraph, checked: Mapping[str, bool], store: ResultStore | None
) -> CompiledFlow:
    found_schemas = FileMemory(store.base / SCHEMAS) if store and store.base.is_dir() else None
    context = NodeContext(graph, is_prediction=True, found_schemas=found_schemas)
    unread: list[Path] = []
    stages = _stored_stages(graph, store, unread) if store else {}
    predictions = predict_graph(graph, context, {node_id: _schemas(stage) for node_id, stage in stages.items()})
    awaited = [
        stage.node_hash
        for node_id, stage in stages.items()
        if stage.node_hash and stage.manifest is None and None in predictions[node_id].schemas.values()
    ]
    findings = _Findings(
        context,
        node_names(graph),
        notes_by_node(document),
        {entry.node_id: entry.setting_input for entry in document.nodes if graph.parameters},
        predictions,
        flow_columns(graph.name, graph, predictions),
    )
    has_opaque = any(None in prediction.schemas.values() for prediction in predictions.values())
    return CompiledFlow(
        name=graph.name,
        path=str(graph.path),
        content_hash=graph.content_hash,
        execution_mode=graph.execution_mode,
        description=graph.description,
        parameters=[
            CompiledParameter(
                definition.name,
                definition.type,
                graph.parameters[definition.name],
                definition.description,
                list(definition.enum_values or ()),
            )
            for definition in graph.definitions.values()
        ],
        nodes=[_node(node, findings) for node in graph.nodes.values()],
        segments=[
            _segment(segment, graph, predictions)
            for segment in performance_segments(graph, checked=checked_nodes(graph, checked))
        ],
        awaited=awaited,
        awaited_files=sorted({str(path) for path in unread}) if has_opaque else [],
    )


def _segment(segment: Segment, graph: FlowGraph, predictions: Mapping[int, NodePrediction]) -> CompiledSegment:
    return CompiledSegment(
        root=segment.root,
        nodes=list(segment.nodes),
        inputs=list(segment.inputs),
        reasons=list(segment.reasons),
        lineage=compose_lineage(graph, predictions, segment.nodes),
        bundle=segment.bundle,
    )


def _stored_stages(graph: FlowGraph, store: ResultStore, unread: list[Path]) -> dict[int, Stage]:
    """What the store holds for each node, as far as that is known without reading any source.

    Files that would have to be read for more are added to `unread`.
    """
    memory = fingerprint_memory(store.base)
    context = NodeContext(graph)

    def remembered(path: Path) -> str:
        known = memory.remembered(path)
        if known is None:
            unread.append(path)
            raise FileNotFoundError(f"no fingerprint is remembered for {path}")
        return known

    def fingerprint(node: FlowNode) -> str:
        settings: Any = node.settings
        return fingerprint_sources(node.kind.sources(settings, context), remembered)

    inputs = PlanInputs(store.find, lambda node: None, lambda node: None, fingerprint)
    return {
        stage.node_id: stage
        for stage in plan_run(graph, development_segments(graph), list(graph.nodes), inputs, context).stages
    }


def _schemas(stage: Stage) -> dict[str, pl.Schema]:
    return {handle: table.schema for handle, table in stage.manifest.outputs.items()} if stage.manifest else {}


def _named_after(node: FlowNode, flow: _Findings) -> list[str]:
    if node.problem or not node.inputs:
        return []
    settings: Any = node.settings
    schemas = [flow.predictions[item.node_id].schemas.get(item.handle) for item in node.inputs]
    return sorted(node.kind.named_after(settings, schemas))


def _node(node: FlowNode, flow: _Findings) -> CompiledNode:
    prediction = flow.predictions[node.node_id]
    return CompiledNode(
        node_id=node.node_id,
        name=flow.names[node.node_id],
        node_type=node.node_type,
        reference=node.reference,
        description=node.description,
        position=node.position,
        group=node.group,
        notes=flow.notes.get(node.node_id, ""),
        line=node.line,
        handle_labels=list(node.handle_labels),
        inputs=[CompiledInput(item.node_id, item.handle, item.slot) for item in node.inputs],
        traits=sorted(trait.value for trait in node.traits),
        settings_hash=settings_hash(node),
        settings_text=render_settings(node, flow.saved.get(node.node_id)),
        snippet=render_snippet(node, flow.names, flow.predictions),
        problem=node.problem,
        warning=None if prediction.error is None or node.problem else prediction.error.cause,
        schemas={
            handle: None if schema is None else [(column, dtype) for column, dtype in schema_to_json(schema)]
            for handle, schema in prediction.schemas.items()
        },
        lineage=compose_lineage(flow.context.graph, flow.predictions, [node.node_id]),
        lineage_tables=_lineage_tables(node, flow),
        named_after=_named_after(node, flow),
        sources=[_source(source) for source in sources_of(node, flow.context)],
        target=target_of(node, flow.context),
    )


def _lineage_tables(node: FlowNode, flow: _Findings) -> dict[str, str]:
    tables: dict[str, str] = {}
    for handle, schema in flow.predictions[node.node_id].schemas.items():
        name = flow.context.graph.name
        own = None if schema is None else [ColumnId(name, node.node_id, handle, column) for column in schema]
        tables[handle] = lineage_table(flow.columns, own, lambda other: flow.names[other.node_id])
    return tables


def _source(source: Source) -> CompiledSource:
    state = [_state(path) for path in (*source.files, *_folders(source))]
    return CompiledSource(source.uri, source.identity, source.pattern, state)


def _folders(source: Source) -> list[Path]:
    """The folders whose listing decides which files a pattern or folder source has; none for what is no path."""
    given = Path(source.uri)
    if [str(path) for path in source.files] == [source.uri] or not given.is_absolute():
        return []
    top = next(folder for folder in (given, *given.parents) if folder.is_dir())
    if top != given and not set("*?[") & set(given.parts[len(top.parts)]):
        return [top]
    return [Path(folder) for folder, _, _ in islice(os.walk(top), _MAX_WATCHED_FOLDERS)]


def _state(path: Path) -> tuple[str, int, int, int]:
    try:
        return (str(path), *stat_signature(path))
    except OSError:
        return (str(path), 0, 0, 0)
