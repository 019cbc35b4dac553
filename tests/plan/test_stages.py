"""The decision for each node: reuse, compute, skip, or leave it alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.api import FLOW_RUNS
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.plan.segments import development_segments
from flowfile_dagster.plan.sources import fingerprint_sources
from flowfile_dagster.plan.stages import PlanInputs, RunPlan, Stage, is_still_written, plan_run
from flowfile_dagster.store.fingerprints import FingerprintMemory
from flowfile_dagster.store.index import Manifest, Written
from flowfile_dagster.store.store import ResultStore
from tests.factories import (
    JsonObject,
    advanced_filter,
    fifteen_nodes,
    formula,
    manual,
    node,
    read_csv,
    write_file,
    write_flow,
)

GATE: JsonObject = {"gate_input": {"parameter": "p", "operator": "equals", "value": "go"}}
FORMULA_GATE: JsonObject = {"gate_input": {"condition_source": "formula", "formula": "[a] > 5"}}
SAMPLE: JsonObject = {"sample_method": "random", "sample_size": 2}


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "store")


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Flow]:
    def load(*nodes: JsonObject, p: str = "go") -> Flow:
        path = write_flow(tmp_path / "shop.json", nodes, parameters=[{"name": "p"}])
        return load_flow(path, parameters={"p": p})

    return load


def plan(flow: Flow, store: ResultStore, *targets: int) -> RunPlan:
    """The plan for some targets (all by default) as a run on this store would make it."""
    memory = FingerprintMemory(store.base / "fingerprints")
    context = NodeContext(flow.graph)

    def latest(entry: Any) -> Manifest | None:
        ref = store.latest((FLOW_RUNS, flow.name, flow.names[entry.node_id]))
        return None if ref is None else store.find(ref.node_hash)

    def fingerprint(entry: Any) -> str:
        return fingerprint_sources(entry.kind.sources(entry.settings, context), memory.content_hash)

    return plan_run(
        flow.graph,
        development_segments(flow.graph),
        targets or flow.nodes,
        PlanInputs(store.find, latest, lambda _: None, fingerprint),
        context,
    )


def actions(flow: Flow, store: ResultStore, *targets: int) -> dict[int, str]:
    return {stage.node_id: stage.action for stage in plan(flow, store, *targets).stages}


def stage_of(flow: Flow, store: ResultStore, node_id: int, *targets: int) -> Stage:
    return next(stage for stage in plan(flow, store, *targets).stages if stage.node_id == node_id)


def test_empty_store_computes_the_target_and_its_ancestors_only(load: Any, store: ResultStore) -> None:
    assert actions(load(*fifteen_nodes()), store, 7) == dict.fromkeys((1, 3, 4, 5, 6, 7), "compute")
    assert not store.base.exists()


def test_full_store_reuses_the_targets_and_leaves_what_is_above(load: Any, store: ResultStore) -> None:
    flow = load(*fifteen_nodes())
    flow.run(store=store)
    assert actions(flow, store, 7, 3) == {1: "leave", 3: "reuse", 4: "leave", 5: "leave", 6: "leave", 7: "reuse"}
    assert set(actions(flow, store).values()) == {"reuse"}


def test_missing_result_needs_only_what_is_missing_above_it(load: Any, store: ResultStore) -> None:
    load(*fifteen_nodes()).run(store=store, targets=[4])
    flow = load(*fifteen_nodes())
    assert actions(flow, store, 6) == {1: "leave", 3: "leave", 4: "leave", 5: "compute", 6: "compute"}


def test_edited_node_moves_the_hashes_below_it_and_no_others(load: Any, store: ResultStore) -> None:
    before = {stage.node_id: stage.node_hash for stage in plan(load(*fifteen_nodes()), store).stages}
    after = {stage.node_id: stage.node_hash for stage in plan(load(*fifteen_nodes("[a] * 3")), store).stages}
    assert {node_id for node_id in before if before[node_id] != after[node_id]} == {5, 6, 7, 8, 9, 10, 11, 12}


def test_no_targets_plan_nothing(load: Any, store: ResultStore) -> None:
    flow = load(*fifteen_nodes())
    inputs = PlanInputs(store.find, lambda _: None, lambda _: None, lambda _: "")
    assert plan_run(flow.graph, development_segments(flow.graph), [], inputs, NodeContext(flow.graph)) == RunPlan(
        (), frozenset()
    )


def test_broken_node_fails_and_what_is_below_it_is_skipped_with_the_reason(load: Any, store: ResultStore) -> None:
    flow = load(manual(1, {"a": [1]}), node(2, "sort", None, 1), formula(3, 2, "b", "1"), formula(4, 3, "b", "1"))
    assert actions(flow, store) == {1: "compute", 2: "fail", 3: "skip", 4: "skip"}
    assert stage_of(flow, store, 4).because == "its input, node 3, failed or did not run"


def test_closed_parameter_gate_skips_what_is_below_without_looking_at_data(load: Any, store: ResultStore) -> None:
    nodes = [manual(1, {"a": [1]}), node(2, "gate", GATE, 1), formula(3, 2, "b", "1"), formula(4, 3, "b", "1")]
    assert actions(load(*nodes, p="stop"), store) == {1: "compute", 2: "compute", 3: "skip", 4: "skip"}
    assert stage_of(load(*nodes, p="stop"), store, 4).because == "a gate above its input, node 3, is closed"
    assert set(actions(load(*nodes, p="go"), store).values()) == {"compute"}


def test_gate_with_two_outputs_opens_one_of_them(load: Any, store: ResultStore) -> None:
    gate = node(2, "gate", {**GATE, "else_output": True}, 1, outputs=[3, 4], output_handles=["output-0", "output-1"])
    nodes = [manual(1, {"a": [1]}), gate, formula(3, 2, "b", "1"), formula(4, 2, "b", "1")]
    assert actions(load(*nodes), store) == {1: "compute", 2: "compute", 3: "compute", 4: "skip"}
    assert actions(load(*nodes, p="stop"), store) == {1: "compute", 2: "compute", 3: "skip", 4: "compute"}


def test_union_takes_the_inputs_that_gates_leave_open(load: Any, store: ResultStore) -> None:
    nodes = [manual(1, {"a": [1]}), manual(2, {"a": [2]}), node(3, "gate", GATE, 1), node(4, "union", {}, 3, 2)]
    assert set(actions(load(*nodes, p="stop"), store).values()) == {"compute"}
    closed, opened = (stage_of(load(*nodes, p=value), store, 4).node_hash for value in ("stop", "go"))
    assert closed != opened
    both = [*nodes[:3], node(5, "gate", GATE, 2), node(4, "union", {}, 3, 5)]
    assert stage_of(load(*both, p="stop"), store, 4).action == "skip"


def test_union_below_a_failure_is_skipped_even_if_another_input_is_there(load: Any, store: ResultStore) -> None:
    flow = load(manual(1, {"a": [1]}), node(2, "sort", None, 1), node(3, "union", {}, 1, 2))
    assert stage_of(flow, store, 3).action == "skip"


def test_formula_gate_is_planned_as_open_until_its_decision_is_stored(load: Any, store: ResultStore) -> None:
    flow = load(manual(1, {"a": [1]}), node(2, "gate", FORMULA_GATE, 1), formula(3, 2, "b", "1"))
    assert actions(flow, store)[3] == "compute"
    flow.run(store=store)
    assert actions(flow, store) == {1: "reuse", 2: "reuse", 3: "skip"}


def test_volatile_target_and_what_hangs_on_it_are_settled_during_the_run(load: Any, store: ResultStore) -> None:
    flow = load(manual(1, {"a": [1, 2, 3]}), node(2, "sample", SAMPLE, 1), formula(3, 2, "b", "1"))
    flow.run(store=store)
    found = plan(flow, store)
    assert [(stage.action, stage.node_hash is None) for stage in found.stages] == [
        ("reuse", False), ("compute", True), ("compute", True),
    ]  # fmt: skip
    assert actions(flow, store, 3) == {1: "leave", 2: "leave", 3: "reuse"}


def test_volatile_result_of_other_settings_or_inputs_is_not_the_latest(load: Any, store: ResultStore) -> None:
    def flow(rows: list[int], size: int) -> Flow:
        sample = node(2, "sample", {**SAMPLE, "sample_size": size}, 1)
        return load(manual(1, {"a": rows}), sample, formula(3, 2, "b", "1"))

    flow([1, 2, 3], 2).run(store=store)
    assert actions(flow([1, 2, 3], 2), store, 3)[2] == "leave"
    assert actions(flow([1, 2, 3], 1), store, 3)[2] == "compute"
    assert actions(flow([4, 5, 6], 2), store, 3)[2] == "compute"


def test_source_that_cannot_be_looked_at_is_settled_during_the_run(load: Any, store: ResultStore) -> None:
    flow = load(read_csv(1, "gone.csv"), formula(2, 1, "b", "1"), manual(3, {"a": [1]}))
    assert actions(flow, store) == dict.fromkeys((1, 2, 3), "compute")
    assert stage_of(flow, store, 1).node_hash is None


def test_sink_is_reused_only_while_its_file_is_as_it_left_it(load: Any, store: ResultStore, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    flow = load(manual(1, {"a": [1]}), write_file(2, 1, target), advanced_filter(3, 2, "[a] > 0"))
    flow.run(store=store)
    assert actions(flow, store, 2)[2] == "reuse"
    target.write_text("somebody else's")
    assert actions(flow, store, 2)[2] == "compute"
    assert actions(flow, store, 3) == {1: "leave", 2: "leave", 3: "reuse"}


def test_written_file_is_recognized_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    pl.DataFrame({"a": [1]}).write_csv(path)
    state = path.stat()
    written = Written(str(path), state.st_size, state.st_mtime_ns)
    assert is_still_written(Manifest("h", {}, written=written))
    assert not is_still_written(Manifest("h", {}))
    path.unlink()
    assert not is_still_written(Manifest("h", {}, written=written))
