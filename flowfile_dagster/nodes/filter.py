"""Keep the rows that meet a condition, or send them to two outputs.

Kept: rows whose condition is null are dropped, in split mode from both outputs; ``contains`` is a regular
expression; ``ends_with ""`` keeps only empty text; empty text is not null; backslashes in values are escapes.
Not kept: a basic condition that cannot be parsed, a date that is none and an empty formula give an error here,
where Flowfile delivers no rows and calls that a success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl
from pydantic import model_validator

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Frames, MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import FormulaText, NodeSettings, SettingsBlock
from flowfile_dagster.errors import FormulaError, MissingColumnError, SettingsError
from flowfile_dagster.formula.code import formula_code
from flowfile_dagster.formula.compile import can_name_column, check_formula, compile_formula, is_random, is_volatile
from flowfile_dagster.formula.conditions import deciding_columns
from flowfile_dagster.formula.filters import OPERATOR_SYMBOLS, render_condition
from flowfile_dagster.nodes._columns import unused_name

_BASIC = "filter_input.basic_filter"
_ODD_CHARACTERS = "comma, quote, bracket, backslash, // or repeated spaces"


class BasicFilter(SettingsBlock):
    """One column compared with a value."""

    field: str = ""
    operator: str = "equals"
    value: str = ""
    value2: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_any_age(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        keys: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        operator = keys.get("operator", keys.get("filter_type", "equals"))
        value = keys.get("value", keys.get("filter_value", ""))
        return {**keys, "operator": OPERATOR_SYMBOLS.get(str(operator), operator), "value": value}


class FilterInput(SettingsBlock):
    """The condition in one of two forms."""

    mode: Literal["basic", "advanced"] = "basic"
    basic_filter: BasicFilter = BasicFilter()
    advanced_filter: FormulaText = ""

    @model_validator(mode="before")
    @classmethod
    def _from_any_age(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        keys: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        return {**keys, "mode": keys.get("mode", keys.get("filter_type", "basic"))}


class FilterSettings(NodeSettings):
    """Settings of `Filter`."""

    filter_input: FilterInput
    split_mode: bool = False

    @property
    def formula_text(self) -> str:
        """Everything that may be read as a formula, whatever the mode."""
        condition = self.filter_input
        if condition.mode == "advanced":
            return condition.advanced_filter
        return f"{condition.basic_filter.value} {condition.basic_filter.value2 or ''}"


class Filter(NodeType[FilterSettings]):
    """Keep rows by a condition."""

    type = "filter"
    Settings = FilterSettings
    traits = frozenset({Trait.NARROW})

    def traits_of(self, settings: FilterSettings) -> frozenset[Trait]:
        if is_random(settings.formula_text):
            # Two outputs must share one draw, or a row may land in both of them or in none.
            draws = {Trait.VOLATILE, Trait.RANDOM}
            return self.traits | draws | ({Trait.BARRIER} if settings.split_mode else set())
        return self.traits | {Trait.VOLATILE} if is_volatile(settings.formula_text) else self.traits

    def handles(self, settings: FilterSettings) -> tuple[str, ...]:
        return ("pass", "fail") if settings.split_mode else ("main",)

    def check(self, settings: FilterSettings) -> None:
        condition = settings.filter_input
        if condition.mode == "advanced":
            if not condition.advanced_filter.strip():
                raise SettingsError("filter_input.advanced_filter", "is empty; write a condition such as [column] > 0")
            compile_formula(condition.advanced_filter)
        elif not condition.basic_filter.field:
            raise SettingsError(f"{_BASIC}.field", "is empty; choose a column")
        else:
            _render(condition.basic_filter, pl.String())

    def build(self, settings: FilterSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        (frame,) = frames
        condition = _condition(settings, context.schema_of(frame))
        return _split(frame, condition) if settings.split_mode else frame.filter(condition)

    def compute(self, settings: FilterSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        if Trait.BARRIER not in self.traits_of(settings):
            return self.build(settings, frames, context)
        (frame,) = frames
        columns = context.schema_of(frame)
        mark = unused_name("__condition__", columns)
        table = context.collect(frame.with_columns(_condition(settings, columns).alias(mark)))
        return {handle: part.drop(mark) for handle, part in _split(table.lazy(), pl.col(mark)).items()}

    def predict(
        self, settings: FilterSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is not None:
            _condition(settings, schema)
        return {f"output-{index}": schema for index in range(len(self.handles(settings)))}

    def snippet(self, settings: FilterSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        (schema,) = inputs
        if schema is None or settings.split_mode:
            return None
        condition = settings.filter_input
        is_formula = condition.mode == "advanced"
        basic = condition.basic_filter
        code = formula_code(condition.advanced_filter if is_formula else _render(basic, schema[basic.field]))
        return None if code is None else f"{names[0]}.filter({code})"

    def lineage(self, settings: FilterSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)

    def deciding_columns(self, settings: FilterSettings) -> frozenset[str]:
        basic, formula = settings.filter_input.basic_filter, settings.filter_input.advanced_filter
        if settings.filter_input.mode == "basic":
            return frozenset(() if basic.operator == "not_equals" and not settings.split_mode else (basic.field,))
        if settings.split_mode:
            return frozenset(compile_formula(formula).meta.root_names())
        return deciding_columns(formula)


def _condition(settings: FilterSettings, columns: pl.Schema) -> pl.Expr:
    condition = settings.filter_input
    if condition.mode == "advanced":
        return check_formula(condition.advanced_filter, columns, needs_boolean=True)
    return _basic_condition(condition.basic_filter, columns)


def _basic_condition(basic: BasicFilter, columns: pl.Schema) -> pl.Expr:
    if basic.field not in columns:
        raise MissingColumnError(basic.field, columns, f"{_BASIC}.field")
    dtype = columns[basic.field]
    formula = _render(basic, dtype)
    if not can_name_column(basic.field):
        cause = f"no condition can name column {basic.field!r}, because of its {_ODD_CHARACTERS}; rename it first"
        raise SettingsError(f"{_BASIC}.field", cause)
    try:
        return check_formula(formula, columns, needs_boolean=True)
    except FormulaError as error:
        raise SettingsError(f"{_BASIC}.value", _explain_failure(basic, dtype, error)) from error


def _render(basic: BasicFilter, dtype: pl.DataType) -> str:
    try:
        return render_condition(basic.field, basic.operator, basic.value, basic.value2, dtype)
    except SettingsError as error:
        raise SettingsError(f"{_BASIC}.{error.field}", error.cause) from None


def _explain_failure(basic: BasicFilter, dtype: pl.DataType, error: FormulaError) -> str:
    given = repr(basic.value) if basic.value2 is None else f"{basic.value!r} and {basic.value2!r}"
    return f"{given} does not fit operator {basic.operator!r} on column {basic.field!r} of type {dtype}: {error.cause}"


def _split(frame: pl.LazyFrame, condition: pl.Expr) -> dict[str, pl.LazyFrame]:
    return {"output-0": frame.filter(condition), "output-1": frame.filter(~condition)}
