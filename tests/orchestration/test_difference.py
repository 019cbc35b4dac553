"""What an asset's page says of a materialization against the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowfile_dagster.orchestration.pages import difference
from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual
from tests.orchestration.project import Project


def test_first_materialization_has_no_changes_and_the_next_tells_them(project: Project) -> None:
    project.write([manual(1, {"id": [1, 2]}), formula(2, 1, "b", "[id] * 2")])
    assert "flowfile/changes" not in project.run().metadata["formula_2"]
    project.write([manual(1, {"id": [1, 2, 3]}), formula(2, 1, "b", "[id] * [id]")])
    metadata = project.run().metadata["formula_2"]
    assert metadata["flowfile/changes"] == (
        "2 -> 3 rows; same columns; rows compared by id: 1 added, 0 removed, 1 changed (b 1)"
    )
    assert project.run().metadata["formula_2"]["flowfile/changes"] == "none"


def test_new_column_is_told(project: Project) -> None:
    project.write([manual(1, {"id": [1]}), formula(2, 1, "b", "[id]")])
    project.run()
    project.write([manual(1, {"id": [1]}), formula(2, 1, "c", "[id]")])
    told = project.run().metadata["formula_2"]["flowfile/changes"]
    assert told.startswith(
        "1 -> 1 rows; column 'c' added, Int64; column 'b' removed, Int64; rows compared by id: 0 added"
    )


def test_rows_of_large_results_are_not_compared(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(difference, "MAX_BYTES", 10)
    project.write([manual(1, {"id": [1]})])
    project.run()
    project.write([manual(1, {"id": [2]})])
    assert project.run().metadata["manual_input_1"]["flowfile/changes"] == "1 -> 1 rows; same columns"


def test_result_that_is_gone_keeps_no_materialization_from_being_told(project: Project) -> None:
    project.write([manual(1, {"id": [1]})])
    project.run()
    store = ResultStore(Path(project.instance.storage_directory()) / "flowfile")
    for path in (store.base / "data").rglob("*.arrow"):
        path.unlink()
    project.write([manual(1, {"id": [2]})])
    result = project.run()
    assert result.is_success
    assert "flowfile/changes" not in result.metadata["manual_input_1"]
