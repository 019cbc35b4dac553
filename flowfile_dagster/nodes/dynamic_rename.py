"""Rename many columns by one rule: prefix, suffix, formula, or the values of the first row.

A formula sees the names as column ``column_name``. Order and types of the columns stay. With the first row the
result is not known before the data is, so the schema is opaque; that row is removed, whatever the selection.
Kept: one single formula result stands for all columns; a blank formula changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import FormulaText, NodeSettings
from flowfile_dagster.errors import DataError, DuplicateColumnError, FormulaError
from flowfile_dagster.formula.compile import check_formula, compile_formula, is_random, is_volatile
from flowfile_dagster.nodes._column_selection import ColumnSelection

_NAMES = "column_name"


class DynamicRenameInput(ColumnSelection):
    """The rule and the columns that it is for."""

    rename_mode: Literal["prefix", "suffix", "formula", "first_row"] = "prefix"
    prefix: str = ""
    suffix: str = ""
    formula: FormulaText = ""


class DynamicRenameSettings(NodeSettings):
    """Settings of `DynamicRename`."""

    dynamic_rename_input: DynamicRenameInput = DynamicRenameInput()


class DynamicRename(NodeType[DynamicRenameSettings]):
    """Rename columns by a rule."""

    type = "dynamic_rename"
    Settings = DynamicRenameSettings
    traits = frozenset({Trait.NARROW})

    def traits_of(self, settings: DynamicRenameSettings) -> frozenset[Trait]:
        rule = settings.dynamic_rename_input
        if rule.rename_mode == "first_row":
            return frozenset({Trait.WIDE, Trait.ORDER_SENSITIVE, Trait.BARRIER})
        if rule.rename_mode == "formula" and is_volatile(rule.formula):
            return self.traits | {Trait.VOLATILE} | ({Trait.RANDOM} if is_random(rule.formula) else set())
        return self.traits

    def check(self, settings: DynamicRenameSettings) -> None:
        rule = settings.dynamic_rename_input
        if rule.rename_mode == "formula" and rule.formula.strip():
            compile_formula(rule.formula)

    def build(
        self, settings: DynamicRenameSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        if settings.dynamic_rename_input.rename_mode == "first_row":
            raise NotImplementedError("names from the first row need data: use compute")
        return frame.rename(_rename_map(settings.dynamic_rename_input, frame.collect_schema(), context))

    def compute(
        self, settings: DynamicRenameSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        rule = settings.dynamic_rename_input
        if rule.rename_mode != "first_row":
            return self.build(settings, frames, context)
        (frame,) = frames
        first = context.collect(frame.head(1))
        if first.height == 0:
            raise DataError("the names come from the first row, but the input has no rows")
        values = first.row(0, named=True)
        names = {column: _name_from_value(column, values[column]) for column in rule.select_columns(first.schema)}
        return frame.rename(_check_names(names, first.schema)).slice(1)

    def predict(
        self, settings: DynamicRenameSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is None or self.traits_of(settings) & {Trait.BARRIER, Trait.VOLATILE}:
            return {"output-0": None}
        renamed = _rename_map(settings.dynamic_rename_input, schema, context)
        return {"output-0": pl.Schema((renamed.get(name, name), dtype) for name, dtype in schema.items())}

    def lineage(
        self, settings: DynamicRenameSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return {new: (ColumnOrigin(0, old),) for old, new in zip(inputs[0], output)}

    def named_after(self, settings: DynamicRenameSettings, inputs: Sequence[MaybeSchema]) -> frozenset[str]:
        rule, schema = settings.dynamic_rename_input, inputs[0]
        return frozenset(rule.select_columns(schema) if rule.rename_mode == "first_row" and schema else ())


def _rename_map(rule: DynamicRenameInput, schema: pl.Schema, context: BuildContext) -> dict[str, str]:
    columns = rule.select_columns(schema)
    if rule.rename_mode == "formula":
        names = _names_by_formula(rule.formula, columns, context)
    elif rule.rename_mode == "prefix":
        names = [f"{rule.prefix}{column}" for column in columns]
    else:
        names = [f"{column}{rule.suffix}" for column in columns]
    return _check_names(dict(zip(columns, names)), schema)


def _names_by_formula(formula: str, columns: list[str], context: BuildContext) -> list[str]:
    if not columns or not formula.strip():
        return columns
    helper = pl.LazyFrame({_NAMES: columns}, schema={_NAMES: pl.String})
    expression = check_formula(formula, pl.Schema({_NAMES: pl.String()}))
    names = context.collect(helper.select(expression.alias(_NAMES)))[_NAMES].to_list()
    if len(names) == 1:
        names *= len(columns)
    if len(names) != len(columns):
        raise FormulaError(formula, f"gives {len(names)} names for {len(columns)} columns")
    for column, name in zip(columns, names):
        if name is None:
            raise FormulaError(formula, f"gives null as the name for column {column!r}")
    return [str(name) for name in names]


def _name_from_value(column: str, value: Any) -> str:
    if value is None or not str(value).strip():
        raise DataError(f"the first row has no name for column {column!r}: its value is {value!r}")
    return str(value)


def _check_names(renamed: dict[str, str], schema: pl.Schema) -> dict[str, str]:
    taken: dict[str, str] = {}
    for column in schema:
        name = renamed.get(column, column)
        if name in taken:
            raise DuplicateColumnError(name, f"from columns {taken[name]!r} and {column!r}")
        taken[name] = column
    return {column: name for column, name in renamed.items() if column != name}
