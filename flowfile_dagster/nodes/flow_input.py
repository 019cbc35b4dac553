"""Where a parent flow hands a table to this one; on its own it serves sample data.

The sample data follow the rules of `manual_input`; without any the frame has no columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NO_INPUT, NodeType, Trait
from flowfile_dagster.nodes._manual_data import ManualDataSettings, manual_frame
from flowfile_dagster.nodes._slot_name import SlotName


class FlowInputSettings(ManualDataSettings):
    """Settings of `FlowInput`."""

    input_name: SlotName = "input"


class FlowInput(NodeType[FlowInputSettings]):
    """A named input of the flow."""

    type = "flow_input"
    Settings = FlowInputSettings
    ports = NO_INPUT
    traits = frozenset({Trait.SOURCE})
    cosmetic_fields = frozenset({"input_name"})
    unique_field = "input_name"

    def build(self, settings: FlowInputSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        return manual_frame(settings.raw_data_format)

    def lineage(
        self, settings: FlowInputSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return dict.fromkeys(output, ())
