"""A result that is computed again and comes out equal stops the wave, in both modes and whatever engine made it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import Flow, load_flow
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_flow

Load = Callable[..., Flow]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda *nodes: load_flow(write_flow(tmp_path / "shop.json", nodes))


def two_sided(left: str, right: str) -> list[JsonObject]:
    """A join (5) of two edited branches (3 and 4), and a node below it (6)."""
    return [
        manual(1, {"a": [1, 2, 3]}),
        manual(2, {"a": [1, 2, 3], "c": [7, 8, 9]}),
        formula(3, 1, "b", left),
        formula(4, 2, "d", right),
        join(5, 3, 4, "a"),
        formula(6, 5, "e", "[b] + [d]"),
    ]


def computed(flow: Flow, store: Path, **options: Any) -> set[int]:
    status = flow.run(store=store, **options).status
    return {node_id for node_id, state in status.items() if state == "computed"}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2 * [a]", "[c] + 0", {3, 4}),
        ("2 * [a]", "[c] + 1", {3, 4, 5, 6}),
        ("[a] * 3", "[c] + 1", {3, 4, 5, 6}),
    ],
)
def test_join_runs_if_one_of_its_parents_really_changed(
    load: Load, tmp_path: Path, left: str, right: str, expected: set[int]
) -> None:
    load(*two_sided("[a] * 2", "[c]")).run(store=tmp_path / "store")
    flow = load(*two_sided(left, right))
    assert computed(flow, tmp_path / "store") == expected
    fresh, again = load(*two_sided(left, right)).run(), flow.run(store=tmp_path / "store")
    assert set(again.status.values()) == {"hit"}
    for node_id in flow.nodes:
        assert again.frame(node_id).equals(fresh.frame(node_id))


def test_source_that_changed_in_what_nobody_sees_stops_at_its_reader(load: Load, tmp_path: Path) -> None:
    data, store = tmp_path / "in.csv", tmp_path / "store"
    data.write_text("a,b\n1,x\n2,y\n")
    nodes = [read_csv(1, data), advanced_filter(2, 1, "[a] < 3"), formula(3, 2, "c", "[a] * 2")]
    load(*nodes).run(store=store)
    data.write_text("a,b\n1,x\n2,y\n3,z\n")
    assert computed(load(*nodes), store) == {1, 2}


def test_result_of_another_engine_is_the_same_result(load: Load, tmp_path: Path) -> None:
    """Engines divide their work differently, which must not show in the stored file."""
    rows = {"a": list(range(3000))}
    nodes = [
        manual(1, rows),
        formula(2, 1, "b", "[a] / 3"),
        formula(3, 2, "c", "[a] * 2"),
        node(4, "sort", {"sort_input": [{"column": "c", "how": "desc"}]}, 3),
        join(5, 4, 2, "a"),
    ]
    stored = []
    for engine in ("in-memory", "streaming"):
        for mode in ("development", "performance"):
            store = tmp_path / f"{engine}-{mode}"
            load(*nodes).run(mode, store=store, engine=engine, targets=[5])
            stored.append({path.name for path in store.rglob("*.arrow")})
    assert stored[0] == stored[2], "development"
    assert stored[1] == stored[3], "performance"
    assert stored[1] <= stored[0], "the fused result is one of those"
