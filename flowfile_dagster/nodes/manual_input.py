"""Data typed into the flow.

Kept: a value that does not fit the declared type becomes null, a decimal text is cut in an integer column, text
never becomes a Boolean, an unknown type is String, a `Z` suffix makes a Datetime column UTC-aware.
Not kept: a list count that differs from the number of columns is an error, where Flowfile may read the lists as
rows and so put values into the wrong columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NO_INPUT, NodeType, Trait
from flowfile_dagster.nodes._manual_data import ManualDataSettings, manual_frame


class ManualInputSettings(ManualDataSettings):
    """Settings of `ManualInput`."""


class ManualInput(NodeType[ManualInputSettings]):
    """Data typed into the flow."""

    type = "manual_input"
    Settings = ManualInputSettings
    ports = NO_INPUT
    traits = frozenset({Trait.SOURCE})

    def build(
        self, settings: ManualInputSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        return manual_frame(settings.raw_data_format)

    def lineage(
        self, settings: ManualInputSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return dict.fromkeys(output, ())
