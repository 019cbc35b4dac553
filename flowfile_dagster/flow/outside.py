"""What nodes read and write outside of their flow."""

from __future__ import annotations

from typing import Any

from flowfile_dagster.contract.context import PathResolver
from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.errors import NodeProblem
from flowfile_dagster.flow.graph import FlowNode


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
