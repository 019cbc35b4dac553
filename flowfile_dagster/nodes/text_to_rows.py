"""Split a text column into several rows.

Kept: the delimiter is literal and parts are not trimmed; null gives one row with null, "" one row with ""; an empty
delimiter splits into characters and makes null of ""; a null delimiter in a row makes null of its text. A column that
is not text is an error here, where Flowfile notices it only when the data is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import FlagOrFalse, NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import require_columns


class TextToRowsInput(SettingsBlock):
    """What is split, by what, and where the parts go."""

    column_to_split: str
    output_column_name: str | None = None
    split_by_fixed_value: FlagOrFalse = True
    split_fixed_value: str | None = ","
    split_by_column: str | None = None

    @property
    def output_column(self) -> str:
        """The column that receives the parts."""
        return self.output_column_name or self.column_to_split

    @property
    def read_columns(self) -> list[str]:
        """The columns that the parts are made of."""
        delimiter = [] if self.split_by_fixed_value else [self.split_by_column or ""]
        return [self.column_to_split, *delimiter]


class TextToRowsSettings(NodeSettings):
    """Settings of `TextToRows`."""

    text_to_rows_input: TextToRowsInput


class TextToRows(NodeType[TextToRowsSettings]):
    """Split a text column into several rows."""

    type = "text_to_rows"
    Settings = TextToRowsSettings
    traits = frozenset({Trait.NARROW})

    def check(self, settings: TextToRowsSettings) -> None:
        split = settings.text_to_rows_input
        if split.split_by_fixed_value and split.split_fixed_value is None:
            raise SettingsError("text_to_rows_input.split_fixed_value", "is null; give the delimiter")
        if not split.split_by_fixed_value and not split.split_by_column:
            raise SettingsError("text_to_rows_input.split_by_column", "is empty; name the column with the delimiters")

    def build(
        self, settings: TextToRowsSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        self.check(settings)
        split = settings.text_to_rows_input
        (frame,) = frames
        schema = context.schema_of(frame)
        require_columns(split.read_columns, schema, "text_to_rows_input")
        for column in split.read_columns:
            if schema[column] != pl.String:
                cause = f"column {column!r} is {schema[column]}; only String columns can be split or be delimiters"
                raise SettingsError("text_to_rows_input", cause)
        delimiter = pl.lit(split.split_fixed_value) if split.split_by_fixed_value else pl.col(split.read_columns[1])
        parts = pl.col(split.column_to_split).str.split(by=delimiter).alias(split.output_column)
        return frame.with_columns(parts).explode(split.output_column, empty_as_null=True, keep_nulls=True)

    def lineage(
        self, settings: TextToRowsSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        split = settings.text_to_rows_input
        origins = [column for column in inputs[0] if column in split.read_columns]
        return {**identity_lineage(output), split.output_column: tuple(ColumnOrigin(0, column) for column in origins)}
