"""Remove duplicate rows.

Kept: no columns means all columns; "none" removes every row whose key occurs more than once; null equals null.
Not kept: the rows' order, which Flowfile loses, is that of the input, and "any" keeps the first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.formula.code import names_code
from flowfile_dagster.nodes._columns import require_columns


class UniqueInput(SettingsBlock):
    """The key columns, and which row of equal ones stays."""

    columns: tuple[str, ...] | None = None
    strategy: Literal["first", "last", "any", "none"] = "any"

    @property
    def keys(self) -> list[str]:
        """The key columns, each once; none for all columns."""
        return list(dict.fromkeys(self.columns or ()))

    @property
    def keep(self) -> Literal["first", "last", "none"]:
        """Which of equal rows stays: for "any" the first, so that it is the same one each time."""
        return "first" if self.strategy == "any" else self.strategy


class UniqueSettings(NodeSettings):
    """Settings of `Unique`."""

    unique_input: UniqueInput


class Unique(NodeType[UniqueSettings]):
    """Remove duplicate rows."""

    type = "unique"
    Settings = UniqueSettings
    traits = frozenset({Trait.WIDE})

    def traits_of(self, settings: UniqueSettings) -> frozenset[Trait]:
        chooses_by_order = settings.unique_input.columns and settings.unique_input.strategy != "none"
        return self.traits | {Trait.ORDER_SENSITIVE} if chooses_by_order else self.traits

    def build(self, settings: UniqueSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        unique = settings.unique_input
        require_columns(unique.keys, context.schema_of(frame), "unique_input.columns")
        return frame.unique(unique.keys or None, keep=unique.keep, maintain_order=context.keeps_order)

    def snippet(self, settings: UniqueSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        unique = settings.unique_input
        subset = f"{names_code(unique.keys)}, " if unique.keys else ""
        return f'{names[0]}.unique({subset}keep="{unique.keep}", maintain_order=True)'

    def lineage(self, settings: UniqueSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)
