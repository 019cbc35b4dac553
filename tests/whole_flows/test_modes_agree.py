"""Development and performance give the same result for every flow of the corpus."""

from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.contract.node_type import Trait
from tests.conformance.case import HERE, case_names
from tests.conformance.compare import compare_frame, load_expected


@pytest.mark.parametrize("engine", ["auto", "streaming"])
@pytest.mark.parametrize("file_name", case_names())
def test_fused_flow_gives_what_its_nodes_give(file_name: str, engine: str, tmp_path: Path) -> None:
    text = (HERE / "flows" / file_name).read_text(encoding="utf-8").replace("__DATA__", str(HERE / "data"))
    results: dict[str, dict[tuple[int, str], pl.DataFrame]] = {}
    outcomes = {}
    for mode in ("development", "performance"):
        (tmp_path / mode).mkdir()
        path = tmp_path / mode / file_name
        path.write_text(text.replace("__OUT__", str(tmp_path / mode)), encoding="utf-8")
        flow = load_flow(path)
        run = flow.run(mode, engine=engine if mode == "performance" else None)  # type: ignore[arg-type]
        outcomes[mode] = {node_id: status == "failed" for node_id, status in run.status.items()}
        results[mode] = {
            (node.node_id, handle): run.frame(node.node_id, handle)
            for node in flow.nodes.values()
            if run.status[node.node_id] in ("computed", "hit") and not flow_is_random(flow, node.node_id)
            for handle in node.handles
        }
    assert outcomes["development"] == outcomes["performance"]
    orders = row_orders(file_name)
    for key, table in results["performance"].items():
        verdict = compare_frame(results["development"][key], table, order=orders.get(key, "any"))
        assert verdict["verdict"] == "exact", f"node {key}: {verdict}"


def flow_is_random(flow: object, node_id: int) -> bool:
    graph = flow.graph  # type: ignore[attr-defined]
    return any(Trait.VOLATILE in graph.nodes[ancestor].traits for ancestor in graph.ancestors([node_id]))


def row_orders(file_name: str) -> dict[tuple[int, str], object]:
    outputs = load_expected(HERE / "expected" / Path(file_name).stem)["schema"]["outputs"].values()
    return {(entry["node_id"], entry["handle"]): entry.get("compare", {}).get("order", "any") for entry in outputs}
