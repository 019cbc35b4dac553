"""Python assets read the results of nodes, and store frames of their own, through the same IO manager."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from flowfile_dagster import ConfigError, FlowfileIOManager, build_definitions, load_flow
from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual, write_flow
from tests.orchestration.project import Project

NODES = [manual(1, {"a": [1, 2, 3]}), formula(2, 1, "b", "[a] * 2")]


def run(project: Project, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(project.folder, compiled_folder=project.folder / ".compiled", **options)
    merged = dg.Definitions.merge(definitions, dg.Definitions(assets=list(assets)))
    return merged.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=project.instance, raise_on_error=False
    )


def test_python_asset_gets_the_type_that_it_asks_for(project: Project) -> None:
    project.write(NODES)
    seen: dict[str, Any] = {}

    @dg.asset(ins={"rows": dg.AssetIn(["shop", "formula_2"], input_manager_key="flowfile_io_manager")})
    def eager(rows: pl.DataFrame) -> None:
        seen["eager"] = rows

    @dg.asset(ins={"rows": dg.AssetIn(["shop", "formula_2"], input_manager_key="flowfile_io_manager")})
    def lazy(rows: pl.LazyFrame) -> None:
        seen["lazy"] = rows

    @dg.asset(ins={"rows": dg.AssetIn(["shop", "formula_2"], input_manager_key="flowfile_io_manager")})
    def arrow(rows: pa.Table) -> None:
        seen["arrow"] = rows

    assert run(project, eager, lazy, arrow).success
    assert seen["eager"].to_dict(as_series=False) == {"a": [1, 2, 3], "b": [2, 4, 6]}
    assert isinstance(seen["lazy"], pl.LazyFrame)
    assert seen["lazy"].collect().equals(seen["eager"])
    assert seen["arrow"].to_pydict() == {"a": [1, 2, 3], "b": [2, 4, 6]}


def test_run_without_dagster_leaves_the_latest_results_of_assets_alone(project: Project, tmp_path: Path) -> None:
    path = project.write(NODES)
    io_manager = FlowfileIOManager(base_path=str(tmp_path / "store"))
    seen: list[pl.DataFrame] = []

    @dg.asset(ins={"rows": dg.AssetIn(["shop", "formula_2"], input_manager_key="flowfile_io_manager")})
    def reader(rows: pl.DataFrame) -> None:
        seen.append(rows)

    assert run(project, reader, io_manager=io_manager).success
    tried = write_flow(tmp_path / path.name, [NODES[0], formula(2, 1, "b", "[a] * 100")])
    assert load_flow(tried).run(store=tmp_path / "store").is_success
    alone = dg.Definitions.merge(
        build_definitions(project.folder, compiled_folder=project.folder / ".compiled", io_manager=io_manager),
        dg.Definitions(assets=[reader]),
    )
    job = alone.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=project.instance, asset_selection=[reader.key]).success
    assert seen[0].equals(seen[1])


def test_python_asset_can_be_stored(project: Project) -> None:
    project.write(NODES)

    @dg.asset(io_manager_key="flowfile_io_manager")
    def made_by_hand() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    result = run(project, made_by_hand)
    assert result.success
    assert result.output_for_node("made_by_hand").to_dict(as_series=False) == {"x": [1]}


def test_value_that_is_no_frame_is_refused(project: Project) -> None:
    project.write(NODES)

    @dg.asset(io_manager_key="flowfile_io_manager")
    def number() -> int:
        return 5

    result = run(project, number)
    assert not result.success
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert "cannot store a int; return a Polars frame or an Arrow table" in str(failure.error)


def test_forgotten_result_is_not_taken_for_the_older_one(project: Project) -> None:
    project.write(NODES)

    @dg.asset(io_manager_key="flowfile_io_manager")
    def forgetful():  # type: ignore[no-untyped-def]
        return None

    result = run(project, forgetful)
    assert not result.success
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert "there is no result to store: return a frame" in str(failure.error)


def test_base_path_says_where_results_are(project: Project, tmp_path: Path) -> None:
    project.write(NODES)
    base = tmp_path / "results"
    assert run(project, io_manager=FlowfileIOManager(base_path=str(base))).success
    ref = ResultStore(base).latest(("shop", "formula_2"))
    assert ref is not None
    assert len(list(base.glob("data/*/*.arrow"))) == 2
    assert not (Path(project.instance.storage_directory()) / "flowfile").exists()


def test_results_are_readable_with_pyarrow_alone(project: Project, tmp_path: Path) -> None:
    project.write(NODES)
    assert run(project, io_manager=FlowfileIOManager(base_path=str(tmp_path / "results"))).success
    tables = [pa.ipc.open_file(path).read_all() for path in (tmp_path / "results").glob("data/*/*.arrow")]
    assert sorted(table.num_columns for table in tables) == [1, 2]


def test_input_that_was_never_materialized_is_named(project: Project) -> None:
    project.write(NODES)
    definitions = project.definitions()
    with pytest.raises(Exception, match="asset shop/formula_2 has no result; materialize it"):
        definitions.load_asset_value(["shop", "formula_2"], instance=project.instance, python_type=pl.DataFrame)


def test_asset_value_can_be_loaded_from_outside_a_run(project: Project) -> None:
    project.write(NODES)
    project.run()
    value = project.definitions().load_asset_value(
        ["shop", "formula_2"], instance=project.instance, python_type=pl.DataFrame
    )
    assert isinstance(value, pl.DataFrame)
    assert value["b"].to_list() == [2, 4, 6]


def test_flow_whose_results_something_else_would_keep_says_what_it_needs(project: Project) -> None:
    project.write(NODES)
    definitions = project.definitions()
    assets = [item for item in definitions.assets or () if isinstance(item, dg.AssetsDefinition)]
    others = {name: item for name, item in (definitions.resources or {}).items() if name != "flowfile_io_manager"}
    cause = "resources.flowfile_io_manager: only a FlowfileIOManager keeps results of flows, and this is InMemoryIOMan"
    with pytest.raises(ConfigError, match=cause):
        dg.materialize_to_memory(assets, resources=others)
