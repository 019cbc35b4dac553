"""Columns by the names that people write."""

from __future__ import annotations

from difflib import get_close_matches

from flowfile_dagster.errors import SelectionError
from flowfile_dagster.lineage.columns import ColumnId
from flowfile_dagster.lineage.project import Project


def find_columns(project: Project, text: str) -> list[ColumnId]:
    """The columns called ``node.column`` or ``flow/node.column``; several where outputs of a node share it.

    A node goes by its name, its id, or the name of one of its outputs.

    Raises:
        SelectionError: there is none; names close ones.
    """
    found = [column for column in project.columns.parents if text in _names(project, column)]
    if found:
        return found
    known = {name for column in project.columns.parents for name in _names(project, column)}
    close = ", ".join(repr(name) for name in get_close_matches(text, sorted(known), n=3))
    hint = f"did you mean {close}?" if close else "write NODE.COLUMN, with a name or id that `lineage` prints"
    raise SelectionError(f"there is no column {text!r} that is known before a run; {hint}")


def _names(project: Project, column: ColumnId) -> set[str]:
    flow = project.flows[column.flow]
    nodes = (str(column.node_id), flow.names[column.node_id], flow.output_name(column.node_id, column.handle))
    short = {f"{node}.{column.column}" for node in nodes}
    return short | {f"{column.flow}/{name}" for name in short}
