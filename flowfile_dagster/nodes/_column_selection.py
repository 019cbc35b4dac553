"""The choice of columns that several nodes share: all, a list, or one group of types."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl

from flowfile_dagster.columns.dtypes import ReadableGroup, readable_group
from flowfile_dagster.contract.settings import SettingsBlock

SelectionMode: TypeAlias = Literal["all", "list", "data_type"]


class ColumnSelection(SettingsBlock):
    """Which columns a rule applies to."""

    selection_mode: SelectionMode = "all"
    selected_columns: tuple[str, ...] = ()
    selected_data_type: ReadableGroup | None = None

    def select_columns(self, schema: pl.Schema) -> list[str]:
        """The chosen columns: a list in its own order without unknown names, else in the order of the schema."""
        if self.selection_mode == "list":
            return [name for name in self.selected_columns if name in schema]
        if self.selection_mode == "data_type":
            return [name for name, dtype in schema.items() if readable_group(dtype) == self.selected_data_type]
        return list(schema)
