"""Development and performance give the same result for every flow of the corpus."""

from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.contract.node_type import Trait
from tests.conformance.case import HERE, case_names
from tests.conformance.compare import compare_frame, load_expected
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, write_file, write_flow

FEW, MANY = manual(1, {"a": [4, 2, 0, 3, 1]}), manual(2, {"a": [i * 7 % 5 for i in range(500)], "b": list(range(500))})
GROUPED: JsonObject = {"agg_cols": [{"old_name": "b", "agg": "groupby"}, {"old_name": "a", "agg": "max"}]}
TOTAL: JsonObject = {"agg_cols": [{"old_name": "b", "agg": "sum"}]}
ORDERED_ROWS = {
    "join": join(3, 1, 2, "a"),
    "join of two as long": join(3, 2, 2, "b"),
    "left join": join(3, 1, 2, "a", how="left"),
    "group": node(3, "group_by", {"groupby_input": GROUPED}, 2),
    "unique": node(3, "unique", {"unique_input": {"columns": ["b"], "strategy": "last"}}, 2),
}
READERS_OF_A_HEAD = {
    "none": formula(5, 4, "c", "1"),
    "sort": node(5, "sort", {"sort_input": [{"column": "b"}]}, 4),
    "sum": node(5, "group_by", {"groupby_input": TOTAL}, 4),
    "semi": join(5, 2, 4, "b", how="semi"),
}


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


def test_frame_of_what_only_served_others_has_its_rows_in_order(tmp_path: Path) -> None:
    left, right = manual(1, {"a": list(range(50, 0, -1))}), manual(2, {"a": [number % 60 for number in range(2000)]})
    joined, sort = join(3, 1, 2, "a"), {"sort_input": [{"column": "a"}]}
    pivoted = {"index_columns": ["a"], "pivot_column": "a_right", "value_col": "a_right", "aggregations": ["count"]}
    columns = {"groupby_input": {"agg_cols": [{"old_name": "a", "agg": "groupby"}]}}
    nodes = [left, right, joined, formula(4, 3, "b", "1"), node(5, "group_by", columns, 4), node(6, "sort", sort, 5)]
    nodes += [node(7, "pivot", {"pivot_input": pivoted}, 3), node(8, "sort", sort, 7)]
    flow = load_flow(write_flow(tmp_path / "flow.json", nodes))
    expected = flow.run().frame(3)
    assert flow.run("performance").frame(3).equals(expected)
    assert flow.run("performance", engine="streaming").frame(3).equals(expected)


@pytest.mark.parametrize("engine", ["auto", "in-memory", "streaming"])
@pytest.mark.parametrize("rows", ORDERED_ROWS)
@pytest.mark.parametrize("reader", READERS_OF_A_HEAD)
def test_first_rows_are_the_first_whatever_reads_them(rows: str, reader: str, engine: str, tmp_path: Path) -> None:
    head = node(4, "sample", {"sample_method": "first", "sample_size": 50}, 3)
    nodes = [FEW, MANY, ORDERED_ROWS[rows], head, READERS_OF_A_HEAD[reader]]
    flow = load_flow(write_flow(tmp_path / "flow.json", nodes))
    result = flow.run("performance", engine=engine).frame(5)  # type: ignore[arg-type]
    assert result.equals(flow.run().frame(5))


@pytest.mark.parametrize("engine", ["auto", "in-memory", "streaming"])
def test_filters_of_rows_in_open_order_see_the_same_order(engine: str, tmp_path: Path) -> None:
    sort, number = {"sort_input": [{"column": "a_max"}]}, {"record_id_input": {"output_column_name": "n"}}
    numbered = [MANY, ORDERED_ROWS["group"], node(4, "sort", sort, 3), node(5, "record_id", number, 4)]
    filters = [advanced_filter(6, 5, "[a_max] > 0"), advanced_filter(7, 5, "[a_max] < 4")]
    nodes = [*numbered, *filters, node(8, "union", {}, 6, 7), write_file(9, 8, tmp_path / "x.parquet", "parquet")]
    assert not load_flow(write_flow(tmp_path / "flow.json", nodes)).run("performance", engine=engine).errors  # type: ignore[arg-type]
    assert pl.read_parquet(tmp_path / "x.parquet").group_by("b").agg(pl.col("n").n_unique())["n"].max() == 1


def flow_is_random(flow: object, node_id: int) -> bool:
    graph = flow.graph  # type: ignore[attr-defined]
    return any(Trait.VOLATILE in graph.nodes[ancestor].traits for ancestor in graph.ancestors([node_id]))


def row_orders(file_name: str) -> dict[tuple[int, str], object]:
    outputs = load_expected(HERE / "expected" / Path(file_name).stem)["schema"]["outputs"].values()
    return {(entry["node_id"], entry["handle"]): entry.get("compare", {}).get("order", "any") for entry in outputs}
