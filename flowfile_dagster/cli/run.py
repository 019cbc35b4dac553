"""``flowfile-dagster run FLOW``: run a flow, or the nodes selected, without Dagster."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from flowfile_dagster.api import Flow, FlowRun, load_flow
from flowfile_dagster.cli.arguments import add_parameters, add_root, add_stores, open_stores, parameters
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused, NodeSkipped


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("run", help="run a flow")
    parser.add_argument("flow", type=Path, help="the flow file")
    parser.add_argument(
        "--mode", choices=["development", "performance"], help="how to run it; default: the flow's own execution mode"
    )
    parser.add_argument(
        "--engine", choices=["auto", "in-memory", "streaming", "gpu"], help="which of Polars' engines runs the plans"
    )
    add_parameters(parser)
    parser.add_argument("--select", nargs="+", metavar="NODE", help="ids, references or names of the wanted nodes")
    add_root(parser)
    add_stores(parser, "keep results in this folder or object store (s3://…), and reuse what is there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the flow; exit code 1 if a node failed."""
    flow = load_flow(options.flow, parameters=parameters(options), root=options.root)
    progress = None if options.json else _Progress(flow)
    run = flow.run(
        options.mode or flow.graph.execution_mode,
        targets=options.select,
        store=open_stores(options),
        on_event=progress,
        engine=options.engine,
    )
    if options.json:
        print(json.dumps(_result(run), indent=2, ensure_ascii=False))
    else:
        counts = {
            status: list(run.status.values()).count(status) for status in ("computed", "hit", "skipped", "failed")
        }
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
        for error in run.errors.values():
            print(error, file=sys.stderr)
    return 0 if run.is_success else 1


class _Progress:
    """Prints a line for each node as it completes."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._done = 0

    def __call__(self, event: NodeEvent) -> None:
        self._done += 1
        location = self._flow.graph.location(event.node_id)
        print(f"[{self._done:>3}] {location}: {_outcome(event)}", flush=True)


def _outcome(event: NodeEvent) -> str:
    match event:
        case NodeComputed():
            rows = ", ".join(f"{table.rows:,} rows" for table in event.manifest.outputs.values()) or "written"
            fused = f", {len(event.fused)} nodes fused into it" if event.fused else ""
            damage = f"; {event.damage}" if event.damage else ""
            return f"{rows} in {event.seconds:.2f} s ({event.why}{fused}){damage}"
        case NodeReused():
            return f"hit; {event.damage}" if event.damage else "hit"
        case NodeFailed():
            return f"FAILED: {event.error.cause}"
        case NodeSkipped():
            return f"skipped, {event.because}"


def _result(run: FlowRun) -> dict[str, Any]:
    return {
        "flow": run.flow.name,
        "is_success": run.is_success,
        "status": {str(node_id): status for node_id, status in run.status.items()},
        "errors": {str(node_id): str(error) for node_id, error in run.errors.items()},
    }
