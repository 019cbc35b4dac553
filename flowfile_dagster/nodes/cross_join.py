"""Every left row with every right row. Left is the main input, right the right input.

Kept: overlapping right names always get ``_right``, whatever ``auto_generate_selection`` says; ``data_type`` of an
entry and the other flags do nothing. Rows come left-major. Not kept: dropping all columns of one side gives no rows
in Flowfile; here the rows of the other side repeat as in every cross join.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import TWO_INPUTS, NodeType, Trait
from flowfile_dagster.contract.settings import ColumnList, NodeSettings, SettingsBlock
from flowfile_dagster.nodes._columns import unused_name
from flowfile_dagster.nodes._join_columns import JoinSide, check_names, in_order, list_side, rename_overlap


class CrossJoinInput(SettingsBlock):
    """The column lists of both sides."""

    left_select: ColumnList
    right_select: ColumnList


class CrossJoinSettings(NodeSettings):
    """Settings of `CrossJoin`."""

    cross_join_input: CrossJoinInput


class CrossJoin(NodeType[CrossJoinSettings]):
    """Every left row with every right row."""

    type = "cross_join"
    Settings = CrossJoinSettings
    ports = TWO_INPUTS
    traits = frozenset({Trait.WIDE})

    def build(self, settings: CrossJoinSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        left, right = frames
        schemas = (left.collect_schema(), right.collect_schema())
        sides = _sides(settings, *schemas)
        names = [column.name for side in sides for column in side.columns]
        parts = [_with_counter(frame, side, names, number) for number, (frame, side) in enumerate(zip(frames, sides))]
        dtypes = [schema[column.source] for schema, side in zip(schemas, sides) for column in side.columns]
        return _pairs(parts[0], parts[1], names, dtypes).select(names)

    def lineage(
        self, settings: CrossJoinSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        sides = _sides(settings, inputs[0], inputs[1])
        return {
            column.name: (ColumnOrigin(number, column.source),)
            for number, side in enumerate(sides)
            for column in side.columns
        }


def _sides(settings: CrossJoinSettings, left: pl.Schema, right: pl.Schema) -> tuple[JoinSide, JoinSide]:
    lists = settings.cross_join_input
    left_side = list_side(lists.left_select, left, (), "cross_join_input.left_select")
    right_side = list_side(lists.right_select, right, (), "cross_join_input.right_select")
    right_side = rename_overlap(left_side, right_side)
    check_names(left_side, right_side)
    return left_side, right_side


def _pairs(
    left: pl.LazyFrame, right: pl.LazyFrame, names: Sequence[str], dtypes: Sequence[pl.DataType]
) -> pl.LazyFrame:
    """Each left row with each right row; on a constant key where Polars cannot stream a cross join."""
    if not any(isinstance(dtype, pl.Struct) for dtype in dtypes):
        return left.join(right, how="cross", maintain_order="left_right")
    key = unused_name("key", names)
    left, right = (side.with_columns(pl.lit(0).alias(key)) for side in (left, right))
    return in_order(left.join(right, on=key, maintain_order="left_right"))


def _with_counter(frame: pl.LazyFrame, side: JoinSide, taken: list[str], number: int) -> pl.LazyFrame:
    """The side's columns; a row index alone where none is left, because a frame without columns has no rows."""
    if side.columns:
        return frame.select(pl.col(column.source).alias(column.name) for column in side.columns)
    index = unused_name(f"row {number}", taken)
    return frame.with_row_index(unused_name(index, frame.collect_schema())).select(pl.first().alias(index))
