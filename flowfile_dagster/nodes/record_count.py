"""Count the rows: one row with one column `number_of_records`, UInt32."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings

COUNT_COLUMN = "number_of_records"


class RecordCountSettings(NodeSettings):
    """Settings of `RecordCount`: none of its own."""


class RecordCount(NodeType[RecordCountSettings]):
    """Count the rows."""

    type = "record_count"
    Settings = RecordCountSettings
    traits = frozenset({Trait.WIDE, Trait.REDUCING})

    def build(
        self, settings: RecordCountSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        return frame.select(pl.len().alias(COUNT_COLUMN))

    def snippet(self, settings: RecordCountSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        return f'{names[0]}.select(pl.len().alias("{COUNT_COLUMN}"))'

    def lineage(
        self, settings: RecordCountSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return {COUNT_COLUMN: ()}
