"""Which columns a column is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias


class ColumnOrigin(NamedTuple):
    """A column of one of a node's inputs; `input` counts in the order main inputs, right, left."""

    input: int
    column: str


#: For each output column the input columns whose values it depends on, in input order; empty for a constant.
#: Row-level influence (a filter's condition, a join's keys) counts only where the value itself is computed from it.
ColumnLineage: TypeAlias = Mapping[str, tuple[ColumnOrigin, ...]]


def identity_lineage(columns: Iterable[str], input: int = 0) -> dict[str, tuple[ColumnOrigin, ...]]:
    """Every column comes from the column of the same name of one input."""
    return {column: (ColumnOrigin(input, column),) for column in columns}
