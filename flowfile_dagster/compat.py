"""What the installed packages are: their versions, as far as results depend on them, and the node types they bring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

_POLARS = tuple(map(int, re.findall(r"\d+", version("polars"))[:3]))
#: Results may differ between major versions of Polars, so it enters the node hash.
POLARS_MAJOR = str(_POLARS[0])

#: The head of an inner join with few left rows, in memory, is not what comes first in it.
HEADS_OF_JOINS_LOSE_ORDER = _POLARS < (1, 43)
#: Polars computes what two different filters read once for each, instead of sharing it.
FILTERS_SHARE_NOTHING = _POLARS < (1, 43)

_OWN = ("flowfile-dagster", "polars", "polars-expr-transformer", "pydantic")
_EXTRAS = ("fastexcel", "openpyxl", "pl-fuzzy-frame-match", "polars-ds", "polars-grouper", "xlsx2csv", "xlsxwriter")


@cache
def foreign_node_types() -> Mapping[str, EntryPoint]:
    """Where third parties' node types are, by type name. Asked once: it reads what each installed package declares."""
    return {entry.name: entry for entry in entry_points(group="flowfile_dagster.nodes")}


@cache
def prediction_versions() -> dict[str, str]:
    """What a compiled flow depends on, with versions: another set of these predicts anew.

    Besides our own libraries these are the optional ones, and the packages that bring node types.
    """
    found = {name: version(name) for name in _OWN} | {name: _version_or_nothing(name) for name in _EXTRAS}
    for name, entry in foreign_node_types().items():
        found[f"node type {name}"] = f"{entry.value} {entry.dist.version if entry.dist else ''}"
    return found


def _version_or_nothing(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
