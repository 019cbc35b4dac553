from pathlib import Path

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.flow.admission import Admission, Outcome, admit
from flowfile_dagster.flow.graph import FlowNode
from tests.factories import join, manual, node, write_flow

OPEN: dict[int, frozenset[str]] = {}
NOTHING_OPEN = {1: frozenset[str]()}


def two_inputs(folder: Path, node_type: str) -> FlowNode:
    entry = join(3, 1, 2, "a") if node_type == "join" else node(3, node_type, {}, 1, 2)
    flow = load_flow(write_flow(folder / "f.json", [manual(1, {"a": [1]}), manual(2, {"a": [1]}), entry]))
    return flow.nodes[3]


@pytest.mark.parametrize(
    ("node_type", "first", "second", "outcome", "taking_part"),
    [
        ("join", "done", "done", "done", 2),
        ("union", "done", "done", "done", 2),
        ("join", "closed", "done", "closed", 0),
        ("union", "closed", "done", "done", 1),
        ("union", "closed", "closed", "closed", 0),
        ("join", "failed", "done", "skipped", 0),
        ("union", "failed", "done", "skipped", 0),
        ("union", "skipped", "closed", "skipped", 0),
        ("join", "closed", "failed", "skipped", 0),
    ],
)
def test_node_needs_all_inputs_and_a_union_any_but_no_failure(
    tmp_path: Path, node_type: str, first: Outcome, second: Outcome, outcome: Outcome, taking_part: int
) -> None:
    admission = admit(two_inputs(tmp_path, node_type), {1: first, 2: second}, OPEN)
    assert (admission.outcome, len(admission.inputs)) == (outcome, taking_part)


def test_closed_gate_counts_like_a_node_that_did_not_run(tmp_path: Path) -> None:
    done: dict[int, Outcome] = {1: "done", 2: "done"}
    assert admit(two_inputs(tmp_path, "join"), done, NOTHING_OPEN).outcome == "closed"
    union = admit(two_inputs(tmp_path, "union"), done, NOTHING_OPEN)
    assert [item.node_id for item in union.inputs] == [2]


def test_open_handle_lets_only_its_own_readers_run(tmp_path: Path) -> None:
    done: dict[int, Outcome] = {1: "done", 2: "done"}
    entry = two_inputs(tmp_path, "join")
    assert admit(entry, done, {1: frozenset({"output-1"})}).outcome == "closed"
    assert admit(entry, done, {1: frozenset({"output-0"})}).outcome == "done"


def test_node_without_inputs_always_runs(tmp_path: Path) -> None:
    source = load_flow(write_flow(tmp_path / "f.json", [manual(1, {"a": [1]})])).nodes[1]
    assert admit(source, {}, OPEN) == Admission()
