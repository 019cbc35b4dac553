"""Formulas and names as Python text, for people who read or take over what a node does."""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
from functools import cache

import polars as pl
from polars_expr_transformer import to_polars_code

from flowfile_dagster.formula.compile import is_volatile


def formula_code(formula: str) -> str | None:
    """Python for the expression that `compile_formula` gives; None where the library has none, or the clock decides."""
    if is_volatile(formula):
        return None
    try:
        code: str = to_polars_code(formula, validate=False)  # validating would evaluate text of a flow file
    except Exception:  # noqa: BLE001  the library lets Python's own errors through; a snippet is a courtesy
        return None
    return code if _is_known(code) else None


def _is_known(code: str) -> bool:
    """Whether all names in it mean something: for a few functions the library writes names that there are not."""
    nodes = list(ast.walk(ast.parse(code, mode="eval")))
    given = {node.arg for node in nodes if isinstance(node, ast.arg)} | {"pl", "datetime", "hashlib"}
    return all(node.id in given for node in nodes if isinstance(node, ast.Name)) and all(
        node.attr in _attributes() for node in nodes if isinstance(node, ast.Attribute)
    )


@cache
def _attributes() -> frozenset[str]:
    column = pl.col("a")
    spaces = (column.str, column.dt, column.list, column.arr, column.cat, column.struct, column.bin, column.name)
    owners = (pl, column, *spaces, datetime, datetime.datetime, hashlib, hashlib.md5(b""), "")
    return frozenset(name for owner in owners for name in dir(owner))


def dtype_code(dtype: pl.DataType) -> str | None:
    """Python for a type without parameters that one cast leads to; None for others."""
    is_plain = repr(dtype).isidentifier() and not isinstance(dtype, pl.Categorical)
    return f"pl.{dtype!r}" if is_plain else None


def text_code(text: str) -> str:
    """A Python literal."""
    return json.dumps(text, ensure_ascii=False)


def names_code(names: list[str]) -> str:
    """A Python list of texts."""
    return f"[{', '.join(map(text_code, names))}]"
