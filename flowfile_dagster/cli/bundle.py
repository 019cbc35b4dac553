"""``flowfile-dagster bundle FLOW NODE -o node.zip``: all that is needed to see a node fail somewhere else."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from flowfile_dagster.api import Flow, load_flow
from flowfile_dagster.cli.arguments import add_parameters, add_root, add_stores, open_stores, parameters, row_count
from flowfile_dagster.columns.dtypes import without_categories
from flowfile_dagster.compile.snippet import render_snippet
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import MissingColumnError, SelectionError
from flowfile_dagster.flow.excerpt import excerpt
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.store.store import ResultStore

_REDACTED = "redacted"
#: What the code of nodes makes use of.
_IMPORTS = ("import datetime", "import hashlib", "", "import polars as pl")
_README = """Node {node} of the flow {flow}, alone, with its inputs.

To run it again:

    unzip {archive} -d {folder} && flowfile-dagster run {flow_file}

Flowfile opens {file}, too, if it is started in the folder of the file.
code.py is the node as a script, to be run in that folder.
error.txt is what the node said when this was packed; bundle.json lists versions. {hidden}
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "bundle",
        help="pack a node with its inputs, to see it fail elsewhere",
        description="Pack a node of a flow: its settings as a small flow file, its inputs as Arrow files, its error, "
        "versions. Inputs that are not in the store are computed. The node is run from the bundle, to be sure.",
    )
    parser.add_argument("flow", type=Path, help="the flow file")
    parser.add_argument("node", help="id, reference or name of the node")
    add_parameters(parser)
    add_root(parser)
    add_stores(parser, "the folder or URL where results are; without one, inputs are computed")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the zip file to write")
    parser.add_argument("--sample", type=row_count, metavar="N", help="only the first N rows of each input")
    parser.add_argument(
        "--redact",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help=f"columns of the inputs whose texts become {_REDACTED!r} and whose other values become null",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the bundle."""
    if options.output.resolve() == options.flow.resolve():
        raise SelectionError(f"-o: {options.output} is the flow file, which would be lost; name a zip file")
    values = parameters(options)
    flow = load_flow(options.flow, parameters=values, root=options.root)
    node_id = flow.find_node(options.node)
    _refuse_what_stands_outside(flow, node_id)
    inputs = _inputs(flow, node_id, open_stores(options))
    inputs = _redacted(inputs, options.redact, options.sample)
    with tempfile.TemporaryDirectory(prefix="flowfile-") as name:
        folder = Path(name)
        file = _write_flow(flow, node_id, inputs, values, folder)
        packed = load_flow(file, root=folder)
        error = str(packed.run().errors.get(node_id, ""))
        (folder / "code.py").write_text(_code(packed, node_id), encoding="utf-8")
        _write_notes(options, flow, node_id, folder, error)
        with zipfile.ZipFile(options.output, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
    outcome = error.partition("\n")[0] or "the node does not fail with these inputs"
    print(f"{options.output}: {outcome}")
    return 0


def _refuse_what_stands_outside(flow: Flow, node_id: int) -> None:
    """A bundle overwrites nothing, and holds all that it needs."""
    node, location = flow.nodes[node_id], flow.graph.location(node_id)
    if Trait.SINK in node.traits:
        raise SelectionError(f"{location}: writes a file, which a bundle must not; pack the node before it")
    if Trait.SOURCE in node.traits:
        raise SelectionError(f"{location}: has no inputs to pack; pass on the flow file and what it reads")


def _inputs(flow: Flow, node_id: int, store: ResultStore | None) -> dict[tuple[int, str], pl.DataFrame]:
    sources = [(item.node_id, item.handle) for item in flow.nodes[node_id].inputs]
    if not sources:
        return {}
    run = flow.run(targets=sorted({source for source, _ in sources}), store=store)
    for source, _ in sources:
        if source in run.errors or run.status.get(source) == "skipped":
            first = next(iter(run.errors.values()), "a gate is closed")
            raise SelectionError(f"{flow.graph.location(node_id)}: its input {source} has no result: {first}")
    return {source: run.frame(*source) for source in dict.fromkeys(sources)}


def _redacted(
    inputs: dict[tuple[int, str], pl.DataFrame], columns: Sequence[str], rows: int | None
) -> dict[tuple[int, str], pl.DataFrame]:
    known = [name for table in inputs.values() for name in table.columns]
    for name in columns:
        if name not in known:
            raise MissingColumnError(name, known, "--redact")
    return {
        source: (table if rows is None else table.head(rows)).with_columns(
            _hidden(name, table.schema[name]) for name in columns if name in table.columns
        )
        for source, table in inputs.items()
    }


def _hidden(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return pl.when(pl.col(name).is_not_null()).then(pl.lit(_REDACTED)).alias(name)
    return pl.lit(None, without_categories(dtype)).alias(name)


def _write_flow(
    flow: Flow,
    node_id: int,
    inputs: Mapping[tuple[int, str], pl.DataFrame],
    values: Mapping[str, str],
    folder: Path,
) -> Path:
    """The flow file has the name of the whole flow, so that errors read the same."""
    (folder / "inputs").mkdir()
    files: dict[tuple[int, str], str] = {}
    for (source, handle), table in inputs.items():
        files[source, handle] = f"inputs/{source}-{handle}.arrow"
        table.write_ipc(folder / files[source, handle], compression="uncompressed")
    content = excerpt(read_flow_text(flow.graph.path), flow.graph, node_id, files, values)
    path = folder / f"{flow.name}.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def _code(packed: Flow, node_id: int) -> str:
    """The node as a script: in Polars alone where that is short and exact, else through the bundle's flow file."""
    node = packed.nodes[node_id]
    names = {item.node_id: f"input_{item.node_id}" for item in node.inputs}
    if snippet := render_snippet(node, {**names, node_id: "output"}, packed.predictions):
        settings: dict[int, Any] = {source: packed.nodes[source].settings for source in names}
        reads = [
            f"{name} = pl.read_ipc({settings[source].received_file.path!r}, memory_map=False)"
            for source, name in names.items()
        ]
        lines = [*_IMPORTS, "", *reads, snippet]
    else:
        run = f"load_flow({packed.graph.path.name!r}, root='.').run()"
        lines = ["from flowfile_dagster import load_flow", "", f"output = {run}.frame({node_id})"]
    return "\n".join([*lines, "print(output)", ""])


def _write_notes(options: argparse.Namespace, flow: Flow, node_id: int, folder: Path, error: str) -> None:
    facts: dict[str, Any] = {
        "flow": flow.name,
        "flow_file_sha256": flow.graph.content_hash,
        "node_id": node_id,
        "node_type": flow.nodes[node_id].node_type,
        "parameters": dict(parameters(options)),
        "sampled_rows": options.sample,
        "redacted_columns": options.redact,
        "versions": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: version(name) for name in ("flowfile-dagster", "polars", "polars-expr-transformer")},
        },
    }
    (folder / "bundle.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    (folder / "error.txt").write_text(error, encoding="utf-8")
    hidden = "Some columns are redacted in the inputs, but not in the settings." if options.redact else ""
    text = _README.format(
        node=flow.names[node_id],
        flow=flow.name,
        archive=shlex.quote(options.output.name),
        folder=shlex.quote(options.output.stem),
        flow_file=shlex.quote(f"{options.output.stem}/{flow.name}.yaml"),
        file=f"{flow.name}.yaml",
        hidden=hidden,
    )
    (folder / "README.txt").write_text(text, encoding="utf-8")
