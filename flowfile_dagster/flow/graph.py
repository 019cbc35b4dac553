"""The flow graph: typed nodes, wired inputs, one stable order. Immutable; the currency of all later rooms."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, OutputFieldConfig, ParameterValue
from flowfile_dagster.errors import (
    DataError,
    FlowFileError,
    NodeError,
    NodeLocation,
    Problem,
    SelectionError,
    shortened,
)
from flowfile_dagster.flow.document import ParameterDefinition
from flowfile_dagster.flow.wiring import Input

#: Longer paths exist on no system.
_MAX_PATH = 4096

#: How a flow runs.
ExecutionMode: TypeAlias = Literal["development", "performance"]


@dataclass(frozen=True)
class FlowNode:
    """A node of a flow.

    `settings` is None where `problem` says why the node cannot run: not configured, settings that do not validate,
    inputs missing, a type that is not known. `position` is (x, y) on the canvas, `line` the line in the flow file.
    """

    node_id: int
    node_type: str
    kind: NodeType[Any] = field(repr=False, compare=False)
    settings: NodeSettings | None = field(repr=False)
    inputs: tuple[Input, ...]
    reference: str | None = None
    description: str = ""
    problem: str | None = None
    position: tuple[int, int] = (0, 0)
    group: str | None = None
    line: int | None = None

    @property
    def can_run(self) -> bool:
        """Whether nothing is known against running the node."""
        return self.problem is None and self.settings is not None

    @cached_property
    def traits(self) -> frozenset[Trait]:
        """How the node behaves under its settings."""
        return self.kind.traits if self.settings is None else self.kind.traits_of(self.settings)

    @property
    def output_fields(self) -> OutputFieldConfig | None:
        """The columns that it must deliver, if its settings say so."""
        config = self.settings.output_field_config if self.settings else None
        return config if config is not None and config.is_active else None

    @cached_property
    def handles(self) -> tuple[str, ...]:
        """Its output handles: ``output-0``, …"""
        return tuple(f"output-{index}" for index in range(len(self.handle_labels)))

    @cached_property
    def handle_labels(self) -> tuple[str, ...]:
        """What the user calls each output: ``pass``, ``fail``, …"""
        return ("main",) if self.settings is None else self.kind.handles(self.settings)


@dataclass(frozen=True)
class FlowGraph:
    """A flow with parameters resolved. `nodes` is in topological order, by id among equals.

    `parameters` are values, `definitions` what was declared of them, by name. `roots` are the folders that relative
    paths are looked for in, in order.
    """

    name: str
    path: Path
    content_hash: str
    nodes: Mapping[int, FlowNode]
    parameters: Mapping[str, ParameterValue]
    definitions: Mapping[str, ParameterDefinition]
    execution_mode: ExecutionMode
    roots: tuple[Path, ...]
    description: str = ""

    @cached_property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """The nodes that read each node, in topological order."""
        found: dict[int, list[int]] = {node_id: [] for node_id in self.nodes}
        for node in self.nodes.values():
            for source_id in dict.fromkeys(item.node_id for item in node.inputs):
                found[source_id].append(node.node_id)
        return {node_id: tuple(targets) for node_id, targets in found.items()}

    def ancestors(self, node_ids: Iterable[int]) -> frozenset[int]:
        """The nodes themselves and everything they are made of."""
        wanted = set(node_ids)
        for node_id in reversed(list(self.nodes)):
            if node_id in wanted:
                wanted.update(item.node_id for item in self.nodes[node_id].inputs)
        return frozenset(wanted)

    def location(self, node_id: int) -> NodeLocation:
        """Where a node stands, for messages."""
        node = self.nodes[node_id]
        return NodeLocation(self.name, node_id, node.node_type, node.reference)

    def problem_error(self, node_id: int) -> NodeError | None:
        """The error of a node that cannot run."""
        problem = self.nodes[node_id].problem
        return None if problem is None else NodeError(self.location(node_id), problem)

    def find_node(self, name: int | str) -> int:
        """The id of the node with this id or reference.

        Raises:
            SelectionError: the flow has no such node.
        """
        for node in self.nodes.values():
            if str(name) in (str(node.node_id), node.reference):
                return node.node_id
        known = ", ".join(str(node.reference or node.node_id) for node in self.nodes.values())
        raise SelectionError(f"{self.name}: no node {name!r}; nodes: {known}")

    def resolve_path(self, text: str) -> Path:
        """The absolute path for a path of the flow file.

        A relative path stands under the first root where it exists; where none does, under the first root that has
        its folder, else under the first root.

        Raises:
            DataError: no system can have such a path.
        """
        if len(text) > _MAX_PATH:
            raise DataError(f"path {shortened(text)!r} has {len(text):,} characters, which no system allows")
        try:
            return self._find_path(Path(text).expanduser())
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13; ~nobody
            raise DataError(f"path {shortened(text)!r} cannot be looked up: {error}") from error

    def _find_path(self, path: Path) -> Path:
        if path.is_absolute():
            return path.resolve()
        candidates = [(root / path).resolve() for root in self.roots]
        for is_there in (Path.exists, lambda candidate: candidate.parent.is_dir()):
            for candidate in candidates:
                if is_there(candidate):
                    return candidate
        return candidates[0]


def output_field_handles(node: FlowNode) -> tuple[str, ...]:
    """The outputs that ``output_field_config`` applies to: the first, and for a gate, whose outputs are one, all."""
    return node.handles if Trait.GATE in node.traits else ("output-0",)


def in_order(nodes: Mapping[int, FlowNode], path: Path) -> dict[int, FlowNode]:
    """The nodes in topological order, the smallest id first among those that could come next.

    Raises:
        FlowFileError: the edges form a cycle; names its nodes.
    """
    reads = {node_id: {item.node_id for item in node.inputs} for node_id, node in nodes.items()}
    ordered = {node_id: nodes[node_id] for node_id in topological_order(reads)}
    if len(ordered) < len(nodes):
        cycle = _find_cycle({node_id: sources for node_id, sources in reads.items() if node_id not in ordered})
        text = " -> ".join(str(node_id) for node_id in cycle[:20])
        raise FlowFileError(str(path), [Problem("input_ids", f"the nodes form a cycle: {text}", cycle[0])])
    return ordered


def topological_order(reads: Mapping[int, Collection[int]]) -> list[int]:
    """Each number after those that it reads, the smallest first among those that could come next.

    Those in a cycle, and those after one, are left out.
    """
    left = {number: len(sources) for number, sources in reads.items()}
    readers: dict[int, list[int]] = {}
    for number, sources in reads.items():
        for source in sources:
            readers.setdefault(source, []).append(number)
    ready = [number for number, count in left.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[int] = []
    while ready:
        ordered.append(heapq.heappop(ready))
        for reader in readers.get(ordered[-1], ()):
            left[reader] -= 1
            if left[reader] == 0:
                heapq.heappush(ready, reader)
    return ordered


def _find_cycle(waiting: Mapping[int, set[int]]) -> list[int]:
    seen: dict[int, int] = {}
    walk = [min(waiting)]
    while walk[-1] not in seen:
        seen[walk[-1]] = len(walk) - 1
        walk.append(min(source for source in waiting[walk[-1]] if source in waiting))
    return walk[seen[walk[-1]] :][::-1]
