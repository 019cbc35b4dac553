"""Charts of a table in the editor; delivers its input unchanged (flow format 5.29).

Kept: it takes no part in a result. Flowfile's command line leaves these nodes out altogether.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings


class ExploreDataSettings(NodeSettings):
    """Settings of `ExploreData`."""

    graphic_walker_input: Any = None


class ExploreData(NodeType[ExploreDataSettings]):
    """Charts in the editor."""

    type = "explore_data"
    Settings = ExploreDataSettings
    traits = frozenset({Trait.PASSTHROUGH})
    cosmetic_fields = frozenset({"graphic_walker_input"})

    def build(
        self, settings: ExploreDataSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        return frame

    def lineage(
        self, settings: ExploreDataSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)
