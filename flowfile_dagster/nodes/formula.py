"""Compute columns by formulas, one after the other.

An entry sees the columns of the entries before it; an existing name is overwritten in place, a new one comes last.
Entries without an expression are skipped. The cast to an output type is strict: a value that does not fit fails.
Kept: ``functions`` wins over ``function`` even when it is an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import FormulaText, NodeSettings, SettingsBlock
from flowfile_dagster.errors import FormulaError, MissingColumnError, SettingsError
from flowfile_dagster.formula.code import dtype_code, formula_code, text_code
from flowfile_dagster.formula.compile import compile_formula, infer_formula, is_planned_right, is_random, is_volatile
from flowfile_dagster.nodes._output_type import OutputType, cast_result, output_dtype


class FormulaField(SettingsBlock):
    """The column that an entry writes."""

    name: str
    data_type: OutputType = "Auto"


class FormulaEntry(SettingsBlock):
    """One formula."""

    field: FormulaField
    function: FormulaText


class FormulaSettings(NodeSettings):
    """Settings of `Formula`."""

    function: FormulaEntry | None = None
    functions: tuple[FormulaEntry, ...] | None = None

    def active_entries(self) -> Iterator[tuple[str, FormulaEntry]]:
        """The entries that have an expression, each with its path in the settings."""
        if self.functions is None:
            named = [("function", self.function)] if self.function else []
        else:
            named = [(f"functions[{index}]", entry) for index, entry in enumerate(self.functions)]
        return ((path, entry) for path, entry in named if entry.function.strip())


class Formula(NodeType[FormulaSettings]):
    """Compute columns one after the other."""

    type = "formula"
    Settings = FormulaSettings
    traits = frozenset({Trait.NARROW})

    def traits_of(self, settings: FormulaSettings) -> frozenset[Trait]:
        formulas = [entry.function for _, entry in settings.active_entries()]
        volatile = {Trait.VOLATILE} if any(map(is_volatile, formulas)) else set[Trait]()
        return self.traits | volatile | ({Trait.RANDOM} if any(map(is_random, formulas)) else set())

    def check(self, settings: FormulaSettings) -> None:
        for path, entry in settings.active_entries():
            if not entry.field.name.strip():
                raise SettingsError(f"{path}.field.name", f"formula {entry.function!r} needs the name of its column")
            try:
                compile_formula(entry.function)
            except FormulaError as error:
                raise SettingsError(_label(path, entry), str(error)) from error
            output_dtype(f"{path}.field.data_type", entry.field.data_type)

    def build(self, settings: FormulaSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        for name, expression, _ in _columns(settings, context.schema_of(frame)):
            frame = frame.with_columns(expression.alias(name))
        return frame

    def predict(
        self, settings: FormulaSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        (schema,) = inputs
        if schema is None:
            return {"output-0": None}
        types: dict[str, pl.DataType] = dict(schema)
        for (_, entry), (name, _, dtype) in zip(settings.active_entries(), _columns(settings, schema), strict=True):
            if not is_planned_right(entry.function, dtype, types):
                empty = self.build(settings, [rowless(schema)], context)
                return {"output-0": context.collect(empty).schema}
            types[name] = dtype
        return {"output-0": pl.Schema(types, check_dtypes=False)}

    def snippet(self, settings: FormulaSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        snippet = names[0]
        for path, entry in settings.active_entries():
            target = output_dtype(path, entry.field.data_type)
            code, cast = formula_code(entry.function), "" if target is None else dtype_code(target)
            if code is None or cast is None:
                return None
            computed = f"({code}).cast({cast})" if cast else f"({code})"
            snippet += f".with_columns({computed}.alias({text_code(entry.field.name)}))"
        return snippet

    def lineage(
        self, settings: FormulaSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        positions = {name: index for index, name in enumerate(inputs[0])}
        origins = identity_lineage(inputs[0])
        for _, entry in settings.active_entries():
            read = compile_formula(entry.function).meta.root_names()
            found: set[ColumnOrigin] = {origin for column in read for origin in origins[column]}
            origins[entry.field.name] = tuple(sorted(found, key=lambda origin: positions[origin.column]))
        return origins


def _columns(settings: FormulaSettings, schema: pl.Schema) -> Iterator[tuple[str, pl.Expr, pl.DataType]]:
    """Name, expression and type of each entry's column; types are followed here, so the plan is not asked again."""
    types: dict[str, pl.DataType] = dict(schema)
    for path, entry in settings.active_entries():
        target = output_dtype(f"{path}.field.data_type", entry.field.data_type)
        try:
            expression, dtype = infer_formula(entry.function, types)
        except MissingColumnError as error:
            raise MissingColumnError(error.column, error.available, f"{_label(path, entry)}, {error.where}") from None
        except FormulaError as error:
            raise SettingsError(_label(path, entry), str(error)) from error
        expression, types[entry.field.name] = cast_result(expression, dtype, target)
        yield entry.field.name, expression, types[entry.field.name]


def _label(path: str, entry: FormulaEntry) -> str:
    return f"{path} (column {entry.field.name!r})"
