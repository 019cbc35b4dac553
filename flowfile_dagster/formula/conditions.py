"""What a condition looks at, from which is guessed whether many rows meet it."""

from __future__ import annotations

import polars as pl

from flowfile_dagster.formula.compile import compile_formula


def deciding_columns(condition: str) -> frozenset[str]:
    """The columns whose values decide which rows meet a condition, but for those that must not have one value: most
    rows have another one.

    Raises:
        FormulaError: the condition cannot be parsed.
    """
    found: set[str] = set()
    waiting = [compile_formula(condition)]
    while waiting:
        part = waiting.pop()
        operands = part.meta.pop()
        if len(operands) == 2 and (operands[1] & operands[0]).meta == part:
            waiting.extend(operands)
        elif not _excludes_one_value(part):
            found.update(part.meta.root_names())
    return frozenset(found)


def _excludes_one_value(part: pl.Expr) -> bool:
    """Whether it compares a column with a constant, and is met by all other values."""
    operands = part.meta.pop()
    if len(operands) != 1 or (~operands[0]).meta != part:
        return False
    compared = operands[0].meta.pop()
    is_equality = len(compared) == 2 and (compared[1] == compared[0]).meta == operands[0]
    return is_equality and len(part.meta.root_names()) == 1
