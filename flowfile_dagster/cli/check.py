"""``flowfile-dagster check PATH…``: can these flows be loaded, and which of their nodes cannot run?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flowfile_dagster.api import Flow, load_flow
from flowfile_dagster.errors import FlowfileDagsterError
from flowfile_dagster.flow.files import find_flow_files
from flowfile_dagster.flow.outside import sources_of, target_of


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
    parser.add_argument("--root", type=Path, help="the folder that relative paths in flows stand under")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Check every flow; exit code 1 if any has a problem."""
    reports = check_flows([path for given in options.paths for path in find_flow_files(given)], options.root)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2, ensure_ascii=False))
    else:
        print("\n".join(_render(report) for report in reports))
        clean = sum(report.is_clean for report in reports)
        print(f"{clean} of {len(reports)} flows are ready to run")
    return 0 if reports and all(report.is_clean for report in reports) else 1


def check_flows(paths: Sequence[Path], root: Path | None) -> list[FlowReport]:
    """Load flows and predict them. A file that one of them writes need not be there yet for another to read it."""
    loaded = [(path, _load(path, root)) for path in paths]
    flows = [flow for _, flow in loaded if isinstance(flow, Flow)]
    written = {
        target for flow in flows for node_id in flow.nodes if (target := target_of(flow.nodes[node_id], flow.graph))
    }
    return [
        FlowReport(str(path), len(flow.nodes), None, tuple(_problems(flow, written)))
        if isinstance(flow, Flow)
        else FlowReport(str(path), 0, flow, ())
        for path, flow in loaded
    ]


def _load(path: Path, root: Path | None) -> Flow | str:
    try:
        return load_flow(path, root=root)
    except FlowfileDagsterError as error:
        return str(error)


def _problems(flow: Flow, written: Collection[str]) -> Iterator[str]:
    for node_id, prediction in flow.predictions.items():
        if prediction.error is not None and not _waits_for(flow, node_id, written):
            yield str(prediction.error).partition("\n")[0]


def _waits_for(flow: Flow, node_id: int, written: Collection[str]) -> bool:
    """Whether a node reads a file that is not there yet, and that another flow writes."""
    uris = {source.uri for source in sources_of(flow.nodes[node_id], flow.graph)}
    return any(uri in written and not Path(uri).exists() for uri in uris)


def _render(report: FlowReport) -> str:
    if report.error is not None:
        return f"FAIL {report.error}"
    if report.problems:
        return "\n  ".join([f"FAIL {report.path}: {len(report.problems)} of {report.nodes} nodes", *report.problems])
    return f"ok   {report.path}: {report.nodes} nodes"
