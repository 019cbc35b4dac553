"""Number the connected components of a graph whose edges are the rows.

Kept: components count from 1 in order of first appearance; a null end connects nothing, and its row gets 0 unless its
`col_from` is in a component through other rows; mixed types are compared as text; an input column of the output name
is overwritten. Not kept: types on which Flowfile fails or its process ends (8, 16 and 128 bit integers, Categorical,
Enum, Decimal, time zones) work here.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import require_columns
from flowfile_dagster.nodes._graph_edges import edge_end
from flowfile_dagster.nodes._optional import require_library


class GraphSolverInput(SettingsBlock):
    """The two ends of an edge, and the name of the new column."""

    col_from: str
    col_to: str
    output_column_name: str | None = "graph_group"


class GraphSolverSettings(NodeSettings):
    """Settings of `GraphSolver`."""

    graph_solver_input: GraphSolverInput


class GraphSolver(NodeType[GraphSolverSettings]):
    """Number the connected components of a graph."""

    type = "graph_solver"
    Settings = GraphSolverSettings
    traits = frozenset({Trait.WIDE, Trait.ORDER_SENSITIVE})

    def check(self, settings: GraphSolverSettings) -> None:
        if settings.graph_solver_input.output_column_name is None:
            raise SettingsError("graph_solver_input.output_column_name", "is null; give the new column a name")

    def build(
        self, settings: GraphSolverSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        require_library("polars_grouper", self.type, "graph")
        from polars_grouper import graph_solver

        self.check(settings)
        graph = settings.graph_solver_input
        (frame,) = frames
        schema = frame.collect_schema()
        require_columns([graph.col_from], schema, "graph_solver_input.col_from")
        require_columns([graph.col_to], schema, "graph_solver_input.col_to")
        component = graph_solver(
            edge_end(graph.col_from, schema, "graph_solver_input.col_from"),
            edge_end(graph.col_to, schema, "graph_solver_input.col_to"),
        )
        return frame.with_columns(component.alias(graph.output_column_name or ""))

    def lineage(
        self, settings: GraphSolverSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        graph = settings.graph_solver_input
        ends = tuple(ColumnOrigin(0, column) for column in inputs[0] if column in (graph.col_from, graph.col_to))
        return {**identity_lineage(output), graph.output_column_name or "": ends}
