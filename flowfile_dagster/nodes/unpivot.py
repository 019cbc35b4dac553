"""Wide to long: columns become rows of `variable` and `value`.

Kept: all rows of the first value column come first, then those of the second, and so on; in data type mode index
columns of the chosen type are melted too; without value columns the result has no rows and `value` is Null. Not kept: a
value that the common type cannot hold is an error, where Flowfile makes it null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import polars as pl
from polars import selectors as cs

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError, DuplicateColumnError, SettingsError
from flowfile_dagster.nodes._columns import common_dtype, require_columns

VARIABLE, VALUE = "variable", "value"
TypeSelector: TypeAlias = Literal["float", "all", "date", "numeric", "string"]
_SELECTORS: dict[TypeSelector, Callable[[], cs.Selector]] = {
    "float": cs.float,
    "all": cs.all,
    "date": cs.date,
    "numeric": cs.numeric,
    "string": cs.string,
}


class UnpivotInput(SettingsBlock):
    """Which columns stay and which become rows."""

    index_columns: tuple[str, ...] = ()
    value_columns: tuple[str, ...] = ()
    data_type_selector: TypeSelector | None = None
    data_type_selector_mode: Literal["data_type", "column"] = "column"

    def melted_columns(self, schema: pl.Schema) -> list[str]:
        """The columns that become rows, in order."""
        if self.data_type_selector_mode == "column":
            return list(dict.fromkeys(self.value_columns))
        return list(cs.expand_selector(schema, _SELECTORS[self.data_type_selector or "all"]()))


class UnpivotSettings(NodeSettings):
    """Settings of `Unpivot`."""

    unpivot_input: UnpivotInput | None = None


class Unpivot(NodeType[UnpivotSettings]):
    """Turn columns into rows."""

    type = "unpivot"
    Settings = UnpivotSettings
    traits = frozenset({Trait.WIDE})

    def check(self, settings: UnpivotSettings) -> None:
        for column in _required(settings).index_columns:
            if column in (VARIABLE, VALUE):
                raise DuplicateColumnError(column, "unpivot_input.index_columns; rename that column first")

    def build(self, settings: UnpivotSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        unpivot = _required(settings)
        (frame,) = frames
        schema = context.schema_of(frame)
        index = list(dict.fromkeys(unpivot.index_columns))
        require_columns(index, schema, "unpivot_input.index_columns")
        melted = unpivot.melted_columns(schema)
        require_columns(melted, schema, "unpivot_input.value_columns")
        if not melted:
            return frame.unpivot(on=[], index=index, variable_name=VARIABLE, value_name=VALUE)
        dtype = common_dtype(schema[column] for column in melted)
        if dtype is None:
            shown = ", ".join(f"{column!r} {schema[column]}" for column in melted)
            raise DataError(f"the value columns have no common type: {shown}; convert them first")
        # Polars' own unpivot gives the rows in another order on the streaming engine than in memory.
        return frame.select(
            *(_stack([pl.col(column)] * len(melted)) for column in index),
            _stack([_repeated(column) for column in melted]).alias(VARIABLE),
            _stack([pl.col(column).cast(dtype) for column in melted]).alias(VALUE),
        )

    def lineage(
        self, settings: UnpivotSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        unpivot = _required(settings)
        melted = set(unpivot.melted_columns(inputs[0]))
        return {
            **identity_lineage(unpivot.index_columns),
            VARIABLE: (),
            VALUE: tuple(ColumnOrigin(0, column) for column in inputs[0] if column in melted),
        }


def _required(settings: UnpivotSettings) -> UnpivotInput:
    if settings.unpivot_input is None:
        raise SettingsError("unpivot_input", "is missing; choose the index and value columns")
    return settings.unpivot_input


def _repeated(column: str) -> pl.Expr:
    """The name of a column once per row: Polars 1.44 panics where it streams the first rows of a `pl.repeat`."""
    return pl.when(pl.col(column).is_null()).then(pl.lit(column)).otherwise(pl.lit(column))


def _stack(columns: list[pl.Expr]) -> pl.Expr:
    """The columns below each other; appended in pairs, for a long chain would overflow Polars' stack."""
    while len(columns) > 1:
        pairs = zip(columns[::2], columns[1::2])
        odd = columns[-1:] if len(columns) % 2 else []
        columns = [upper.append(lower) for upper, lower in pairs] + odd
    return columns[0]
