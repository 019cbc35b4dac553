"""What nodes read and write outside of their flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any, TypeVar

from flowfile_dagster.contract.context import PathResolver
from flowfile_dagster.contract.node_type import Source, Trait
from flowfile_dagster.errors import NodeProblem
from flowfile_dagster.flow.graph import FlowGraph, FlowNode

_Flow = TypeVar("_Flow")


def sources_of(node: FlowNode, paths: PathResolver) -> tuple[Source, ...]:
    """What a node reads; nothing where it cannot run, or that cannot be told."""
    settings: Any = node.settings
    try:
        return node.kind.sources(settings, paths) if node.can_run else ()
    except (OSError, NodeProblem):
        return ()


def target_of(node: FlowNode, paths: PathResolver) -> str | None:
    """The path that a node writes; None where there is none, or that cannot be told."""
    settings: Any = node.settings
    try:
        target = node.kind.target(settings, paths) if node.can_run else None
    except (OSError, NodeProblem):
        return None
    return None if target is None else str(target.path)


def needed_flows(flow: _Flow, needs: Mapping[_Flow, set[_Flow]]) -> set[_Flow]:
    """The flow itself and all that it needs, from what each flow needs directly."""
    found, waiting = {flow}, [flow]
    while waiting:
        fresh = needs.get(waiting.pop(), set()) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def lost_files(graph: FlowGraph) -> dict[int, str]:
    """Why sinks cannot run, by node: another one replaces the same file, and neither comes after the other.

    What is below a gate is left alone: of two such sinks, only one may be meant to write.
    """
    writers: dict[str, list[int]] = {}
    gated: set[int] = set()
    for node in graph.nodes.values():
        if Trait.GATE in node.traits or any(item.node_id in gated for item in node.inputs):
            gated.add(node.node_id)
        elif _replaces(node) and (path := target_of(node, graph)) is not None:
            writers.setdefault(path, []).append(node.node_id)
    rivals = {second: (first, path) for path, sinks in writers.items() for first, second in pairwise(sinks)}
    above = _marks_above(graph, [first for first, _ in rivals.values()])
    return {
        node_id: f"it replaces {path}, as node {first} does, and one of the two would be lost; "
        f"give it a file of its own, or place it after node {first}"
        for index, (node_id, (first, path)) in enumerate(rivals.items())
        if not above[node_id] >> index & 1
    }


def _replaces(node: FlowNode) -> bool:
    """Whether a node writes its file anew; a sink that keeps what is there holds a lock meanwhile."""
    return Trait.SINK in node.traits and Trait.EXCLUSIVE not in node.traits


def _marks_above(graph: FlowGraph, marked: Sequence[int]) -> Mapping[int, int]:
    """Which of the marked nodes each node is made of, as bits: sets would take too much memory in a large flow."""
    marks = {node_id: 1 << index for index, node_id in enumerate(marked)}
    above: dict[int, int] = {}
    for node_id, node in graph.nodes.items() if marked else ():
        above[node_id] = reduce(or_, (above[item.node_id] for item in node.inputs), marks.get(node_id, 0))
    return above
