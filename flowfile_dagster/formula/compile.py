"""Formula text to a Polars expression, over Flowfile's own formula library."""

from __future__ import annotations

from functools import lru_cache

import polars as pl
from polars_expr_transformer import simple_function_to_expr

from flowfile_dagster.errors import FormulaError, MissingColumnError

#: Functions whose value changes without a change of input.
VOLATILE_FUNCTIONS = ("now(", "today(", "random_int(")


@lru_cache(maxsize=8192)
def compile_formula(formula: str) -> pl.Expr:
    """The Polars expression for a formula; no schema is passed, as in Flowfile (flow format 7).

    Raises:
        FormulaError: the text is empty or cannot be parsed.
    """
    if not formula.strip():
        raise FormulaError(formula, "is empty; write an expression such as [column] > 0")
    try:
        return simple_function_to_expr(formula)
    except Exception as error:  # the library raises many types for bad text
        raise FormulaError(formula, _first_sentence(error)) from error


def check_formula(formula: str, schema: pl.Schema, *, needs_boolean: bool = False) -> pl.Expr:
    """Compile a formula and check it against the columns that it will see, without any data.

    Raises:
        FormulaError: it cannot be parsed, its types do not fit, or it is not a condition where one is needed.
        MissingColumnError: it reads a column that the schema does not have.
    """
    expression = compile_formula(formula)
    for column in expression.meta.root_names():
        if column not in schema:
            raise MissingColumnError(column, schema, f"formula {formula!r}")
    try:
        result = pl.LazyFrame(schema=schema).select(expression.alias("result")).collect_schema()["result"]
    except pl.exceptions.PolarsError as error:
        raise FormulaError(formula, _first_sentence(error)) from error
    if needs_boolean and result != pl.Boolean:
        raise FormulaError(formula, f"gives {result}, but a condition must give Boolean")
    return expression


def is_volatile(formula: str) -> bool:
    """Whether the value of a formula changes without a change of its inputs (a clock or a random number)."""
    compact = "".join(formula.split())
    return any(name in compact for name in VOLATILE_FUNCTIONS)


def _first_sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.partition("\n\n")[0].replace("\n", " ")
