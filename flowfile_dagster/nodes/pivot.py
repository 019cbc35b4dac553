"""Long to wide: one column per distinct value of a column.

Kept: a missing combination is 0 for sum and count, null for every other aggregation; columns ascend by the pivot
column's own type; one aggregation gives ``<value>``, several give ``<value>_<aggregation>``; a null pivot value and
an empty input are errors, as is an aggregation with the name of an index column. Not kept: values beyond the limit
are an error (Flowfile drops them). Rows come in the order of their first appearance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError, SettingsError
from flowfile_dagster.nodes._aggregations import aggregation_traits, build_aggregation, check_aggregation
from flowfile_dagster.nodes._columns import require_columns, require_distinct

MAXIMUM_VALUES = 200
_ZERO_WHERE_MISSING = ("sum", "count")
_WITHOUT_TEXT = (pl.List, pl.Array, pl.Duration, pl.Object)


class PivotInput(SettingsBlock):
    """Which columns stay, which one becomes columns, and what fills them."""

    index_columns: tuple[str, ...]
    pivot_column: str
    value_col: str
    aggregations: tuple[str, ...]

    def column_name(self, value: str, aggregation: str) -> str:
        """The name of the column for a pivot value and an aggregation."""
        return f"{value}_{aggregation}" if len(self.aggregations) > 1 else value


class PivotSettings(NodeSettings):
    """Settings of `Pivot`. The file's `output_fields` has no effect."""

    pivot_input: PivotInput | None = None


class Pivot(NodeType[PivotSettings]):
    """Turn the values of a column into columns."""

    type = "pivot"
    Settings = PivotSettings
    traits = frozenset({Trait.WIDE, Trait.BARRIER})

    def traits_of(self, settings: PivotSettings) -> frozenset[Trait]:
        return self.traits | aggregation_traits(settings.pivot_input.aggregations if settings.pivot_input else ())

    def check(self, settings: PivotSettings) -> None:
        pivot = _required(settings)
        if not pivot.aggregations:
            raise SettingsError("pivot_input.aggregations", "is empty; name at least one aggregation")
        for aggregation in pivot.aggregations:
            check_aggregation(aggregation, "pivot_input.aggregations")
            if aggregation in (*pivot.index_columns, pivot.pivot_column):
                cause = f"{aggregation!r} is also the name of an index or pivot column; rename that column first"
                raise SettingsError("pivot_input.aggregations", cause)
        require_distinct(pivot.aggregations, "pivot_input.aggregations")
        require_distinct((*pivot.index_columns, pivot.pivot_column), "pivot_input.index_columns and pivot_column")

    def compute(self, settings: PivotSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        self.check(settings)
        pivot = _required(settings)
        _check_columns(pivot, frame.collect_schema())
        return _spread(frame, pivot, _collect_values(frame, pivot, context))

    def predict(
        self, settings: PivotSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        self.check(settings)
        (schema,) = inputs
        if schema is not None:
            _check_columns(_required(settings), schema)
        return {"output-0": None}

    def lineage(self, settings: PivotSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        pivot = _required(settings)
        index = frozenset(pivot.index_columns)
        return {name: (ColumnOrigin(0, name if name in index else pivot.value_col),) for name in output}

    def named_after(self, settings: PivotSettings, inputs: Sequence[MaybeSchema]) -> frozenset[str]:
        return frozenset({_required(settings).pivot_column})


def _required(settings: PivotSettings) -> PivotInput:
    if settings.pivot_input is None:
        raise SettingsError("pivot_input", "is missing; choose the index, pivot and value columns")
    return settings.pivot_input


def _check_columns(pivot: PivotInput, schema: pl.Schema) -> None:
    require_columns(pivot.index_columns, schema, "pivot_input.index_columns")
    require_columns([pivot.pivot_column], schema, "pivot_input.pivot_column")
    require_columns([pivot.value_col], schema, "pivot_input.value_col")
    dtype = schema[pivot.pivot_column]
    if isinstance(dtype, _WITHOUT_TEXT):
        cause = f"column {pivot.pivot_column!r} is {dtype}, whose values cannot become column names"
        raise SettingsError("pivot_input.pivot_column", cause)
    for aggregation in pivot.aggregations:
        build_aggregation(aggregation, pivot.value_col, schema, "pivot_input.aggregations")


def _collect_values(frame: pl.LazyFrame, pivot: PivotInput, context: BuildContext) -> list[str]:
    """The distinct values of the pivot column as text, ascending by their own type."""
    value = pl.col(pivot.pivot_column)
    distinct = frame.select(value).unique().sort(value, nulls_last=False).head(MAXIMUM_VALUES + 1)
    values = context.collect(distinct.select(value.cast(pl.String)))[pivot.pivot_column].to_list()
    if not values:
        raise DataError(f"the input has no rows, so column {pivot.pivot_column!r} gives no columns")
    if None in values:
        raise DataError(f"column {pivot.pivot_column!r} has null values, which cannot become a column; filter them out")
    if len(values) > MAXIMUM_VALUES:
        raise DataError(
            f"column {pivot.pivot_column!r} has more than {MAXIMUM_VALUES} distinct values, the most that a pivot "
            "turns into columns; filter them first or pivot by another column"
        )
    return values


def _spread(frame: pl.LazyFrame, pivot: PivotInput, values: Sequence[str]) -> pl.LazyFrame:
    """Aggregate per index and pivot value, then lay the aggregates of each index out as columns."""
    columns = [(value, aggregation) for value in values for aggregation in pivot.aggregations]
    names = [pivot.column_name(value, aggregation) for value, aggregation in columns]
    require_distinct((*pivot.index_columns, *names), f"a value of column {pivot.pivot_column!r}")
    schema = frame.collect_schema()
    long = frame.group_by([*pivot.index_columns, pivot.pivot_column], maintain_order=True).agg(
        build_aggregation(aggregation, pivot.value_col, schema, "pivot_input.aggregations").alias(aggregation)
        for aggregation in pivot.aggregations
    )
    dtypes = long.collect_schema()
    label = pl.col(pivot.pivot_column)
    cells: list[pl.Expr] = []
    for (value, aggregation), name in zip(columns, names, strict=True):
        cell = pl.col(aggregation).filter(label == value).first()
        if aggregation in _ZERO_WHERE_MISSING:
            is_duration = isinstance(dtypes[aggregation], pl.Duration)
            cell = cell.fill_null(pl.lit(0).cast(dtypes[aggregation]) if is_duration else 0)
        cells.append(cell.alias(name))
    labelled = long.with_columns(label.cast(pl.String))
    if not pivot.index_columns:
        return labelled.select(cells)
    return labelled.group_by(pivot.index_columns, maintain_order=True).agg(cells)
