"""Query the inputs with SQL, in Polars' dialect.

The inputs are the tables ``input_1``, ``input_2``, … in order; no other table, no variable of Python and no file can be
read. Only SELECT and WITH queries. Not kept: Flowfile refuses words such as CREATE or COPY even inside texts and as
names, and a leading parenthesis; both are harmless and work here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Ports, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import SettingsError, shortened
from flowfile_dagster.nodes._sql_columns import query_lineage

_FIELD = "sql_query_input.sql_code"
_COMMENT = r"--[^\n]*(?:\n|\Z)|/\*.*?\*/"
_LEADING = re.compile(rf"(?:\s|\(|{_COMMENT})*", re.DOTALL)
#: A call of a function that reads, or a table of its name (``read_csv.x(…)`` reads too); comments may stand between.
#: Looked for in the whole text: to tell texts apart would mean to read SQL exactly as Polars does.
_READER = re.compile(rf"(?<!\w)((?:read|scan)_\w+)[\"`]?(?:\s|{_COMMENT})*[(.]", re.DOTALL | re.IGNORECASE)
_TEXT = re.compile(rf"'(?:[^']|'')*'|{_COMMENT}", re.DOTALL)
_OPERATOR = re.compile(r"\b(?:AND|OR)\b|[-+*/%|^&]", re.IGNORECASE)
_SET_OPERATOR = re.compile(r"\b(?:UNION|EXCEPT|INTERSECT)\b", re.IGNORECASE)
#: Polars' planner recurses through chains of these in more than linear time, and in the end without a stack.
_MAX_OPERATORS = 1_000
_MAX_SET_OPERATORS = 100
_VOLATILE = re.compile(
    r"\b(?:current_(?:date|time|timestamp)|localtime(?:stamp)?|(?:now|rand|random|\w*uuid)\s*\()", re.IGNORECASE
)


class SqlQueryInput(SettingsBlock):
    """The query."""

    sql_code: str


class SqlQuerySettings(NodeSettings):
    """Settings of `SqlQuery`."""

    sql_query_input: SqlQueryInput


class SqlQuery(NodeType[SqlQuerySettings]):
    """Query the inputs with SQL."""

    type = "sql_query"
    Settings = SqlQuerySettings
    ports = Ports(0, None)
    traits = frozenset({Trait.ORDER_SENSITIVE, Trait.WIDE})

    def traits_of(self, settings: SqlQuerySettings) -> frozenset[Trait]:
        return self.traits | ({Trait.VOLATILE} if _VOLATILE.search(settings.sql_query_input.sql_code) else set[Trait]())

    def check(self, settings: SqlQuerySettings) -> None:
        query = settings.sql_query_input.sql_code
        leading = _LEADING.match(query)
        word = re.match(r"\w*", query[leading.end() :] if leading else query)
        first = word.group(0) if word else ""
        if first.upper() not in ("SELECT", "WITH"):
            found = f"begins with {first!r}" if first else "is empty" if not query.strip() else "has no query"
            raise SettingsError(_FIELD, f"{found}; only queries that begin with SELECT or WITH can run")
        _check_size(query)
        if reader := _READER.search(query):
            raise SettingsError(
                _FIELD, f"{reader.group(1)}(…) reads files, which a query cannot do; query input_1, input_2, … instead"
            )

    def build(self, settings: SqlQuerySettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        tables = {f"input_{number}": frame for number, frame in enumerate(frames, start=1)}
        try:
            result = pl.SQLContext(tables, eager=False).execute(settings.sql_query_input.sql_code, eager=False)
            result.collect_schema()
        except pl.exceptions.PolarsError as error:
            known = ", ".join(tables) or "none"
            cause = shortened(str(error).splitlines()[0])
            raise SettingsError(_FIELD, f"{cause} (tables: {known})") from error
        return result

    def lineage(
        self, settings: SqlQuerySettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        """Known for a plain SELECT over the inputs and their joins, else opaque."""
        return query_lineage(settings.sql_query_input.sql_code, inputs, output)


def _check_size(query: str) -> None:
    bare = _TEXT.sub(" ", query)
    for operators, limit in ((_OPERATOR, _MAX_OPERATORS), (_SET_OPERATOR, _MAX_SET_OPERATORS)):
        count = sum(1 for _ in operators.finditer(bare))
        if count > limit:
            kind = "set operators (UNION …)" if limit == _MAX_SET_OPERATORS else "operators (AND, OR, + …)"
            raise SettingsError(_FIELD, f"has {count:,} {kind}, the limit is {limit:,}; use IN (…), or several nodes")
