"""``flowfile-dagster show FLOW``: the nodes in order, what they read, and the columns that they will have."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from flowfile_dagster.api import Flow, load_flow
from flowfile_dagster.cli.arguments import add_parameters, add_root, parameters
from flowfile_dagster.columns.schema import schema_to_json
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.plan.fusion import performance_segments


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("show", help="print nodes, inputs and predicted columns of a flow")
    parser.add_argument("flow", type=Path, help="the flow file")
    add_parameters(parser)
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Show the flow."""
    flow = load_flow(options.flow, parameters=parameters(options), root=options.root)
    nodes, segments = describe(flow), describe_segments(flow)
    if options.json:
        print(json.dumps({"nodes": nodes, "segments": segments}, indent=2, ensure_ascii=False))
    else:
        print("\n".join([*map(_render, nodes), "", "Segments of performance mode:", *map(_render_segment, segments)]))
    return 0


def describe_segments(flow: Flow) -> list[dict[str, Any]]:
    """The segments of performance mode as JSON values, in topological order."""
    names, segments = flow.names, performance_segments(flow.graph)
    return [
        {
            "root": names[segment.root],
            "reasons": list(segment.reasons),
            "collected_with": [
                names[other.root]
                for other in segments
                if other is not segment and segment.bundle is not None and other.bundle == segment.bundle
            ],
            "nodes": [names[node_id] for node_id in segment.nodes],
            "barriers": [names[node_id] for node_id in segment.nodes if Trait.BARRIER in flow.nodes[node_id].traits],
        }
        for segment in segments
    ]


def describe(flow: Flow) -> list[dict[str, Any]]:
    """Every node as JSON values, in topological order."""
    names = flow.names
    return [
        {
            "node_id": node.node_id,
            "name": names[node.node_id],
            "type": node.node_type,
            "description": node.description,
            "inputs": [{"node_id": item.node_id, "handle": item.handle, "slot": item.slot} for item in node.inputs],
            "traits": sorted(trait.value for trait in node.traits),
            "problem": str(prediction.error.cause) if prediction.error else None,
            "schemas": {
                handle: None if schema is None else schema_to_json(schema)
                for handle, schema in prediction.schemas.items()
            },
        }
        for node, prediction in zip(flow.nodes.values(), flow.predictions.values(), strict=True)
    ]


def _render(node: dict[str, Any]) -> str:
    inputs = ", ".join(
        str(item["node_id"]) + ("" if item["handle"] == "output-0" else f":{item['handle']}") for item in node["inputs"]
    )
    lines = [f"{node['node_id']:>4}  {node['name']}  ({node['type']})" + (f"  <- {inputs}" if inputs else "")]
    if node["problem"]:
        lines.append(f"      cannot run: {node['problem']}")
    for handle, schema in node["schemas"].items():
        label = "" if len(node["schemas"]) == 1 else f"{handle}: "
        columns = "opaque" if schema is None else ", ".join(f"{name} {dtype}" for name, dtype in schema)
        lines.append(f"      {label}{columns or 'no columns'}")
    return "\n".join(lines)


def _render_segment(segment: dict[str, Any]) -> str:
    inner = " -> ".join(segment["nodes"])
    together = f"; collected with {', '.join(segment['collected_with'])}" if segment["collected_with"] else ""
    barriers = f"; held in memory by {', '.join(segment['barriers'])}" if segment["barriers"] else ""
    return f"  {segment['root']} ({', '.join(segment['reasons'])}): {inner}{together}{barriers}"
