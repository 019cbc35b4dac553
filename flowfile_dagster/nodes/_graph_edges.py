"""The end columns of edges, in the types that the graph library can work with.

It keeps 32 and 64 bit integers and text and compares every other type as text, but on some types it ends the whole
process: those are turned into text (small integers into Int64) before it sees them, with the same result.
"""

from __future__ import annotations

import polars as pl

from flowfile_dagster.errors import SettingsError

_KEPT = (pl.String, pl.Int32, pl.Int64, pl.UInt32, pl.UInt64, pl.Null)
_SMALL = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16)
_SIGNED = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64())
_UNSIGNED = (pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64())
_WITHOUT_TEXT = (pl.List, pl.Array, pl.Struct, pl.Duration, pl.Object)


def edge_end(column: str, schema: pl.Schema, field: str) -> pl.Expr:
    """The column as the library can take it.

    Raises:
        SettingsError: values of its type cannot name the nodes of a graph.
    """
    dtype = schema[column]
    if isinstance(dtype, _KEPT):
        return pl.col(column)
    if isinstance(dtype, _SMALL):
        return pl.col(column).cast(pl.Int64)
    if isinstance(dtype, _WITHOUT_TEXT):
        raise SettingsError(field, f"column {column!r} is {dtype}, whose values cannot name the nodes of a graph")
    return pl.col(column).cast(pl.String)


def common_integer(first: pl.DataType, second: pl.DataType) -> pl.DataType | None:
    """The integer type that the library keeps and that holds both types; None where there is none."""
    if not (first.is_integer() and second.is_integer()):
        return None
    is_signed = first.is_signed_integer() or second.is_signed_integer()
    candidates = _SIGNED if is_signed else _UNSIGNED
    for candidate in candidates:
        if _value_bits(candidate) >= max(_value_bits(first), _value_bits(second)):
            return pl.Int64() if isinstance(candidate, _SMALL) else candidate
    return None


def _value_bits(dtype: pl.DataType) -> int:
    bits = int(str(dtype).removeprefix("U").removeprefix("Int"))
    return bits - 1 if dtype.is_signed_integer() else bits
