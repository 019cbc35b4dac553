"""What is different between two schemas: all of it, as data, or the first difference as a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from flowfile_dagster.columns.dtypes import dtype_text


@dataclass(frozen=True)
class SchemaDifference:
    """Columns that came, went, or have another type: (name, type) or (name, type before, type after)."""

    added: tuple[tuple[str, pl.DataType], ...]
    removed: tuple[tuple[str, pl.DataType], ...]
    retyped: tuple[tuple[str, pl.DataType, pl.DataType], ...]
    is_reordered: bool

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.retyped or self.is_reordered)

    def __str__(self) -> str:
        parts = [
            *(f"column {name!r} added, {dtype}" for name, dtype in self.added),
            *(f"column {name!r} removed, {dtype}" for name, dtype in self.removed),
            *(f"column {name!r} from {old} to {new}" for name, old, new in self.retyped),
            *(["other order of columns"] if self.is_reordered else []),
        ]
        return "; ".join(parts) or "same columns"


def compare_schemas(before: pl.Schema, after: pl.Schema) -> SchemaDifference:
    """What happened to the columns."""
    kept = [name for name in before if name in after]
    return SchemaDifference(
        added=tuple((name, dtype) for name, dtype in after.items() if name not in before),
        removed=tuple((name, dtype) for name, dtype in before.items() if name not in after),
        retyped=tuple((name, before[name], after[name]) for name in kept if before[name] != after[name]),
        is_reordered=kept != [name for name in after if name in before],
    )


def explain_difference(expected: pl.Schema, actual: pl.Schema) -> str | None:
    """The first difference as a sentence, or None where names, order and dtypes are equal."""
    for name, dtype in expected.items():
        if name not in actual:
            return f"column {name!r} is missing"
        if actual[name] != dtype:
            return f"column {name!r} is {dtype_text(actual[name])}, expected {dtype_text(dtype)}"
    for name in actual:
        if name not in expected:
            return f"column {name!r} was not expected"
    if list(expected) != list(actual):
        return f"columns are in another order: {list(actual)}, expected {list(expected)}"
    return None
