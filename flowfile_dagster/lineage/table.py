"""Where the columns of an output come from, as a bounded markdown table for its asset's page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from flowfile_dagster.engine.preview import markdown_cell
from flowfile_dagster.lineage.columns import ColumnGraph, ColumnId, NodeId, Trace

SHOWN_COLUMNS = 60
SHOWN_ORIGINS = 6
SHOWN_NODES = 6
MAX_BYTES = 8 * 1024

#: The name of a node, as the reader of the table knows it.
NodeName: TypeAlias = Callable[[NodeId], str]


def lineage_table(graph: ColumnGraph, columns: Sequence[ColumnId] | None, name: NodeName) -> str:
    """The table ``column | comes from | through``.

    Args:
        graph: the flow.
        columns: the columns of the output; None where they are not known before a run.
        name: how nodes are called.

    Returns:
        At most `SHOWN_COLUMNS` rows and `MAX_BYTES` bytes; what is left out is counted.
    """
    if columns is None:
        return "opaque: the columns are not known before a run"
    if not columns:
        return "no columns"
    lines = ["| column | comes from | through |", "| --- | --- | --- |"]
    size = sum(len(line) + 1 for line in lines)
    shown = 0
    for column in columns[:SHOWN_COLUMNS]:
        line = _row(graph, column, name)
        size += len(line.encode()) + 1
        if size > MAX_BYTES - 80:
            break
        lines.append(line)
        shown += 1
    if shown < len(columns):
        lines += ["", f"{shown} of {len(columns)} columns"]
    return "\n".join(lines)


def _row(graph: ColumnGraph, column: ColumnId, name: NodeName) -> str:
    trace = graph.traces[column]
    origins = _origins(graph, column, trace, name)
    ends = {column.node, *(origin.node for origin in trace.origins)}
    first, left_out, last = graph.way_of(trace, ends, SHOWN_NODES // 2)
    between = [f"… {left_out} more …"] if left_out else []
    through = ", ".join(map(markdown_cell, [*map(name, first), *between, *map(name, last)]))
    return f"| {markdown_cell(column.column)} | {', '.join(map(markdown_cell, origins))} | {through} |"


def _origins(graph: ColumnGraph, column: ColumnId, trace: Trace, name: NodeName) -> list[str]:
    """What a column comes from, in words: ``node.column``, or what it is instead."""
    if graph.kind(column) == "read":
        return ["read here"]
    if graph.kind(column) == "opaque":
        return ["opaque: this node does not say"]
    if not trace.origins:
        return ["no column: constant, counted or numbered"]
    given = [
        f"{name(origin.node)}.{origin.column}" + (" (opaque)" if origin in graph.opaque else "")
        for origin in trace.origins[:SHOWN_ORIGINS]
    ]
    left_out = len(trace.origins) - len(given)
    return [*given, f"{left_out} more"] if left_out else given
