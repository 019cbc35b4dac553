"""The envelope of a flow file: what is required, what is converted, and how a fault is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow.document import MAX_COORDINATE, FlowDocument, parse_document
from flowfile_dagster.flow.text import read_flow_text
from tests.factories import flow_data, manual, node


def parse(folder: Path, data: object) -> FlowDocument:
    path = folder / "sales.json"
    path.write_text(json.dumps(data, indent=1))
    return parse_document(read_flow_text(path))


def with_node(**fields: Any) -> dict[str, Any]:
    data = flow_data([manual(1, {"a": [1]})])
    data["nodes"][0].update(fields)
    return data


@pytest.mark.parametrize("field", ["flowfile_version", "flowfile_id", "flowfile_name", "flowfile_settings", "nodes"])
def test_required_field_that_is_missing_is_named(tmp_path: Path, field: str) -> None:
    data = flow_data([])
    del data[field]
    with pytest.raises(FlowFileError, match=rf"sales\.json: {field}: is required$"):
        parse(tmp_path, data)


def test_file_stem_is_the_name_and_unknown_keys_are_ignored(tmp_path: Path) -> None:
    document = parse(
        tmp_path, {**flow_data([]), "flowfile_name": "other", "_template_meta": {}, "_required_csv_files": 7}
    )
    assert (document.name, document.nodes, document.groups) == ("sales", (), ())


def test_numeric_texts_become_numbers(tmp_path: Path) -> None:
    data = flow_data(
        [{**node(1, "sort", {}), "id": "1"}, {**node(2, "sort", {}), "input_ids": ["1"], "x_position": "5"}]
    )
    first, second = parse(tmp_path, {**data, "flowfile_id": "9"}).nodes
    assert (first.node_id, second.input_ids, second.x_position) == (1, (1,), 5)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({**flow_data([]), "flowfile_version": 0.9}, "flowfile_version"),
        ({**flow_data([]), "flowfile_name": 7}, "flowfile_name"),
        (flow_data([], parameters=[{"name": "p", "default_value": 1}]), r"flowfile_settings\.parameters\[0\]"),
        (with_node(type=7), r"nodes\[0\]\.type"),
        (with_node(description=7), r"nodes\[0\]\.description"),
    ],
)
def test_numbers_do_not_become_texts(tmp_path: Path, data: object, field: str) -> None:
    with pytest.raises(FlowFileError, match=rf"{field}.*: input should be a valid string, got "):
        parse(tmp_path, data)


@pytest.mark.parametrize("field", ["input_ids", "output_handles", "input_connections", "description", "x_position"])
def test_null_counts_as_absent(tmp_path: Path, field: str) -> None:
    assert parse(tmp_path, with_node(**{field: None})).nodes[0].input_node_ids == ()


def test_fault_names_line_node_and_field_and_what_was_given(tmp_path: Path) -> None:
    data = flow_data([manual(1, {"a": [1]}), {**manual(7, {"a": [1]}), "outputs": None}])
    with pytest.raises(FlowFileError) as caught:
        parse(tmp_path, data)
    (problem,) = caught.value.problems
    assert (problem.node_id, problem.field) == (7, "nodes[1].outputs")
    lines = (tmp_path / "sales.json").read_text().splitlines()
    assert problem.line is not None
    assert lines[problem.line - 1] == "  {"
    assert f"sales.json: line {problem.line}: node 7: nodes[1].outputs: " in str(caught.value)
    assert str(caught.value).endswith("got None")


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    data = flow_data([{**manual(1, {}), "x_position": 0.5}, {**manual(2, {}), "node_reference": "Not OK"}])
    with pytest.raises(FlowFileError) as caught:
        parse(tmp_path, data)
    assert [problem.field for problem in caught.value.problems] == ["nodes[0].x_position", "nodes[1].node_reference"]


@pytest.mark.parametrize(("given", "position"), [(10**400, MAX_COORDINATE), (-(10**400), -MAX_COORDINATE), (-7, -7)])
def test_position_outside_of_the_canvas_is_moved_to_its_edge(tmp_path: Path, given: int, position: int) -> None:
    assert parse(tmp_path, with_node(x_position=given)).nodes[0].x_position == position


@pytest.mark.parametrize("reference", ["Orders", "1st", "a-b", "_x", "é", "a b", "a\n"])
def test_reference_that_is_no_name_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(FlowFileError, match="must start with a lower-case letter"):
        parse(tmp_path, with_node(node_reference=reference))


@pytest.mark.parametrize(("given", "kept"), [("", None), (None, None), ("orders_2", "orders_2")])
def test_empty_reference_is_none(tmp_path: Path, given: str | None, kept: str | None) -> None:
    assert parse(tmp_path, with_node(node_reference=given)).nodes[0].node_reference == kept


@pytest.mark.parametrize(
    ("mode", "kept"), [("Development", "Development"), ("development", "Performance"), (7, "Performance")]
)
def test_unknown_execution_mode_is_performance(tmp_path: Path, mode: object, kept: str) -> None:
    assert parse(tmp_path, flow_data([], execution_mode=mode)).settings.execution_mode == kept


def test_equal_ids_are_refused_where_flowfile_keeps_the_last(tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match=r"node 1: nodes\[1\]\.id: id 1 is used by 2 nodes"):
        parse(tmp_path, flow_data([manual(1, {}), manual(1, {})]))


@pytest.mark.parametrize(
    "edge",
    [
        {"input_ids": [9]},
        {"right_input_id": 9},
        {"left_input_id": 9},
        {"outputs": [9]},
        {"input_connections": [{"from_id": 9}]},
    ],
)
def test_edge_to_a_node_that_is_not_there_is_refused_where_flowfile_drops_it(
    tmp_path: Path, edge: dict[str, Any]
) -> None:
    (field,) = edge
    with pytest.raises(FlowFileError, match=rf"node 1: nodes\[0\]\.{field}: names node 9, which"):
        parse(tmp_path, with_node(**edge))
