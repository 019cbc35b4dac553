"""Formula text to a Polars expression, over Flowfile's own formula library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import polars as pl
from polars_expr_transformer import build_func
from polars_expr_transformer.exceptions import ExpressionSyntaxError

from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.errors import FormulaError, MissingColumnError
from flowfile_dagster.formula.tree import TypeOf, evaluate_tree

#: Functions whose value changes without a change of input.
VOLATILE_FUNCTIONS = ("now(", "today(", "random_int(")
#: Those of them that draw anew for every row at every evaluation; the others are fixed when the plan is built.
RANDOM_FUNCTIONS = ("random_int(",)

#: Functions that announce another type than they give; the last two do so on the first releases of Polars.
MISPLANNED_FUNCTIONS = ("string_similarity(", "greatest(", "least(")

#: The columns that a formula reads, with their types.
_Columns: TypeAlias = tuple[tuple[str, pl.DataType], ...]

#: The library takes quadratic time: a second for the worst text of this length, and a tenth for a usual one.
MAX_CHARACTERS = 10_000

_LITERALS = re.compile(r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]|//[^\n]*")


@dataclass(frozen=True)
class _Parsed:
    """A formula without its columns' types. `wants_text`: with them, another expression does the same faster."""

    expression: pl.Expr
    columns: tuple[str, ...]
    names_many: bool
    wants_text: bool


def compile_formula(formula: str) -> pl.Expr:
    """The Polars expression for a formula; no schema is passed, as in Flowfile.

    The clock is read here, so formulas that read it are compiled anew every time.

    Raises:
        FormulaError: the text is empty or cannot be parsed.
    """
    return _parsed(formula).expression


def infer_formula(formula: str, schema: Mapping[str, pl.DataType]) -> tuple[pl.Expr, pl.DataType]:
    """The expression of a formula and the type that it gives over these columns, without any data.

    Raises:
        FormulaError: it cannot be parsed, or its types do not fit.
        MissingColumnError: it reads a column that the schema does not have.
    """
    parsed = _parsed(formula)
    if parsed.names_many:
        raise FormulaError(formula, "names many columns at once; write the name of one column in each pair of brackets")
    for column in parsed.columns:
        if column not in schema:
            raise MissingColumnError(column, schema, f"formula {formula!r}")
    columns = tuple((column, schema[column]) for column in parsed.columns)
    return _infer(formula, columns) if is_volatile(formula) else _infer_once(formula, columns)


def check_formula(formula: str, schema: pl.Schema, *, needs_boolean: bool = False) -> pl.Expr:
    """Compile a formula and check it against the columns that it will see, without any data.

    Raises:
        FormulaError: it cannot be parsed, its types do not fit, or it is not a condition where one is needed.
        MissingColumnError: it reads a column that the schema does not have.
    """
    expression, dtype = infer_formula(formula, schema)
    if needs_boolean and dtype != pl.Boolean:
        raise FormulaError(formula, f"gives {dtype}, but a condition must give Boolean")
    return expression


def can_name_column(column: str) -> bool:
    """Whether ``[column]`` in a formula means this column; some characters get lost or end the name."""
    if column.isidentifier() and "__" not in column:
        return True
    try:
        return _parse_once(f"[{column}]").columns == (column,)
    except FormulaError:
        return False


def is_volatile(formula: str) -> bool:
    """Whether the value of a formula changes without a change of its inputs (a clock or a random number)."""
    return _calls(formula, VOLATILE_FUNCTIONS)


def is_random(formula: str) -> bool:
    """Whether every evaluation of a formula gives other values, even of one and the same plan."""
    return _calls(formula, RANDOM_FUNCTIONS)


def is_planned_right(formula: str, planned: pl.DataType, schema: Mapping[str, pl.DataType]) -> bool:
    """Whether a formula over these columns gives the type that Polars plans for it.

    Quotients of decimals get another precision, and a choice between categories and text gives categories.
    """
    if isinstance(planned, pl.Decimal) or _calls(formula, MISPLANNED_FUNCTIONS):
        return False
    return not any(isinstance(schema.get(column), pl.Categorical) for column in _parsed(formula).columns)


@lru_cache(maxsize=32768)
def _calls(formula: str, functions: tuple[str, ...]) -> bool:
    """Whether a function is called: literals, column names and comments do not count, blanks mean nothing."""
    if len(formula) > MAX_CHARACTERS:
        return False
    code = "".join(_LITERALS.sub("?", formula).split())
    return any(name in code for name in functions)


def _parsed(formula: str) -> _Parsed:
    return _parse(formula) if is_volatile(formula) else _parse_once(formula)


@lru_cache(maxsize=32768)
def _parse_once(formula: str) -> _Parsed:
    return _parse(formula)


def _parse(formula: str) -> _Parsed:
    wishes: list[pl.Expr] = []
    expression = _evaluate(formula, wishes.append)
    meta = expression.meta
    return _Parsed(expression, tuple(meta.root_names()), meta.has_multiple_outputs(), bool(wishes))


def _evaluate(formula: str, type_of: TypeOf) -> pl.Expr:
    if not formula.strip():
        raise FormulaError(formula, "is empty; write an expression such as [column] > 0")
    if len(formula) > MAX_CHARACTERS:
        cause = f"has {len(formula):,} characters, the limit is {MAX_CHARACTERS:,}; divide it into several columns"
        raise FormulaError(formula, cause)
    try:
        expression: pl.Expr = evaluate_tree(build_func(formula), type_of)
    except ExpressionSyntaxError as error:
        raise FormulaError(formula, _first_sentence(error)) from error
    except Exception as error:  # the library lets Python's own errors through for much bad text
        raise FormulaError(formula, _explain_parse_failure(formula, error)) from error
    return expression


@lru_cache(maxsize=32768)
def _infer_once(formula: str, columns: _Columns) -> tuple[pl.Expr, pl.DataType]:
    return _infer(formula, columns)


def _infer(formula: str, columns: _Columns) -> tuple[pl.Expr, pl.DataType]:
    parsed = _parsed(formula)
    expression = _evaluate(formula, lambda part: _type_of(part, columns)) if parsed.wants_text else parsed.expression
    try:
        return expression, rowless(dict(columns)).select(expression.alias("result")).collect_schema()["result"]
    except pl.exceptions.PolarsError as error:
        raise FormulaError(formula, _first_sentence(error)) from error


def _type_of(expression: pl.Expr, columns: _Columns) -> pl.DataType | None:
    try:
        return rowless(dict(columns)).select(expression.alias("result")).collect_schema()["result"]
    except pl.exceptions.PolarsError:
        return None  # the whole formula then tells what does not fit


def _explain_parse_failure(formula: str, error: Exception) -> str:
    if "//" in formula:
        return "cannot be parsed; note that // begins a comment, also inside [ ]"
    if re.search(r"\[[^\]]*['\"]", formula):
        return "cannot be parsed; the name of a column in [ ] cannot hold a quote"
    if formula.count("[") != formula.count("]"):
        return "cannot be parsed; a column name must stand between [ and ]"
    return f"cannot be parsed; look for an operator or function without its value ({_first_sentence(error)})"


def _first_sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.partition("\n\n")[0].replace("\n", " ")
