"""The only way in which Polars code may read a file: one `pl.scan_csv` of a named file, and nothing else.

Flowfile's Python API saves this code when a CSV file is read with options that the `read` node does not have. It is
understood rather than run: the file is known without a run, so it counts as a source like that of a `read` node.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from flowfile_dagster.columns.dtypes import parse_dtype
from flowfile_dagster.contract.context import PathResolver
from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.errors import SettingsError, UserCodeError
from flowfile_dagster.nodes._file_paths import is_foreign_address, is_url, matching_files, resolve_pattern

#: Options that reach further than the named file.
_DENIED_OPTIONS = ("storage_options", "credential_provider", "retries", "file_cache_ttl", "cloud_options")


@dataclass(frozen=True)
class CsvCall:
    """A call of `pl.scan_csv` with nothing but literals."""

    path: str
    options: Mapping[str, Any]

    def source(self, paths: PathResolver) -> Source:
        """The file, or the files that a pattern matches."""
        path = resolve_pattern(self.path, paths)
        shows_paths = self.options.get("include_file_paths") is not None
        return Source(str(path), matching_files(path, "csv") or (path,), shows_paths=shows_paths)

    def scan(self, paths: PathResolver) -> pl.LazyFrame:
        """The call itself.

        Raises:
            UserCodeError: Polars does not know an option, or refuses its value.
        """
        try:
            return pl.scan_csv(self.source(paths).uri, **self.options)
        except (TypeError, ValueError) as error:
            raise UserCodeError(f"{type(error).__name__}: {error}", 1) from error


@lru_cache(maxsize=256)
def find_csv_call(code: str) -> CsvCall | None:
    """The call, if the code is ``output_df = pl.scan_csv("file", option=literal, …)`` or that call alone."""
    try:
        (statement,) = ast.parse(textwrap.dedent(code)).body
        call = _result(statement)
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "pl.scan_csv":
            return None
        (path,) = (ast.literal_eval(argument) for argument in call.args)
        options = {keyword.arg: _literal(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, SettingsError):
        return None
    if not isinstance(path, str) or is_url(path) or is_foreign_address(path):
        return None
    named = {name: value for name, value in options.items() if name is not None}
    reaches_further = any(named.pop(name, None) is not None for name in _DENIED_OPTIONS)
    return None if reaches_further or len(options) != len(call.keywords) or None in options else CsvCall(path, named)


def _result(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Expr):
        return statement.value
    if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["output_df"]:
        return statement.value
    return None


def _literal(node: ast.expr) -> Any:
    """The value of a literal, which may hold data types; ValueError for anything else."""
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) if key is not None else None for key in node.keys]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
        text = ast.unparse(node).removeprefix("pl.")
        name = text.partition("(")[0]
        if not isinstance(getattr(pl, name, None), DataTypeClass):
            raise ValueError(f"{text} is no literal")
        return parse_dtype(text)
    return ast.literal_eval(node)
