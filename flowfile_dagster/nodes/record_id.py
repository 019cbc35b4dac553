"""Number the rows in a new first column.

The number runs through all rows, or anew in each group, in the order of the rows; null is a group of its own.
Kept: the type is UInt32 (Flowfile predicts UInt64), but Int64 for groups with a negative start.
A name that the input has already is an error here, where Flowfile notices it only in a later node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import FlagOrFalse, NodeSettings, SettingsBlock
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.formula.code import text_code

_LARGEST_START = 2**32 - 1


class RecordIdInput(SettingsBlock):
    """The numbering."""

    output_column_name: str = "record_id"
    offset: int = 1
    group_by: FlagOrFalse = False
    group_by_columns: tuple[str, ...] | None = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns whose values begin a new numbering; empty for one numbering of all rows."""
        return (self.group_by_columns or ()) if self.group_by else ()


class RecordIdSettings(NodeSettings):
    """Settings of `RecordId`."""

    record_id_input: RecordIdInput


class RecordId(NodeType[RecordIdSettings]):
    """Number the rows."""

    type = "record_id"
    Settings = RecordIdSettings
    traits = frozenset({Trait.WIDE, Trait.ORDER_SENSITIVE})

    def check(self, settings: RecordIdSettings) -> None:
        numbering = settings.record_id_input
        if not numbering.groups and not 0 <= numbering.offset <= _LARGEST_START:
            cause = f"must be between 0 and {_LARGEST_START} without groups, got {numbering.offset}"
            raise SettingsError("record_id_input.offset", cause)

    def build(self, settings: RecordIdSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        columns = context.schema_of(frame)
        _check_columns(settings.record_id_input, columns)
        return _numbered(settings.record_id_input, frame, columns)

    def predict(
        self, settings: RecordIdSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is None:
            return {"output-0": None}
        numbering = settings.record_id_input
        _check_columns(numbering, schema)
        groups = pl.Schema({column: schema[column] for column in numbering.groups})
        numbered = _numbered(numbering, rowless(groups), groups).collect_schema()
        name = numbering.output_column_name
        return {"output-0": pl.Schema({name: numbered[name], **schema})}

    def snippet(self, settings: RecordIdSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        numbering = settings.record_id_input
        if numbering.groups:
            return None
        return f"{names[0]}.with_row_index({text_code(numbering.output_column_name)}, {numbering.offset})"

    def lineage(
        self, settings: RecordIdSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return {settings.record_id_input.output_column_name: (), **identity_lineage(inputs[0])}


def _check_columns(numbering: RecordIdInput, columns: pl.Schema) -> None:
    name = numbering.output_column_name
    if name in columns:
        raise DuplicateColumnError(name, "the input has it already; choose another record_id_input.output_column_name")
    for column in numbering.groups:
        if column not in columns:
            raise MissingColumnError(column, columns, "record_id_input.group_by_columns")


def _numbered(numbering: RecordIdInput, frame: pl.LazyFrame, columns: pl.Schema) -> pl.LazyFrame:
    name = numbering.output_column_name
    if not numbering.groups:
        return frame.with_row_index(name, numbering.offset)
    number = pl.cum_count(name).over(numbering.groups) + numbering.offset - 1
    return frame.with_columns(pl.lit(1).alias(name)).select(number.alias(name), *columns)
