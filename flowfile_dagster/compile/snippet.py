"""A node as one line of Python, between the names that nodes have as assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.errors import without_secrets
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.flow.predict import NodePrediction

MAX_CHARACTERS = 2000


def render_snippet(node: FlowNode, names: Mapping[int, str], predictions: Mapping[int, NodePrediction]) -> str:
    """``adults = people.filter(…)``; empty where there is nothing short and exact to say.

    So it is for a node that reads one of several outputs of another, and where output fields are asked for.
    """
    settings: Any = node.settings
    if not node.can_run or node.output_fields is not None:
        return ""
    schemas = [predictions[item.node_id].schemas for item in node.inputs]
    if any(len(schema) > 1 for schema in schemas):
        return ""
    inputs = [schema.get(item.handle) for schema, item in zip(schemas, node.inputs, strict=True)]
    try:
        code = node.kind.snippet(settings, inputs, [names[item.node_id] for item in node.inputs])
    except NODE_FAILURES:
        return ""
    return "" if code is None or len(code) > MAX_CHARACTERS else f"{names[node.node_id]} = {without_secrets(code)}"
