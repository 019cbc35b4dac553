"""Put the rows of all inputs below each other.

Kept: `mode` has no effect, columns are matched by name in order of first appearance, missing ones are null, and types
become Polars' common type (Int + Float is Float64, Date + Int is Int64). Not kept: a column that is nested (List,
Struct) in one input and plain in another is an error here; Flowfile fails later or fills it with made-up structs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Ports, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError
from flowfile_dagster.nodes._columns import common_dtype


class UnionInput(SettingsBlock):
    """How columns are matched."""

    mode: Literal["selective", "relaxed"] = "relaxed"


class UnionSettings(NodeSettings):
    """Settings of `Union`."""

    union_input: UnionInput = UnionInput()


class Union(NodeType[UnionSettings]):
    """Put the rows of all inputs below each other."""

    type = "union"
    Settings = UnionSettings
    ports = Ports(1, None)
    traits = frozenset({Trait.NARROW, Trait.TAKES_OPEN_INPUTS})
    cosmetic_fields = frozenset({"union_input"})

    def build(self, settings: UnionSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        schemas = [context.schema_of(frame) for frame in frames]
        for column in dict.fromkeys(name for schema in schemas for name in schema):
            dtypes = list(dict.fromkeys(schema[column] for schema in schemas if column in schema))
            if len(dtypes) > 1 and common_dtype(dtypes) is None:
                shown = ", ".join(str(dtype) for dtype in dtypes)
                raise DataError(f"column {column!r} has types without a common one: {shown}; convert it first")
        return pl.concat(frames, how="diagonal_relaxed")

    def lineage(self, settings: UnionSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return {
            column: tuple(ColumnOrigin(index, column) for index, schema in enumerate(inputs) if column in schema)
            for column in output
        }
