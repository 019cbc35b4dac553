"""Data type names of flow files, Polars dtypes, and the type groups that nodes decide by."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import polars as pl
from polars.datatypes import DataTypeClass
from polars.exceptions import PolarsError

from flowfile_dagster.errors import SettingsError, shortened

GenericGroup: TypeAlias = Literal["numeric", "date", "str"]
ReadableGroup: TypeAlias = Literal["Numeric", "String", "Boolean", "Binary", "Date", "Complex", "Other"]

_ALIASES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "integer": pl.Int64(),
    "double": pl.Float64(),
    "float": pl.Float64(),
    "fixed decimal": pl.Float32(),
    "char": pl.String(),
    "string": pl.String(),
    "str": pl.String(),
    "utf8": pl.String(),
    "bool": pl.Boolean(),
    "byte": pl.UInt8(),
    "bit": pl.Binary(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
    "time": pl.Time(),
}
_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128")
_FLOATS = ("Float16", "Float32", "Float64")
_SIMPLE = (*_INTEGERS, *_FLOATS, "String", "Boolean", "Binary", "Date", "Time", "Null", "Object", "Categorical")
_NAMED: dict[str, pl.DataType] = {
    **{name: getattr(pl, name)() for name in _SIMPLE if hasattr(pl, name)},
    "Utf8": pl.String(),
    "Datetime": pl.Datetime("us"),
    "Duration": pl.Duration("us"),
    "Decimal": pl.Decimal(38, 0),
}
_NESTED = ("List", "Struct", "Array", "Enum")
_TEMPORAL = ("Date", "Datetime", "Time", "Duration")
#: The names that Flowfile admits where it checks a type name when it loads a file; elsewhere any text is one.
CHECKED_NAMES = frozenset(
    {
        *(*_INTEGERS, *_FLOATS, *_TEMPORAL, "Decimal", "Integer", "Double"),
        *("String", "Utf8", "Boolean", "Binary", "List", "Struct", "Array"),
    }
)
_NUMERIC_NAMES = frozenset({*_INTEGERS, *_FLOATS, "Boolean", "Binary", "Decimal"})
_READABLE: dict[str, ReadableGroup] = {
    **dict.fromkeys((*_INTEGERS, *_FLOATS, "Decimal"), "Numeric"),
    "String": "String",
    "Boolean": "Boolean",
    "Binary": "Binary",
    **dict.fromkeys(_TEMPORAL, "Date"),
    **dict.fromkeys(("List", "Struct", "Array"), "Complex"),
}


def base_name(dtype: pl.DataType | DataTypeClass) -> str:
    """The class name of a dtype, without parameters."""
    return str(dtype.base_type())


def dtype_text(dtype: pl.DataType) -> str:
    """The spelling that `parse_dtype` reads back to the same dtype; Polars' own text form where that does."""
    if isinstance(dtype, pl.List):
        return f"List({dtype_text(_inner(dtype))})"
    if isinstance(dtype, pl.Array):
        return f"Array({dtype_text(_array_leaf(dtype))}, shape={dtype.shape!r})"
    if isinstance(dtype, pl.Struct):
        fields = ", ".join(f"{name!r}: {dtype_text(field)}" for name, field in struct_fields(dtype).items())
        return f"Struct({{{fields}}})"
    if isinstance(dtype, pl.Enum):
        return f"Enum(categories={dtype.categories.to_list()!r})"
    if isinstance(dtype, pl.Categorical):
        return "Categorical"
    return str(dtype)


def check_type_name(name: str, names: Collection[str] = CHECKED_NAMES) -> str:
    """The name, if it is one of `names`.

    Raises:
        ValueError: it is not; the message lists those that are.
    """
    if name not in names:
        raise ValueError(f"{name!r} is not a type name; the names are {', '.join(sorted(names))}")
    return name


def is_bare_nested(text: str) -> bool:
    """Whether the name is a nested type without its inner type, so that only data can complete it."""
    return text.strip().removeprefix("pl.") in _NESTED


@lru_cache(maxsize=4096)
def parse_dtype(text: str) -> pl.DataType:
    """The dtype that a type name of a flow file stands for; unknown names are String, as in Flowfile.

    Raises:
        SettingsError: for a bare ``List``, ``Struct``, ``Array`` or ``Enum``, and for parameters that no type can have.
    """
    alias = _ALIASES.get(text.lower())
    if alias is not None:
        return alias
    name = text.removeprefix("pl.")
    if name in _NAMED:
        return _NAMED[name]
    if name in _NESTED:
        raise SettingsError("data_type", f"{text!r} needs its inner type, for example List(Int64)")
    try:
        dtype = _construct(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError):
        return pl.String()
    try:
        pl.Series(dtype=dtype)  # constructors of dtypes take almost anything
    except (TypeError, ValueError, AttributeError, OverflowError, PolarsError) as error:
        cause = str(error).partition("\n")[0]
        raise SettingsError("data_type", f"{shortened(text)!r} is no type that Polars can have: {cause}") from None
    return dtype


def generic_group(dtype: pl.DataType) -> GenericGroup:
    """The group that decides how a basic filter quotes and which join keys fit.

    It looks at the full type text, so every parametrised type (a real Datetime among them) is in group "str".
    """
    text = str(dtype)
    if text in _NUMERIC_NAMES:
        return "numeric"
    return "date" if text in ("Date", "Datetime", "Time") else "str"


def readable_group(dtype: pl.DataType) -> ReadableGroup:
    """The group that selections "by data type" and data cleansing use; looks at the base type."""
    return _READABLE.get(base_name(dtype), "Other")


def without_categories(dtype: pl.DataType) -> pl.DataType:
    """The type without the texts that an enumeration, at any depth of it, lists."""
    if isinstance(dtype, pl.Enum):
        return pl.Enum([])
    if isinstance(dtype, pl.List):
        return pl.List(without_categories(_inner(dtype)))
    if isinstance(dtype, pl.Array):
        return pl.Array(without_categories(_inner(dtype)), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({name: without_categories(field) for name, field in struct_fields(dtype).items()})
    return dtype


def struct_fields(dtype: pl.Struct) -> dict[str, pl.DataType]:
    """The types of a struct's fields by name."""
    return {field.name: _full(field.dtype) for field in dtype.fields}


def _full(dtype: Any) -> pl.DataType:
    full: pl.DataType = dtype() if isinstance(dtype, DataTypeClass) else dtype
    return full


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _full(dtype.inner)


def _array_leaf(dtype: pl.Array) -> pl.DataType:
    leaf: pl.DataType = dtype
    while isinstance(leaf, pl.Array):
        leaf = _inner(leaf)
    return leaf


def _construct(node: ast.expr) -> pl.DataType:
    """Build a dtype from literals and dtype constructors only; nothing is evaluated."""
    name = _constructor_name(node.func if isinstance(node, ast.Call) else node)
    if name is None:
        raise ValueError(ast.dump(node))
    if not isinstance(node, ast.Call):
        return parse_dtype(name)
    constructor = getattr(pl, name)
    arguments = [_argument(argument) for argument in node.args]
    keywords = {keyword.arg: _argument(keyword.value) for keyword in node.keywords if keyword.arg}
    return _full(constructor(*arguments, **keywords))


def _constructor_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pl":
        name = node.attr
    elif isinstance(node, ast.Name):
        name = node.id
    else:
        return None
    return name if name in _NAMED or name in _NESTED else None


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(key): _argument(value) for key, value in zip(node.keys, node.values) if key}
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _construct(node)
