"""A table that a parent flow takes from this one; delivers its input unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.nodes._slot_name import SlotName


class FlowOutputSettings(NodeSettings):
    """Settings of `FlowOutput`."""

    output_name: SlotName = "output"


class FlowOutput(NodeType[FlowOutputSettings]):
    """A named output of the flow."""

    type = "flow_output"
    Settings = FlowOutputSettings
    traits = frozenset({Trait.PASSTHROUGH})
    cosmetic_fields = frozenset({"output_name"})
    unique_field = "output_name"

    def build(
        self, settings: FlowOutputSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        return frame

    def lineage(
        self, settings: FlowOutputSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)
