"""Aggregate rows by key columns.

Kept: keys come first, then the aggregates, however they are mixed in the list; counts are UInt32; a sum of nothing
is 0 and a concat of nothing is the empty text; without keys the result is one row, for an empty input too; null keys
form a group; `output_type` casts nothing. Groups come in the order of their first row, which Flowfile leaves open.
Not kept: a mean of text or a sum of dates is an error with keys too, where Flowfile gives nulls.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pydantic import ConfigDict, Field

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.formula.code import text_code
from flowfile_dagster.nodes._aggregations import (
    aggregation_code,
    aggregation_traits,
    build_aggregation,
    check_aggregation,
)
from flowfile_dagster.nodes._columns import require_columns, require_distinct


class AggregateColumn(SettingsBlock):
    """One key (``agg: groupby``) or one aggregate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    old_name: str
    agg: str
    new_name: str | None = None
    output_type: str | None = Field(default=None, exclude=True)

    @property
    def is_key(self) -> bool:
        """Whether the rows are grouped by this column."""
        return self.agg == "groupby"

    @property
    def output_name(self) -> str:
        """The name of the result column."""
        if self.new_name is not None:
            return self.new_name
        return self.old_name if self.is_key else f"{self.old_name}_{self.agg}"


class GroupByInput(SettingsBlock):
    """Keys and aggregates in one list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agg_cols: tuple[AggregateColumn, ...]


class GroupBySettings(NodeSettings):
    """Settings of `GroupBy`."""

    groupby_input: GroupByInput | None = None

    @property
    def columns(self) -> tuple[AggregateColumn, ...]:
        """All entries, keys first: the order of the result's columns."""
        entries = self.groupby_input.agg_cols if self.groupby_input else ()
        return tuple(sorted(entries, key=lambda entry: not entry.is_key))


class GroupBy(NodeType[GroupBySettings]):
    """Aggregate rows by key columns."""

    type = "group_by"
    Settings = GroupBySettings
    traits = frozenset({Trait.WIDE, Trait.REDUCING})

    def traits_of(self, settings: GroupBySettings) -> frozenset[Trait]:
        return self.traits | aggregation_traits(entry.agg for entry in settings.columns)

    def check(self, settings: GroupBySettings) -> None:
        if settings.groupby_input is None:
            raise SettingsError("groupby_input", "is missing; list the key columns and the aggregates")
        for position, entry in enumerate(settings.groupby_input.agg_cols):
            if not entry.is_key:
                check_aggregation(entry.agg, f"groupby_input.agg_cols[{position}].agg")
        require_distinct((entry.output_name for entry in settings.columns), "groupby_input.agg_cols")

    def build(self, settings: GroupBySettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        (frame,) = frames
        schema = context.schema_of(frame)
        require_columns((entry.old_name for entry in settings.columns), schema, "groupby_input.agg_cols")
        keys = [pl.col(entry.old_name).alias(entry.output_name) for entry in settings.columns if entry.is_key]
        aggregates = [
            build_aggregation(entry.agg, entry.old_name, schema, "groupby_input.agg_cols").alias(entry.output_name)
            for entry in settings.columns
            if not entry.is_key
        ]
        if not keys:
            return frame.select(aggregates)
        if not aggregates:
            return frame.select(keys).unique(maintain_order=context.keeps_order)
        return frame.group_by(keys, maintain_order=context.keeps_order).agg(aggregates)

    def snippet(self, settings: GroupBySettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        (schema,) = inputs
        aggregates = [entry for entry in settings.columns if not entry.is_key]
        if schema is None or any(schema[entry.old_name].is_decimal() for entry in aggregates):
            return None
        keys = [_column_code(entry) for entry in settings.columns if entry.is_key]
        computed = ", ".join(_column_code(entry, aggregation_code(entry.agg)) for entry in aggregates)
        if not keys or not aggregates:
            return f"{names[0]}.select({computed})" if aggregates else None
        return f"{names[0]}.group_by({', '.join(keys)}, maintain_order=True).agg({computed})"

    def lineage(
        self, settings: GroupBySettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return {entry.output_name: (ColumnOrigin(0, entry.old_name),) for entry in settings.columns}


def _column_code(entry: AggregateColumn, aggregation: str = "") -> str:
    return f"pl.col({text_code(entry.old_name)}){aggregation}.alias({text_code(entry.output_name)})"
