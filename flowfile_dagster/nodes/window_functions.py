"""Add columns that look at other rows: rolling, running, rank, tile, per-partition aggregates.

Kept: with `order_by` the whole result is sorted by it (nulls first; `partition_by` is no part of the sort), but not
when there are no functions; new columns cannot read each other; an existing name is overwritten in place; "fill_zero"
makes 0 of every null, of those in the data too; `min_periods` counts only with "require_full"; counts are UInt32.
Not kept: ties of `order_by` stay in input order, and a function without a meaning for the type is always an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl
from pydantic import Field, model_validator

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import require_columns
from flowfile_dagster.nodes._operand_types import check_operand, widen_decimal
from flowfile_dagster.nodes._sort_keys import SortKey

WindowFunctionName: TypeAlias = Literal[
    "rolling_sum",
    "rolling_mean",
    "rolling_min",
    "rolling_max",
    "rolling_std",
    "cum_sum",
    "cum_count",
    "cum_min",
    "cum_max",
    "rank",
    "tile",
    "mean",
    "sum",
    "min",
    "max",
    "count",
    "std",
    "median",
]


class WindowFunction(SettingsBlock):
    """One new column."""

    column: str | None = None
    function: WindowFunctionName
    new_column_name: str
    window_size: int | None = None
    min_periods: int | None = None
    edge_behavior: Literal["require_full", "partial", "fill_zero"] | None = "require_full"
    number_of_groups: int | None = None
    rank_method: Literal["ordinal", "dense", "min", "max", "average"] | None = "ordinal"
    output_type: str | None = Field(default=None, exclude=True)

    @property
    def is_rolling(self) -> bool:
        """Whether it looks at a window that moves with the row."""
        return self.function.startswith("rolling_")

    @property
    def is_order_sensitive(self) -> bool:
        """Whether the values depend on the order of the rows."""
        is_ordinal = self.function == "rank" and self.rank_method in (None, "ordinal")
        return is_ordinal or self.is_rolling or self.function.startswith("cum_") or self.function == "tile"

    @model_validator(mode="after")
    def _has_what_the_function_needs(self) -> WindowFunction:
        if self.function == "tile":
            if self.number_of_groups is None or self.number_of_groups < 1:
                raise ValueError("tile needs number_of_groups, a whole number of at least 1")
        elif self.column is None:
            raise ValueError(f"{self.function} needs a column")
        if self.is_rolling and (self.window_size is None or self.window_size < 1):
            raise ValueError(f"{self.function} needs window_size, a whole number of at least 1")
        return self


class WindowInput(SettingsBlock):
    """Partitions, order, and the new columns."""

    partition_by: tuple[str, ...] = ()
    order_by: tuple[SortKey, ...] = ()
    window_functions: tuple[WindowFunction, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> WindowInput:
        needs_order = [
            entry.function for entry in self.window_functions if entry.is_rolling or entry.function == "tile"
        ]
        if needs_order and not self.order_by:
            raise ValueError(f"{needs_order[0]} needs at least one order_by column")
        twice = first_repeated(entry.new_column_name for entry in self.window_functions)
        if twice is not None:
            raise ValueError(f"two window functions have new_column_name {twice!r}")
        return self


class WindowSettings(NodeSettings):
    """Settings of `WindowFunctions`."""

    window_input: WindowInput = WindowInput()


class WindowFunctions(NodeType[WindowSettings]):
    """Add columns that look at other rows."""

    type = "window_functions"
    Settings = WindowSettings
    traits = frozenset({Trait.WIDE})

    def traits_of(self, settings: WindowSettings) -> frozenset[Trait]:
        window = settings.window_input
        traits = set(self.traits)
        if any(entry.is_order_sensitive for entry in window.window_functions):
            traits.add(Trait.ORDER_SENSITIVE)
        if window.window_functions and window.order_by:
            traits.add(Trait.ORDER_PRODUCING)
        return frozenset(traits)

    def check(self, settings: WindowSettings) -> None:
        for position, entry in enumerate(settings.window_input.window_functions):
            if entry.is_rolling and entry.edge_behavior in (None, "require_full") and entry.min_periods is not None:
                size = entry.window_size or 0
                if not 0 <= entry.min_periods <= size:
                    field = f"window_input.window_functions[{position}].min_periods"
                    raise SettingsError(field, f"is {entry.min_periods}, but must be from 0 to window_size ({size})")

    def build(self, settings: WindowSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        window = settings.window_input
        (frame,) = frames
        if not window.window_functions:
            return frame
        schema = context.schema_of(frame)
        require_columns(window.partition_by, schema, "window_input.partition_by")
        require_columns((key.column for key in window.order_by), schema, "window_input.order_by")
        for position, entry in enumerate(window.window_functions):
            _check_column(entry, schema, f"window_input.window_functions[{position}].column")
        if window.order_by:
            frame = frame.sort(
                [key.column for key in window.order_by],
                descending=[key.is_descending for key in window.order_by],
                nulls_last=False,
                maintain_order=True,
            )
        return frame.with_columns(_expression(entry, window.partition_by, schema) for entry in window.window_functions)

    def lineage(self, settings: WindowSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        added = {
            entry.new_column_name: ()
            if entry.column is None or entry.function == "tile"
            else (ColumnOrigin(0, entry.column),)
            for entry in settings.window_input.window_functions
        }
        return {**identity_lineage(inputs[0]), **added}


def _check_column(entry: WindowFunction, schema: pl.Schema, field: str) -> None:
    if entry.column is not None and entry.function != "tile":
        require_columns([entry.column], schema, field)
        check_operand(entry.function, entry.column, schema[entry.column], field)


def _expression(entry: WindowFunction, partition_by: Sequence[str], schema: pl.Schema) -> pl.Expr:
    def per_partition(expression: pl.Expr) -> pl.Expr:
        return expression.over(partition_by) if partition_by else expression

    if entry.column is None or entry.function == "tile":
        tile = _tile(entry.number_of_groups or 1, per_partition(pl.int_range(pl.len())), per_partition(pl.len()))
        return tile.alias(entry.new_column_name)
    column, dtype = pl.col(entry.column), schema[entry.column]
    if entry.is_rolling:
        expression = _rolling(entry, column.cast(pl.Float64) if isinstance(dtype, pl.Null) else column)
    elif entry.function == "rank":
        expression = column.rank(method=entry.rank_method or "ordinal")
    else:
        operand = widen_decimal(column, dtype) if entry.function in ("sum", "cum_sum") else column
        expression = getattr(operand, entry.function)()
    return per_partition(expression).alias(entry.new_column_name)


def _rolling(entry: WindowFunction, column: pl.Expr) -> pl.Expr:
    is_full = entry.edge_behavior in (None, "require_full")
    rolled: pl.Expr = getattr(column, entry.function)(
        window_size=entry.window_size, min_samples=entry.min_periods if is_full else 1
    )
    return rolled.fill_null(0) if entry.edge_behavior == "fill_zero" else rolled


def _tile(groups: int, position: pl.Expr, length: pl.Expr) -> pl.Expr:
    """SQL's NTILE: the first ``length % groups`` tiles have one row more than the others."""
    size = length.cast(pl.Int64) // groups
    larger = length.cast(pl.Int64) % groups
    rows_in_larger = larger * (size + 1)
    in_larger = position // (size + 1) + 1
    in_smaller = (position - rows_in_larger) // pl.max_horizontal(size, 1) + larger + 1
    return pl.when(position < rows_in_larger).then(in_larger).otherwise(in_smaller).cast(pl.Int64)
