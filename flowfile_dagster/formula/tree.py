"""The tree of a formula as an expression that Polars can work with: text without Python, fixed dates as constants.

The formula library does not know the types of columns, so each of its text functions renders its argument as text with
a Python function, which looks at the type when it runs. Polars can neither push such an expression down to a file nor
run it in several threads. Where the type is known, the argument is rendered here as the library would, without Python.
Dates in a formula are texts that the library parses in every run; Polars compares only constants with the least and
greatest values that a parquet file names, and skips what cannot fit.

The library offers no place for this, so its tree is evaluated with arguments that answer its wish for text themselves.
They need two private names of `polars.Expr`; no other module does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import polars as pl
from polars_expr_transformer.exceptions import ExpressionSyntaxError
from polars_expr_transformer.funcs.utils import STRING_CAST_DATETIME_FORMAT
from polars_expr_transformer.process.models import Classifier, Func, IfFunc

#: Gives the type of an expression over the columns that a formula sees; None where it is not known.
TypeOf: TypeAlias = Callable[[pl.Expr], pl.DataType | None]

#: The library's rendering: its Python function, and the type that this announces.
_RENDERING = ("_series_to_string", pl.String)
#: A literal text in the form that each function reads by default, and nothing that only Polars or only Python reads.
_MOMENTS: dict[str, re.Pattern[str]] = {
    "to_date": re.compile(r"([\"'])(\d{4}-\d\d-\d\d)\1", re.ASCII),
    "to_datetime": re.compile(r"([\"'])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\1", re.ASCII),
}
#: Functions whose library fails, or ends the process, on anything but text.
_TEXTS_ONLY = ("string_similarity",)
#: Types, beside numbers, whose rendering is the plain cast.
_PLAINLY_CAST = (pl.Boolean, pl.Date, pl.Time, pl.Categorical, pl.Enum)


def evaluate_tree(tree: Any, type_of: TypeOf) -> Any:
    """What the library's tree of a formula stands for; text is made natively where `type_of` knows the type."""
    _mark_arguments(tree, type_of)
    value = tree.get_pl_func()
    return _plain(value) if isinstance(value, pl.Expr) else value


def _mark_arguments(node: Any, type_of: TypeOf) -> None:
    if isinstance(node, IfFunc):
        for condition in node.conditions:
            _mark_arguments(condition.condition, type_of)
            _mark_arguments(condition.val, type_of)
        _mark_arguments(node.else_val, type_of)
    elif isinstance(node, Func):
        for child in node.args:
            _mark_arguments(child, type_of)
        function = getattr(node.func_ref, "val", "")
        node.args = [
            _Child(child, type_of, function if function in _TEXTS_ONLY else None)
            if isinstance(child, (Func, IfFunc))
            else child
            for child in node.args
        ]


@dataclass
class _Child:
    """Stands in the tree for a node, and gives its value as an `_Argument`.

    `reader`: the function that it is an argument of, if that takes nothing but texts.
    """

    node: Any
    type_of: TypeOf
    reader: str | None = None
    parent: Any = None

    def get_pl_func(self) -> Any:
        moment = _fixed_moment(self.node)
        if moment is not None:
            return pl.lit(moment)
        value = self.node.get_pl_func()
        if self.reader is not None and isinstance(value, pl.Expr):
            dtype = self.type_of(_plain(value))
            if dtype is not None and dtype != pl.String:
                raise ExpressionSyntaxError(f"{self.reader} compares texts, not {dtype}; write to_string(…) around it")
        return _Argument.of(value, self.type_of) if isinstance(value, pl.Expr) else value

    def get_readable_pl_function(self) -> str:
        return str(self.node.get_readable_pl_function())


def _fixed_moment(node: Any) -> date | None:
    """The date, or the date and time, that ``to_date("…")`` or ``to_datetime("…")`` always gives; else None."""
    name = getattr(node.func_ref, "val", None)
    if name not in _MOMENTS or len(node.args) != 1:
        return None
    literal = node.args[0]
    while isinstance(literal, _Child) or (isinstance(literal, Func) and literal.func_ref == "pl.lit"):
        literal = literal.node if isinstance(literal, _Child) else literal.args[0]
    found = _MOMENTS[name].fullmatch(literal.val) if isinstance(literal, Classifier) else None
    if found is None:
        return None
    try:
        return (date if name == "to_date" else datetime).fromisoformat(found[2])
    except ValueError:
        return None  # the thirtieth of February is null


class _Argument(pl.Expr):
    """An expression that can render itself as text."""

    _type_of: TypeOf

    @classmethod
    def of(cls, expression: pl.Expr, type_of: TypeOf) -> _Argument:
        argument = cls.__new__(cls)
        argument._pyexpr = expression._pyexpr
        argument._type_of = type_of
        return argument

    def map_batches(self, function: Callable[..., Any], return_dtype: Any = None, **options: Any) -> pl.Expr:
        plain = _plain(self)
        if (function.__name__, return_dtype) == _RENDERING:
            dtype = self._type_of(plain)
            native = None if dtype is None else _as_text(plain, dtype)
            if native is not None:
                return native
        return plain.map_batches(function, return_dtype, **options)


def _plain(expression: pl.Expr) -> pl.Expr:
    return pl.Expr._from_pyexpr(expression._pyexpr)


def _as_text(expression: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """The text of an expression; None where the library's way is kept, as for constants, which Polars treats apart."""
    if not expression.meta.root_names():
        return None
    if dtype == pl.String:
        return expression
    if isinstance(dtype, pl.Datetime):
        return expression.dt.to_string(STRING_CAST_DATETIME_FORMAT)
    return expression.cast(pl.String) if dtype.is_numeric() or dtype in _PLAINLY_CAST else None
