"""The compiled form of a flow: everything that loading definitions needs, as plain JSON values.

It holds schemas and lineage as text, so that reading it needs neither Polars nor any node type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from flowfile_dagster.flow.graph import ExecutionMode

#: Raise when the meaning of a field changes: older files are then compiled anew.
COMPILED_FORMAT = 14
#: Begins the line in which a worker says, as JSON, which path it cannot use, and why.
UNUSABLE = "unusable: "

#: Columns in order: (name, dtype text).
SchemaText: TypeAlias = Sequence[tuple[str, str]]
#: Output column to each (node id, handle, column) that it is made of, outside of its node or segment. What a node
#: without inputs delivers, such as a reader, is made of itself.
LineageText: TypeAlias = Mapping[str, Sequence[tuple[int, str, str]]]


@dataclass(frozen=True)
class CompiledInput:
    """One wired input of a node."""

    node_id: int
    handle: str
    slot: str


@dataclass(frozen=True)
class CompiledSource:
    """Something outside that a node reads: see `flowfile_dagster.contract.node_type.Source`.

    `state` is (path, size, mtime in ns, inode) of its files, and of the folders where more could appear, at compile
    time; zeros for what could not be looked at.
    """

    uri: str
    identity: str
    pattern: str | None
    state: Sequence[tuple[str, int, int, int]]


@dataclass(frozen=True)
class CompiledNode:
    """One node. `problem`: it cannot run; `warning`: its prediction already failed. None for opaque parts.

    `notes`: those that stand beside it on the canvas. `lineage_tables`: for each handle what people are shown of where
    its columns come from. `named_after`: the columns of its first input whose values become names of columns.
    """

    node_id: int
    name: str
    node_type: str
    reference: str | None
    description: str
    position: tuple[int, int]
    group: str | None
    notes: str
    line: int | None
    handle_labels: Sequence[str]
    inputs: Sequence[CompiledInput]
    traits: Sequence[str]
    settings_hash: str
    settings_text: str
    snippet: str
    problem: str | None
    warning: str | None
    schemas: Mapping[str, SchemaText | None]
    lineage: Mapping[str, LineageText | None]
    lineage_tables: Mapping[str, str]
    named_after: Sequence[str]
    sources: Sequence[CompiledSource]
    target: str | None


@dataclass(frozen=True)
class CompiledSegment:
    """A fused segment of performance mode: see `flowfile_dagster.plan.segments.Segment`.

    `lineage` by handle of the root, composed across the nodes.
    """

    root: int
    nodes: Sequence[int]
    inputs: Sequence[int]
    reasons: Sequence[str]
    lineage: Mapping[str, LineageText | None]
    bundle: int | None = None


@dataclass(frozen=True)
class CompiledParameter:
    """A flow parameter as declared; `default` is its typed value, the project's where it gives one."""

    name: str
    type: str
    default: str | int | float | bool
    description: str
    enum_values: Sequence[str]


@dataclass(frozen=True)
class CompiledFlow:
    """A flow that loaded.

    `awaited` are node hashes whose stored schema would make an opaque prediction known; `awaited_files` are sources
    of opaque nodes which no run has read yet, so that those hashes are not known either.
    """

    name: str
    path: str
    content_hash: str
    execution_mode: ExecutionMode
    description: str
    parameters: Sequence[CompiledParameter]
    nodes: Sequence[CompiledNode]
    segments: Sequence[CompiledSegment]
    awaited: Sequence[str]
    awaited_files: Sequence[str]


@dataclass(frozen=True)
class BrokenFlow:
    """A flow file that did not load, and why. `parameter`: the given one that it does not take, if that is why."""

    name: str
    path: str
    error: str
    parameter: str | None = None


def to_json(flow: CompiledFlow | BrokenFlow) -> dict[str, Any]:
    """The compiled form as JSON values."""
    return {"format": COMPILED_FORMAT, "is_broken": isinstance(flow, BrokenFlow), **asdict(flow)}


def from_json(value: Mapping[str, Any]) -> CompiledFlow | BrokenFlow:
    """The reverse of `to_json`.

    Raises:
        KeyError, TypeError, ValueError: the value is not of this format.
    """
    if value["format"] != COMPILED_FORMAT:
        raise ValueError(f"compiled format {value['format']}, expected {COMPILED_FORMAT}")
    fields = {name: item for name, item in value.items() if name not in ("format", "is_broken")}
    if value["is_broken"]:
        return BrokenFlow(**fields)
    fields["parameters"] = [CompiledParameter(**item) for item in fields["parameters"]]
    fields["nodes"] = [_node(item) for item in fields["nodes"]]
    fields["segments"] = [CompiledSegment(**item) for item in fields["segments"]]
    return CompiledFlow(**fields)


def _node(value: dict[str, Any]) -> CompiledNode:
    value["inputs"] = [CompiledInput(**item) for item in value["inputs"]]
    value["sources"] = [CompiledSource(**item) for item in value["sources"]]
    value["position"] = tuple(value["position"])
    return CompiledNode(**value)
