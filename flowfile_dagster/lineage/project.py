"""All flows of a folder, joined where one reads what another writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

import polars as pl

from flowfile_dagster.columns.dtypes import dtype_text
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.errors import FlowfileDagsterError
from flowfile_dagster.flow.files import find_flow_files
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.names import node_names, slug
from flowfile_dagster.flow.outside import needed_flows, sources_of, target_of
from flowfile_dagster.flow.predict import NodePrediction, predict_graph
from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.lineage.columns import ColumnGraph, ColumnId, NodeId, connect, flow_columns

#: What a reader will find, from what it finds now (None: nothing) and from what the writer delivers.
Reading: TypeAlias = Callable[[NodeId, pl.Schema | None, NodeId, pl.Schema], pl.Schema]


@dataclass(frozen=True)
class ProjectFlow:
    """One flow of a project."""

    name: str
    graph: FlowGraph
    predictions: Mapping[int, NodePrediction]

    @cached_property
    def names(self) -> Mapping[int, str]:
        """What each node is called."""
        return node_names(self.graph)

    def output_name(self, node_id: int, handle: str) -> str:
        """What an output is called: its node's name, with the label where the node has several."""
        labels = self.graph.nodes[node_id].handle_labels
        name = self.names[node_id]
        return name if len(labels) == 1 else f"{name}_{slug(labels[int(handle.removeprefix('output-'))])}"

    def schema(self, node_id: int, handle: str = "output-0") -> pl.Schema | None:
        """The columns of an output; None where they are not known, or there is no such output."""
        prediction = self.predictions.get(node_id)
        return prediction.schemas.get(handle) if prediction else None


@dataclass(frozen=True)
class Project:
    """Flows by name, each after those that it reads from. `broken`: why a file does not load, by name.

    `writers`: for each node that reads what another flow writes, the node that writes it.
    """

    flows: Mapping[str, ProjectFlow]
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    writers: Mapping[NodeId, NodeId] = field(default_factory=dict[NodeId, NodeId])

    @cached_property
    def columns(self) -> ColumnGraph:
        """The columns of all flows."""
        links = {
            ColumnId(*reader, "output-0", name): ColumnId(*writer, "output-0", name)
            for reader, writer in self.writers.items()
            for name in self.flows[writer.flow].schema(writer.node_id) or ()
        }
        return connect((flow_columns(flow.name, flow.graph, flow.predictions) for flow in self.flows.values()), links)

    def node_name(self, node: NodeId) -> str:
        """What a node is called: ``flow/node``, in a project of one flow ``node``."""
        name = self.flows[node.flow].names[node.node_id]
        return name if len(self.flows) == 1 else f"{node.flow}/{name}"

    def column_type(self, column: ColumnId) -> str:
        """The name of a column's type."""
        schema = self.flows[column.flow].schema(column.node_id, column.handle)
        return "" if schema is None else dtype_text(schema[column.column])

    def column_name(self, column: ColumnId) -> str:
        """What a column is called: ``flow/output.column``, in a project of one flow ``output.column``."""
        name = f"{self.flows[column.flow].output_name(column.node_id, column.handle)}.{column.column}"
        return name if len(self.flows) == 1 else f"{column.flow}/{name}"


def flow_files(path: Path) -> dict[str, Path]:
    """The flow files under a folder by name: the path under the folder without the suffix. A file is by itself."""
    files = find_flow_files(path)
    bare = {file: file.relative_to(path if path.is_dir() else path.parent).with_suffix("").as_posix() for file in files}
    taken = list(bare.values())
    return {name if taken.count(name) == 1 else name + file.suffix: file for file, name in bare.items()}


def read_project(files: Mapping[str, Path], root: Path | None, reading: Reading | None = None) -> Project:
    """Load and predict flows.

    Args:
        files: flow files by name.
        root: the folder that relative paths in flows stand under.
        reading: what a reader of a written file will find. Default: what it finds now, and where that is nothing,
            what is written.
    """
    graphs: dict[str, FlowGraph] = {}
    broken: dict[str, str] = {}
    for name, file in files.items():
        try:
            graphs[name] = read_graph(file, root=root)
        except FlowfileDagsterError as error:
            broken[name] = str(error)
    writers, order = _connections(graphs)
    flows: dict[str, ProjectFlow] = {}
    for name in order:
        flows[name] = _predict(name, graphs[name], flows, writers, reading or _as_found)
    return Project(flows, broken, writers)


def _as_found(reader: NodeId, found: pl.Schema | None, writer: NodeId, written: pl.Schema) -> pl.Schema:
    return written if found is None else found


def _predict(
    name: str,
    graph: FlowGraph,
    flows: Mapping[str, ProjectFlow],
    writers: Mapping[NodeId, NodeId],
    reading: Reading,
) -> ProjectFlow:
    context = NodeContext(graph, is_prediction=True)
    predictions = predict_graph(graph, context)
    read: dict[int, pl.Schema | None] = {}
    for reader, writer in writers.items():
        if reader.flow != name:
            continue
        written, found = flows[writer.flow].schema(writer.node_id), predictions[reader.node_id].schemas["output-0"]
        if written is not None:
            read[reader.node_id] = reading(reader, found, writer, written)
        elif found is None:
            read[reader.node_id] = None
    return ProjectFlow(name, graph, predict_graph(graph, context, read=read) if read else predictions)


def _connections(graphs: Mapping[str, FlowGraph]) -> tuple[dict[NodeId, NodeId], list[str]]:
    """Which node reads what which other writes, and the flows in an order in which no flow waits for itself."""
    targets = {
        target: NodeId(name, node.node_id)
        for name, graph in graphs.items()
        for node in graph.nodes.values()
        if (target := target_of(node, graph)) is not None
    }
    writers: dict[NodeId, NodeId] = {}
    needs: dict[str, set[str]] = {name: set() for name in graphs}
    for name, graph in graphs.items():
        for node in graph.nodes.values():
            for source in sources_of(node, graph):
                writer = targets.get(source.uri)
                if writer is not None and not node.inputs and name not in needed_flows(writer.flow, needs):
                    writers[NodeId(name, node.node_id)] = writer
                    needs[name].add(writer.flow)
    return writers, list(TopologicalSorter({name: sorted(needs[name]) for name in graphs}).static_order())
