"""Which nodes are fused, where segments end, and why."""

from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.plan.bundles import MAX_BUNDLE
from flowfile_dagster.plan.fusion import performance_segments
from flowfile_dagster.plan.segments import Segment, development_segments
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, write_file, write_flow

ROWS = manual(1, {"a": [1, 2], "b": [3, 4]})


def group(node_id: int, source: int) -> JsonObject:
    columns = [{"old_name": "a", "agg": "groupby"}, {"old_name": "b", "agg": "sum", "new_name": "b"}]
    return node(node_id, "group_by", {"groupby_input": {"agg_cols": columns}}, source)


def sort(node_id: int, source: int) -> JsonObject:
    return node(node_id, "sort", {"sort_input": [{"column": "a", "how": "asc"}]}, source)


def pivot(node_id: int, source: int) -> JsonObject:
    rule = {"index_columns": ["a"], "pivot_column": "b", "value_col": "a", "aggregations": ["sum"]}
    return node(node_id, "pivot", {"pivot_input": rule}, source)


def read_parquet(node_id: int, path: Path) -> JsonObject:
    return node(node_id, "read", {"received_file": {"path": str(path), "file_type": "parquet"}})


def plan(folder: Path, nodes: list[JsonObject], *selected: int) -> dict[int, Segment]:
    graph = read_graph(write_flow(folder / "flow.json", nodes))
    return {segment.root: segment for segment in performance_segments(graph, selected)}


def test_chain_is_one_segment(tmp_path: Path) -> None:
    chain = [ROWS, *(formula(index, index - 1, f"c{index}", "[a] + 1") for index in range(2, 12))]
    segments = plan(tmp_path, chain)
    assert list(segments) == [11]
    assert segments[11].nodes == tuple(range(1, 12))
    assert segments[11].reasons == ("output",)


def test_join_fuses_both_sides(tmp_path: Path) -> None:
    nodes = [ROWS, manual(2, {"a": [1]}), formula(3, 1, "c", "[a]"), join(4, 3, 2, "a"), group(5, 4)]
    assert plan(tmp_path, nodes)[5].nodes == (1, 2, 3, 4, 5)


def test_consumers_of_a_dear_node_are_collected_together(tmp_path: Path) -> None:
    segments = plan(tmp_path, [ROWS, group(2, 1), formula(3, 2, "c", "[b]"), group(4, 2)])
    assert list(segments) == [3, 4]
    assert segments[3].nodes == (1, 2, 3)
    assert segments[3].bundle == segments[4].bundle == 2


def test_dear_node_is_stored_where_one_consumer_needs_another(tmp_path: Path) -> None:
    nodes = [ROWS, group(2, 1), formula(3, 2, "c", "[b]"), pivot(4, 3), join(5, 2, 4, "a")]
    segments = plan(tmp_path, nodes)
    assert segments[2].reasons == ("fan-out",)
    assert [segment.bundle for segment in segments.values()] == [None] * len(segments)


def test_dear_node_is_stored_where_one_consumer_delivers_it_as_it_is(tmp_path: Path) -> None:
    nodes = [ROWS, group(2, 1), node(3, "explore_data", {}, 2), write_file(4, 2, tmp_path / "x.csv"), group(5, 2)]
    segments = plan(tmp_path, nodes)
    assert segments[2].reasons == ("fan-out",)
    assert {segment.bundle for segment in segments.values()} == {None}
    assert segments[3].nodes == (3,)


def test_bundle_of_too_many_is_stored_instead(tmp_path: Path) -> None:
    readers = [formula(index, 2, "c", "[b]") for index in range(3, 3 + MAX_BUNDLE + 1)]
    assert plan(tmp_path, [ROWS, group(2, 1), *readers])[2].reasons == ("fan-out",)


def test_cheap_fan_out_over_a_columnar_file_is_fused_into_each_consumer(tmp_path: Path) -> None:
    nodes = [read_parquet(1, tmp_path / "x.parquet"), formula(2, 1, "c", "[a]"), group(3, 2), group(4, 2)]
    segments = plan(tmp_path, nodes)
    assert list(segments) == [3, 4]
    assert segments[3].nodes == (1, 2, 3)
    assert segments[4].nodes == (1, 2, 4)


def test_files_streamed_from_one_cheap_beginning_are_written_together(tmp_path: Path) -> None:
    beginning = [read_parquet(1, tmp_path / "x.parquet"), formula(2, 1, "c", "[a]")]
    rows = [advanced_filter(3, 2, "[a] > 0"), write_file(4, 3, tmp_path / "rows.csv")]
    few = [group(5, 2), sort(6, 5), write_file(7, 6, tmp_path / "few.csv")]
    segments = plan(tmp_path, [*beginning, *rows, *few])
    assert {root: (segment.nodes, segment.bundle) for root, segment in segments.items()} == {
        4: ((1, 2, 3, 4), 1),
        7: ((1, 2, 5, 6, 7), 1),
    }


def test_what_would_fill_the_memory_beside_others_is_written_alone(tmp_path: Path) -> None:
    beginning = [read_parquet(1, tmp_path / "x.parquet"), write_file(2, 1, tmp_path / "rows.csv")]
    sorted_rows = [sort(3, 1), write_file(4, 3, tmp_path / "sorted.csv")]
    joined = [manual(5, {"a": [1]}), join(6, 1, 5, "a"), write_file(7, 6, tmp_path / "joined.csv")]
    stored = [formula(8, 1, "c", "[a]")]
    appended = [write_file(9, 1, tmp_path / "appended.csv", write_mode="append")]
    segments = plan(tmp_path, [*beginning, *sorted_rows, *joined, *stored, *appended])
    assert {segment.bundle for segment in segments.values()} == {None}


def test_random_node_is_never_duplicated(tmp_path: Path) -> None:
    nodes = [read_parquet(1, tmp_path / "x.parquet"), formula(2, 1, "c", "random_int(1, 9)"), group(3, 2), group(4, 2)]
    assert plan(tmp_path, nodes)[2].reasons == ("fan-out",)
    both_ways = [nodes[0], nodes[1], join(3, 2, 2, "c")]
    assert plan(tmp_path, both_ways)[2].reasons == ("fan-out",)
    behind_another = [*nodes[:2], formula(3, 2, "d", "1"), join(4, 3, 3, "c")]
    assert plan(tmp_path, behind_another)[2].reasons == ("fan-out",)


def test_dear_node_that_a_volatile_one_reads_is_stored_for_both(tmp_path: Path) -> None:
    drawn = [ROWS, formula(2, 1, "r", "random_int(1, 9)"), join(3, 1, 2, "a")]
    segments = plan(tmp_path, [*drawn, formula(4, 3, "c", "[a]"), formula(5, 3, "c", "[a]")])
    assert segments[1].reasons == ("fan-out",)
    assert segments[2].reasons == ("volatile",)


def test_diamond_within_one_segment_stays_fused(tmp_path: Path) -> None:
    nodes = [ROWS, group(2, 1), formula(3, 2, "c", "[b]"), formula(4, 2, "d", "[b]"), join(5, 3, 4, "a")]
    assert list(plan(tmp_path, nodes)) == [5]


def test_cached_and_selected_nodes_are_roots(tmp_path: Path) -> None:
    cached = formula(2, 1, "c", "[a]")
    cached["setting_input"]["cache_results"] = True
    segments = plan(tmp_path, [ROWS, cached, formula(3, 2, "d", "[a]"), formula(4, 3, "e", "[a]")], 3)
    assert {root: segment.reasons for root, segment in segments.items()} == {
        2: ("cache_results",),
        3: ("selected",),
        4: ("output",),
    }


def test_input_of_a_barrier_is_a_root_and_what_follows_is_fused(tmp_path: Path) -> None:
    segments = plan(tmp_path, [ROWS, formula(2, 1, "c", "[a]"), pivot(3, 2), formula(4, 3, "d", "[a]")])
    assert segments[2].reasons == ("barrier",)
    assert segments[4].nodes == (3, 4)


def test_sink_has_its_reason_and_what_it_waits_for_is_a_root(tmp_path: Path) -> None:
    nodes = [ROWS, manual(2, {"z": [1]}), node(3, "wait_for", {}, 1, right=2), write_file(4, 3, tmp_path / "x.csv")]
    segments = plan(tmp_path, nodes)
    assert segments[4].reasons == ("sink",)
    assert segments[2].reasons == ("barrier",)


def test_development_has_one_segment_per_node(tmp_path: Path) -> None:
    graph = read_graph(write_flow(tmp_path / "flow.json", [ROWS, formula(2, 1, "c", "[a]")]))
    assert [segment.nodes for segment in development_segments(graph)] == [(1,), (2,)]


@st.composite
def random_nodes(draw: st.DrawFn) -> list[JsonObject]:
    nodes: list[JsonObject] = [read_parquet(1, Path("x.parquet")), manual(2, {"a": [1], "b": [2]})]
    for node_id in range(3, draw(st.integers(3, 25))):
        source = draw(st.integers(1, node_id - 1))
        kind = draw(st.sampled_from(["formula", "filter", "group", "join", "random", "pivot", "sink", "cached"]))
        match kind:
            case "formula":
                nodes.append(formula(node_id, source, "c", "[a] + 1"))
            case "filter":
                nodes.append(advanced_filter(node_id, source, "[a] > 0"))
            case "group":
                nodes.append(group(node_id, source))
            case "join":
                nodes.append(join(node_id, source, draw(st.integers(1, node_id - 1)), "a"))
            case "random":
                nodes.append(formula(node_id, source, "r", "random_int(1, 9)"))
            case "pivot":
                nodes.append(pivot(node_id, source))
            case "sink":
                nodes.append(write_file(node_id, source, Path(f"{node_id}.csv")))
            case _:
                cached = formula(node_id, source, "c", "[a]")
                cached["setting_input"]["cache_results"] = True
                nodes.append(cached)
    return nodes


@given(nodes=random_nodes())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_plan_is_sound(tmp_path: Path, nodes: list[JsonObject]) -> None:
    graph = read_graph(write_flow(tmp_path / "flow.json", nodes))
    segments = performance_segments(graph)
    assert_sound(graph, segments)


def assert_sound(graph: FlowGraph, segments: tuple[Segment, ...]) -> None:
    roots = [segment.root for segment in segments]
    homes = {node_id: [s for s in segments if node_id in s.nodes] for node_id in graph.nodes}
    assert all(homes.values()), "every node is in a segment"
    for node_id, found in homes.items():
        if len(found) > 1 and len({segment.bundle for segment in found} - {None}) != 1:
            traits = graph.nodes[node_id].traits
            assert Trait.NARROW in traits
            assert not traits & {Trait.RANDOM, Trait.VOLATILE, Trait.BARRIER, Trait.RUNS_USER_CODE}
    for index, segment in enumerate(segments):
        assert segment.nodes[-1] == segment.root
        assert segment.reasons
        assert set(segment.inputs) <= set(roots[:index]), "segments come after what they read"
        for node_id in segment.nodes:
            for item in graph.nodes[node_id].inputs:
                assert item.node_id in segment.nodes or item.node_id in segment.inputs
            if node_id != segment.root:
                assert node_id not in roots
