"""Run one flow of the corpus and compare every node with what Flowfile computed and wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster import Flow, FlowRun, load_flow
from tests.conformance.compare import compare, compare_outputs

HERE = Path(__file__).parent


@dataclass(frozen=True)
class CaseResult:
    flow: Flow
    run: FlowRun
    report: dict[str, Any]
    outputs: dict[str, Any]


def case_names() -> list[str]:
    return sorted(path.name for path in (HERE / "flows").iterdir())


def run_case(file_name: str, folder: Path) -> CaseResult:
    """Run a flow with its data in place, writing its outputs under `folder`."""
    out_folder = folder / "out"
    out_folder.mkdir()
    text = (HERE / "flows" / file_name).read_text(encoding="utf-8")
    path = folder / file_name
    path.write_text(text.replace("__DATA__", str(HERE / "data")).replace("__OUT__", str(out_folder)), encoding="utf-8")
    flow = load_flow(path)
    predicted = flow.schemas()
    run = flow.run()
    expected = HERE / "expected" / path.stem
    return CaseResult(
        flow,
        run,
        compare(str(expected), _results(flow, run), predicted, data_dir=HERE / "data", out_dir=out_folder),
        compare_outputs(str(expected), out_folder),
    )


def _results(flow: Flow, run: FlowRun) -> dict[tuple[int, str], pl.DataFrame]:
    return {
        (node.node_id, handle): run.frame(node.node_id, handle)
        for node in flow.nodes.values()
        if run.status[node.node_id] in ("computed", "hit")
        for handle in node.handles
    }
