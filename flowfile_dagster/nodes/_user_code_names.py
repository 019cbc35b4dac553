"""What Polars code may name: the objects given to it, and the attributes that it may ask of any object.

Everything is denied that is not listed. The modules that code sees (``pl``, ``cs``, ``datetime``, …) are stand-ins that
hold the allowed members only, so that an alias of a module reaches no more than the module's name does.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import time
import zoneinfo
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl

_PYTHON_TYPES = (
    *(str, bytes, int, float, bool, list, dict, set, tuple, range, BytesIO, time.struct_time),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, zoneinfo.ZoneInfo),
)
_PLAIN_FUNCTIONS = (print, len, range, enumerate, zip, list, dict, set, str, int, float, bool)
_DTYPE_NAMES = (
    *("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128"),
    *("Float16", "Float32", "Float64", "Boolean", "String", "Utf8", "Binary", "Null", "List", "Array", "Struct"),
    *("Object", "Date", "Time", "Datetime", "Duration", "Categorical", "Decimal", "Enum", "Unknown"),
)
_POLARS_CLASSES = ("DataFrame", "LazyFrame", "Series", "Expr", "Schema", "Field", "Categories")
_POLARS_CONVERTERS = ("from_dict", "from_dicts", "from_records", "from_repr", "json_normalize")
_NAMESPACES = ("str", "dt", "list", "arr", "struct", "cat", "bin", "name", "meta")
_MEMBERS = {
    "time": "time time_ns sleep monotonic perf_counter strftime strptime gmtime localtime mktime",
    "base64": "b64encode b64decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode "
    "b32encode b32decode b16encode b16decode b85encode b85decode",
    "datetime": "date datetime time timedelta timezone tzinfo UTC MINYEAR MAXYEAR",
    "decimal": "Decimal ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP "
    "ROUND_05UP",
    "zoneinfo": "ZoneInfo available_timezones",
}
_OTHER_ATTRIBUTES = "when then otherwise fields having map_groups start stop step"
#: Attributes that reach files, the network, other processes, process-wide state or the interpreter's inside.
_DENIED_PREFIXES = (
    *("_", "read_", "scan_", "write_", "sink_", "save_", "load_", "register_", "unregister_", "set_random"),
    *("gi_", "cr_", "ag_", "tb_", "co_", "f_", "func_"),
)
_DENIED = frozenset(
    {
        *("serialize", "deserialize", "from_json", "from_file", "sql", "sql_expr", "remote", "execute", "tofile"),
        *("plot", "style", "show", "show_graph", "profile", "collect_async", "collect_all_async", "collect_batches"),
        *("to_pandas", "to_torch", "to_jax", "to_arrow", "format_map", "mro", "clear_cache", "no_cache"),
        *("with_traceback",),
    }
)
_ALLOWED_FROM = frozenset(
    {
        *("from_dict", "from_dicts", "from_records", "from_repr", "from_epoch", "from_bytes", "fromisoformat"),
        *("fromkeys", "fromtimestamp", "fromordinal", "fromisocalendar", "fromhex"),
    }
)


def is_denied(attribute: str) -> bool:
    """Whether no object may be asked for this attribute, whatever it is."""
    if attribute.startswith("from"):
        return attribute not in _ALLOWED_FROM
    return attribute.startswith(_DENIED_PREFIXES) or attribute in _DENIED


@cache
def allowed_attributes() -> frozenset[str]:
    """Every attribute that code may ask of an object: the public methods of what it can get hold of."""
    column = pl.col("x")
    owners: list[Any] = [
        *_PYTHON_TYPES,
        *(getattr(pl, name) for name in _POLARS_CLASSES if hasattr(pl, name)),
        *(getattr(pl, name) for name in _DTYPE_NAMES if hasattr(pl, name)),
        *(type(getattr(column, name)) for name in _NAMESPACES),
        type(pl.LazyFrame().group_by("x")),
        type(pl.selectors.all()),
        *_modules().values(),
        _exceptions(),
    ]
    names = {name for owner in owners for name in dir(owner)} | set(_OTHER_ATTRIBUTES.split())
    return frozenset(name for name in names if not is_denied(name) and name != "format")


@cache
def available_names() -> frozenset[str]:
    """The names that code finds, besides its inputs and what it defines itself."""
    return frozenset(name for name in namespace() if not name.startswith("__"))


def namespace() -> dict[str, Any]:
    """A fresh global namespace for one execution."""
    names: dict[str, Any] = {"__builtins__": {"__import__": _import_for_dates}, "__name__": "polars_code"}
    names.update({function.__name__: function for function in _PLAIN_FUNCTIONS})
    names.update({name: getattr(pl, name) for name in _DTYPE_NAMES if hasattr(pl, name)})
    names.update(_modules())
    names.update(col=pl.col, lit=pl.lit, BytesIO=BytesIO)
    return names


def _modules() -> dict[str, SimpleNamespace]:
    selectors = _stand_in(pl.selectors, pl.selectors.__all__)
    modules: tuple[ModuleType, ...] = (time, base64, datetime, decimal, zoneinfo)
    return {
        "pl": SimpleNamespace(**vars(_stand_in(pl, _polars_names())), selectors=selectors, exceptions=_exceptions()),
        "cs": selectors,
        "expr": SimpleNamespace(Expr=pl.Expr),
        **{module.__name__: _stand_in(module, _MEMBERS[module.__name__].split()) for module in modules},
    }


def _stand_in(module: ModuleType, names: Iterable[str]) -> SimpleNamespace:
    return SimpleNamespace(**{name: getattr(module, name) for name in names if hasattr(module, name)})


def _exceptions() -> SimpleNamespace:
    return SimpleNamespace(
        **{name: error for name, error in vars(pl.exceptions).items() if isinstance(error, type) and name[0].isupper()}
    )


@cache
def _polars_names() -> tuple[str, ...]:
    """Functions on columns, frames and literals; classes of frames and types. No input, output or global state."""
    functions = (
        name
        for name in pl.__all__
        if getattr(getattr(pl, name), "__module__", "").startswith("polars.functions.") and not is_denied(name)
    )
    return (*functions, *_POLARS_CONVERTERS, *_POLARS_CLASSES, *_DTYPE_NAMES, "col")


def _import_for_dates(name: str, *arguments: Any) -> ModuleType:
    """`strptime` imports its parser when it is first called, with the builtins of its caller."""
    if name != "_strptime":
        raise ImportError(f"import of {name!r} is not allowed")
    return __import__("_strptime", *arguments)
