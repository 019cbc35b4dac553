"""Every selection of nodes materializes exactly itself, with the results that the whole flow has."""

import random
import shutil
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import dagster as dg
import pytest

from flowfile_dagster import FlowfileIOManager, build_definitions, load_flow
from flowfile_dagster.engine.events import NodeEvent, NodeReused
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, write_flow

SAMPLED = 40
MODES: list[ExecutionMode] = ["development", "performance"]


def ten_nodes() -> list[JsonObject]:
    """Two branches from node 3, one with a dear node, and joins that bring them together again."""
    columns = [{"old_name": "a", "agg": "groupby"}, {"old_name": "c", "agg": "sum", "new_name": "total"}]
    nodes = [
        manual(1, {"a": [1, 2, 2, 3], "b": [10, 20, 30, 40]}),
        manual(2, {"a": [1, 2, 3], "z": [7, 8, 9]}),
        formula(3, 1, "c", "[a] + [b]"),
        advanced_filter(4, 3, "[b] > 10"),
        node(5, "group_by", {"groupby_input": {"agg_cols": columns}}, 3),
        node(6, "sort", {"sort_input": [{"column": "total", "how": "desc"}]}, 5),
        formula(7, 4, "d", "[c] * 2"),
        join(8, 7, 2, "a"),
        join(9, 8, 6, "a"),
        node(10, "record_count", {}, 9),
    ]
    for kept in (nodes[4], nodes[7]):
        kept["setting_input"]["cache_results"] = True
    return nodes


def subsets(items: Iterable[str]) -> list[tuple[str, ...]]:
    given = sorted(items)
    return [chosen for size in range(1, len(given) + 1) for chosen in combinations(given, size)]


class TenNodes:
    """The flow with a store of its own, which is empty before each run."""

    def __init__(self, folder: Path, mode: ExecutionMode) -> None:
        self._store = folder / "store"
        self._instance = dg.DagsterInstance.ephemeral()  # one for all runs: to make one takes a fifth of a run
        path = write_flow(folder / "ten.json", ten_nodes())
        self.definitions = build_definitions(
            path,
            mode=mode,
            io_manager=FlowfileIOManager(base_path=str(self._store)),
            compiled_folder=folder / "compiled",
        )
        self.job = self.definitions.resolve_implicit_global_asset_job_def()
        graph = self.definitions.resolve_asset_graph()
        self.names = sorted(key.path[-1] for key in graph.materializable_asset_keys)

    def run(self, chosen: Iterable[str], mode: ExecutionMode) -> dict[str, str]:
        """The data versions of what a run of the chosen nodes materializes."""
        shutil.rmtree(self._store, ignore_errors=True)
        result = self.job.execute_in_process(
            instance=self._instance,
            asset_selection=[dg.AssetKey(["ten", name]) for name in chosen],
            run_config={"resources": {"flow__ten": {"config": {"mode": mode}}}, "loggers": QUIET},
        )
        return {
            event.asset_key.path[-1]: (event.step_materialization_data.materialization.tags or {})[
                "dagster/data_version"
            ]
            for event in result.get_asset_materialization_events()
        }


QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> TenNodes:
    return TenNodes(tmp_path_factory.mktemp("ten"), "development")


def assert_materializes_exactly_itself(flow: TenNodes, chosen: list[tuple[str, ...]], mode: ExecutionMode) -> None:
    expected = flow.run(flow.names, "development")
    for subset in chosen:
        assert flow.run(subset, mode) == {name: expected[name] for name in subset}, subset


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_sampled_subset_of_ten_nodes_materializes_exactly_itself(nodes: TenNodes, mode: ExecutionMode) -> None:
    chosen = random.Random(4).sample(subsets(nodes.names), SAMPLED)
    assert_materializes_exactly_itself(nodes, chosen, mode)


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
def test_every_subset_of_ten_nodes_materializes_exactly_itself(nodes: TenNodes, mode: ExecutionMode) -> None:
    assert len(subsets(nodes.names)) == 1023
    assert_materializes_exactly_itself(nodes, subsets(nodes.names), mode)


def test_every_subset_of_the_segments_of_performance_materializes_exactly_itself(
    nodes: TenNodes, tmp_path: Path
) -> None:
    expected = nodes.run(nodes.names, "development")
    fused = TenNodes(tmp_path, "performance")
    assert len(fused.names) == 3
    for subset in subsets(fused.names):
        assert fused.run(subset, "performance") == {name: expected[name] for name in subset}, subset


@pytest.mark.parametrize("mode", MODES)
def test_every_subset_of_stored_results_is_found_and_nothing_else_is_told(tmp_path: Path, mode: ExecutionMode) -> None:
    flow = load_flow(write_flow(tmp_path / "ten.json", ten_nodes()))
    assert flow.run(store=tmp_path / "store").is_success
    for subset in subsets(map(str, flow.nodes)):
        told: list[NodeEvent] = []
        assert flow.run(mode, targets=subset, store=tmp_path / "store", on_event=told.append).is_success
        assert sorted(str(event.node_id) for event in told) == sorted(subset)
        assert all(isinstance(event, NodeReused) for event in told)
