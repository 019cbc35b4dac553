"""What enters the identity of a result, and what does not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.node_hash import (
    canonical_hash,
    combine,
    explain_miss,
    hash_parts,
    recipe_hash,
    settings_hash,
)
from flowfile_dagster.plan.sources import fingerprint_sources
from flowfile_dagster.store.digest import hash_source
from tests.factories import JsonObject, formula, manual, node, read_csv, write_flow

FILTER: JsonObject = {
    "filter_input": {
        "mode": "basic",
        "basic_filter": {"field": "a", "operator": "greater_than", "value": "1", "value2": ""},
        "advanced_filter": "",
    },
    "split_mode": False,
}
JOIN: JsonObject = {
    "join_input": {
        "join_mapping": [{"left_col": "a", "right_col": "b"}],
        "left_select": {"select": [{"old_name": "a", "new_name": "a", "keep": True, "data_type": None}]},
        "right_select": {"select": []},
        "how": "inner",
    },
    "auto_keep_all": True,
}
FIELDS: JsonObject = {
    "enabled": True, "validation_mode_behavior": "add_missing", "validate_data_types": False,
    "fields": [{"name": "z", "data_type": "Int64"}],
}  # fmt: skip
GOLDEN_SETTINGS = {
    "filter": "9f4655aa7e1f96b0b7ae7f4309c9bab11f2d31973de5aec0102427daa40d355f",
    "record_count": "49776babadaa5d64d11e0797ceb51070336cdf0eb9f0128997ecdf8e0f659378",
    "formula": "2c7b57942c18a47740cc523f5f0a3e2930faadb577aecb864be830590b5a1bfd",
}
GOLDEN_PARTS = {
    "settings": "2c7b57942c18a47740cc523f5f0a3e2930faadb577aecb864be830590b5a1bfd",
    "upstream": "f5a7d5d3e00efd5d44f05ab1ce49f69b398aa845e437937f6a901803e473e3dc",
    "source": "source",
    "version": "polars 1",
}
GOLDEN_NODE_HASH = "e8af4da63126658f7ac8249bcadab64ca089e1113ac1febad32966efadcd8157"
GOLDEN_RECIPE = "158249d5aac74369afc0cf4b6f49c16238a983a1f1f3f080f255632e1aaa9d1e"
HASHES = """
import sys; from flowfile_dagster import load_flow; from flowfile_dagster.plan.node_hash import settings_hash
for node in load_flow(sys.argv[1]).nodes.values(): print(settings_hash(node))
"""


def read_node(folder: Path, entry: JsonObject, *, name: str = "f", **settings: Any) -> FlowNode:
    sources = [manual(number, {"a": [1]}) for number in (1, 2)]
    return load_flow(write_flow(folder / f"{name}.json", [*sources, entry], **settings)).nodes[entry["id"]]


def changed(settings: JsonObject, *path: str | int, to: object) -> JsonObject:
    copy: Any = json.loads(json.dumps(settings))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return dict(copy)


def test_canonical_hash_does_not_depend_on_the_order_of_keys_and_keeps_types_apart() -> None:
    assert canonical_hash({"b": 1, "a": [True, "é"]}) == canonical_hash({"a": [True, "é"], "b": 1})
    values = [1, "1", 1.5, True, None, "", [], {}, ["a;b"], ["a", "b"], [["a"], "b"]]
    assert len({canonical_hash(value) for value in values}) == len(values)


def test_hashes_are_the_same_for_ever(tmp_path: Path) -> None:
    found = {
        "filter": settings_hash(read_node(tmp_path, node(3, "filter", FILTER, 1))),
        "record_count": settings_hash(read_node(tmp_path, node(3, "record_count", {}, 1))),
        "formula": settings_hash(read_node(tmp_path, formula(3, 1, "b", "[a] * 2"))),
    }
    assert found == GOLDEN_SETTINGS
    parts = hash_parts(found["formula"], [Input(1, "output-0", "main")], ["0" * 64], "source")
    assert {**parts, "version": ""} == {**GOLDEN_PARTS, "version": ""}
    assert combine(GOLDEN_PARTS) == GOLDEN_NODE_HASH
    assert recipe_hash(GOLDEN_PARTS, ["c" * 64]) == GOLDEN_RECIPE


def test_processes_with_different_hash_seeds_agree(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1], "b": [2]}), node(2, "filter", FILTER, 1), node(3, "join", JOIN, 1, right=2)]
    path = write_flow(tmp_path / "f.json", nodes)
    answers = {
        subprocess.run(
            [sys.executable, "-c", HASHES, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert answers == {"".join(f"{settings_hash(entry)}\n" for entry in load_flow(path).nodes.values())}


@pytest.mark.parametrize(
    ("node_type", "settings", "path", "to"),
    [
        ("filter", FILTER, ("filter_input", "mode"), "advanced"),
        ("filter", FILTER, ("filter_input", "basic_filter", "field"), "b"),
        ("filter", FILTER, ("filter_input", "basic_filter", "operator"), "less_than"),
        ("filter", FILTER, ("filter_input", "basic_filter", "value"), "2"),
        ("filter", FILTER, ("filter_input", "basic_filter", "value2"), "2"),
        ("filter", FILTER, ("filter_input", "advanced_filter"), "true"),
        ("filter", FILTER, ("split_mode",), True),
        ("join", JOIN, ("join_input", "how"), "left"),
        ("join", JOIN, ("join_input", "join_mapping", 0, "right_col"), "c"),
        ("join", JOIN, ("join_input", "left_select", "select", 0, "new_name"), "z"),
        ("join", JOIN, ("join_input", "left_select", "select", 0, "keep"), False),
        ("join", JOIN, ("join_input", "left_select", "select", 0, "data_type"), "String"),
        ("join", JOIN, ("output_field_config",), FIELDS),
    ],
)
def test_settings_that_change_the_result_change_the_hash(
    tmp_path: Path, node_type: str, settings: JsonObject, path: tuple[str | int, ...], to: object
) -> None:
    right = 2 if node_type == "join" else None
    before = read_node(tmp_path, node(3, node_type, settings, 1, right=right))
    after = read_node(tmp_path, node(3, node_type, changed(settings, *path, to=to), 1, right=right))
    assert settings_hash(before) != settings_hash(after)


@pytest.mark.parametrize("field", ["enabled", "validation_mode_behavior", "fields", "validate_data_types"])
def test_output_fields_change_the_hash_only_while_they_are_active(tmp_path: Path, field: str) -> None:
    other: JsonObject = {
        "enabled": False, "validation_mode_behavior": "raise_on_missing", "validate_data_types": True,
        "fields": [{"name": "z", "data_type": "Int64", "default_value": "1"}],
    }  # fmt: skip

    def hashed(config: JsonObject | None) -> str:
        return settings_hash(read_node(tmp_path, node(3, "filter", {**FILTER, "output_field_config": config}, 1)))

    assert hashed(FIELDS) != hashed({**FIELDS, field: other[field]})
    assert hashed({**other, field: FIELDS[field], "enabled": False}) == hashed(None)


@pytest.mark.parametrize(
    "cosmetic",
    [
        {"x_position": 99, "y_position": -1},
        {"description": "a note"},
        {"node_reference": "renamed"},
        {"group_id": None, "is_start_node": True, "outputs": []},
        {
            "setting_input": {
                **FILTER,
                "cache_results": True,
                "pos_x": 5.0,
                "user_id": 3,
                "node_id": 8,
                "is_setup": True,
            }
        },
        {"setting_input": changed(FILTER, "filter_input", "unknown_key", to=1)},
    ],
)
def test_cosmetic_changes_do_not_change_the_hash(tmp_path: Path, cosmetic: JsonObject) -> None:
    entry = node(3, "filter", FILTER, 1)
    assert settings_hash(read_node(tmp_path, entry)) == settings_hash(read_node(tmp_path, {**entry, **cosmetic}))


def test_node_id_and_name_of_the_flow_do_not_change_the_hash(tmp_path: Path) -> None:
    first = read_node(tmp_path, node(3, "filter", FILTER, 1), name="first")
    assert settings_hash(first) == settings_hash(read_node(tmp_path, node(44, "filter", FILTER, 1), name="second"))


def test_value_of_a_parameter_changes_the_hash_of_the_nodes_that_it_reaches(tmp_path: Path) -> None:
    def hashed(text: str, value: str) -> str:
        entry = formula(3, 1, "b", text)
        return settings_hash(read_node(tmp_path, entry, parameters=[{"name": "p", "default_value": value}]))

    assert hashed("${p}", "1") != hashed("${p}", "2")
    assert hashed("[a]", "1") == hashed("[a]", "2")


def test_order_handle_slot_and_content_of_inputs_change_the_hash(tmp_path: Path) -> None:
    union = settings_hash(read_node(tmp_path, node(3, "union", {}, 1, 2)))
    one, two = Input(1, "output-0", "main"), Input(2, "output-0", "main")
    variants = [
        ([one, two], ["x", "y"]),
        ([two, one], ["y", "x"]),
        ([one, Input(2, "output-1", "main")], ["x", "y"]),
        ([one, Input(2, "output-0", "right")], ["x", "y"]),
        ([one, two], ["x", "z"]),
        ([one], ["x"]),
        ([one, one], ["x", "x"]),
    ]
    hashes = {combine(hash_parts(union, inputs, upstream, "")) for inputs, upstream in variants}
    assert len(hashes) == len(variants)
    renumbered = [Input(8, "output-0", "main"), Input(9, "output-0", "main")]
    assert combine(hash_parts(union, renumbered, ["x", "y"], "")) in hashes


def test_source_counts_by_content_wherever_it_lies_and_whenever_it_was_touched(tmp_path: Path) -> None:
    def fingerprint(path: Path) -> tuple[str, str]:
        reader = read_node(tmp_path, read_csv(3, path))
        graph = load_flow(tmp_path / "f.json").graph
        sources = reader.kind.sources(reader.settings, graph)
        return settings_hash(reader), fingerprint_sources(sources, hash_source)

    here, there = tmp_path / "a.csv", tmp_path / "deep" / "b.csv"
    there.parent.mkdir()
    here.write_text("a\n1\n")
    there.write_text("a\n1\n")
    before = fingerprint(here)
    os.utime(here, (1, 1))
    assert fingerprint(here) == before == fingerprint(there)
    here.write_text("a\n2\n")
    assert fingerprint(here)[0] == before[0]
    assert fingerprint(here)[1] != before[1]


def test_miss_is_explained_by_the_first_ingredient_that_differs() -> None:
    parts = {"version": "1", "settings": "a", "source": "b", "upstream": "c"}
    assert explain_miss(parts, None) == "first"
    assert explain_miss(parts, parts) == "gone"
    for name in parts:
        assert explain_miss(parts, {**parts, name: "x"}) == name
    assert explain_miss(parts, {**parts, "upstream": "x", "settings": "x"}) == "settings"
