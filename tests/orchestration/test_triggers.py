"""A trigger fires for what has really changed since it was armed or fired last."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flowfile_dagster import FlowfileIOManager, TriggerConfig
from flowfile_dagster.orchestration.launching import triggers
from tests.factories import formula, manual, read_csv
from tests.orchestration.project import Project
from tests.orchestration.test_schedules import leave_run


class Trigger:
    """A trigger's sensor, as the daemon asks it."""

    def __init__(self, project: Project, **config: Any) -> None:
        self._project = project
        self._config = TriggerConfig(name="changed", **config)
        self._cursor: str | None = None
        self.started = 1.0

    def fires(self) -> bool:
        definitions = self._project.definitions(triggers=[self._config])
        context = dg.build_sensor_context(
            self._project.instance,
            self._cursor,
            repository_def=definitions.get_repository_def(),
            last_sensor_start_time=self.started,
        )
        data = definitions.resolve_sensor_def("changed").evaluate_tick(context)
        self._cursor = data.cursor
        return bool(data.run_requests)


@pytest.fixture
def files(project: Project, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "one.csv", tmp_path / "two.csv"
    for path in paths:
        path.write_text("a\n1\n")
    project.write([read_csv(1, paths[0]), formula(2, 1, "b", "[a]")])
    return paths


def test_new_trigger_is_armed_and_fires_once_per_change(project: Project, files: tuple[Path, Path]) -> None:
    trigger = Trigger(project, files=[str(files[0])])
    assert not trigger.fires()
    files[0].write_text("a\n2\n")
    assert trigger.fires()
    assert not trigger.fires()


def test_touched_but_equal_file_does_not_fire(project: Project, files: tuple[Path, Path]) -> None:
    trigger = Trigger(project, files=[str(files[0])])
    trigger.fires()
    os.utime(files[0], ns=(1, 1))
    assert not trigger.fires()


def test_file_that_appears_under_a_pattern_fires_and_one_that_is_gone_does_not(
    project: Project, files: tuple[Path, Path]
) -> None:
    trigger = Trigger(project, files=[str(files[0].parent / "new_*.csv")])
    trigger.fires()
    new = files[0].parent / "new_1.csv"
    new.write_text("a\n1\n")
    assert trigger.fires()
    new.unlink()
    assert not trigger.fires()


def test_pattern_fires_for_each_change_of_its_files_and_takes_no_folder_for_one(
    project: Project, files: tuple[Path, Path]
) -> None:
    inbox = files[0].parent / "inbox"
    (inbox / "old").mkdir(parents=True)
    (inbox / "lost").symlink_to(inbox / "nothing")
    for name in ("1", "2"):
        (inbox / name).write_text("a\n1\n")
    trigger = Trigger(project, files=[str(inbox / "*")])
    assert not trigger.fires()
    (inbox / "old" / "3").write_text("a\n1\n")
    (inbox / "new").mkdir()
    assert not trigger.fires()
    (inbox / "2").unlink()
    assert trigger.fires()


def test_all_fires_when_every_one_has_changed_since_the_last_time(project: Project, files: tuple[Path, Path]) -> None:
    trigger = Trigger(project, files=[str(path) for path in files], when="all")
    trigger.fires()
    fired = []
    for path, text in [(0, "2"), (0, "3"), (1, "2"), (1, "3"), (0, "4")]:
        files[path].write_text(f"a\n{text}\n")
        fired.append(trigger.fires())
    assert fired == [False, False, True, False, True]


def test_change_while_the_flow_runs_stays_due(project: Project, files: tuple[Path, Path]) -> None:
    trigger = Trigger(project, files=[str(files[0])])
    trigger.fires()
    run_id = leave_run(project, ["shop/formula_2"], dg.DagsterRunStatus.STARTED)
    files[0].write_text("a\n2\n")
    assert not trigger.fires()
    run = project.instance.get_run_by_id(run_id)
    assert run is not None
    project.instance.report_run_canceled(run)
    assert trigger.fires()


def test_what_changes_while_a_trigger_is_off_does_not_fire(project: Project, files: tuple[Path, Path]) -> None:
    trigger = Trigger(project, files=[str(files[0])])
    trigger.fires()
    files[0].write_text("a\n2\n")
    trigger.started = 2.0
    assert not trigger.fires()


def test_asset_fires_when_its_content_is_new(project: Project) -> None:
    project.write([manual(1, {"a": [1]})], "orders")
    project.write([manual(1, {"a": [1]})], "report")
    trigger = Trigger(project, assets=["orders/manual_input_1"], flows=["report"])
    assert not trigger.fires()
    project.run(flow="orders")
    assert trigger.fires()
    project.run(flow="orders")
    assert not trigger.fires()
    project.write([manual(1, {"a": [2]})], "orders")
    project.run(flow="orders")
    assert trigger.fires()


def test_trigger_looks_up_where_the_store_is_in_the_environment(
    project: Project, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    io_manager = FlowfileIOManager(base_path=dg.EnvVar("FLOW_STORE"))
    trigger = Trigger(Project(project.folder, project.instance, options={"io_manager": io_manager}), files=["*.csv"])
    for path in files:
        os.utime(path, ns=(1, 1))  # what was just written is not remembered
    assert not trigger.fires()
    assert (tmp_path / "store").is_dir()
    assert not (tmp_path / "FLOW_STORE").exists()


def test_large_file_counts_by_its_size_and_time_and_is_not_read(
    project: Project, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggers, "MAX_BYTES_READ", 3)
    trigger = Trigger(project, files=[str(files[0])])
    trigger.fires()
    assert not trigger.fires()
    os.utime(files[0], ns=(1, 1))
    assert trigger.fires()
