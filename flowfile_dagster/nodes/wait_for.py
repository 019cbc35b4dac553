"""Deliver the main input unchanged, once the right input is complete.

The right input's data is discarded. The plan over the main input does not mention the right one: whoever runs the
node has to run what stands above the right input first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import TWO_INPUTS, MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings


class WaitForSettings(NodeSettings):
    """Settings of `WaitFor`: there are none."""


class WaitFor(NodeType[WaitForSettings]):
    """Deliver the main input once the right one is complete."""

    type = "wait_for"
    Settings = WaitForSettings
    ports = TWO_INPUTS
    traits = frozenset({Trait.PASSTHROUGH, Trait.NARROW})

    def build(self, settings: WaitForSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        return frames[0]

    def predict(
        self, settings: WaitForSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {"output-0": inputs[0]}

    def lineage(
        self, settings: WaitForSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)
