"""A source's state is its data version: what a run has read is what it is fresh against."""

import os
from pathlib import Path

import dagster as dg
import pytest

from tests.factories import formula, manual, node, read_csv, write_file
from tests.orchestration.project import Project
from tests.orchestration.staleness import stale

NEW_DATA = ["has a new dependency data version"]


def observe(project: Project) -> dict[str, str]:
    """Observe all sources: the data version of each by the last part of its key."""
    definitions = project.definitions()
    keys = list(definitions.resolve_asset_graph().observable_asset_keys)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance, asset_selection=keys)
    events = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    return {event.asset_key.path[-1]: event.tags["dagster/data_version"] for event in events}


def two_branches(first: Path, second: Path, text: str = "[a] + 1") -> list[dict[str, object]]:
    return [read_csv(1, first), read_csv(2, second), formula(3, 1, "b", text), formula(4, 2, "b", "[a]")]


def read_folder(node_id: int, folder: Path) -> dict[str, object]:
    file = {"path": str(folder), "file_type": "csv", "scan_mode": "directory"}
    return node(node_id, "read", {"received_file": file})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("a\n1\n")
    return tmp_path / "one.csv", tmp_path / "two.csv"


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_assets_are_fresh_after_their_first_run_and_after_a_first_observation(
    project: Project, files: tuple[Path, Path], mode: str
) -> None:
    project = Project(project.folder, project.instance, mode)  # type: ignore[arg-type]
    project.write(two_branches(*files))
    assert project.run().is_success
    assert stale(project) == {}
    assert len(observe(project)) == 2
    assert stale(project) == {}


@pytest.mark.parametrize(("mode", "launched"), [("development", "performance"), ("performance", "development")])
def test_assets_are_fresh_after_a_run_in_the_other_mode(
    project: Project, files: tuple[Path, Path], mode: str, launched: str
) -> None:
    project = Project(project.folder, project.instance, mode)  # type: ignore[arg-type]
    project.write(two_branches(*files))
    everything = list(project.definitions().resolve_asset_graph().materializable_asset_keys)
    for selected in (everything, [dg.AssetKey(["shop", "formula_3"])]):
        project.definitions().resolve_implicit_global_asset_job_def().execute_in_process(
            {"resources": {"flow__shop": {"config": {"mode": launched}}}},
            instance=project.instance,
            asset_selection=selected,
        )
        assert stale(project) == {}
    observe(project)
    assert stale(project) == {}


def test_observed_change_makes_the_readers_of_that_file_stale_and_no_others(
    project: Project, files: tuple[Path, Path]
) -> None:
    project.write(two_branches(*files))
    project.run()
    files[0].write_text("a\n2\n")
    observe(project)
    assert stale(project) == {"shop/read_1": NEW_DATA}


def test_staleness_moves_on_with_each_materialization(project: Project, files: tuple[Path, Path]) -> None:
    project.write(two_branches(*files))
    project.run()
    files[0].write_text("a\n2\n")
    observe(project)
    project.run(["read_1"])
    assert stale(project) == {"shop/formula_3": NEW_DATA}
    project.run(["formula_3"])
    assert stale(project) == {}


def test_touched_but_equal_file_makes_nothing_stale(project: Project, files: tuple[Path, Path]) -> None:
    project.write(two_branches(*files))
    project.run()
    os.utime(files[0], ns=(1, 1))
    observe(project)
    assert stale(project) == {}


def test_change_that_a_run_reads_is_its_source_s_new_state(project: Project, files: tuple[Path, Path]) -> None:
    project.write([*two_branches(*files), read_csv(5, files[0])])
    project.run()
    files[0].write_text("a\n2\n")
    project.run(["read_1"])
    assert stale(project) == {"shop/formula_3": NEW_DATA, "shop/read_5": NEW_DATA}


def test_run_is_fresh_against_what_it_read_and_not_against_what_was_observed_before(
    project: Project, files: tuple[Path, Path]
) -> None:
    project.write(two_branches(*files))
    observe(project)
    files[0].write_text("a\n2\n")
    project.run()
    assert stale(project) == {}
    files[0].write_text("a\n1\n")
    observe(project)
    assert stale(project) == {"shop/read_1": NEW_DATA}


def test_edited_formula_makes_exactly_that_node_stale(project: Project, files: tuple[Path, Path]) -> None:
    project.write(two_branches(*files))
    project.run()
    project.write(two_branches(*files, text="[a] + 2"))
    assert stale(project) == {"shop/formula_3": ["has a new code version"]}


def test_moved_and_described_nodes_make_nothing_stale(project: Project, files: tuple[Path, Path]) -> None:
    project.write(two_branches(*files))
    project.run()
    looks = {"x_position": 700, "y_position": 3, "description": "all of them"}
    project.write([{**node, **looks} for node in two_branches(*files)])
    assert stale(project) == {}


def test_new_file_in_a_folder_makes_its_reader_stale(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.csv").write_text("a\n1\n")
    project.write([read_folder(1, folder)])
    assert project.run().is_success
    (folder / "notes.txt").write_text("not read")
    observe(project)
    assert stale(project) == {}
    (folder / "2.csv").write_text("a\n2\n")
    observe(project)
    assert stale(project) == {"shop/read_1": NEW_DATA}


def test_listing_and_reading_of_one_folder_are_two_sources(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.csv").write_text("a\n1\n")
    project.write([read_folder(1, folder), node(2, "list_files", {"path": str(folder)})])
    assert project.run().is_success
    assert len(observe(project)) == 2
    assert stale(project) == {}
    os.utime(folder / "1.csv", ns=(1, 1))
    observe(project)
    assert stale(project) == {"shop/list_files_2": NEW_DATA}


def test_file_that_is_gone_is_told_and_leaves_its_state(project: Project, files: tuple[Path, Path]) -> None:
    project.write(two_branches(*files))
    project.run()
    before = observe(project)
    files[0].unlink()
    assert observe(project) == before
    assert stale(project) == {}


def test_reader_of_a_folder_depends_on_the_flow_that_writes_into_it(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.csv").write_text("a\n1\n")
    project.write([read_folder(1, folder)], "reads")
    project.write([manual(1, {"a": [5]}), write_file(2, 1, folder / "2.csv")], "writes")
    graph = project.definitions().resolve_asset_graph()
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey(["reads", "read_1"])).parent_keys}
    assert "writes/output_2" in parents
    assert len(parents) == 2


def test_source_that_another_asset_makes_is_a_dependency_on_that_asset(
    project: Project, files: tuple[Path, Path]
) -> None:
    project.write(two_branches(*files))
    definitions = dg.Definitions.merge(
        project.definitions(sources={str(files[0].parent / "o*.csv"): "dbt/orders"}),
        dg.Definitions(assets=[dg.AssetSpec(["dbt", "orders"], description="made by dbt")]),
    )
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["shop", "read_1"])).parent_keys == {dg.AssetKey(["dbt", "orders"])}
    assert graph.get(dg.AssetKey(["dbt", "orders"])).description == "made by dbt"
    assert len(graph.observable_asset_keys) == 1


def test_source_that_cannot_be_read_fails_what_reads_it_and_is_not_skipped(
    project: Project, files: tuple[Path, Path]
) -> None:
    project.write(two_branches(*files))
    files[0].unlink()
    job = project.definitions().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance, raise_on_error=False)
    assert not result.success
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert made == {"read_2", "formula_4"}
