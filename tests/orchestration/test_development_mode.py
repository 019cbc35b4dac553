"""The selected nodes of a flow run in one step, and nothing unchanged is computed twice."""

from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster.store.store import ResultStore
from tests.factories import fifteen_nodes, formula, manual, node, read_csv, write_file
from tests.orchestration.project import Project

CHANGED_BY_NODE_5 = {"formula_5", "filter_6", "formula_7", "sort_8", "formula_9", "join_10", "formula_11"}


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for every table that is computed and stored."""
    counted: list[int] = []
    write = ResultStore.write

    def count(self: ResultStore, table: pl.DataFrame) -> object:
        counted.append(table.height)
        return write(self, table)

    monkeypatch.setattr(ResultStore, "write", count)
    return counted


def test_second_materialization_recomputes_nothing(project: Project, writes: list[int]) -> None:
    project.write(fifteen_nodes())
    first = project.run()
    assert first.is_success
    assert len(first.computed) == len(writes) == 15
    second = project.run()
    assert second.is_success
    assert len(second.metadata) == 15
    assert len(writes) == 15
    assert {values["flowfile/cache"] for values in second.metadata.values()} == {"hit"}
    assert second.data_versions == first.data_versions


def test_edited_formula_recomputes_it_and_its_descendants_only(project: Project, writes: list[int]) -> None:
    project.write(fifteen_nodes("[a] * 2"))
    project.run()
    writes.clear()
    project.write(fifteen_nodes("[a] * 3"))
    result = project.run()
    assert result.computed == CHANGED_BY_NODE_5 | {"record_count_12"}
    assert len(writes) == 8
    assert result.metadata["formula_5"]["flowfile/cache"] == "miss:settings"
    assert result.metadata["filter_6"]["flowfile/cache"] == "miss:upstream"


def test_equal_content_of_a_changed_node_stops_the_wave(project: Project) -> None:
    project.write(fifteen_nodes("[a] * 2"))
    project.run()
    project.write(fifteen_nodes("2 * [a]"))
    assert project.run().computed == {"formula_5"}


def test_moved_and_annotated_nodes_are_hits(project: Project) -> None:
    nodes = fifteen_nodes()
    project.write(nodes)
    project.run()
    project.write([{**entry, "x_position": 7, "description": "new words"} for entry in nodes], description="other")
    assert project.run().computed == set()


def test_changed_source_file_recomputes_its_readers(project: Project, tmp_path: Path) -> None:
    data = tmp_path / "in.csv"
    data.write_text("a\n1\n2\n")
    project.write([read_csv(1, data), formula(2, 1, "b", "[a] + 1"), manual(3, {"z": [1]})])
    project.run()
    data.touch()
    assert project.run().computed == set()
    data.write_text("a\n1\n3\n")
    result = project.run()
    assert result.computed == {"read_1", "formula_2"}
    assert result.metadata["read_1"]["flowfile/cache"] == "miss:source"


def test_selected_node_on_an_empty_store_brings_its_ancestors_along(project: Project) -> None:
    project.write(fifteen_nodes())
    result = project.run(["formula_7"])
    assert result.is_success
    assert set(result.metadata) == {"formula_7"}
    assert result.metadata["formula_7"]["dagster/row_count"] == 3


def test_failed_node_leaves_independent_branches_and_is_named_at_the_end(project: Project) -> None:
    project.write(fifteen_nodes('to_integer("x") + [a]'))
    result = project.run()
    assert not result.is_success
    assert set(result.metadata) == {
        "manual_input_1",
        "manual_input_2",
        "formula_3",
        "formula_4",
        "formula_13",
        "filter_14",
        "record_count_15",
    }
    (message,) = result.failures
    assert "shop / 5 / formula: " in message.splitlines()[0]
    assert "not run because of this: nodes 6, 7, 8, 9, 10, 11, 12" in message


def test_every_failed_node_is_named(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[x]"), formula(3, 1, "c", "[y]", node_reference="third")])
    (message,) = project.run().failures
    assert "shop / 2 / formula: " in message
    assert "also failed: shop / 3 / formula / third: " in message


def test_writer_is_not_run_by_selecting_what_is_above_or_below(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    project.write([manual(1, {"a": [1]}), write_file(2, 1, target), formula(3, 2, "b", "[a] + 1")])
    assert project.run(["manual_input_1", "formula_3"]).is_success
    assert not target.exists()
    assert project.run(["output_2"]).computed == {"output_2"}
    assert target.read_text() == '"a"\n"1"\n'
    assert project.run(["output_2"]).computed == set()
    target.unlink()
    assert project.run(["output_2"]).computed == {"output_2"}
    assert target.exists()


def test_passthrough_node_stores_no_second_copy(project: Project, writes: list[int]) -> None:
    project.write([manual(1, {"a": [1]}), manual(2, {"b": [2]}), node(3, "wait_for", {}, 1, right=2)])
    result = project.run()
    assert len(writes) == 2
    assert result.data_versions["wait_for_3"] == result.data_versions["manual_input_1"]


def test_unseeded_sample_is_drawn_anew_and_shared_within_a_run(project: Project) -> None:
    rows = list(range(200))
    sample = node(2, "sample", {"sample_method": "random", "sample_size": 20}, 1)
    project.write([manual(1, {"a": rows}), sample, formula(3, 2, "b", "[a]"), formula(4, 2, "b", "[a]")])
    first, second = project.run(), project.run()
    assert first.data_versions["formula_3"] == first.data_versions["formula_4"]
    assert second.computed == {"sample_2", "formula_3"}
    assert second.data_versions["sample_2"] != first.data_versions["sample_2"]


def test_downstream_of_a_random_node_reads_what_was_materialized(project: Project) -> None:
    sample = node(2, "sample", {"sample_method": "random", "sample_size": 20}, 1)
    project.write([manual(1, {"a": list(range(200))}), sample, formula(3, 2, "b", "[a]")])
    first = project.run()
    assert project.run(["formula_3"]).data_versions["formula_3"] == first.data_versions["formula_3"]


def test_closed_gate_leaves_what_is_below_out_of_a_green_run(project: Project) -> None:
    gate = node(2, "gate", {"gate_input": {"condition_source": "formula", "formula": "[a] > 5"}}, 1)
    project.write([manual(1, {"a": [1]}), gate, formula(3, 2, "b", "[a]")])
    result = project.run()
    assert result.is_success
    assert set(result.metadata) == {"manual_input_1", "gate_2"}


def test_outputs_of_a_split_are_assets_of_their_own(project: Project) -> None:
    settings = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    project.write([manual(1, {"a": [1, 2, 3]}), node(2, "filter", settings, 1)])
    result = project.run()
    assert result.metadata["filter_2_pass"]["dagster/row_count"] == 2
    assert result.metadata["filter_2_fail"]["dagster/row_count"] == 1


def test_materialization_tells_rows_bytes_schema_preview_hash_and_time(project: Project) -> None:
    project.write([manual(1, {"a": list(range(30))}), formula(2, 1, "B", "[a] * 2")])
    values = project.run().metadata["formula_2"]
    assert values["dagster/row_count"] == 30
    assert values["dagster/size_bytes"] > 0
    assert values["flowfile/schema"] == [["a", "Int64"], ["B", "Int64"]]
    assert values["flowfile/preview"].splitlines()[:3] == ["| a | B |", "| --- | --- |", "| 0 | 0 |"]
    assert "10 of 30 rows" in values["flowfile/preview"]
    assert len(values["flowfile/node_hash"]) == 64
    assert values["flowfile/seconds"] > 0
