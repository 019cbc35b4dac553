"""Edges as files store them, and what wiring makes of them."""

from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.flow.wiring import Input
from tests.factories import JsonObject, manual, node, write_flow

SPLIT = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
SORT: JsonObject = {"sort_input": [{"column": "a"}]}
JOIN: JsonObject = {
    "join_input": {"join_mapping": "a", "left_select": {"select": []}, "right_select": {"select": []}, "how": "inner"}
}


def load(folder: Path, *nodes: JsonObject) -> Flow:
    sources = [manual(number, {"a": [number]}) for number in (1, 2, 3)]
    return load_flow(write_flow(folder / "wired.json", [*sources, *nodes]))


def inputs_of(flow: Flow, node_id: int) -> list[tuple[int, str, str]]:
    return [(item.node_id, item.handle, item.slot) for item in flow.nodes[node_id].inputs]


def one_sided(*targets: int, **extra: Any) -> list[JsonObject]:
    return [manual(4, {"a": [1]}, outputs=list(targets), **extra)]


def test_frames_are_passed_main_then_right_then_left(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "union", {}, 3, right=1, left_input_id=2))
    assert inputs_of(flow, 5) == [(3, "output-0", "main"), (1, "output-0", "right"), (2, "output-0", "left")]
    assert flow.run().frame(5)["a"].to_list() == [3, 1, 2]


def test_main_inputs_keep_the_order_of_the_file(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "union", {}, 3, 1, 2))
    assert [item[0] for item in inputs_of(flow, 5)] == [3, 1, 2]


def test_node_with_many_inputs_may_take_one_source_twice(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "union", {}, 1, 1))
    assert flow.run().frame(5)["a"].to_list() == [1, 1]


def test_join_without_main_takes_right_before_left(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "join", JOIN, right=2, left_input_id=1))
    assert flow.nodes[5].problem is None
    assert inputs_of(flow, 5) == [(2, "output-0", "right"), (1, "output-0", "left")]


def test_wait_for_with_an_old_left_input_passes_that_on(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "wait_for", {}, right=2, left_input_id=1))
    assert inputs_of(flow, 5) == [(1, "output-0", "left"), (2, "output-0", "right")]
    assert flow.run().frame(5)["a"].to_list() == [1]


def test_edge_that_only_the_target_lists_counts(tmp_path: Path) -> None:
    flow = load(tmp_path, {**node(5, "sort", SORT, 1)}, *one_sided())
    assert inputs_of(flow, 5) == [(1, "output-0", "main")]


def test_edge_that_only_the_source_lists_becomes_main_of_a_target_without_inputs(tmp_path: Path) -> None:
    flow = load(tmp_path, *one_sided(5), node(5, "sort", SORT))
    assert inputs_of(flow, 5) == [(4, "output-0", "main")]
    assert flow.nodes[5].problem is None


def test_repaired_edge_keeps_its_handle_and_is_wired_once(tmp_path: Path) -> None:
    split = node(4, "filter", SPLIT, 2, outputs=[5, 5], output_handles=["output-1", "output-1"])
    flow = load(tmp_path, split, node(5, "union", {}))
    assert inputs_of(flow, 5) == [(4, "output-1", "main")]


@pytest.mark.parametrize("wired", [{"right": 1}, {"left_input_id": 1}])
def test_edge_that_only_the_source_lists_does_not_repair_a_target_with_an_input(
    tmp_path: Path, wired: dict[str, int]
) -> None:
    flow = load(tmp_path, *one_sided(5), node(5, "join", JOIN, **wired))
    assert [item[0] for item in inputs_of(flow, 5)] == [1]
    assert flow.nodes[5].problem == "right_input_id: the node needs 2 inputs, has 1"


@pytest.mark.parametrize("handles", [None, [], ["output-0"], [""]])
def test_missing_handle_is_the_first_output(tmp_path: Path, handles: list[str] | None) -> None:
    split = node(4, "filter", SPLIT, 2, outputs=[5], output_handles=handles)
    flow = load(tmp_path, split, node(5, "sort", SORT, 4))
    assert inputs_of(flow, 5) == [(4, "output-0", "main")]


def test_handles_are_parallel_to_the_outputs(tmp_path: Path) -> None:
    split = node(4, "filter", SPLIT, 2, outputs=[5, 6], output_handles=["output-1", "output-0"])
    flow = load(tmp_path, split, node(5, "sort", SORT, 4), node(6, "sort", SORT, 4))
    assert [inputs_of(flow, number)[0][1] for number in (5, 6)] == ["output-1", "output-0"]


def test_empty_and_default_handle_are_the_same_output(tmp_path: Path) -> None:
    source = manual(4, {"a": [1]}, outputs=[5, 5], output_handles=["", "output-0"])
    flow = load(tmp_path, source, node(5, "union", {}, 4, 4))
    assert flow.nodes[5].problem is None
    assert inputs_of(flow, 5) == [(4, "output-0", "main")] * 2


def test_two_outputs_into_one_node_are_refused_where_flowfile_reads_one_twice(tmp_path: Path) -> None:
    split = node(4, "filter", SPLIT, 2, outputs=[5, 5], output_handles=["output-0", "output-1"])
    problem = load(tmp_path, split, node(5, "union", {}, 4, 4)).nodes[5].problem
    assert problem == (
        "input_ids: reads outputs output-0, output-1 of node 4, but a pair of nodes has one edge; put a node between"
    )


@pytest.mark.parametrize("handle", ["output-1", "output-9", "0", "output--1", "output-00", "output-²", "pass", "-0"])
def test_handle_that_the_source_does_not_have_is_a_problem_of_the_reader(tmp_path: Path, handle: str) -> None:
    source = manual(4, {"a": [1]}, outputs=[5], output_handles=[handle])
    flow = load(tmp_path, source, node(5, "sort", SORT, 4))
    assert flow.nodes[5].problem == f"input_ids: reads {handle!r} of node 4, which has one output, output-0"
    assert flow.run(targets=[1]).is_success


def test_handle_beyond_a_split_names_the_outputs_there_are(tmp_path: Path) -> None:
    split = node(4, "filter", SPLIT, 2, outputs=[5], output_handles=["output-2"])
    problem = load(tmp_path, split, node(5, "sort", SORT, 4)).nodes[5].problem
    assert problem is not None
    assert problem.endswith("which has outputs output-0 … output-1")


def test_second_main_input_of_a_single_input_node_is_a_problem(tmp_path: Path) -> None:
    assert load(tmp_path, node(5, "sort", SORT, 1, 2)).nodes[5].problem == "input_ids: has 2 main inputs, takes one"
    flow = load(tmp_path, node(5, "join", JOIN, 1, 2))
    assert flow.nodes[5].problem == (
        "input_ids: has 2 main inputs, takes one; the second input belongs in right_input_id"
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (node(5, "sort", SORT), "input_ids: the node needs 1 input, has 0"),
        (node(5, "union", {}), "input_ids: the node needs 1 input, has 0"),
        (node(5, "join", JOIN, 1), "right_input_id: the node needs 2 inputs, has 1"),
        (node(5, "join", JOIN, 1, right=2, left_input_id=3), "input_ids: has 3 inputs, takes 2"),
        (node(5, "sort", SORT, 1, right=2), "input_ids: has 2 inputs, takes 1"),
        (manual(5, {"a": [1]}, input_ids=[1]), "input_ids: has 1 input, takes none"),
        (node(5, "wait_for", {}, 1), "right_input_id: the node needs 2 inputs, has 1"),
        (node(5, "gate", {"gate_input": {"parameter": "p"}}, right=1), "input_ids: the main input is missing"),
    ],
)
def test_wrong_number_of_inputs_is_a_problem(tmp_path: Path, entry: JsonObject, problem: str) -> None:
    assert load(tmp_path, entry).nodes[5].problem == problem


@pytest.mark.parametrize("node_type", ["polars_code", "sql_query"])
def test_code_nodes_may_start_a_flow(tmp_path: Path, node_type: str) -> None:
    settings = {
        "polars_code": {"polars_code_input": {"polars_code": "output_df = pl.LazyFrame({'a': [1]})"}},
        "sql_query": {"sql_query_input": {"sql_code": "select 1 as a"}},
    }
    assert load(tmp_path, node(5, node_type, settings[node_type])).nodes[5].problem is None


def test_unconfigured_node_keeps_its_edges_and_says_so(tmp_path: Path) -> None:
    flow = load(tmp_path, node(5, "sort", None, 1), node(6, "sort", SORT, 5))
    assert flow.nodes[5].problem == "setting_input: the node has not been configured in Flowfile"
    assert flow.nodes[5].inputs == (Input(1, "output-0", "main"),)
    assert flow.nodes[6].problem is None


@pytest.mark.parametrize("settings", [{}, {"settings": {"x": 1}}, {"is_user_defined": True, "x": "${p}"}, None])
def test_unknown_type_keeps_its_place_with_any_settings(tmp_path: Path, settings: JsonObject | None) -> None:
    flow = load(tmp_path, node(5, "my_own_node", settings, 1), node(6, "sort", SORT, 5))
    assert flow.nodes[5].problem
    assert inputs_of(flow, 6) == [(5, "output-0", "main")]


def test_custom_node_with_the_name_of_a_built_in_one_cannot_run(tmp_path: Path) -> None:
    settings = {"settings": {"main": {"column": {"value": "a"}}}, "is_user_defined": True}
    flow = load(tmp_path, node(5, "sort", settings, 1), node(6, "sort", {**SORT, "is_user_defined": False}, 5))
    assert flow.nodes[5].problem
    assert flow.nodes[5].problem.startswith("custom node 'sort' is not installed: install the package")
    assert flow.nodes[6].problem is None
    assert inputs_of(flow, 6) == [(5, "output-0", "main")]


def test_keyed_edges_of_a_dynamic_node_are_its_inputs(tmp_path: Path) -> None:
    edges = [{"from_id": 2, "input_handle": "input-1"}, {"from_id": 1, "input_handle": "input-2"}]
    flow = load(tmp_path, node(5, "run_flow", {}, input_connections=edges))
    assert [item[0] for item in inputs_of(flow, 5)] == [2, 1]


def test_outputs_of_a_subflow_are_its_output_slots(tmp_path: Path) -> None:
    slots = {"output_slots": ["x", "y"]}
    subflow = node(5, "run_flow", slots, outputs=[6], output_handles=["output-1"])
    flow = load(tmp_path, subflow, node(6, "record_count", {}, 5))
    assert flow.nodes[5].handles == ("output-0", "output-1")
    assert inputs_of(flow, 6) == [(5, "output-1", "main")]
    assert flow.nodes[6].problem is None
