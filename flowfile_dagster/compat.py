"""Facts about the versions of the libraries below us; the only reader of a version number."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version

#: Results may differ between major versions of Polars, so it enters the node hash.
POLARS_MAJOR = version("polars").partition(".")[0]

_OWN = ("flowfile-dagster", "polars", "polars-expr-transformer", "pydantic")
_EXTRAS = ("fastexcel", "openpyxl", "pl-fuzzy-frame-match", "polars-ds", "polars-grouper", "xlsx2csv", "xlsxwriter")


@cache
def prediction_versions() -> dict[str, str]:
    """What a compiled flow depends on, with versions: another set of these predicts anew.

    Besides our own libraries these are the optional ones, and the packages that bring node types.
    """
    found = {name: version(name) for name in _OWN} | {name: _version_or_nothing(name) for name in _EXTRAS}
    for entry in entry_points(group="flowfile_dagster.nodes"):
        found[f"node type {entry.name}"] = f"{entry.value} {entry.dist.version if entry.dist else ''}"
    return found


def _version_or_nothing(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
