"""``flowfile-dagster diff FLOW NODE --store STORE``: what changed between two results of a node."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.api import FLOW_RUNS, Flow, load_flow
from flowfile_dagster.cli.arguments import add_parameters, add_stores, parameters, row_count
from flowfile_dagster.engine.difference import RowDifference, TableDifference, compare_tables
from flowfile_dagster.errors import NodeLocation, SelectionError
from flowfile_dagster.flow.names import slug
from flowfile_dagster.store.refs import Ref, of_partition
from flowfile_dagster.store.store import ResultStore

#: Enough of a hash to type, and to tell results apart.
_SHORT = 12


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "diff",
        help="what changed between two results of a node",
        description="Compare two stored results of a node: columns, and rows by a key. Default: the latest result with "
        "the one before it. Exit code 1 where they differ.",
    )
    parser.add_argument("flow", type=Path, help="the flow file")
    parser.add_argument("node", help="id, reference or name of the node")
    add_parameters(parser)
    add_stores(parser, "the folder or URL where the results are", is_required=True)
    parser.add_argument("--from", dest="before", metavar="HASH|RUN", help="the start of a node hash or of a run id")
    parser.add_argument("--to", dest="after", metavar="HASH|RUN", help="likewise; default: the latest")
    parser.add_argument(
        "--renamed-from", metavar="FLOW/NODE", help="what the project's `renames` say that the node was called"
    )
    parser.add_argument("--partition", metavar="KEY", help="the partition whose results are compared")
    parser.add_argument("--handle", default="output-0", help="which output; default: output-0")
    parser.add_argument("--key", nargs="+", default=[], metavar="COLUMN", help="match rows by these columns")
    parser.add_argument("--rows", type=row_count, default=5, metavar="N", help="show N rows of each kind; default: 5")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Compare; exit code 1 if there is a difference."""
    flow = load_flow(options.flow, parameters=parameters(options))
    store = ResultStore(options.store, read_from=options.read_from)
    node = flow.nodes[flow.find_node(options.node)]
    keys = _keys(flow, options.renamed_from, flow.names[node.node_id])
    history = _history(flow.graph.location(node.node_id), keys, store, options.partition)
    after = _choose(history, options.after, "--to") if options.after else history[0]
    before = _choose(history, options.before, "--from") if options.before else _one_before(history, after)
    frames = [_scan(store, ref, options.handle) for ref in (before, after)]
    difference = compare_tables(*frames, key=options.key, samples=options.rows)
    if options.json:
        print(json.dumps(_to_json(difference, before, after), indent=2, ensure_ascii=False, default=str))
    else:
        print(f"{before.node_hash[:_SHORT]} -> {after.node_hash[:_SHORT]}")
        print(_render(difference))
    return 1 if difference else 0


def _keys(flow: Flow, renamed_from: str | None, name: str) -> list[tuple[str, ...]]:
    """The keys that a node may have in a store: of runs of Dagster, the deepest folder first, and without Dagster."""
    if renamed_from is not None:
        return [("nodes", *renamed_from.split("/"))]
    folders = [slug(part) for part in flow.graph.path.resolve().parent.parts[1:]]
    places = [folders[start:] for start in range(len(folders) + 1)]
    return [*(("nodes", *place, slug(flow.name), name) for place in places), (FLOW_RUNS, flow.name, name)]


def _history(
    location: NodeLocation, keys: Sequence[Sequence[str]], store: ResultStore, partition: str | None
) -> list[Ref]:
    """What runs made of a node under the first key that has anything, the newest first."""
    for key in keys:
        if found := store.history(of_partition(key, partition)):
            return found
    lacking = "no result" if partition is None else f"no result of partition {partition!r}"
    advice = "run it first" if partition else "run it first, or name the --partition of its runs"
    raise SelectionError(f"{location}: has {lacking} in {store.location}; {advice}")


def _one_before(history: Sequence[Ref], after: Ref) -> Ref:
    older = history[history.index(after) + 1 :]
    if not older:
        raise SelectionError(f"there is no result before {after.node_hash[:_SHORT]}; {_known(history)}")
    return older[0]


def _choose(history: Sequence[Ref], text: str, option: str) -> Ref:
    found = [ref for ref in history if ref.node_hash.startswith(text) or ref.run_id.startswith(text)]
    if len(found) != 1:
        word = "several results begin" if found else "no result begins"
        raise SelectionError(f"{option}: {word} with {text!r}, nor with a run of that id; {_known(history)}")
    return found[0]


def _known(history: Sequence[Ref]) -> str:
    shown = [f"{ref.node_hash[:_SHORT]} (run {ref.run_id[:8] or '?'})" for ref in history[:10]]
    return f"results, the newest first: {', '.join(shown)}"


def _scan(store: ResultStore, ref: Ref, handle: str) -> pl.LazyFrame:
    manifest = store.look_up(ref.node_hash)
    if manifest is None:
        raise SelectionError(f"result {ref.node_hash[:_SHORT]} is no longer in {store.location}")
    if handle not in manifest.outputs:
        known = ", ".join(manifest.outputs) or "none: it was written to its file and not stored"
        raise SelectionError(f"result {ref.node_hash[:_SHORT]} has no output {handle!r}; outputs: {known}")
    return store.scan(manifest.outputs[handle])


def _to_json(difference: TableDifference, before: Ref, after: Ref) -> dict[str, Any]:
    schema, rows = difference.schema, difference.rows
    return {
        "from": {"node_hash": before.node_hash, "run_id": before.run_id, "rows": difference.rows_before},
        "to": {"node_hash": after.node_hash, "run_id": after.run_id, "rows": difference.rows_after},
        "columns": {
            "added": [[name, str(dtype)] for name, dtype in schema.added],
            "removed": [[name, str(dtype)] for name, dtype in schema.removed],
            "retyped": [[name, str(old), str(new)] for name, old, new in schema.retyped],
            "is_reordered": schema.is_reordered,
        },
        "rows": None
        if rows is None
        else {
            "key": list(rows.key),
            "added": rows.added,
            "removed": rows.removed,
            "changed": rows.changed,
            "changed_values": rows.changed_values,
            "samples": {kind: _finite(sample.to_dicts()) for kind, sample in rows.samples.items()},
        },
    }


def _finite(value: Any) -> Any:
    """The value with text for infinity and what is no number: JSON has neither."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _render(difference: TableDifference) -> str:
    lines = [str(difference.schema), f"{difference.rows_before:,} -> {difference.rows_after:,} rows"]
    if difference.rows is None:
        return "\n".join([*lines, "rows cannot be compared: no column has the same name and type in both"])
    return "\n".join([*lines, str(difference.rows), *_render_samples(difference.rows)])


def _render_samples(rows: RowDifference) -> list[str]:
    return [f"\n{kind}:\n{sample}" for kind, sample in rows.samples.items() if sample.height]
