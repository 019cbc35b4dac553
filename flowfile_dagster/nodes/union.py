"""Put the rows of all inputs below each other (flow format 5.26).

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
        schemas = [frame.collect_schema() for frame in frames]
        for column in dict.fromkeys(name for schema in schemas for name in schema):
            _check_common_type(column, [schema[column] for schema in schemas if column in schema])
        return pl.concat(frames, how="diagonal_relaxed")

    def lineage(self, settings: UnionSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return {
            column: tuple(ColumnOrigin(index, column) for index, schema in enumerate(inputs) if column in schema)
            for column in output
        }


def _check_common_type(column: str, dtypes: Sequence[pl.DataType]) -> None:
    distinct = [dtype for dtype in dict.fromkeys(dtypes) if not isinstance(dtype, pl.Null)]
    if len(distinct) < 2:
        return
    has_common = len({dtype.is_nested() for dtype in distinct}) == 1
    if has_common:
        try:
            pl.concat(
                [pl.LazyFrame(schema={column: dtype}) for dtype in distinct], how="vertical_relaxed"
            ).collect_schema()
        except pl.exceptions.PolarsError:
            has_common = False
    if not has_common:
        shown = ", ".join(str(dtype) for dtype in distinct)
        raise DataError(f"column {column!r} has types without a common one in the inputs: {shown}; convert it first")
