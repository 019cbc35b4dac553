"""What a materialization changed against the one before, in a few words."""

from __future__ import annotations

import logging

from flowfile_dagster.columns.difference import compare_schemas
from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.difference import compare_tables
from flowfile_dagster.store.index import StoredTable
from flowfile_dagster.store.store import ResultStore

#: Rows of larger results are compared on demand only, by ``flowfile-dagster diff``: here it must cost next to nothing.
MAX_BYTES = 8_000_000

_log = logging.getLogger(__name__)


def describe_changes(before: StoredTable, after: StoredTable, store: ResultStore) -> str:
    """Rows before and after, columns, and for small results how many rows came, went and changed.

    It never fails: what was there before may be gone.
    """
    if before.content_hash == after.content_hash:
        return "none"
    parts = [f"{before.rows:,} -> {after.rows:,} rows", str(compare_schemas(before.schema, after.schema))]
    if max(before.bytes, after.bytes) <= MAX_BYTES:
        try:
            rows = compare_tables(store.scan(before), store.scan(after), samples=0).rows
            parts += [] if rows is None else [str(rows)]
        except NODE_FAILURES as error:  # looking at a result must not lose it
            _log.warning("rows are not compared with those before: %s", error)
    return "; ".join(parts)
