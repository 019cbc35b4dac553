"""Many flows in one project: whatever their names and files are, none is lost and none takes another down."""

import logging
import os
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from flowfile_dagster import build_definitions, load_flow
from tests.factories import formula, manual, node, read_csv, write_file, write_flow
from tests.orchestration.project import Project

ROWS = manual(1, {"a": [1, 2]})


def keys(project: Project, **options: Any) -> set[str]:
    definitions = build_definitions(project.folder, compiled_folder=project.folder / ".compiled", **options)
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.materializable_asset_keys}


def test_names_that_look_alike_are_told_apart(project: Project) -> None:
    for name in ("a b", "a-b", "a_b", "日本", "中国", "2024"):
        project.write([ROWS], name)
    found = keys(project)
    assert len(found) == 6
    assert {"a_b/manual_input_1", "2024/manual_input_1"} <= found


def test_flow_file_whose_name_is_no_text_is_broken_alone(project: Project) -> None:
    project.write([ROWS])
    write_flow(project.folder / os.fsdecode(b"b\xff.json"), [ROWS])
    assert keys(project) == {"shop/manual_input_1", "b"}


@pytest.mark.parametrize("is_broken", [True, False])
def test_flow_that_would_take_another_one_s_name_is_broken_alone(project: Project, is_broken: bool) -> None:
    project.write([manual(1, {"x": [1]}, node_reference="b")], "a")
    (project.folder / "a").mkdir()
    inner = project.folder / "a" / "b.json"
    write_flow(inner, [ROWS])
    if is_broken:
        inner.write_text('{"flowfile_version": 1}')
    project.write([ROWS], "other")
    found = keys(project)
    assert "other/manual_input_1" in found
    assert len(found) == 3


def test_flows_that_read_each_other_s_files_all_load(project: Project, tmp_path: Path) -> None:
    x, y = tmp_path / "x.csv", tmp_path / "y.csv"
    x.write_text("a\n1\n")
    y.write_text("a\n1\n")
    project.write([read_csv(1, x), write_file(2, 1, y)], "first")
    project.write([read_csv(1, y), write_file(2, 1, x)], "second")
    assert len(keys(project)) == 4


def test_lineage_of_a_reader_goes_on_in_the_flow_that_writes_its_file(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("a,b\n1,2\n")
    project.write([ROWS, formula(2, 1, "b", "[a] + 1"), write_file(3, 2, path)], "first")
    project.write([read_csv(1, path), formula(2, 1, "c", "[b] * 2")], "second")
    beyond = "`read_1` reads what `first/output_3` writes:\n\n| column | comes from | through |\n| --- | --- | --- |\n"
    specs = {spec.key.to_user_string(): spec for spec in project.definitions().resolve_all_asset_specs()}
    reader, below = specs["second/read_1"].metadata, specs["second/formula_2"].metadata
    assert {
        name: [(dep.asset_key.to_user_string(), dep.column_name) for dep in deps]
        for name, deps in reader["dagster/column_lineage"].deps_by_column.items()
    } == {"a": [("first/output_3", "a")], "b": [("first/output_3", "b")]}
    assert f"{beyond}| a | manual_input_1.a | formula_2 |\n| b | manual_input_1.a | formula_2 |" in (
        reader["flowfile/column_lineage"].value
    )
    assert beyond not in below["flowfile/column_lineage"].value
    (fused,) = [
        spec
        for spec in build_definitions(project.folder, mode="performance").resolve_all_asset_specs()
        if spec.key == dg.AssetKey(["second", "formula_2"])
    ]
    assert beyond in fused.metadata["flowfile/column_lineage"].value


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_flow_may_replace_the_file_that_it_reads(project: Project, tmp_path: Path, mode: str) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a\n1\n")
    project.write([read_csv(1, data), formula(2, 1, "a", "[a] + 1"), write_file(3, 2, data)])
    result = Project(project.folder, project.instance, mode).run()  # type: ignore[arg-type]
    assert result.is_success
    assert pl.read_csv(data)["a"].to_list() == [2]


def test_node_that_reads_an_input_twice_has_each_origin_once(project: Project) -> None:
    project.write([ROWS, node(2, "union", {}, 1, 1)])
    spec = project.definitions().resolve_asset_graph().get(dg.AssetKey(["shop", "union_2"]))
    (origin,) = spec.metadata["dagster/column_lineage"].deps_by_column["a"]
    assert origin.asset_key == dg.AssetKey(["shop", "manual_input_1"])


def test_files_of_one_name_in_different_folders_are_different_sources(project: Project, tmp_path: Path) -> None:
    for index, folder in enumerate(("t1/x/data", "t2/x/data"), 1):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "in.csv").write_text("a\n1\n")
        project.write([read_csv(1, tmp_path / folder / "in.csv")], f"flow{index}")
    specs = project.definitions().resolve_all_asset_specs()
    sources = [spec for spec in specs if spec.key.path[0] == "sources"]
    assert len({spec.metadata["dagster/uri"] for spec in sources}) == len(sources) == 2


def test_folder_that_cannot_be_written_is_told_and_replaced(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project.write([ROWS])
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        definitions = build_definitions(project.folder, compiled_folder=tmp_path / "file" / "compiled")
    assert dg.AssetKey(["shop", "manual_input_1"]) in definitions.resolve_asset_graph().materializable_asset_keys
    assert "compiled flows cannot be kept in" in caplog.text


def test_equal_flow_elsewhere_writes_its_own_file(tmp_path: Path) -> None:
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
        path = write_flow(tmp_path / name / "flow.json", [ROWS, write_file(2, 1, Path("out.csv"))])
        assert load_flow(path).run(store=tmp_path / "store").is_success
        assert (tmp_path / name / "out.csv").exists()


def test_performance_leaves_the_order_that_development_would_make(tmp_path: Path) -> None:
    rows = manual(1, {"a": [(7 * index) % 1000 for index in range(30_000)]})
    columns = [{"old_name": "a", "agg": "groupby"}, {"old_name": "a", "agg": "count", "new_name": "n"}]
    group = node(2, "group_by", {"groupby_input": {"agg_cols": columns}}, 1)
    path = write_flow(tmp_path / "flow.json", [rows, group])
    fused = load_flow(path).run("performance", store=tmp_path / "one").frame(2)
    assert fused.equals(load_flow(path).run("development", store=tmp_path / "two").frame(2))


def test_what_is_drawn_by_chance_is_drawn_once_for_all_steps_of_a_run(project: Project) -> None:
    sample = node(2, "sample", {"sample_method": "random", "sample_size": 5}, 1)
    sort = {"sort_input": [{"column": "a"}]}
    nodes = [manual(1, {"a": list(range(1000))}), sample, formula(3, 2, "b", "[a]")]
    project.write([*nodes, node(4, "sort", sort, 3), node(5, "record_count", {}, 4), node(6, "sort", sort, 3)])
    assert Project(project.folder, project.instance, "performance").run().is_success
    values = [load(project, name)["a"].sort().to_list() for name in ("sample_2", "sort_6")]
    assert values[0] == values[1]


def test_other_output_of_a_random_split_belongs_to_the_one_that_was_drawn(project: Project) -> None:
    split = {"splits": [{"name": "train", "percentage": 50}, {"name": "test", "percentage": 50}]}
    below = formula(3, 2, "b", "[a]")
    splitter = node(2, "random_split", split, 1, outputs=[3], output_handles=["output-1"])
    project.write([manual(1, {"a": list(range(100))}), splitter, below])
    project.run(["random_split_2_test"])
    project.run(["formula_3"])
    assert load(project, "random_split_2_test")["a"].to_list() == load(project, "formula_3")["a"].to_list()


def test_union_runs_on_what_a_gate_leaves_open_in_performance_too(project: Project) -> None:
    gate = {"gate_input": {"condition_source": "formula", "formula": "[a] > 1"}, "else_output": True}
    sort = {"sort_input": [{"column": "a"}], "cache_results": True}
    nodes = [
        ROWS,
        node(2, "gate", gate, 1, outputs=[3, 4], output_handles=["output-0", "output-1"]),
        node(3, "sort", sort, 2),
        node(4, "sort", sort, 2),
        node(5, "union", {}, 3, 4),
    ]
    project.write(nodes)
    result = Project(project.folder, project.instance, "performance").run()
    assert result.is_success
    assert load(project, "union_5").height == 2


def test_very_long_reference_is_stored(project: Project) -> None:
    project.write([manual(1, {"a": [1]}, node_reference="r" * 300)])
    assert project.run().is_success


def load(project: Project, name: str) -> pl.DataFrame:
    value = project.definitions().load_asset_value(["shop", name], instance=project.instance, python_type=pl.DataFrame)
    assert isinstance(value, pl.DataFrame)
    return value


def test_components_that_read_one_file_load_together_if_one_names_the_other_s_source(
    project: Project, tmp_path: Path
) -> None:
    shared, elsewhere = tmp_path / "shared.csv", tmp_path / "elsewhere"
    shared.write_text("a\n1\n")
    elsewhere.mkdir()
    project.write([read_csv(1, shared)], "first")
    write_flow(elsewhere / "second.json", [read_csv(1, shared)])
    first = project.definitions()
    (source,) = [key for key in first.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "sources"]
    second = build_definitions(
        elsewhere, compiled_folder=tmp_path / "compiled", sources={str(shared): source.to_user_string()}
    )
    both = dg.Definitions.merge(first, second)
    graph = both.resolve_asset_graph()
    assert graph.get(source).child_keys == {dg.AssetKey(["first", "read_1"]), dg.AssetKey(["second", "read_1"])}
    assert both.resolve_implicit_global_asset_job_def().execute_in_process(instance=project.instance).success
