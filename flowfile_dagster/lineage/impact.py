"""What breaks between two states of a project: columns that change, and the nodes of any flow that use them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES, Trait
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.lineage.changes import ColumnChange, column_changes, first_changes, known_outputs
from flowfile_dagster.lineage.columns import ColumnId, NodeId
from flowfile_dagster.lineage.project import Project, read_project

#: What a change does to a node that uses the column. All but the last two break something.
Effect: TypeAlias = Literal["fails", "blocked", "delivers", "passes on", "unaffected"]
_BREAKING: frozenset[Effect] = frozenset({"fails", "blocked", "delivers"})


@dataclass(frozen=True)
class Use:
    """A node that uses a changed column, and what becomes of it.

    It ``fails``; is ``blocked`` by one above that fails; ``delivers`` another result, in a file or as the last node;
    ``passes on`` the change; or is ``unaffected``, because it was changed too.
    """

    node: NodeId
    effect: Effect
    detail: str = ""

    @property
    def is_break(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.effect in _BREAKING


@dataclass(frozen=True)
class Impact:
    """The difference of two states.

    Attributes:
        uses: every change that does not follow from another, with the nodes that use the column.
        failures: nodes that fail now and use none of these columns, with the cause.
        orphans: readers of files that no flow writes any more.
        gone: nodes whose results were delivered, and that are not there any more.
        unloadable: flow files that do not load any more, with the cause.
        unknown: nodes whose columns were known and are not any more, though nothing fails.
    """

    uses: Mapping[ColumnChange, tuple[Use, ...]]
    failures: Mapping[NodeId, str]
    orphans: tuple[NodeId, ...]
    gone: tuple[NodeId, ...]
    unloadable: Mapping[str, str]
    unknown: tuple[NodeId, ...]

    @property
    def is_break(self) -> bool:
        """Whether something breaks."""
        used = any(use.is_break for uses in self.uses.values() for use in uses)
        return bool(used or self.failures or self.orphans or self.gone or self.unloadable)


def read_changed_project(files: Mapping[str, Path], root: Path | None, old: Project) -> Project:
    """The new state; readers find files as they will be after the flows that write them have run in that state."""

    def reading(reader: NodeId, found: pl.Schema | None, writer: NodeId, written: pl.Schema) -> pl.Schema:
        before = _schema(old, writer)
        base = found or _schema(old, reader)
        if before is None or base is None:
            return base or written
        kept = {name: dtype for name, dtype in base.items() if name in written or name not in before}
        changed = {name: dtype for name, dtype in written.items() if before.get(name) != dtype}
        return pl.Schema({**kept, **changed})

    return read_project(files, root, reading)


def find_impact(old: Project, new: Project) -> Impact:
    """What the change from `old` to `new` does."""
    changes = column_changes(old, new)
    failing = _new_failures(old, new)
    uses = {change: _uses(change, changes, old, new, failing) for change in first_changes(old, changes)}
    told = {use.node for found in uses.values() for use in found}
    return Impact(
        uses,
        {node: cause for node, cause in failing.items() if node not in told},
        tuple(reader for reader in old.writers if _exists(new, reader) and reader not in new.writers),
        tuple(
            node
            for node in _nodes(old)
            if not _exists(new, node) and node.flow not in new.broken and _is_delivering(old, node)
        ),
        {name: cause for name, cause in new.broken.items() if name not in old.broken},
        _unknown(old, new, failing),
    )


def _new_failures(old: Project, new: Project) -> dict[NodeId, str]:
    failing: dict[NodeId, str] = {}
    for node in _nodes(new):
        error = new.flows[node.flow].predictions[node.node_id].error
        if error is not None and not (_exists(old, node) and old.flows[node.flow].predictions[node.node_id].error):
            failing[node] = error.cause
    return failing


def _uses(
    change: ColumnChange,
    changes: Mapping[ColumnId, ColumnChange],
    old: Project,
    new: Project,
    failing: Mapping[NodeId, str],
) -> tuple[Use, ...]:
    affected = [change.column, *old.columns.downstream(change.column)]
    using = {column.node for column in affected[1:]}
    using |= {
        node for column in affected for node in _readers(old, column) if node not in using and _needs(old, node, column)
    }
    using |= _below(new, using & failing.keys())
    own: dict[NodeId, list[ColumnChange]] = {}
    for column in affected:
        if column in changes:
            own.setdefault(column.node, []).append(changes[column])
    blocked = _below(new, failing)
    order = [node for node in _nodes(old) if node in using or node == change.column.node]
    found = (_use(node, own.get(node, ()), new, failing, blocked) for node in order if _exists(new, node))
    return tuple(use for use in found if use.node != change.column.node or use.is_break)


def _use(
    node: NodeId,
    own: Iterable[ColumnChange],
    new: Project,
    failing: Mapping[NodeId, str],
    blocked: frozenset[NodeId],
) -> Use:
    text = ", ".join(dict.fromkeys(map(str, own)))
    if node in failing:
        return Use(node, "fails", failing[node])
    if node in blocked:
        return Use(node, "blocked")
    if text and _is_delivering(new, node):
        return Use(node, "delivers", text)
    return Use(node, "passes on", text) if text else Use(node, "unaffected")


def _needs(project: Project, node: NodeId, column: ColumnId) -> bool:
    """Whether the node cannot do without the column though no result is made of it: a condition, a key."""
    flow = project.flows[node.flow]
    entry = flow.graph.nodes[node.node_id]
    kind: Any = entry.kind
    inputs: list[pl.Schema | None] = []
    for item in entry.inputs:
        schema = flow.schema(item.node_id, item.handle)
        if schema is not None and (item.node_id, item.handle) == (column.node_id, column.handle):
            schema = pl.Schema({name: dtype for name, dtype in schema.items() if name != column.column})
        inputs.append(schema)
    try:
        kind.predict(entry.settings, inputs, NodeContext(flow.graph, is_prediction=True))
    except NODE_FAILURES:
        return flow.predictions[node.node_id].error is None
    return False


def _readers(project: Project, column: ColumnId) -> Iterator[NodeId]:
    """The nodes of the flow that an output goes to."""
    for node in project.flows[column.flow].graph.nodes.values():
        if node.can_run and any((item.node_id, item.handle) == (column.node_id, column.handle) for item in node.inputs):
            yield NodeId(column.flow, node.node_id)


def _below(project: Project, failing: Collection[NodeId]) -> frozenset[NodeId]:
    """The nodes that what fails keeps from running, in its own flow and in those that read its files."""
    found = set(failing)
    for node in _nodes(project):
        above = [NodeId(node.flow, item.node_id) for item in project.flows[node.flow].graph.nodes[node.node_id].inputs]
        writer = project.writers.get(node)
        if not found.isdisjoint([*above, *([writer] if writer else [])]):
            found.add(node)
    return frozenset(found - set(failing))


def _unknown(old: Project, new: Project, failing: Mapping[NodeId, str]) -> tuple[NodeId, ...]:
    stopped = _below(new, failing) | set(failing)
    return tuple(
        dict.fromkeys(
            node
            for node, handle, _ in known_outputs(old)
            if _exists(new, node) and node not in stopped and new.flows[node.flow].schema(node.node_id, handle) is None
        )
    )


def _is_delivering(project: Project, node: NodeId) -> bool:
    """Whether the result is what the flow is there for: it is written to a file, or nothing in the flow follows."""
    graph = project.flows[node.flow].graph
    return Trait.SINK in graph.nodes[node.node_id].traits or not graph.consumers[node.node_id]


def _nodes(project: Project) -> Iterator[NodeId]:
    return (NodeId(flow.name, node_id) for flow in project.flows.values() for node_id in flow.graph.nodes)


def _exists(project: Project, node: NodeId) -> bool:
    return node.flow in project.flows and node.node_id in project.flows[node.flow].graph.nodes


def _schema(project: Project, node: NodeId) -> pl.Schema | None:
    return project.flows[node.flow].schema(node.node_id) if node.flow in project.flows else None
