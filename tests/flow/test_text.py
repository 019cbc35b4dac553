from __future__ import annotations

import hashlib
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow.json_text import parse_json
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.flow.text_problem import TextProblem, render_path
from flowfile_dagster.flow.yaml_text import _PythonParser, parse_yaml

FLOW = {
    "flowfile_version": "0.23.3",
    "nodes": [{"id": 1, "type": "read", "x": [1, -2.5, None, True, "é😀"]}, {"id": 2, "deep": {"a": [{"b": []}]}}],
}


def yaml_data(text: str) -> Any:
    """The data of a text, after checking that the slow parser gives the same."""
    parsed = parse_yaml(text)
    assert parse_yaml(text, _PythonParser) == parsed
    return parsed.data


def test_json_and_yaml_of_one_flow_give_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(FLOW))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(FLOW, allow_unicode=True))
    assert read_flow_text(tmp_path / "a.json").data == FLOW
    assert read_flow_text(tmp_path / "a.yaml").data == FLOW


def test_content_hash_is_of_the_bytes_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    text = read_flow_text(path)
    assert (text.path, text.data, text.node_lines) == (path, {"a": 1}, ())
    assert text.content_hash == hashlib.sha256(b"\xef\xbb\xbfa: 1\r\n").hexdigest()


@pytest.mark.parametrize("suffix", [".YAML", ".Yml", ".JSON"])
def test_extension_in_any_case_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text('{"nodes": []}')
    assert read_flow_text(path).data == {"nodes": []}


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_json_node_lines_point_at_each_opening_brace(indent: int | None) -> None:
    text = json.dumps({"comments": [{"nodes": [1]}], **FLOW, "groups": []}, indent=indent)
    lines = parse_json(text).node_lines
    assert len(lines) == 2
    for line, node in zip(lines, FLOW["nodes"], strict=True):
        rest = "\n".join(text.split("\n")[line - 1 :])
        start = rest.index('{"id"' if indent is None else "{\n") if indent is not None else rest.index('{"id"')
        assert json.JSONDecoder().raw_decode(rest, start)[0] in FLOW["nodes"]
        assert indent is None or json.JSONDecoder().raw_decode(rest, start)[0] == node


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("nodes:\n- id: 1\n\n# note\n-\n  id: 2\n", (2, 6)),
        ("nodes: [{id: 1}, {id: 2},\n {id: 3}]", (1, 1, 2)),
        ("shared: &n\n- id: 1\n- id: 2\nnodes: *n", (2, 3)),
        ("a: &a {id: 1}\nnodes:\n- *a\n- id: 2", (3, 4)),
        ("base: &b\n  nodes:\n  - id: 1\n<<: *b", (3,)),
        ("other: {nodes: [1, 2]}\nnodes: []", ()),
        ("nodes: text", ()),
        ("nodes:", ()),
    ],
)
def test_yaml_node_lines_point_at_each_element(text: str, lines: tuple[int, ...]) -> None:
    yaml_data(text)
    assert parse_yaml(text).node_lines == lines


@pytest.mark.parametrize("text", ['{"nodes": 1}', '{"nodes": {"nodes": [1]}}', "[]", '{"nodes": []}'])
def test_json_without_nodes_has_no_node_lines(text: str) -> None:
    assert parse_json(text).node_lines == ()


def test_duplicate_key_decides_nothing_about_escapes() -> None:
    assert parse_json('{"a": "\\ud83d\\ude00 \\\\ud800 \\\\\\\\u0000", "b": "\\\\"}').data == {
        "a": "😀 \\ud800 \\\\u0000",
        "b": "\\",
    }


SCALARS = """
- [0.23.3, 1.5, 1.5e+3, 1e3, 010, 0x1F, 0b11, 0o7, 1_000, '1:30', -7]
- [yes, No, on, OFF, true, y, n]
- [null, ~, '', Null, "~"]
- [2.5.1, -, .5, "0.9", '010', = , a=b, .x]
- !!str 5
- !!float 5
- !!int "12"
- |
  two
  lines
"""


def test_yaml_scalars_are_read_by_the_rules_of_a_safe_load() -> None:
    text = SCALARS.replace(" = ,", "")
    assert yaml_data(text) == yaml.safe_load(text)
    assert yaml_data("[010, 1:30, 1:30.5, yes, 0.9]") == [8, 90, 90.5, True, 0.9]


def test_yaml_lone_equals_sign_is_text() -> None:
    assert yaml_data("operator: =") == {"operator": "="}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31 10:20:30", "2024-01-31 10:20:30"),
        ("2024-1-3T1:02:03", "2024-01-03 01:02:03"),
        ("2024-01-31 10:20:30.5", "2024-01-31 10:20:30.500"),
        ("2024-01-31 10:20:30.000001", "2024-01-31 10:20:30.000001"),
        ("2024-01-31T10:20:30Z", "2024-01-31 10:20:30+00:00"),
        ("2024-01-31T10:20:30+02:00", "2024-01-31 08:20:30+00:00"),
        ("'2024-1-3T1:02:03'", "2024-1-3T1:02:03"),
    ],
)
def test_yaml_unquoted_timestamp_becomes_text(written: str, text: str) -> None:
    assert yaml_data(f"a: {written}") == {"a": text}


def test_yaml_merge_key_gives_way_to_own_keys_and_earlier_mappings() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}\nw:\n  <<: *y\n  c: 4\n'<<': text"
    assert yaml_data(text) == yaml.safe_load(text)
    assert yaml_data(text)["z"] == {"a": 1, "b": 1, "c": 3}


def test_yaml_alias_repeats_values_and_keys() -> None:
    assert yaml_data("a: &k b\n*k : [*k]") == {"a": "b", "b": ["b"]}


def test_depth_of_one_hundred_is_allowed_and_one_more_is_not() -> None:
    allowed, refused = "[" * 100 + "]" * 100, "[" * 101 + "]" * 101
    assert parse_json(allowed).data == parse_yaml(allowed).data
    for parse in (parse_json, parse_yaml):
        with pytest.raises(TextProblem, match="nested deeper than 100 levels"):
            parse(refused)


def test_brackets_inside_json_texts_do_not_count_as_depth() -> None:
    text = json.dumps({"a": ["[" * 200, '\\"{' * 200, "\\"], "b": [[]] * 150})
    assert parse_json(text).data == json.loads(text)


def test_integer_of_one_thousand_digits_is_allowed() -> None:
    assert parse_json("9" * 1000).data == parse_yaml("9" * 1000).data == 10**1000 - 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"nodes": [{"id": 7,\n "x": {"y": [1,\n {"a": 1, "a": 2}]}}]}',
            r"line 3: node 7: nodes\[0\]\.x\.y\[1\]\.a: .*line 3",
        ),
        ('{"nodes": [{"x": {"y": NaN}, "id": 7}]}', r"line 1: nodes\[0\]\.x\.y: NaN"),
        ('{"an odd key": {"a\\nb": NaN}}', r"line 1: 'an odd key'\.'a\\nb': NaN"),
    ],
)
def test_problem_names_line_node_and_path_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    for name, source in {"a.json": text, "a.yaml": text.replace("NaN", ".nan")}.items():
        (tmp_path / name).write_text(source)
        with pytest.raises(FlowFileError, match=rf"{name}: {message}") as caught:
            read_flow_text(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_long_paths_lose_their_middle() -> None:
    assert render_path(["nodes", 3, "setting_input"]) == "nodes[3].setting_input"
    assert render_path(list("abcdefghijkl")) == "a.b.c.d.e.f.….k.l"


def test_without_libyaml_the_python_parser_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowfile_dagster.flow.yaml_text.CParser", None)
    assert parse_yaml("nodes:\n- id: 1") == parse_yaml("nodes:\n- id: 1", _PythonParser)
    for text, cause in {'a: "\\ud800"': "surrogate", "a: \x07": r"U\+0007", "a: [": "ends here too early"}.items():
        with pytest.raises(TextProblem, match=cause):
            parse_yaml(text)


def test_flow_of_300_nodes_is_read_quickly(tmp_path: Path) -> None:
    node = {"type": "sort", "outputs": [1], "setting_input": {"sort_input": [{"column": "a", "how": "asc"}] * 4}}
    flow = {**FLOW, "nodes": [{"id": i, **node, "description": "x" * 100} for i in range(300)]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(flow))
    (tmp_path / "a.json").write_text(json.dumps(flow, indent=2))
    for name, limit in {"a.yaml": 0.12, "a.json": 0.02}.items():
        best = min(_seconds_to_read(tmp_path / name) for _ in range(5))
        assert best < limit, f"{name}: {best:.3f} s"


def _seconds_to_read(path: Path) -> float:
    start = time.process_time()
    read_flow_text(path)
    return time.process_time() - start
