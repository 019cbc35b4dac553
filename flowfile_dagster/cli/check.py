"""``flowfile-dagster check PATH…``: can these flows be loaded, and which of their nodes cannot run?"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flowfile_dagster.cli.arguments import add_root
from flowfile_dagster.compile.cache import CompileCache, FlowRequest
from flowfile_dagster.compile.form import CompiledFlow, CompiledNode
from flowfile_dagster.errors import FlowFileError, NodeLocation, Problem
from flowfile_dagster.flow.files import find_flow_files


@dataclass(frozen=True)
class FlowReport:
    """What was found in one flow file: an error that keeps it from loading, or nodes with problems."""

    path: str
    nodes: int
    error: str | None
    problems: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every node is expected to run."""
        return self.error is None and not self.problems


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("check", help="load flows and predict their schemas, without running anything")
    parser.add_argument("paths", nargs="+", type=Path, help="flow files, or folders to search for them")
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Check every flow; exit code 1 if any has a problem.

    Raises:
        FlowFileError: there is no flow file at all.
    """
    paths = [path for given in options.paths for path in find_flow_files(given)]
    if not paths:
        raise FlowFileError(", ".join(map(str, options.paths)), [Problem("", "there is no flow file")])
    reports = check_flows(paths, options.root)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2, ensure_ascii=False))
    else:
        print("\n".join(_render(report) for report in reports))
        clean = sum(report.is_clean for report in reports)
        print(f"{clean} of {len(reports)} flows are ready to run")
    return 0 if all(report.is_clean for report in reports) else 1


def check_flows(paths: Sequence[Path], root: Path | None) -> list[FlowReport]:
    """Compile flows as definitions do: in another process, so that no flow can stop the command.

    A file that one of them writes need not be there yet for another to read it.
    """
    with tempfile.TemporaryDirectory(prefix="flowfile-") as folder:
        entries = CompileCache(Path(folder)).load([FlowRequest(path, root) for path in paths])
    flows = [entry.flow for entry in entries]
    nodes = [node for flow in flows if isinstance(flow, CompiledFlow) for node in flow.nodes]
    written = {node.target for node in nodes if node.target}
    return [
        FlowReport(str(path), len(flow.nodes), None, tuple(_problems(flow, written)))
        if isinstance(flow, CompiledFlow)
        else FlowReport(str(path), 0, flow.error, ())
        for path, flow in zip(paths, flows, strict=True)
    ]


def _problems(flow: CompiledFlow, written: Collection[str]) -> Iterator[str]:
    for node in flow.nodes:
        cause = node.problem or node.warning
        if cause is not None and not _waits_for(node, written):
            location = NodeLocation(flow.name, node.node_id, node.node_type, node.reference)
            yield f"{location}: {cause}".partition("\n")[0]


def _waits_for(node: CompiledNode, written: Collection[str]) -> bool:
    """Whether a node reads a file that is not there yet, and that another flow writes."""
    return any(source.uri in written and not Path(source.uri).exists() for source in node.sources)


def _render(report: FlowReport) -> str:
    if report.error is not None:
        return f"FAIL {report.error}"
    if report.problems:
        return "\n  ".join([f"FAIL {report.path}: {len(report.problems)} of {report.nodes} nodes", *report.problems])
    return f"ok   {report.path}: {report.nodes} nodes"
