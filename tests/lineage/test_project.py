"""Flows of a folder, joined by the files that they exchange."""

from pathlib import Path

import pytest

from flowfile_dagster.errors import SelectionError
from flowfile_dagster.lineage.columns import ColumnId, NodeId
from flowfile_dagster.lineage.project import Project, flow_files, read_project
from flowfile_dagster.lineage.selection import find_columns
from tests.factories import formula, manual, node, read_csv, write_file, write_flow


def two_flows(folder: Path) -> Project:
    """`maker` writes what `a_user` reads, though the file is not there yet."""
    file = folder / "data" / "between.csv"
    file.parent.mkdir()
    (folder / "sub").mkdir()
    write_flow(folder / "maker.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a] * 2"), write_file(3, 2, file)])
    write_flow(folder / "sub" / "a_user.json", [read_csv(1, file), formula(2, 1, "c", "[b] + 1")])
    return read_project(flow_files(folder), None)


def test_reader_of_a_file_that_is_yet_to_be_written_has_the_columns_of_its_writer(tmp_path: Path) -> None:
    project = two_flows(tmp_path)
    assert list(project.flows) == ["maker", "sub/a_user"]
    assert project.writers == {NodeId("sub/a_user", 1): NodeId("maker", 3)}
    schema = project.flows["sub/a_user"].schema(2)
    assert schema is not None
    assert schema.names() == ["a", "b", "c"]


def test_trace_leads_through_a_file_into_the_other_flow(tmp_path: Path) -> None:
    graph = two_flows(tmp_path).columns
    trace = graph.traces[ColumnId("sub/a_user", 2, "output-0", "c")]
    assert trace.origins == (ColumnId("maker", 1, "output-0", "a"),)
    assert graph.nodes_of(trace) == (
        *(NodeId("maker", number) for number in (1, 2, 3)),
        *(NodeId("sub/a_user", number) for number in (1, 2)),
    )
    assert ColumnId("sub/a_user", 2, "output-0", "c") in graph.downstream(ColumnId("maker", 2, "output-0", "b"))


def test_flows_that_read_each_others_files_do_not_wait_for_each_other(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
        nodes = [read_csv(1, tmp_path / f"{other}.csv"), write_file(2, 1, tmp_path / f"{name}.csv")]
        write_flow(tmp_path / f"{name}.json", nodes)
    project = read_project(flow_files(tmp_path), None)
    assert project.writers == {NodeId("one", 1): NodeId("two", 2)}
    assert list(project.flows) == ["two", "one"]


def test_file_that_does_not_load_is_left_out_and_says_why(tmp_path: Path) -> None:
    two_flows(tmp_path)
    (tmp_path / "bad.json").write_text('{"flowfile_version": ')
    project = read_project(flow_files(tmp_path), None)
    assert list(project.flows) == ["maker", "sub/a_user"]
    assert "bad.json" in project.broken["bad"]


def test_flows_of_one_name_are_told_apart_by_their_suffix(tmp_path: Path) -> None:
    for suffix in ("json", "yaml"):
        write_flow(tmp_path / f"same.{suffix}", [manual(1, {"a": [1]})])
    assert list(flow_files(tmp_path)) == ["same.json", "same.yaml"]


@pytest.mark.parametrize("text", ["maker/formula_2.b", "formula_2.b", "2.b"])
def test_column_is_found_by_the_name_or_id_of_its_node(tmp_path: Path, text: str) -> None:
    assert ColumnId("maker", 2, "output-0", "b") in find_columns(two_flows(tmp_path), text)


def test_column_of_one_output_is_found_by_the_name_of_the_output(tmp_path: Path) -> None:
    condition = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    path = write_flow(tmp_path / "f.json", [manual(1, {"a": [1]}), node(2, "filter", condition, 1)])
    project = read_project(flow_files(path), None)
    assert find_columns(project, "filter_2_fail.a") == [ColumnId("f", 2, "output-1", "a")]
    assert len(find_columns(project, "filter_2.a")) == 2


def test_column_that_there_is_not_is_an_error_that_names_close_ones(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"'formula_2.bb' .* did you mean .*'formula_2.b'"):
        find_columns(two_flows(tmp_path), "formula_2.bb")
