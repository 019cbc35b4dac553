"""The table that a published flow answers with; delivers its input unchanged.

Kept: `max_rows` and `orientation` shape an HTTP answer only and have no effect on a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings


class ApiResponseSettings(NodeSettings):
    """Settings of `ApiResponse`."""

    orientation: Literal["records", "columns"] = "records"
    max_rows: int | None = None


class ApiResponse(NodeType[ApiResponseSettings]):
    """The body of an HTTP answer."""

    type = "api_response"
    Settings = ApiResponseSettings
    traits = frozenset({Trait.PASSTHROUGH})
    cosmetic_fields = frozenset({"orientation", "max_rows"})

    def build(
        self, settings: ApiResponseSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        return frame

    def lineage(
        self, settings: ApiResponseSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)
