"""Apply one formula to many columns at once.

``[_CurrentField_]`` is the column, ``[_CurrentFieldName_]`` its name and ``[_CurrentFieldType_]`` its type as text,
in any case of letters. All results are computed from the input's values, unlike in `formula`. Results replace their
columns, or become new ones behind the others. Names that the input does not have are ignored; no column is no change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.dtypes import base_name
from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import FormulaText, NodeSettings
from flowfile_dagster.errors import DuplicateColumnError, FormulaError, SettingsError
from flowfile_dagster.formula.compile import compile_formula, infer_formula, is_planned_right, is_random, is_volatile
from flowfile_dagster.nodes._column_selection import ColumnSelection
from flowfile_dagster.nodes._output_type import OutputType, cast_result, output_dtype

_INPUT = "multi_field_formula_input"
_FIELD = re.compile(r"\[_CurrentField_\]", re.IGNORECASE)
_FIELD_NAME = re.compile(r"\[_CurrentFieldName_\]", re.IGNORECASE)
_FIELD_TYPE = re.compile(r"\[_CurrentFieldType_\]", re.IGNORECASE)


class MultiFieldFormulaInput(ColumnSelection):
    """The formula and the columns that it is for."""

    formula: FormulaText = ""
    output_mode: Literal["replace", "new"] = "replace"
    output_prefix: str = ""
    output_suffix: str = ""
    output_data_type: OutputType = "Auto"

    def output_name(self, column: str) -> str:
        """The name of the result for a column."""
        return column if self.output_mode == "replace" else f"{self.output_prefix}{column}{self.output_suffix}"


class MultiFieldFormulaSettings(NodeSettings):
    """Settings of `MultiFieldFormula`."""

    multi_field_formula_input: MultiFieldFormulaInput = MultiFieldFormulaInput()


class MultiFieldFormula(NodeType[MultiFieldFormulaSettings]):
    """Apply one formula to many columns."""

    type = "multi_field_formula"
    Settings = MultiFieldFormulaSettings
    traits = frozenset({Trait.NARROW})

    def traits_of(self, settings: MultiFieldFormulaSettings) -> frozenset[Trait]:
        formula = settings.multi_field_formula_input.formula
        volatile = {Trait.VOLATILE} if is_volatile(formula) else set[Trait]()
        return self.traits | volatile | ({Trait.RANDOM} if is_random(formula) else set())

    def check(self, settings: MultiFieldFormulaSettings) -> None:
        rule = settings.multi_field_formula_input
        if not rule.formula.strip():
            raise SettingsError(f"{_INPUT}.formula", "is empty; write an expression such as [_CurrentField_] * 2")
        if rule.output_mode == "new" and not rule.output_prefix and not rule.output_suffix:
            raise SettingsError(f"{_INPUT}.output_prefix", "new columns need a prefix or a suffix")
        output_dtype(f"{_INPUT}.output_data_type", rule.output_data_type)

    def build(
        self, settings: MultiFieldFormulaSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        columns = _columns(settings.multi_field_formula_input, context.schema_of(frame))
        return frame.with_columns(expression.alias(name) for name, (expression, _) in columns.items())

    def predict(
        self, settings: MultiFieldFormulaSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is None:
            return {"output-0": None}
        rule = settings.multi_field_formula_input
        columns = _columns(rule, schema)
        if not all(
            is_planned_right(_bind(rule.formula, name, schema[name]), columns[rule.output_name(name)][1], schema)
            for name in rule.select_columns(schema)
        ):
            empty = self.build(settings, [rowless(schema)], context)
            return {"output-0": context.collect(empty).schema}
        return {"output-0": pl.Schema({**schema, **{name: dtype for name, (_, dtype) in columns.items()}})}

    def lineage(
        self, settings: MultiFieldFormulaSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        (schema,) = inputs
        rule = settings.multi_field_formula_input
        origins = identity_lineage(schema)
        for column in rule.select_columns(schema):
            read = set(compile_formula(_bind(rule.formula, column, schema[column])).meta.root_names())
            origins[rule.output_name(column)] = tuple(ColumnOrigin(0, name) for name in schema if name in read)
        return origins


def _columns(rule: MultiFieldFormulaInput, schema: pl.Schema) -> dict[str, tuple[pl.Expr, pl.DataType]]:
    """Expression and type of every result, by its name."""
    target = output_dtype(f"{_INPUT}.output_data_type", rule.output_data_type)
    found: dict[str, tuple[pl.Expr, pl.DataType]] = {}
    for column in rule.select_columns(schema):
        name = rule.output_name(column)
        if name in found:
            raise DuplicateColumnError(name, f"{_INPUT}.selected_columns lists {column!r} twice")
        if rule.output_mode == "new" and name in schema:
            raise DuplicateColumnError(name, "the input has it already; choose another prefix or suffix")
        expression, dtype = infer_formula(_bind(rule.formula, column, schema[column]), schema)
        found[name] = cast_result(expression, dtype, target)
    return found


def _bind(formula: str, column: str, dtype: pl.DataType) -> str:
    """The formula for one column, with the placeholders replaced."""
    bound = _FIELD.sub(lambda _: f"[{column}]", formula)
    if _FIELD_NAME.search(bound):
        if '"' in column:
            raise FormulaError(formula, f"the name of column {column!r} holds a double quote, so it cannot be a text")
        bound = _FIELD_NAME.sub(lambda _: f'"{column}"', bound)
    return _FIELD_TYPE.sub(lambda _: f'"{base_name(dtype)}"', bound)
