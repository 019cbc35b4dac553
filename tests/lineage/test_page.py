"""The page that draws lineage: self-contained, and nothing of a flow file becomes markup or script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from flowfile_dagster import load_flow
from flowfile_dagster.lineage.layout import Place, place_nodes
from flowfile_dagster.lineage.page import page_data, render_page
from flowfile_dagster.lineage.project import Project, flow_files, read_project
from flowfile_dagster.lineage.selection import find_columns
from tests.factories import JsonObject, fifteen_nodes, formula, manual, node, write_flow

NASTY = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"'


def project(folder: Path, nodes: list[JsonObject]) -> Project:
    return read_project(flow_files(write_flow(folder / "f.json", nodes)), None)


def embedded(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    page = render_page(project(tmp_path, fifteen_nodes()))
    assert not re.search(r"(?:src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest", page)
    assert re.findall(r"https?://[^\"']*", page) == ["http://www.w3.org/2000/svg"]
    assert "default-src 'none'" in page


def test_what_a_flow_file_says_cannot_become_markup(tmp_path: Path) -> None:
    nodes = [manual(1, {NASTY: [1]}, description=NASTY), formula(2, 1, "b", f"[{NASTY}] +")]
    page = render_page(project(tmp_path, nodes))
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert embedded(page)["nodes"][0]["note"] == NASTY


def test_page_holds_every_column_with_what_it_is_made_of(tmp_path: Path) -> None:
    given = project(tmp_path, fifteen_nodes())
    data = embedded(render_page(given, find_columns(given, "3.d")))
    assert data == page_data(given, find_columns(given, "3.d"))
    names = [f"{data['nodes'][item['node']]['name']}.{item['name']}" for item in data["columns"]]
    (picked,) = data["selected"]
    assert names[picked] == "formula_3.d"
    assert [names[parent] for parent in data["parents"][picked]] == ["manual_input_1.a", "manual_input_1.b"]
    assert [[data["nodes"][end]["name"] for end in edge[:2]] for edge in data["edges"]][:2] == [
        ["manual_input_1", "formula_3"],
        ["formula_3", "formula_4"],
    ]


def test_opaque_node_and_those_below_it_are_told_apart(tmp_path: Path) -> None:
    code = {"polars_code_input": {"polars_code": "input_df"}}
    nodes = [manual(1, {"a": [1]}), node(2, "polars_code", code, 1), formula(3, 2, "b", "1")]
    data = page_data(project(tmp_path, nodes))
    assert [item["kind"] for item in data["nodes"]] == ["source", "opaque", "unknown-yet"]
    assert data["nodes"][1]["outputs"] == [{"label": "", "columns": None}]


def test_nodes_stand_as_on_the_canvas(tmp_path: Path) -> None:
    at = [(0, 100), (40, 300), (250, 100)]
    nodes = [manual(number, {"a": [1]}, x_position=x, y_position=y) for number, (x, y) in enumerate(at)]
    graph = load_flow(write_flow(tmp_path / "f.json", nodes)).graph
    assert place_nodes(graph) == {0: Place(0, 100), 1: Place(0, 300), 2: Place(1, 100)}


def test_nodes_without_positions_stand_after_what_they_read(tmp_path: Path) -> None:
    graph = load_flow(write_flow(tmp_path / "f.json", fifteen_nodes())).graph
    places = place_nodes(graph)
    assert len(set(places.values())) == len(places)
    for entry in graph.nodes.values():
        assert all(places[item.node_id].layer < places[entry.node_id].layer for item in entry.inputs)
