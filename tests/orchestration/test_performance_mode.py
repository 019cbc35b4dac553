"""A flow in performance mode: one asset and one step for each fused segment, the same results as development."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from flowfile_dagster import ConfigError, FlowConfig, NodeConfig, build_definitions
from flowfile_dagster.store.store import ResultStore
from tests.factories import (
    JsonObject,
    advanced_filter,
    fifteen_nodes,
    formula,
    join,
    manual,
    node,
    read_csv,
    write_file,
)
from tests.orchestration.project import Project, RunResult


@pytest.fixture
def performance(project: Project) -> Project:
    return Project(project.folder, project.instance, "performance")


def group(node_id: int, source: int) -> JsonObject:
    columns = [{"old_name": "a", "agg": "groupby"}, {"old_name": "b", "agg": "sum", "new_name": "b"}]
    return node(node_id, "group_by", {"groupby_input": {"agg_cols": columns}}, source)


def test_only_what_the_flow_delivers_and_shares_is_an_asset(performance: Project) -> None:
    performance.write(fifteen_nodes())
    result = performance.run()
    assert result.is_success
    assert set(result.metadata) == {"formula_5", "formula_9", "record_count_12", "record_count_15"}


def test_keys_and_results_are_those_of_development(project: Project, performance: Project) -> None:
    project.write(fifteen_nodes())
    fused, single = performance.run(), project.run()
    assert fused.data_versions == {name: single.data_versions[name] for name in fused.data_versions}
    assert single.computed.isdisjoint(fused.computed), "what performance stored is a hit in development"


def test_each_segment_is_a_step_of_its_own_unless_it_is_collected_with_others(performance: Project) -> None:
    together = [manual(1, {"a": [1], "b": [2]}), group(2, 1), formula(3, 2, "c", "[b]"), group(4, 2)]
    performance.write([*together, manual(5, {"a": [1], "b": [2]}), group(6, 5)])
    definitions = performance.definitions()
    job = definitions.resolve_implicit_global_asset_job_def()
    assert {step.name for step in job.nodes} == {"shop__group_by_2", "shop__group_by_6"}
    pages = {spec.key.path[-1]: spec.metadata for spec in definitions.resolve_all_asset_specs()}
    assert pages["formula_3"]["flowfile/collected_with"] == "group_by_4"
    assert "flowfile/collected_with" not in pages["group_by_6"]
    result = performance.run()
    assert set(result.metadata) == {"formula_3", "group_by_4", "group_by_6"}
    assert result.metadata["formula_3"]["flowfile/engine"] == "streaming"
    again = performance.run(["group_by_4"])
    assert again.computed == set()
    assert "flowfile/engine" not in again.metadata["group_by_4"], "nothing ran"


def test_asset_shows_what_is_fused_into_it_and_why_it_ends_there(performance: Project) -> None:
    performance.write([manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", "[a] + [b]"), group(3, 2)])
    (spec,) = [spec for spec in performance.definitions().resolve_all_asset_specs() if spec.key.path[0] == "shop"]
    assert spec.metadata["flowfile/boundary"] == "output"
    assert spec.metadata["flowfile/fused_nodes"].value.splitlines()[1].startswith("- `formula_2` <- manual_input_1: ")


def test_steps_of_a_flow_stand_in_its_pool(performance: Project) -> None:
    performance.write([manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", "[a]")])
    performance.write([manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", "[a]")], "other")
    graph = performance.definitions(overrides={"shop": FlowConfig(pool="large")}).resolve_asset_graph()
    pools = {key.path[0]: graph.get(key).pools for key in graph.materializable_asset_keys}
    assert pools == {"shop": {"large"}, "other": set()}


def test_column_lineage_is_composed_across_the_segment(performance: Project) -> None:
    nodes = [manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", "[a] + [b]"), formula(3, 2, "d", "[c] * [b]")]
    nodes[0]["setting_input"]["cache_results"] = True
    performance.write(nodes)
    specs = {spec.key.path[-1]: spec for spec in performance.definitions().resolve_all_asset_specs()}
    lineage = specs["formula_3"].metadata["dagster/column_lineage"].deps_by_column
    source = dg.AssetKey(["shop", "manual_input_1"])
    assert lineage["d"] == [dg.TableColumnDep(source, "a"), dg.TableColumnDep(source, "b")]
    shown = specs["formula_3"].metadata["flowfile/column_lineage"].value
    assert shown.splitlines()[-1] == "| d | manual_input_1.b, manual_input_1.a | formula_2 |"


def test_changed_inner_node_recomputes_its_segment(performance: Project) -> None:
    def run(text: str) -> RunResult:
        performance.write([manual(1, {"a": [1], "b": [2]}), formula(2, 1, "c", text), group(3, 2)])
        return performance.run()

    assert run("[a] + 1").computed == {"group_by_3"}
    assert run("[a] + 1").computed == set()
    assert run("[a] + 2").computed == {"group_by_3"}


def test_sink_streams_to_its_file_and_stores_nothing(
    performance: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[pl.DataFrame] = []
    monkeypatch.setattr(ResultStore, "write", lambda self, table: stored.append(table))
    target = tmp_path / "out.parquet"
    performance.write([manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a] * 2"), write_file(3, 2, target, "parquet")])
    result = performance.run()
    assert result.is_success
    assert not stored
    assert pl.read_parquet(target).to_dict(as_series=False) == {"a": [1, 2], "b": [2, 4]}
    assert result.metadata["output_3"]["dagster/uri"] == str(target)
    assert result.metadata["output_3"]["dagster/row_count"] == 2
    again = performance.run()
    assert again.computed == set()
    assert again.metadata["output_3"]["dagster/row_count"] == 2


@pytest.mark.parametrize("file_type", ["parquet", "csv", "ipc", "ndjson", "avro", "excel"])
def test_rows_of_streamed_files_are_counted_though_a_neighbour_fails(
    performance: Project, tmp_path: Path, file_type: str
) -> None:
    rows = {"a": list(range(1000)), "b": [*(["1"] * 999), "x"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    source = {"received_file": {"path": str(tmp_path / "rows.parquet"), "file_type": "parquet"}}
    performance.write(
        [
            node(1, "read", source),
            advanced_filter(2, 1, "[a] >= 10"),
            write_file(3, 2, tmp_path / "some", file_type),
            formula(4, 1, "c", "to_integer([b])"),
            write_file(5, 4, tmp_path / "failed.csv"),
            write_file(6, 1, tmp_path / "all.csv"),
        ]
    )
    result = performance.run()
    assert result.computed == {"output_3", "output_6"}
    assert result.metadata["output_3"]["dagster/row_count"] == 990
    assert result.metadata["output_6"]["dagster/row_count"] == 1000


@pytest.mark.parametrize("text", ["[nothing] + 1", 'to_integer("x") + [a]'])
def test_failure_in_a_segment_names_the_node_as_development_does(
    project: Project, performance: Project, text: str
) -> None:
    project.write([manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a]"), formula(3, 2, "c", text), group(4, 3)])
    fused, single = performance.run(), project.run()
    assert fused.failures[0].splitlines()[0] == single.failures[0].splitlines()[0]
    assert "shop / 3 / formula: " in fused.failures[0].splitlines()[0]


def test_independent_segments_go_on_after_a_failure(performance: Project) -> None:
    rows = manual(1, {"a": [1], "b": [1]})
    performance.write([rows, formula(2, 1, "x", "[nothing]"), manual(3, {"a": [1], "b": [1]}), group(4, 3)])
    result = performance.run()
    assert not result.is_success
    assert set(result.metadata) == {"group_by_4"}


def test_failure_of_a_node_that_segments_share_is_told_once(performance: Project) -> None:
    rows, bad = manual(1, {"a": [1], "b": [1]}), formula(2, 1, "x", 'to_integer("x")')
    performance.write([rows, bad, group(3, 2), formula(4, 3, "y", "1"), formula(5, 3, "z", "1")])
    (told,) = performance.run().failures
    first, *others = told.splitlines()
    assert "shop / 2 / formula: " in first
    assert "also failed" not in told
    assert others.count("not run because of this: nodes 1, 3, 4, 5") == 1


def test_step_says_what_it_computes_and_from_how_much_before_it_does(performance: Project) -> None:
    stored, rows = group(2, 1), manual(1, {"a": [1], "b": [1]})
    stored["setting_input"]["cache_results"] = True
    performance.write([rows, stored, formula(3, 2, "c", "[b]")])

    def announced(*names: str) -> list[str]:
        result = performance.run(names)
        logged = [event.user_message for event in performance.instance.all_logs(result.run_id)]
        return [text for text in logged if ": computing " in text]

    assert announced("formula_3") == [
        "shop / 2 / group_by: computing manual_input_1 -> group_by_2, from 0 bytes",
        f"shop / 3 / formula: computing formula_3, from {stored_bytes(performance, 'group_by_2'):,} bytes",
    ]
    assert announced("group_by_2", "formula_3") == [], "nothing is computed"


def test_step_says_how_much_it_reads_of_the_file_that_a_parameter_names(performance: Project, tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("a\n1\n")
    name = {"name": "file", "default_value": "none"}
    performance.write([read_csv(1, tmp_path / "${file}.csv"), formula(2, 1, "b", "[a]")], parameters=[name])
    job = performance.definitions().resolve_implicit_global_asset_job_def()
    config = {"resources": {"flow__shop": {"config": {"parameters": {"file": "late"}}}}}
    run_id = job.execute_in_process(instance=performance.instance, run_config=config).run_id
    logged = [event.user_message for event in performance.instance.all_logs(run_id)]
    assert "shop / 2 / formula: computing read_1 -> formula_2, from 4 bytes" in logged


def stored_bytes(project: Project, name: str) -> int:
    return int(project.run([name]).metadata[name]["dagster/size_bytes"])


def test_mode_of_a_run_can_be_chosen_in_the_launchpad(performance: Project) -> None:
    performance.write([manual(1, {"a": [1, 1], "b": [2, 3]}), formula(2, 1, "c", "[a]"), group(3, 2)])
    job = performance.definitions().resolve_implicit_global_asset_job_def()
    config = {"resources": {"flow__shop": {"config": {"mode": "development"}}}}
    assert job.execute_in_process(instance=performance.instance, run_config=config).success
    store = ResultStore(Path(performance.instance.storage_directory()) / "flowfile")
    assert len(list(store.base.glob("data/*/*.arrow"))) == 3


def test_changed_source_recomputes_the_segment_that_reads_it(performance: Project, tmp_path: Path) -> None:
    data = tmp_path / "in.csv"
    data.write_text("a,b\n1,2\n")
    performance.write(
        [read_csv(1, data), formula(2, 1, "c", "[a]"), group(3, 2), manual(4, {"a": [1]}), join(5, 3, 4, "a")]
    )
    assert performance.run().computed == {"join_5"}
    data.write_text("a,b\n1,3\n")
    assert performance.run().computed == {"join_5"}
    assert performance.run().computed == set()


def test_mode_and_engine_are_chosen_by_flow_and_node(project: Project) -> None:
    for number, name in enumerate(("first", "second")):
        project.write([manual(1, {"a": [number]}), formula(2, 1, "c", "[a]")], name)
    definitions = build_definitions(
        project.folder,
        overrides={
            "first": FlowConfig(mode="performance", engine="streaming"),
            "second": FlowConfig(nodes={"formula_2": NodeConfig(engine="streaming")}),
        },
        compiled_folder=project.folder / ".compiled",
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance)
    found = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    chosen = {key: (data["flowfile/mode"].value, data["flowfile/engine"].value) for key, data in found.items()}
    assert chosen == {
        "first/formula_2": ("performance", "streaming"),
        "second/manual_input_1": ("development", "in-memory"),
        "second/formula_2": ("development", "streaming"),
    }


@pytest.mark.parametrize(
    ("group", "config", "message"),
    [
        ("other", FlowConfig(mode="performance"), "configuration of flow 'other': there is no such flow; flows: shop"),
        (
            "shop",
            FlowConfig(nodes={"formula_9": NodeConfig()}),
            "'shop': nodes.formula_9: the flow has no such node; nodes: manual_input_1",
        ),
    ],
)
def test_configuration_of_something_unknown_is_refused(
    project: Project, group: str, config: FlowConfig, message: str
) -> None:
    project.write([manual(1, {"a": [1]})])
    with pytest.raises(ConfigError, match=message):
        build_definitions(project.folder, compiled_folder=project.folder / ".compiled", overrides={group: config})
