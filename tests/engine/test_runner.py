"""Runs through the front door: what is computed, reused, skipped, and left alone."""

import gc
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.engine.collect import Engine, collect
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeReused, NodeSkipped
from flowfile_dagster.engine.runner import run_segments
from flowfile_dagster.errors import NodeError, SelectionError
from flowfile_dagster.nodes.group_by import GroupBy
from flowfile_dagster.nodes.sort import Sort
from flowfile_dagster.plan.segments import development_segments
from flowfile_dagster.store.index import with_checksum
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
from tests.factories import (
    JsonObject,
    fifteen_nodes,
    formula,
    join,
    manual,
    node,
    read_csv,
    write_file,
    write_flow,
)

Load = Callable[..., Flow]
GATE: JsonObject = {"gate_input": {"parameter": "p", "operator": "equals", "value": "go"}}
SAMPLE: JsonObject = {"sample_method": "random", "sample_size": 20}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(*nodes: JsonObject, p: str = "go") -> Flow:
        path = write_flow(tmp_path / "shop.json", nodes, parameters=[{"name": "p"}])
        return load_flow(path, parameters={"p": p})

    return load


def events_of(flow: Flow, **options: Any) -> dict[int, NodeEvent]:
    events: list[NodeEvent] = []
    flow.run(on_event=events.append, **options)
    return {event.node_id: event for event in events}


def test_run_without_a_store_computes_everything_and_leaves_nothing_behind(load: Load) -> None:
    run = load(*fifteen_nodes()).run()
    assert set(run.status.values()) == {"computed"}
    assert run.is_success
    assert run.frame(12).rows() == [(2,)]
    base = run.store.base
    assert base.exists()
    del run
    gc.collect()
    assert not base.exists()


def test_run_without_a_store_tells_changed_sources_without_reading_them_for_a_hash(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a\n1\n")
    run = load(read_csv(1, path), formula(2, 1, "b", "[a]")).run("performance")
    assert not (run.store.base / "fingerprints").exists()
    assert run.frame(2).rows() == [(1, 1)]
    path.write_text("a\n2\n")
    assert run.frame(1).rows() == [(2,)]


def test_events_come_in_topological_order_as_nodes_complete(load: Load) -> None:
    flow = load(*fifteen_nodes())
    assert list(events_of(flow)) == list(flow.nodes)


def test_target_by_id_text_or_reference_runs_what_it_needs_only(load: Load) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]", node_reference="doubled"), formula(3, 2, "c", "[b]")]
    for target in (2, "2", "doubled"):
        assert load(*nodes).run(targets=[target]).status == {1: "computed", 2: "computed"}
    with pytest.raises(SelectionError, match="no node 'tripled'"):
        load(*nodes).run(targets=["tripled"])


def test_second_run_on_a_store_computes_nothing(load: Load, store: Path) -> None:
    first, second = (load(*fifteen_nodes()).run(store=store) for _ in range(2))
    assert set(second.status.values()) == {"hit"}
    assert second.frame(11).equals(first.frame(11))


def test_edited_node_and_its_descendants_run_and_say_why(load: Load, store: Path) -> None:
    load(*fifteen_nodes("[a] * 2")).run(store=store)
    events = events_of(load(*fifteen_nodes("[a] * 3")), store=store)
    why = {node_id: event.why for node_id, event in events.items() if isinstance(event, NodeComputed)}
    assert why == {5: "settings", **dict.fromkeys((6, 7, 8, 9, 10, 11, 12), "upstream")}


def test_recomputed_node_of_equal_content_stops_the_wave(load: Load, store: Path) -> None:
    load(*fifteen_nodes("[a] * 2")).run(store=store)
    for _ in range(2):
        status = load(*fifteen_nodes("2 * [a]")).run(store=store).status
    assert set(status.values()) == {"hit"}


def test_target_below_stored_results_leaves_them_alone(load: Load, store: Path) -> None:
    load(*fifteen_nodes()).run(store=store, targets=[5])
    assert load(*fifteen_nodes()).run(store=store, targets=[6]).status == {6: "computed"}


def test_lost_result_is_computed_again(load: Load, store: Path) -> None:
    run = load(*fifteen_nodes()).run(store=store)
    for path in store.rglob("*.arrow"):
        path.write_bytes(b"")
    again = load(*fifteen_nodes()).run(store=store)
    assert again.is_success
    assert again.status[11] == "computed"
    assert again.frame(11).equals(run.frame(11))


def test_changed_source_file_recomputes_and_a_touched_one_does_not(load: Load, store: Path, tmp_path: Path) -> None:
    data = tmp_path / "in.csv"
    data.write_text("a\n1\n")
    flow = [read_csv(1, data), formula(2, 1, "b", "[a] + 1"), manual(3, {"a": [1]})]
    load(*flow).run(store=store)
    os.utime(data, (1, 1))
    assert set(load(*flow).run(store=store).status.values()) == {"hit"}
    data.write_text("a\n2\n")
    assert load(*flow).run(store=store).status == {1: "computed", 2: "computed", 3: "hit"}


def test_file_whose_name_is_no_utf8_does_not_end_the_run(load: Load, store: Path, tmp_path: Path) -> None:
    source = tmp_path / "folder" / os.fsdecode(b"\xe9.csv")
    source.parent.mkdir()
    source.write_text("a\n1\n")
    os.utime(source, (1, 1))
    received = {"path": str(source.parent), "file_type": "csv", "scan_mode": "directory"}
    flow = load(node(1, "read", {"received_file": received}), manual(2, {"a": [1]}))
    run = flow.run(store=store)
    assert run.status == {1: "failed", 2: "computed"}, "Polars reads no such path"


def test_types_of_a_csv_file_are_looked_for_once_for_all_runs(load: Load, store: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("day,n\n2024-01-31,1\n")
    os.utime(source, (1, 1))
    flow = load(read_csv(1, source), formula(2, 1, "b", "[n]"))
    first = flow.run("performance", store=store)
    (remembered,) = (store / "schemas").glob("*/*.json")
    written = remembered.stat().st_mtime_ns
    second = load(read_csv(1, source), formula(2, 1, "c", "[n]")).run("performance", store=store)
    assert first.frame(2).schema == {"day": pl.Date, "n": pl.Int64, "b": pl.Int64}
    assert second.frame(2).schema == {"day": pl.Date, "n": pl.Int64, "c": pl.Int64}
    assert remembered.stat().st_mtime_ns == written
    assert len(list((store / "schemas").glob("*/*.json"))) == 1


def test_types_of_a_csv_file_are_looked_for_once_for_all_runs_without_a_store(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "rows.csv"
    source.write_text("day\n2024-01-31\n")
    os.utime(source, (1, 1))
    assert load(read_csv(1, source)).run().frame(1).schema == {"day": pl.Date}
    (remembered,) = (tmp_path / "cache" / "flowfile-dagster" / "schemas").glob("*/*.json")
    value = json.loads(remembered.read_text().replace("Date", "String"))
    del value["checksum"]
    remembered.write_bytes(with_checksum(value))
    assert load(read_csv(1, source)).run().frame(1).schema == {"day": pl.String}
    source.write_text("day\n2025-01-31\n")
    assert load(read_csv(1, source)).run().frame(1).schema == {"day": pl.Date}


@pytest.mark.parametrize("changed", ["a\n22\n", "a\n2\n"])
def test_source_that_changes_while_it_is_read_fails_and_is_not_kept_whatever_its_time_and_size(
    load: Load, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    data = tmp_path / "in.csv"
    data.write_text("a\n1\n")
    os.utime(data, (1, 1))
    flow = load(read_csv(1, data))
    compute = type(flow.nodes[1].kind).compute

    def change_and_compute(*given: Any) -> Any:
        data.write_text(changed)
        os.utime(data, (1, 1))
        return compute(*given)

    with monkeypatch.context() as patch:
        patch.setattr(type(flow.nodes[1].kind), "compute", change_and_compute)
        run = flow.run(store=store)
    assert str(run.errors[1]) == f"shop / 1 / read: {data} changed while it was read; run the node again"
    data.write_text("a\n1\n")
    assert flow.run(store=store).frame(1).rows() == [(1,)]


def test_file_that_comes_into_a_folder_while_it_is_read_is_not_taken_for_another_content(
    load: Load, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("a\n1\n")
    new = tmp_path / "in" / "b.csv"
    received = {"path": str(tmp_path / "in"), "file_type": "csv", "scan_mode": "directory"}
    flow = load(node(1, "read", {"received_file": received}))
    compute = type(flow.nodes[1].kind).compute

    def add_and_compute(*given: Any) -> Any:
        new.write_text("a\n2\n")
        return compute(*given)

    with monkeypatch.context() as patch:
        patch.setattr(type(flow.nodes[1].kind), "compute", add_and_compute)
        run = flow.run(store=store)
    assert str(run.errors[1]) == f"shop / 1 / read: {new} changed while it was read; run the node again"
    new.unlink()
    assert flow.run(store=store).frame(1).rows() == [(1,)]


def test_failure_skips_what_is_below_it_and_nothing_else(load: Load) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "b", "[x]"), formula(3, 2, "c", "1"), formula(4, 1, "d", "[a]")]
    run = load(*nodes, node(5, "union", {}, 3, 4), formula(6, 4, "e", "[y]")).run()
    assert run.status == {1: "computed", 2: "failed", 3: "skipped", 4: "computed", 5: "skipped", 6: "failed"}
    assert list(run.errors) == [2, 6]
    assert not run.is_success
    with pytest.raises(NodeError, match="shop / 2 / formula: "):
        run.frame(2)
    with pytest.raises(SelectionError, match=r"node 3 has no result 'output-0' \(skipped\)"):
        run.frame(3)
    assert run.frame(4)["d"].to_list() == [1]


def test_failed_node_is_tried_again_and_the_others_are_hits(load: Load, store: Path, tmp_path: Path) -> None:
    data = tmp_path / "later.csv"
    flow = load(manual(1, {"a": [1]}), read_csv(2, data), formula(3, 2, "b", "[a]"))
    assert flow.run(store=store).status == {1: "computed", 2: "failed", 3: "skipped"}
    data.write_text("a\n1\n")
    assert flow.run(store=store).status == {1: "hit", 2: "computed", 3: "computed"}


def test_panic_of_polars_is_the_error_of_its_node(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*given: object) -> Any:
        raise pl.exceptions.PanicException("the sky fell")

    flow = load(manual(1, {"a": [1]}), node(2, "sort", {"sort_input": []}, 1), formula(3, 1, "b", "[a]"))
    monkeypatch.setattr(Sort, "compute", panic)
    run = flow.run()
    assert run.status == {1: "computed", 2: "failed", 3: "computed"}
    assert str(run.errors[2]).startswith("shop / 2 / sort: the sky fell\nPanicException: ")


def test_panic_of_the_streaming_engine_is_no_failure_where_the_engine_was_not_chosen(tmp_path: Path) -> None:
    """Polars 1.44 panics at the first rows of a repeat, and 1.39.0 did at a cross join of columns with nulls."""
    rows = manual(1, {"a": [None, *range(60)]})
    sides: JsonObject = {"left_select": {"select": []}, "right_select": {"select": []}}
    cross = node(2, "cross_join", {"cross_join_input": sides}, 1, right=1)
    code = 'output_df = input_df.select(pl.repeat("x", pl.len()).append(pl.repeat("y", pl.len())).alias("b")).head(5)'
    repeat = node(3, "polars_code", {"polars_code_input": {"polars_code": code}}, 1)
    writers = [write_file(4, 2, tmp_path / "cross.csv"), write_file(5, 3, tmp_path / "repeat.csv")]
    run = load_flow(write_flow(tmp_path / "sales.json", [rows, cross, repeat, *writers])).run("performance")
    assert run.errors == {}
    assert pl.read_csv(tmp_path / "cross.csv").height == 61 * 61
    assert pl.read_csv(tmp_path / "repeat.csv")["b"].to_list() == ["x"] * 5


def test_event_tells_the_engine_that_ran_after_a_panic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Engine] = []

    def panic_once(frame: pl.LazyFrame, engine: Engine) -> pl.DataFrame:
        engines.append(engine)
        if len(engines) == 1:
            raise pl.exceptions.PanicException("the sky fell")
        return collect(frame, engine)

    monkeypatch.setattr("flowfile_dagster.engine.context.collect", panic_once)
    flow = load_flow(write_flow(tmp_path / "f.json", [manual(1, {"a": [1]}), write_file(2, 1, tmp_path / "x.csv")]))
    events: list[NodeEvent] = []
    flow.run("performance", on_event=events.append)
    assert engines == ["streaming", "in-memory", "streaming"], "once more in memory, whose rows a sink then writes"
    assert [event.engine for event in events if isinstance(event, NodeComputed)] == ["in-memory"]


def test_interrupt_is_no_failure_of_a_node(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object) -> Any:
        raise KeyboardInterrupt

    flow = load(manual(1, {"a": [1]}), node(2, "sort", {"sort_input": []}, 1))
    monkeypatch.setattr(Sort, "compute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        flow.run()


def gated(kind: JsonObject, **extra: Any) -> list[JsonObject]:
    return [manual(1, {"a": [1]}), node(2, "gate", kind, 1, **extra), formula(3, 2, "b", "[a]"), manual(4, {"a": [9]})]


def test_closed_gate_leaves_what_is_below_out_without_an_error(load: Load) -> None:
    run = load(*gated(GATE), p="stop").run()
    assert run.status == {1: "computed", 2: "computed", 3: "skipped", 4: "computed"}
    assert run.is_success
    event = events_of(load(*gated(GATE), p="stop"))[3]
    assert isinstance(event, NodeSkipped)
    assert event.is_deliberate


def test_stored_gate_obeys_the_parameter_of_this_run(load: Load, store: Path) -> None:
    assert load(*gated(GATE), p="go").run(store=store).status[3] == "computed"
    assert load(*gated(GATE), p="stop").run(store=store).status == {1: "hit", 2: "hit", 3: "skipped", 4: "hit"}
    assert load(*gated(GATE), p="go").run(store=store).status[3] == "hit"
    other = load(*[*gated(GATE)[:2], formula(3, 2, "b", "[a] + 1")], p="stop")
    assert other.run(store=store, targets=[3]).status[3] == "skipped"


@pytest.mark.parametrize(("default", "value"), [("red", "green"), ("", "red"), ("red", "")])
def test_gate_that_compares_what_the_parameter_cannot_be_fails(tmp_path: Path, default: str, value: str) -> None:
    colour: JsonObject = {"name": "p", "type": "enum", "enum_values": ["red", "blue"], "default_value": default}
    gate = {"gate_input": {"parameter": "p", "operator": "not_equals", "value": value}}
    nodes = [manual(1, {"a": [1]}), node(2, "gate", gate, 1), formula(3, 2, "b", "[a]")]
    run = load_flow(write_flow(tmp_path / "shop.json", nodes, parameters=[colour])).run()
    expected = (
        {1: "computed", 2: "computed", 3: "computed"} if value == "red" else {1: "computed", 2: "failed", 3: "skipped"}
    )
    assert run.status == expected


def test_formula_gate_decides_by_data_and_the_decision_is_stored(load: Load, store: Path) -> None:
    def kind(text: str) -> JsonObject:
        return {"gate_input": {"condition_source": "formula", "formula": text}}

    for expected in ("computed", "hit"):
        assert load(*gated(kind("[a] > 0"))).run(store=store).status[3] == expected
    for _ in range(2):
        assert load(*gated(kind("[a] > 5"))).run(store=store).status[3] == "skipped"


def test_union_runs_on_the_inputs_that_gates_leave_open(load: Load, store: Path) -> None:
    nodes = [*gated(GATE), node(5, "union", {}, 3, 4)]
    assert load(*nodes, p="stop").run(store=store).frame(5).rows() == [(9,)]
    assert load(*nodes, p="go").run(store=store).frame(5).rows() == [(1, 1), (9, None)]


def test_sink_writes_only_where_it_is_wanted_itself(load: Load, store: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    flow = load(manual(1, {"a": [1]}), write_file(2, 1, target), formula(3, 2, "b", "[a]"))
    assert flow.run(store=store, targets=[1, 3]).status == {1: "computed", 2: "computed", 3: "computed"}
    assert not target.exists()
    assert flow.run(store=store, targets=[2]).status == {2: "computed"}
    assert target.exists()
    assert flow.run(store=store, targets=[2]).status == {2: "hit"}
    target.write_text("somebody else's")
    assert flow.run(store=store).status == {1: "hit", 2: "computed", 3: "hit"}


def test_appending_sink_writes_every_time_that_it_is_wanted(load: Load, store: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    flow = load(manual(1, {"a": [1]}), write_file(2, 1, target, write_mode="append"))
    for rows in (1, 2, 3):
        assert flow.run(store=store).status[2] == "computed"
        assert pl.read_csv(target).height == rows


def test_steps_of_one_run_agree_on_a_result_though_the_flow_is_edited_between_them(load: Load, store: Path) -> None:
    """As in performance mode under Dagster, where each step reads the flow file."""

    def step(text: str, target: int, run_id: str) -> NodeEvent:
        graph = load(manual(1, {"a": [1]}), formula(2, 1, "b", text), formula(3, 2, "c", "[b] * 10")).graph
        of_run = ResultStore(store).of_run(run_id)
        done = run_segments(
            graph, development_segments(graph), [target], of_run, ref_key=lambda node: [str(node.node_id)]
        )
        event = list(done)[-1]
        assert isinstance(event, (NodeComputed, NodeReused))
        of_run.publish([str(target)], Ref(event.manifest.node_hash, "output-0"))
        return event

    def value(event: NodeEvent) -> int:
        assert isinstance(event, NodeComputed)
        return int(ResultStore(store).scan(event.manifest.outputs["output-0"]).collect(engine="in-memory")["c"][0])

    step("[a] + 1", 2, "first")
    assert value(step("[a] + 4", 3, "first")) == 20
    assert value(step("[a] + 4", 3, "second")) == 50
    assert isinstance(step("[a] + 1", 3, "third"), NodeReused)


def test_volatile_node_runs_whenever_it_is_wanted_and_its_readers_share_one_result(load: Load, store: Path) -> None:
    nodes = [manual(1, {"a": list(range(200))}), node(2, "sample", SAMPLE, 1), formula(3, 2, "b", "[a]")]
    flow = load(*nodes, formula(4, 2, "b", "[a]"))
    first, second = flow.run(store=store), flow.run(store=store)
    assert second.status == {1: "hit", 2: "computed", 3: "computed", 4: "hit"}
    assert second.frame(3).equals(second.frame(4))
    assert not second.frame(2).equals(first.frame(2))
    assert flow.run(store=store, targets=[3]).status == {3: "hit"}


def test_drawn_rows_are_the_same_on_both_sides_of_a_join_in_one_segment(tmp_path: Path) -> None:
    drawn = formula(2, 1, "r", "random_int(0, 1000000)")
    nodes = [manual(1, {"a": list(range(50))}), drawn, formula(3, 2, "c", "1"), join(4, 3, 3, "a")]
    joined = load_flow(write_flow(tmp_path / "sales.json", nodes)).run("performance").frame(4)
    assert joined["r"].to_list() == joined["r_right"].to_list()


def test_column_without_a_name_can_be_dropped_in_a_fused_segment(load: Load, tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(",name,amount\n0,b,1\n1,a,3\n")
    dropped = {"select_input": [{"old_name": "", "keep": False}]}
    sort = node(2, "sort", {"sort_input": [{"column": "name", "how": "asc"}]}, 1)
    flow = load(read_csv(1, tmp_path / "index.csv"), sort, node(3, "select", dropped, 2), formula(4, 3, "b", "[name]"))
    run = flow.run("performance")
    assert run.frame(4).rows() == [("a", 3, "a"), ("b", 1, "b")]


def test_column_whose_name_is_a_pattern_to_polars_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("^a.*$,a1\n1,2\n")
    chosen = node(2, "select", {"select_input": [{"old_name": "^a.*$", "new_name": "n"}]}, 1)
    run = load(read_csv(1, tmp_path / "t.csv"), chosen).run()
    assert "column '^a.*$' cannot be named" in str(run.errors[2])


def test_output_fields_are_applied_after_the_node(load: Load) -> None:
    fields = [{"name": "z", "data_type": "Int64", "default_value": "7"}, {"name": "a", "data_type": "Int64"}]
    config = {"enabled": True, "validation_mode_behavior": "add_missing", "fields": fields}
    entry = formula(2, 1, "b", "[a]")
    entry["setting_input"]["output_field_config"] = config
    passing = node(3, "wait_for", {"output_field_config": config}, 1, right=2)
    run = load(manual(1, {"a": [1]}), entry, passing).run()
    assert run.frame(2).to_dict(as_series=False) == run.frame(3).to_dict(as_series=False) == {"z": [7], "a": [1]}


def test_every_output_has_its_frame_and_its_readers(load: Load) -> None:
    settings = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    split = node(2, "filter", settings, 1, outputs=[3, 4], output_handles=["output-0", "output-1"])
    run = load(manual(1, {"a": [1, 2, 3]}), split, formula(3, 2, "b", "1"), formula(4, 2, "b", "0")).run()
    assert run.frame(2, "output-0")["a"].to_list() == run.frame(3)["a"].to_list() == [2, 3]
    assert run.frame(2, "output-1")["a"].to_list() == run.frame(4)["a"].to_list() == [1]
    with pytest.raises(SelectionError, match="has no result 'output-2'"):
        run.frame(2, "output-2")


@pytest.mark.parametrize("name", [2, "2", "total", "formula_3", 3])
def test_frame_is_given_by_id_reference_or_name(load: Load, name: int | str) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "b", "1", node_reference="total"), formula(3, 2, "c", "2")]
    run = load(*nodes).run()
    assert run.frame(name)["b"].to_list() == [1]


def test_frame_of_a_node_that_is_not_there_is_refused(load: Load) -> None:
    with pytest.raises(SelectionError, match="no node 'totals'; nodes: 1"):
        load(manual(1, {"a": [1]})).run().frame("totals")


def test_passthrough_stores_no_second_copy(load: Load, store: Path) -> None:
    load(manual(1, {"a": [1]}), node(2, "explore_data", {}, 1), node(3, "gate", GATE, 2)).run(store=store)
    assert len(list(store.rglob("*.arrow"))) == 1


def test_result_that_only_serves_others_is_found_where_its_order_does_not_matter(load: Load, store: Path) -> None:
    rows = manual(1, {"a": [2, 1, 1], "b": [5, 4, 4]})
    keys = [{"old_name": name, "agg": "groupby"} for name in "ab"]
    group = node(2, "group_by", {"groupby_input": {"agg_cols": [*keys, {"old_name": "a", "agg": "count"}]}}, 1)
    rule = {"index_columns": ["a"], "pivot_column": "b", "value_col": "a_count", "aggregations": ["sum"]}
    sort = node(4, "sort", {"sort_input": [{"column": "a"}]}, 3)
    nodes = [rows, group, node(3, "pivot", {"pivot_input": rule}, 2), sort]
    assert load(*nodes).run("performance", store=store).is_success
    descending = node(4, "sort", {"sort_input": [{"column": "a", "how": "desc"}]}, 3)
    assert load(*nodes[:3], descending).run("performance", store=store).status == {3: "computed", 4: "computed"}
    ordered = load(*nodes).run("development", store=store)
    assert ordered.status == {1: "computed", 2: "computed", 3: "computed", 4: "hit"}
    assert ordered.frame(2)["a"].to_list() == [2, 1]
    numbered = [*nodes[:2], node(3, "record_id", {"record_id_input": {"output_column_name": "n"}}, 2)]
    assert load(*numbered).run("development", store=store).status == {1: "hit", 2: "hit", 3: "computed"}


def test_result_of_open_order_replaces_no_ordered_one_that_came_meanwhile(
    load: Load, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [{"old_name": name, "agg": "groupby"} for name in "ab"]
    group = node(2, "group_by", {"groupby_input": {"agg_cols": [*keys, {"old_name": "a", "agg": "count"}]}}, 1)
    rule = {"index_columns": ["a"], "pivot_column": "b", "value_col": "a_count", "aggregations": ["sum"]}
    sort = node(4, "sort", {"sort_input": [{"column": "a"}]}, 3)
    flow = load(manual(1, {"a": [2, 1, 1], "b": [5, 4, 4]}), group, node(3, "pivot", {"pivot_input": rule}, 2), sort)
    build = GroupBy.build

    def overtaken(*arguments: Any) -> pl.LazyFrame:
        monkeypatch.setattr(GroupBy, "build", build)
        flow.run("development", store=store, targets=[2])
        return build(*arguments)

    monkeypatch.setattr(GroupBy, "build", overtaken)
    assert flow.run("performance", store=store).is_success
    assert flow.run("development", store=store, targets=[2]).status == {2: "hit"}


def test_unknown_mode_is_refused(load: Load) -> None:
    with pytest.raises(SelectionError, match="shop: mode 'turbo' is not available"):
        load(manual(1, {"a": [1]})).run("turbo")  # type: ignore[arg-type]


def test_unknown_engine_is_refused(load: Load) -> None:
    cause = "shop: engine 'turbo' is not available; use one of 'auto', 'in-memory', 'streaming', 'gpu'"
    with pytest.raises(SelectionError, match=cause):
        load(manual(1, {"a": [1]})).run(engine="turbo")  # type: ignore[arg-type]


def test_formula_gate_with_output_fields_decides_over_its_input(load: Load) -> None:
    fields = {"enabled": True, "fields": [{"name": "a", "data_type": "Int64"}]}
    gate = {"gate_input": {"condition_source": "formula", "formula": "[b] > 1"}, "output_field_config": fields}
    rows = manual(1, {"a": [1], "b": [2]})
    for mode in ("development", "performance"):
        run = load(rows, node(2, "gate", {**gate, "else_output": True}, 1), formula(3, 2, "c", "[a]")).run(mode)
        assert run.is_success
        assert run.frame(3).columns == ["a", "c"]
        assert run.frame(2, "output-1").columns == ["a"]


def test_writer_with_output_fields_shows_what_it_wrote(load: Load, tmp_path: Path) -> None:
    fields = {"enabled": True, "fields": [{"name": "a", "data_type": "Int64"}]}
    writer = write_file(2, 1, tmp_path / "x.parquet", "parquet")
    writer["setting_input"]["output_field_config"] = fields
    for mode in ("development", "performance"):
        run = load(manual(1, {"a": [1], "b": [2]}), formula(3, 1, "c", "[a]"), {**writer, "input_ids": [3]}).run(mode)
        assert run.frame(2).columns == ["a"]
        assert pl.read_parquet(tmp_path / "x.parquet").columns == ["a", "b", "c"], "fields concern the result only"


def test_long_chain_asks_no_frame_for_its_schema_twice(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    collect_schema = pl.LazyFrame.collect_schema

    def count(frame: pl.LazyFrame) -> pl.Schema:
        asked.append(frame.explain(optimized=False).count("WITH_COLUMNS"))
        return collect_schema(frame)

    flow = load(manual(1, {"a": [1]}), *(formula(index, index - 1, f"c{index}", "[a] + 1") for index in range(2, 30)))
    monkeypatch.setattr(pl.LazyFrame, "collect_schema", count)
    assert flow.run("performance").is_success
    assert max(asked) <= 1, "a schema comes from the inputs' schemas, not from the whole plan"
