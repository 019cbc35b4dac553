"""Notes on the canvas stand at the node that they lie nearest to."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow.document import parse_document
from flowfile_dagster.flow.notes import MAX_CHARACTERS, MAX_NOTES, notes_by_node
from flowfile_dagster.flow.text import read_flow_text
from tests.factories import flow_data, node

NODES = [node(1, "sort", {}), node(2, "sort", {}, x_position=200), node(3, "sort", {}, x_position=200, y_position=100)]


def notes(folder: Path, *comments: dict[str, Any], nodes: list[dict[str, Any]] = NODES) -> dict[int, str]:
    path = folder / "noted.json"
    given = [{"id": index, **comment} for index, comment in enumerate(comments)]
    path.write_text(json.dumps({**flow_data(nodes), "comments": given}))
    return dict(notes_by_node(parse_document(read_flow_text(path))))


@pytest.mark.parametrize(
    ("x", "y", "node_id"),
    [(-300, -300, 1), (-30, -30, 1), (0, -130, 1), (190, -130, 2), (200, 160, 3), (500, 60, 3), (-20, 300, 3)],
)
def test_note_belongs_to_the_nearest_node(tmp_path: Path, x: int, y: int, node_id: int) -> None:
    assert notes(tmp_path, {"text": "why?", "x_position": x, "y_position": y}) == {node_id: "why?"}


def test_notes_at_one_node_are_told_from_top_to_bottom(tmp_path: Path) -> None:
    lower, upper = {"text": " lower\n", "y_position": 90}, {"text": "upper", "y_position": -90, "x_position": -99}
    assert notes(tmp_path, lower, upper, {"text": "  "}, nodes=NODES[:1]) == {1: "upper\n\nlower"}


def test_note_beside_a_node_outside_of_the_canvas_stands_at_the_nearest_node(tmp_path: Path) -> None:
    nodes = [node(1, "sort", {}, x_position=10**400, y_position=-(10**400)), node(2, "sort", {})]
    assert notes(tmp_path, {"text": "why?"}, nodes=nodes) == {2: "why?"}
    far = {"text": "far", "x_position": "1e999", "y_position": "-1e999", "width": "nan", "height": "1e999"}
    assert notes(tmp_path, far, nodes=nodes) == {1: "far"}


def test_notes_of_a_canvas_without_nodes_are_nowhere(tmp_path: Path) -> None:
    assert notes(tmp_path, {"text": "empty"}, nodes=[]) == {}


def test_notes_are_bounded(tmp_path: Path) -> None:
    found = notes(tmp_path, *[{"text": "x" * 500, "x_position": 200}] * MAX_NOTES, {"text": "one too many"})
    assert set(found) == {2}
    assert len(found[2]) <= MAX_CHARACTERS


def test_note_that_is_no_text_is_a_load_error_as_in_flowfile(tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match=r"comments\[0\]\.text: input should be a valid string, got 7"):
        notes(tmp_path, {"text": 7})
