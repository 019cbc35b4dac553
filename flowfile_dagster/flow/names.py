"""Readable, stable names of nodes: under moves, notes and regrouping they do not change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.flow.graph import FlowGraph, FlowNode


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """Letters, digits and underscores only; other characters become underscores."""
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_") or "_"


def node_name(node: FlowNode) -> str:
    """The node's reference, else its type and id."""
    return node.reference or f"{slug(node.node_type)}_{node.node_id}"


def node_names(graph: FlowGraph) -> Mapping[int, str]:
    """The name of every node.

    Raises:
        FlowFileError: two nodes would have one name.
    """
    names = {node.node_id: node_name(node) for node in graph.nodes.values()}
    repeated = [name for name, count in Counter(names.values()).items() if count > 1]
    if repeated:
        same = [node_id for node_id, name in names.items() if name == repeated[0]]
        cause = f"nodes {same[0]} and {same[1]} would both be called {repeated[0]!r}; give one another reference"
        raise FlowFileError(str(graph.path), [Problem("node_reference", cause, same[0])])
    return names
