"""Runs launched by a real webserver, under the executors that people use."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_file, write_flow
from tests.orchestration.server import (
    FORK_SERVER,
    FORK_SERVER_WITH_DEFINITIONS,
    IN_PROCESS,
    OURS,
    STOCK_MULTIPROCESS,
    serve,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

EXECUTORS = {
    "in-process": IN_PROCESS,
    "stock multiprocess": STOCK_MULTIPROCESS,
    "fork server": FORK_SERVER,
    "ours": OURS,
    "fork server with the definitions": FORK_SERVER_WITH_DEFINITIONS,
}


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS.keys())
def test_two_flows_run_under_every_executor(tmp_path: Path, executor: str) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    data = tmp_path / "in.csv"
    data.write_text("a,b\n1,x\n2,y\n")
    for name in ("first", "second"):
        write_flow(
            flows / f"{name}.json",
            [read_csv(1, data), formula(2, 1, "c", "[a] * 2"), advanced_filter(3, 1, "[a] > 1"), join(4, 2, 3, "a")],
        )
    with serve(tmp_path, flows, executor) as server:
        keys = [[flow, node] for flow in ("first", "second") for node in ("read_1", "formula_2", "filter_3", "join_4")]
        for _ in range(2):
            status, materialized = server.wait(server.launch(keys))
            assert status == "SUCCESS"
            assert materialized == {"read_1", "formula_2", "filter_3", "join_4"}


@pytest.mark.parametrize(
    ("mode", "step", "computed"),
    [
        ("performance", "heavy__formula_3", "manual_input_1 -> polars_code_2"),
        ("development", "heavy", "polars_code_2"),
    ],
)
def test_killed_step_fails_alone_and_names_what_it_computed(
    tmp_path: Path, mode: str, step: str, computed: str
) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    endless: JsonObject = {"polars_code_input": {"polars_code": "while True:\n    pass\noutput_df = input_df"}}
    stored = node(2, "polars_code", {**endless, "cache_results": True}, 1)
    write_flow(flows / "heavy.json", [manual(1, {"a": [1]}), stored, formula(3, 2, "b", "[a]")])
    write_flow(flows / "light.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")])
    with serve(tmp_path, flows, OURS, mode) as server:
        run_id = server.launch([["heavy", "formula_3"], ["light", "formula_2"]])
        message = f"heavy / 2 / polars_code: computing {computed}"
        os.kill(server.await_step_process(run_id, step, message), signal.SIGKILL)
        assert server.wait(run_id) == ("FAILURE", {"formula_2"})
        (failure,) = server.failures(run_id)
        cause = rf"heavy / 2 / polars_code: its process died while computing {computed}, from [\d,]+ bytes"
        assert re.fullmatch(cause, failure.splitlines()[0])


def test_step_that_is_killed_in_a_node_that_seemed_small_names_the_one_before(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    columns: JsonObject = {"select": []}
    pairs = node(2, "cross_join", {"cross_join_input": {"left_select": columns, "right_select": columns}}, 1, right=1)
    write_flow(flows / "heavy.json", [manual(1, {"a": list(range(60_000))}), pairs, node(3, "sort", {}, 2)])
    with serve(tmp_path, flows, OURS, "development") as server:
        run_id = server.launch([["heavy", "manual_input_1"], ["heavy", "sort_3"]])
        os.kill(server.await_step_process(run_id, "heavy", "Materialized value"), signal.SIGKILL)
        assert server.wait(run_id) == ("FAILURE", {"manual_input_1"})
        assert server.failures(run_id) == ["heavy/manual_input_1: the process died after this was computed"]


@pytest.mark.parametrize(
    ("executor", "writers"), [(IN_PROCESS, 1), (OURS, 1), (OURS, 2)], ids=["in-process", "ours", "bundle"]
)
def test_terminated_run_stops_in_the_middle_of_a_query_and_leaves_nothing_half_written(
    tmp_path: Path, executor: str, writers: int
) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    many = manual(1, {"a": list(range(60_000))})
    columns: JsonObject = {"select": []}
    pairs = node(2, "cross_join", {"cross_join_input": {"left_select": columns, "right_select": columns}}, 1, right=1)
    target = tmp_path / "written"
    target.mkdir()
    sinks = [write_file(3 + number, 2, target / f"{number}.csv") for number in range(writers)]
    write_flow(flows / "heavy.json", [many, pairs, *sinks])
    with serve(tmp_path, flows, executor, "performance") as server:
        run_id = server.launch([["heavy", f"output_{3 + number}"] for number in range(writers)])
        while len(list(target.iterdir())) < writers:  # the files that are written beside the targets
            time.sleep(0.2)
        server.terminate(run_id)
        assert server.wait(run_id, seconds=30) == ("CANCELED", set())
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_changed_file_makes_exactly_its_reader_stale_until_it_has_run(tmp_path: Path, mode: str) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    files = tmp_path / "one.csv", tmp_path / "two.csv"
    for name, path in zip(("first", "second"), files, strict=True):
        path.write_text("a\n1\n")
        write_flow(flows / f"{name}.json", [read_csv(1, path), node(2, "sort", {"cache_results": True}, 1)])
    with serve(tmp_path, flows, STOCK_MULTIPROCESS, mode) as server:
        keys = [key.split("/") for key in server.stale()]
        assert server.wait(server.launch(keys))[0] == "SUCCESS"
        assert server.wait(server.launch(server.sources()))[0] == "SUCCESS"
        assert server.stale() == {}
        files[0].write_text("a\n2\n")
        files[1].touch()
        assert server.wait(server.launch(server.sources()))[0] == "SUCCESS"
        reader = "first/read_1" if mode == "development" else "first/sort_2"
        assert server.stale() == {reader: ["has a new data version"]}
        assert server.wait(server.launch([key for key in keys if key[0] == "first"]))[0] == "SUCCESS"
        assert server.stale() == {}


def test_reexecution_from_asset_failure_runs_exactly_the_rest(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    later = tmp_path / "later.csv"
    write_flow(
        flows / "shop.json",
        [manual(1, {"a": [1]}), read_csv(2, later), formula(3, 2, "c", "[b] + 1"), formula(4, 1, "d", "[a] + 1")],
    )
    keys = [["shop", node] for node in ("manual_input_1", "read_2", "formula_3", "formula_4")]
    with serve(tmp_path, flows, IN_PROCESS) as server:
        failed = server.launch(keys)
        assert server.wait(failed) == ("FAILURE", {"manual_input_1", "formula_4"})
        later.write_text("b\n5\n")
        assert server.wait(server.reexecute_from_asset_failure(failed)) == ("SUCCESS", {"read_2", "formula_3"})


def test_edited_flow_shows_its_new_graph_after_reloading(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    path = write_flow(flows / "shop.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")])
    with serve(tmp_path, flows, IN_PROCESS) as server:
        assert server.graph() == {"manual_input_1": set(), "formula_2": {"manual_input_1"}}
        write_flow(path, [manual(1, {"a": [1]}), formula(3, 1, "c", "[a]"), formula(2, 3, "b", "[a]")])
        server.reload()
        assert server.graph() == {"manual_input_1": set(), "formula_3": {"manual_input_1"}, "formula_2": {"formula_3"}}
