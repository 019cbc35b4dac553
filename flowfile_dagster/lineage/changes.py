"""Which columns are gone, renamed or of another type between two states of a project, and where that began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from flowfile_dagster.columns.dtypes import dtype_text
from flowfile_dagster.lineage.columns import ColumnId, NodeId
from flowfile_dagster.lineage.project import Project

ChangeKind: TypeAlias = Literal["removed", "renamed", "retyped"]


@dataclass(frozen=True)
class ColumnChange:
    """What became of a column. `became` is its new name, or its new type where it kept its name."""

    column: ColumnId
    kind: ChangeKind
    became: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "removed":
                return f"{self.column.column!r} is gone"
            case "renamed":
                return f"{self.column.column!r} is called {self.became!r}"
            case "retyped":
                return f"{self.column.column!r} is {self.became}"


def column_changes(old: Project, new: Project) -> dict[ColumnId, ColumnChange]:
    """Every column of `old` that is not the same in `new`, in topological order.

    Outputs that are gone themselves, or whose columns are not known in one of the states, are not compared.
    """
    found: dict[ColumnId, ColumnChange] = {}
    was: dict[ColumnId, ColumnId] = {}
    for node, handle, before in known_outputs(old):
        after = new.flows[node.flow].schema(node.node_id, handle) if node.flow in new.flows else None
        if after is None:
            continue
        renamed = _renamed(_missing(node, handle, before, after), _missing(node, handle, after, before), old, new, was)
        was.update({new_column: column for column, new_column in renamed.items()})
        for name, dtype in before.items():
            column = ColumnId(*node, handle, name)
            if column in renamed:
                found[column] = ColumnChange(column, "renamed", renamed[column].column)
            elif name not in after:
                found[column] = ColumnChange(column, "removed")
            elif after[name] != dtype:
                found[column] = ColumnChange(column, "retyped", f"{dtype_text(after[name])}, was {dtype_text(dtype)}")
    return found


def first_changes(old: Project, changes: Mapping[ColumnId, ColumnChange]) -> list[ColumnChange]:
    """The changes that do not follow from that of a column above."""
    parents = old.columns.parents
    return [change for column, change in changes.items() if not any(parent in changes for parent in parents[column])]


def known_outputs(project: Project) -> Iterator[tuple[NodeId, str, pl.Schema]]:
    """Every output whose columns are known, in topological order."""
    for flow in project.flows.values():
        for node_id, prediction in flow.predictions.items():
            for handle, schema in prediction.schemas.items():
                if schema is not None:
                    yield NodeId(flow.name, node_id), handle, schema


def _missing(node: NodeId, handle: str, columns: pl.Schema, other: pl.Schema) -> list[ColumnId]:
    return [ColumnId(*node, handle, name) for name in columns if name not in other]


def _renamed(
    gone: Sequence[ColumnId], added: Sequence[ColumnId], old: Project, new: Project, was: Mapping[ColumnId, ColumnId]
) -> dict[ColumnId, ColumnId]:
    """Old to new for columns of one output that are made of the same columns, where that leaves no choice."""
    made_of: dict[tuple[ColumnId, ...], list[ColumnId]] = {}
    for column in added:
        origins = tuple(was.get(parent, parent) for parent in new.columns.parents[column])
        if origins:
            made_of.setdefault(origins, []).append(column)
    claims = [tuple(old.columns.parents[column]) for column in gone]
    return {
        column: made_of[origins][0]
        for column, origins in zip(gone, claims)
        if len(made_of.get(origins, ())) == 1 and claims.count(origins) == 1
    }
