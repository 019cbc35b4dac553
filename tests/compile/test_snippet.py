"""Nodes as lines of Python."""

from __future__ import annotations

from pathlib import Path

from flowfile_dagster.compile.compiler import compile_flow
from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.flow.text import read_flow_text
from tests.factories import JsonObject, advanced_filter, formula, manual, node, write_flow


def snippets(folder: Path, *entries: JsonObject) -> list[str]:
    people = manual(1, {"age": [36, 41]}, node_reference="people")
    path = write_flow(folder / "flow.json", [people, *entries])
    flow = compile_flow(read_flow_text(path), root=None, parameters={}, store=None, checked={})
    assert isinstance(flow, CompiledFlow)
    return [item.snippet for item in flow.nodes[1:]]


def test_snippet_is_written_with_the_names_of_the_assets(tmp_path: Path) -> None:
    found = snippets(
        tmp_path, advanced_filter(2, 1, "[age] > 40", node_reference="adults"), formula(3, 2, "b", "[age]")
    )
    assert found == [
        'adults = people.filter(pl.col("age") > pl.lit(40))',
        'formula_3 = adults.with_columns((pl.col("age")).alias("b"))',
    ]


def test_node_that_is_not_short_or_not_right_has_no_snippet(tmp_path: Path) -> None:
    wide = formula(2, 1, "b", " + ".join(["[age]"] * 200))
    wrong = advanced_filter(3, 1, "[nope] >")
    asked = formula(4, 1, "b", "[age]")
    asked["setting_input"]["output_field_config"] = {"enabled": True, "fields": [{"name": "b", "data_type": "String"}]}
    clock = formula(5, 1, "b", "now()")
    misspelt = formula(6, 1, "b", "negative([age])")
    assert snippets(tmp_path, wide, wrong, asked, clock, misspelt, node(7, "pivot", None, 1)) == [""] * 6


def test_node_below_one_of_several_outputs_has_no_snippet(tmp_path: Path) -> None:
    split = {"filter_input": {"mode": "advanced", "advanced_filter": "[age] > 40"}, "split_mode": True}
    below = formula(3, 2, "b", "[age]")
    assert snippets(tmp_path, node(2, "filter", split, 1, outputs=[3], output_handles=["output-1"]), below) == ["", ""]
