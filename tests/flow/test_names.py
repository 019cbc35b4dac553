from pathlib import Path

import pytest

from flowfile_dagster import FlowFileError, load_flow
from flowfile_dagster.flow.names import node_names, slug
from tests.factories import JsonObject, formula, manual, node, write_flow


def test_name_is_the_reference_else_type_and_id(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1]}, node_reference="orders"), formula(2, 1, "b", "1")]
    flow = load_flow(write_flow(tmp_path / "f.json", nodes))
    assert node_names(flow.graph) == {1: "orders", 2: "formula_2"}


def test_name_does_not_change_under_moves_notes_and_groups(tmp_path: Path) -> None:
    entry = formula(2, 1, "b", "1", x_position=5, description="a note", group_id=None)
    flow = load_flow(write_flow(tmp_path / "f.json", [entry, manual(1, {"a": [1]})]))
    assert node_names(flow.graph)[2] == "formula_2"


@pytest.mark.parametrize(
    ("first", "second"), [({"node_reference": "x"}, {"node_reference": "x"}), ({"node_reference": "formula_2"}, {})]
)
def test_two_nodes_of_one_name_are_refused_at_load(
    tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    path = write_flow(tmp_path / "f.json", [manual(1, {"a": [1]}, **first), formula(2, 1, "b", "1", **second)])
    with pytest.raises(FlowFileError, match=r"nodes 1 and 2 would both be called .*; give one another reference"):
        load_flow(path)


@pytest.mark.parametrize(("side", "sources"), [("input", ()), ("output", (1,))])
def test_two_inputs_or_outputs_of_one_name_are_refused_at_load(
    tmp_path: Path, side: str, sources: tuple[int, ...]
) -> None:
    def slot(node_id: int, name: str) -> JsonObject:
        return node(node_id, f"flow_{side}", {f"{side}_name": name}, *sources)

    path = tmp_path / "f.json"
    load_flow(write_flow(path, [manual(1, {"a": [1]}), slot(2, "x"), slot(3, "y"), node(4, "flow_input", {})]))
    write_flow(path, [manual(1, {"a": [1]}), slot(2, "x"), slot(3, "x")])
    with pytest.raises(FlowFileError, match=rf"node 3: setting_input.{side}_name: 'x' is taken by node 2; give one"):
        load_flow(path)


@pytest.mark.parametrize(
    ("text", "expected"), [("Q1 -- sales!", "Q1_sales"), ("ü", "_"), ("", "_"), ("a.b/c", "a_b_c")]
)
def test_slug_holds_letters_digits_and_underscores_only(text: str, expected: str) -> None:
    assert slug(text) == expected
