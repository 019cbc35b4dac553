"""``flowfile-dagster check PATH…``: can these flows be loaded, and which of their nodes cannot run?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from flowfile_dagster.api import load_flow
from flowfile_dagster.errors import FlowfileDagsterError
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
    parser.add_argument("--root", type=Path, help="the folder that relative paths in flows stand under")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Check every flow; exit code 1 if any has a problem."""
    reports = [check_flow(path, options.root) for given in options.paths for path in find_flow_files(given)]
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2, ensure_ascii=False))
    else:
        print("\n".join(_render(report) for report in reports))
        clean = sum(report.is_clean for report in reports)
        print(f"{clean} of {len(reports)} flows are ready to run")
    return 0 if reports and all(report.is_clean for report in reports) else 1


def check_flow(path: Path, root: Path | None) -> FlowReport:
    """Load a flow and predict it."""
    try:
        flow = load_flow(path, root=root)
    except FlowfileDagsterError as error:
        return FlowReport(str(path), 0, str(error), ())
    errors = [prediction.error for prediction in flow.predictions.values() if prediction.error is not None]
    return FlowReport(str(path), len(flow.nodes), None, tuple(str(error).partition("\n")[0] for error in errors))


def _render(report: FlowReport) -> str:
    if report.error is not None:
        return f"FAIL {report.error}"
    if report.problems:
        return "\n  ".join([f"FAIL {report.path}: {len(report.problems)} of {report.nodes} nodes", *report.problems])
    return f"ok   {report.path}: {report.nodes} nodes"
