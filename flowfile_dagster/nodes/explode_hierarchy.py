"""Replace a parent-child table by all ancestors and descendants, with rolled-up quantities.

Kept: quantities multiply along a path and add up over paths, without a quantity column every edge counts 1; edges
with a null end are ignored; ids of integer types stay integers, mixed types become text; a cycle or a null quantity
is an error when the data is read. Input columns are not carried through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import require_columns
from flowfile_dagster.nodes._graph_edges import common_integer, edge_end
from flowfile_dagster.nodes._optional import require_library

_RESULT = "hierarchy"


class ExplodeHierarchyInput(SettingsBlock):
    """The edges, and how much of the explosion is wanted."""

    parent_column: str
    child_column: str
    quantity_column: str | None = None
    output_detail: Literal["totals", "levels", "paths"] = "totals"
    top_level_only: bool = False
    include_self: bool = False
    max_depth: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None

    @property
    def read_columns(self) -> list[str]:
        """The input columns that the result is made of."""
        return [self.parent_column, self.child_column, *([self.quantity_column] if self.quantity_column else [])]


class ExplodeHierarchySettings(NodeSettings):
    """Settings of `ExplodeHierarchy`."""

    explode_hierarchy_input: ExplodeHierarchyInput


class ExplodeHierarchy(NodeType[ExplodeHierarchySettings]):
    """Replace a parent-child table by all ancestors and descendants."""

    type = "explode_hierarchy"
    Settings = ExplodeHierarchySettings
    traits = frozenset({Trait.WIDE, Trait.ORDER_SENSITIVE, Trait.ORDER_PRODUCING})

    def check(self, settings: ExplodeHierarchySettings) -> None:
        edges = settings.explode_hierarchy_input
        for field, column in (("parent_column", edges.parent_column), ("child_column", edges.child_column)):
            if not column:
                raise SettingsError(f"explode_hierarchy_input.{field}", "is empty; choose a column")
        if edges.parent_column == edges.child_column:
            cause = f"is {edges.child_column!r}, as parent_column; choose two different columns"
            raise SettingsError("explode_hierarchy_input.child_column", cause)

    def build(
        self, settings: ExplodeHierarchySettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        require_library("polars_grouper", self.type, "graph")
        from polars_grouper import hierarchy_levels, hierarchy_paths, hierarchy_totals

        self.check(settings)
        edges = settings.explode_hierarchy_input
        (frame,) = frames
        schema = frame.collect_schema()
        require_columns(edges.read_columns, schema, "explode_hierarchy_input")
        explode = {"totals": hierarchy_totals, "levels": hierarchy_levels, "paths": hierarchy_paths}
        parent, child = _ends(edges, schema)
        result = explode[edges.output_detail](
            parent,
            child,
            pl.col(edges.quantity_column).cast(pl.Float64) if edges.quantity_column else None,
            top_level_only=edges.top_level_only,
            include_self=edges.include_self,
            max_depth=edges.max_depth,
        )
        return frame.select(result.alias(_RESULT)).unnest(_RESULT)

    def lineage(
        self, settings: ExplodeHierarchySettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        edges = settings.explode_hierarchy_input
        (schema,) = inputs
        parent, child = (ColumnOrigin(0, edges.parent_column),), (ColumnOrigin(0, edges.child_column),)
        both = tuple(ColumnOrigin(0, name) for name in schema if name in (edges.parent_column, edges.child_column))
        every = tuple(ColumnOrigin(0, name) for name in schema if name in edges.read_columns)
        known = {
            "ancestor": both if edges.include_self else parent,
            "descendant": both if edges.include_self else child,
            "parent": parent,
            "quantity": every,
            "quantity_per": (ColumnOrigin(0, edges.quantity_column),) if edges.quantity_column else (),
        }
        return {name: known.get(name, both) for name in output}


def _ends(edges: ExplodeHierarchyInput, schema: pl.Schema) -> tuple[pl.Expr, pl.Expr]:
    common = common_integer(schema[edges.parent_column], schema[edges.child_column])
    if common is not None:
        return pl.col(edges.parent_column).cast(common), pl.col(edges.child_column).cast(common)
    return (
        edge_end(edges.parent_column, schema, "explode_hierarchy_input.parent_column"),
        edge_end(edges.child_column, schema, "explode_hierarchy_input.child_column"),
    )
