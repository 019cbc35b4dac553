"""Which columns the columns of a plain SQL query are made of: one SELECT over tables and their inner or left joins.

Everything else (sub-queries, WITH, set operations, other joins, ``*`` over a join) is not told apart here: None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import polars as pl

from flowfile_dagster.columns.lineage import ColumnOrigin

_TOKEN = re.compile(
    r"(?P<space>(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<quoted>\"(?:[^\"]|\"\")*\"|`[^`]*`)|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<sign>.)",
    re.DOTALL,
)
#: Words with which a query is more than we read.
_FURTHER = frozenset(
    {
        *("WITH", "UNION", "INTERSECT", "EXCEPT", "EXCLUDE", "RENAME", "ILIKE", "UNNEST", "LATERAL", "VALUES"),
        *("NATURAL", "USING", "ASOF", "RIGHT", "FULL", "SEMI", "ANTI"),
        *("QUALIFY", "WINDOW", "PIVOT", "UNPIVOT", "TABLESAMPLE", "INTO"),
    }
)
_AFTER_FROM = frozenset({"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH"})
_JOINING = frozenset({"INNER", "LEFT", "OUTER", "CROSS", "JOIN"})


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    depth: int

    @property
    def word(self) -> str:
        """The word in capitals; nothing for what is no plain word."""
        return self.text.upper() if self.kind == "name" else ""

    @property
    def name(self) -> str | None:
        """The identifier that it stands for."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text if self.kind == "name" else None


def query_lineage(
    query: str, inputs: Sequence[pl.Schema], output: pl.Schema
) -> dict[str, tuple[ColumnOrigin, ...]] | None:
    """The origins of every column of a query's result; None where the query is not a plain one."""
    parts = _split(_tokens(query))
    if parts is None:
        return None
    items, source = parts
    tables = _tables(source, len(inputs))
    if tables is None or any(alias in schema for alias in tables for schema in inputs):
        return None
    found: dict[str, tuple[ColumnOrigin, ...]] = {}
    for item in items:
        columns = _item(item, tables, inputs)
        if columns is None or not found.keys().isdisjoint(columns):
            return None
        found |= columns
    return found if list(found) == list(output) else None


def _tokens(query: str) -> list[_Token]:
    tokens: list[_Token] = []
    depth = 0
    for match in _TOKEN.finditer(query):
        text, kind = match.group(), match.lastgroup or ""
        depth -= text in (")", "]")
        if kind != "space":
            tokens.append(_Token(kind, text, depth))
        depth += text in ("(", "[")
    return tokens


def _split(tokens: Sequence[_Token]) -> tuple[list[list[_Token]], list[_Token]] | None:
    """The selected items, and what stands between FROM and the next clause."""
    words = [token.word for token in tokens]
    has_signs = any(token.text in ("$", "\\", ";", "{") for token in tokens if token.kind == "sign")
    has_prefixed_text = any(
        one.kind == "name" and len(one.text) == 1 and other.kind == "text" for one, other in pairwise(tokens)
    )
    if not words or words[0] != "SELECT" or words.count("SELECT") > 1 or has_signs or has_prefixed_text:
        return None
    if not _FURTHER.isdisjoint(words):
        return None
    top = [index for index, token in enumerate(tokens) if token.depth == 0]
    start = next((index for index in top if words[index] == "FROM"), None)
    if start is None:
        return None
    end = next((index for index in top if index > start and words[index] in _AFTER_FROM), len(tokens))
    first = 2 if words[1] in ("DISTINCT", "ALL") else 1
    if words[first] == "ON":
        return None
    return _by_comma(tokens[first:start]), list(tokens[start + 1 : end])


def _by_comma(tokens: Sequence[_Token]) -> list[list[_Token]]:
    groups = groupby(tokens, lambda token: token.depth == 0 and token.text == "," and token.kind == "sign")
    return [list(group) for is_comma, group in groups if not is_comma]


def _tables(tokens: Sequence[_Token], count: int) -> dict[str, int] | None:
    """The number of the input behind each name of a table."""
    groups = groupby(tokens, lambda token: token.depth == 0 and token.word in _JOINING)
    tables: dict[str, int] = {}
    for is_joining, group in groups:
        if is_joining:
            continue
        names = list(group)
        condition = next((index for index, token in enumerate(names) if token.word == "ON"), len(names))
        table, *alias = [token.name for token in names[:condition] if token.word != "AS"]
        number = re.fullmatch(r"input_([1-9]\d*)", table or "")
        if number is None or int(number.group(1)) > count or len(alias) > 1:
            return None
        name = alias[0] if alias else table
        if name is None or name in tables:
            return None
        tables[name] = int(number.group(1)) - 1
    return tables


def _item(
    tokens: Sequence[_Token], tables: Mapping[str, int], inputs: Sequence[pl.Schema]
) -> dict[str, tuple[ColumnOrigin, ...]] | None:
    """The columns that one selected item gives."""
    used = list(tables.values())
    if [token.text for token in tokens] == ["*"]:
        only = used[0] if len(used) == 1 else None
        return None if only is None else {name: (ColumnOrigin(only, name),) for name in inputs[only]}
    qualified, text = _qualified(tokens, tables)
    try:
        expression = pl.sql_expr(text)
        names, roots = expression.meta.output_name(), expression.meta.root_names()
    except (pl.exceptions.PolarsError, TypeError):
        return None
    origins: set[ColumnOrigin] = set()
    for root in roots:
        holders = [number for number in used if root in inputs[number]]
        origin = qualified.get(root) or (ColumnOrigin(holders[0], root) if len(holders) == 1 else None)
        if origin is None or origin.column not in inputs[origin.input]:
            return None
        origins.add(origin)
    output = qualified[names].column if names in qualified else names
    in_order = [ColumnOrigin(number, name) for number, schema in enumerate(inputs) for name in schema]
    return {output: tuple(origin for origin in in_order if origin in origins)}


def _qualified(tokens: Sequence[_Token], tables: Mapping[str, int]) -> tuple[dict[str, ColumnOrigin], str]:
    """The item with one made-up name for each ``table.column``, and what those stand for."""
    meanings: dict[str, ColumnOrigin] = {}
    parts: list[str] = []
    index = 0
    while index < len(tokens):
        table, *point = tokens[index : index + 3]
        column = point[1].name if len(point) == 2 and point[0].text == "." else None
        if column is not None and table.name is not None and table.name in tables:
            made_up = f"§{len(meanings)}"
            meanings[made_up] = ColumnOrigin(tables[table.name], column)
            parts.append(f'"{made_up}"')
            index += 3
        else:
            parts.append(table.text)
            index += 1
    return meanings, " ".join(parts)
