from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, formula, manual, node, write_file, write_flow


def load(folder: Path, *nodes: JsonObject) -> Flow:
    return load_flow(write_flow(folder / "shop.json", nodes))


def problems(flow: Flow) -> dict[int, str]:
    return {node_id: node.problem for node_id, node in flow.nodes.items() if node.problem}


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_second_sink_that_replaces_a_file_cannot_run_where_flowfile_loses_one(
    tmp_path: Path, mode: ExecutionMode
) -> None:
    path = tmp_path / "a.csv"
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "a", "[a] + 1"), write_file(4, 2, path), write_file(3, 1, path)]
    run = load(tmp_path, *nodes).run(mode)
    assert list(run.errors) == [4]
    cause = f"it replaces {path}, as node 3 does, and one of the two would be lost; give it a file of its own, or place"
    assert cause in str(run.errors[4])
    assert pl.read_csv(path)["a"].to_list() == [1]


def test_every_further_sink_of_a_file_cannot_run_and_other_files_do_not_matter(tmp_path: Path) -> None:
    names = ["a.csv", "b.csv", "a.csv", "a.csv"]
    flow = load(
        tmp_path, manual(1, {"a": [1]}), *(write_file(2 + i, 1, tmp_path / name) for i, name in enumerate(names))
    )
    assert list(problems(flow)) == [4, 5]


def test_sink_that_comes_after_another_may_replace_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    flow = load(
        tmp_path, manual(1, {"a": [1]}), write_file(2, 1, path), formula(3, 2, "a", "9"), write_file(4, 3, path)
    )
    assert problems(flow) == {}
    assert flow.run("performance").is_success
    assert pl.read_csv(path)["a"].to_list() == [9]


def test_sinks_that_keep_what_is_in_a_file_may_share_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    sinks = [write_file(node_id, 1, path, "parquet", write_mode="append") for node_id in (2, 3)]
    assert problems(load(tmp_path, manual(1, {"a": [1]}), *sinks)) == {}


def test_sinks_below_both_outputs_of_a_gate_may_share_a_file(tmp_path: Path) -> None:
    settings = {"gate_input": {"condition_source": "formula", "formula": "[a] > 0"}, "else_output": True}
    gate = node(2, "gate", settings, 1, outputs=[3, 4], output_handles=["output-0", "output-1"])
    branches = [write_file(node_id, 2, tmp_path / "a.csv") for node_id in (3, 4)]
    assert problems(load(tmp_path, manual(1, {"a": [1]}), gate, *branches)) == {}
