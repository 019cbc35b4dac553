"""Order the rows by one or more columns.

Kept: nulls come first in both directions; any direction but "desc"/"descending" is ascending; an empty list
passes the input through. A missing column is an error here, where Flowfile notices it only in a later node.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.errors import MissingColumnError
from flowfile_dagster.formula.code import names_code
from flowfile_dagster.nodes._sort_keys import SortKey


class SortSettings(NodeSettings):
    """Settings of `Sort`."""

    sort_input: tuple[SortKey, ...] = ()


class Sort(NodeType[SortSettings]):
    """Order the rows."""

    type = "sort"
    Settings = SortSettings
    traits = frozenset({Trait.WIDE, Trait.ORDER_PRODUCING})

    def traits_of(self, settings: SortSettings) -> frozenset[Trait]:
        return self.traits if settings.sort_input else frozenset({Trait.WIDE})

    def build(self, settings: SortSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        if not settings.sort_input:
            return frame
        columns = context.schema_of(frame)
        for key in settings.sort_input:
            if key.column not in columns:
                raise MissingColumnError(key.column, columns, "sort_input")
        return frame.sort(
            [key.column for key in settings.sort_input],
            descending=[key.is_descending for key in settings.sort_input],
            nulls_last=False,
            maintain_order=context.keeps_order,
        )

    def snippet(self, settings: SortSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        if not settings.sort_input:
            return names[0]
        columns = names_code([key.column for key in settings.sort_input])
        descending = [key.is_descending for key in settings.sort_input]
        return f"{names[0]}.sort({columns}, descending={descending}, maintain_order=True)"

    def lineage(self, settings: SortSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)
