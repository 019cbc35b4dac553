"""Choose, rename, cast, reorder and drop columns.

Entries for columns that the input does not have are ignored. Listed columns come first, by ``position`` where it is
written, then the unlisted ones unless ``keep_missing`` is off. Kept: an entry with a type casts whatever
``data_type_change`` says; casts are never strict; ``sorted_by`` sorts nothing; no columns means no rows.
Not kept: after `record_id` Flowfile casts the number to UInt64 though nobody asked; here nothing is cast unasked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.casting import cast_column
from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SelectColumn
from flowfile_dagster.errors import DuplicateColumnError, SettingsError
from flowfile_dagster.formula.code import text_code


class SelectSettings(NodeSettings):
    """Settings of `Select`."""

    select_input: tuple[SelectColumn, ...] = ()
    keep_missing: bool = True
    sorted_by: Literal["none", "asc", "desc"] | None = "none"

    def output_columns(self, schema: pl.Schema) -> list[SelectColumn]:
        """The entries for the columns of the result, in its order.

        A column stands where its new name comes first, be it as that of a column which is dropped.
        """
        present = [_named(entry) for entry in self.select_input if entry.old_name in schema]
        entries = sorted(present, key=lambda entry: entry.position or 0)
        columns = [entry for entry in entries if entry.keep]
        if self.keep_missing:
            listed = {entry.old_name for entry in entries}
            columns += [SelectColumn(old_name=name, new_name=name) for name in schema if name not in listed]
        places: dict[str, int] = {}
        for name in (*(entry.new_name for entry in entries), *schema):
            places.setdefault(name, len(places))
        return sorted(columns, key=lambda entry: places[entry.new_name])


class Select(NodeType[SelectSettings]):
    """Choose, rename, cast, reorder and drop columns."""

    type = "select"
    Settings = SelectSettings
    traits = frozenset({Trait.NARROW})
    cosmetic_fields = frozenset({"sorted_by"})

    def build(self, settings: SelectSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        if not settings.select_input and settings.keep_missing:
            return frame
        schema = context.schema_of(frame)
        columns = _checked_columns(settings, schema)
        return frame.select(_expression(entry, schema) for entry in columns)

    def predict(
        self, settings: SelectSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is None:
            return {"output-0": None}
        columns = _checked_columns(settings, schema)
        casts = {entry.old_name: cast for entry in columns if (cast := _cast(entry, schema)) is not None}
        types: dict[str, pl.DataType] = dict(schema)
        if casts:
            read = rowless({name: schema[name] for name in casts})
            types.update(read.select(casts.values()).collect_schema())
        return {"output-0": pl.Schema((entry.new_name, types[entry.old_name]) for entry in columns)}

    def snippet(self, settings: SelectSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        (schema,) = inputs
        if schema is None or any(_cast(entry, schema) is not None for entry in settings.output_columns(schema)):
            return None
        columns = [
            f"pl.col({text_code(entry.old_name)})"
            + (f".alias({text_code(entry.new_name)})" if entry.new_name != entry.old_name else "")
            for entry in settings.output_columns(schema)
        ]
        return f"{names[0]}.select({', '.join(columns)})"

    def lineage(self, settings: SelectSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return {entry.new_name: (ColumnOrigin(0, entry.old_name),) for entry in settings.output_columns(inputs[0])}


def _named(entry: SelectColumn) -> SelectColumn:
    """A new name may have become blank through a parameter, and then it means the old one; not so in joins."""
    return entry if entry.new_name.strip() else entry.model_copy(update={"new_name": entry.old_name})


def _checked_columns(settings: SelectSettings, schema: pl.Schema) -> list[SelectColumn]:
    """The columns of the result; an error where two have one name or one source."""
    columns = settings.output_columns(schema)
    sources: dict[str, str] = {}
    listed: set[str] = set()
    for entry in columns:
        if entry.old_name in listed:
            raise SettingsError("select_input", f"column {entry.old_name!r} is listed twice")
        if entry.new_name in sources:
            both = f"from columns {sources[entry.new_name]!r} and {entry.old_name!r}"
            raise DuplicateColumnError(entry.new_name, both)
        listed.add(entry.old_name)
        sources[entry.new_name] = entry.old_name
    return columns


def _cast(entry: SelectColumn, schema: pl.Schema) -> pl.Expr | None:
    return None if entry.data_type is None else cast_column(entry.old_name, schema[entry.old_name], entry.data_type)


def _expression(entry: SelectColumn, schema: pl.Schema) -> pl.Expr:
    cast = _cast(entry, schema)
    return (pl.col(entry.old_name) if cast is None else cast).alias(entry.new_name)
