"""A package of somebody else that adds one node type: this file and its entry point are all there is to it."""

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings


class ShoutSettings(NodeSettings):
    column: str


class Shout(NodeType[ShoutSettings]):
    type = "shout"
    Settings = ShoutSettings
    traits = frozenset({Trait.NARROW})

    def build(self, settings: ShoutSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        return frames[0].with_columns(pl.col(settings.column).str.to_uppercase())

    def lineage(self, settings: ShoutSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)
