"""Flow files that try to make whoever loads them run code, wait, or fill memory: written when the tests run."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.factories import flow_data, formula, manual, node, read_csv
from tests.hostile.probe import MARK

Node = dict[str, Any]
M = 1 << 20

#: Python that would be noticed if it ran.
CODES: Mapping[str, str] = {
    "import": f"import os\n{MARK} = os.system('touch owned')\noutput_df = input_df",
    "dunder_import": f"__import__('os').system('{MARK}')\noutput_df = input_df",
    "subclasses": f"output_df = ().__class__.__bases__[0].__subclasses__()  # {MARK}\n{MARK} = 1",
    "globals_of_a_function": f"{MARK} = pl.col.__globals__\noutput_df = input_df",
    "frame_of_a_generator": f"{MARK} = (x for x in ())\noutput_df = {MARK}.gi_frame.f_back",
    "format_with_attributes": f"{MARK} = '{{0.__class__}}'.format(pl)\noutput_df = input_df",
    "reads_a_file": f"{MARK} = pl.read_csv('/etc/passwd')\noutput_df = {MARK}",
    "writes_a_file": f"{MARK} = input_df.collect().write_csv('owned')\noutput_df = input_df",
    "sinks_a_file": f"{MARK} = input_df.sink_parquet('owned')\noutput_df = input_df",
    "eval_text": f"{MARK} = eval('1')\noutput_df = input_df",
    "open_file": f"{MARK} = open('owned', 'w')\noutput_df = input_df",
    "deserialize": f"{MARK} = pl.LazyFrame.deserialize(BytesIO(b''))\noutput_df = input_df",
    "python_function": f"output_df = input_df.map_batches(lambda {MARK}: {MARK})",
    "decorator": f"@pl\ndef {MARK}(a):\n return a",
    "default_argument": f"def f(a, {MARK}=9**9**9):\n return a",
    "annotation": f"def f(a: print('{MARK}')):\n return a",
    "huge_power": f"{MARK} = 9**9**9**9\noutput_df = input_df",
    "huge_shift": f"{MARK} = 1 << (1 << 40)\noutput_df = input_df",
    "huge_repeat": f"{MARK} = 'x' * 10**12\noutput_df = input_df",
    "huge_tuple": f"{MARK} = ((0,) * 10**9,) * 10**9\noutput_df = input_df",
    "endless_loop": f"{MARK} = 1\nwhile True:\n pass\noutput_df = input_df",
    "deep_parentheses": "output_df = " + "(" * 5000 + f"{MARK}" + ")" * 5000,
    "deep_unary": "output_df = " + "-" * 100_000 + MARK,
    "deep_attributes": "output_df = input_df" + ".lazy()" * 20_000,
    "deep_lambdas": "output_df = " + "lambda: " * 5000 + MARK,
    "long_sum": f"{MARK} = " + "+".join("1" * 50_000) + "\noutput_df = input_df",
    "deep_indentation": "".join(" " * i + "if 1:\n" for i in range(200)) + " " * 200 + f"{MARK} = 1",
    "huge_integer": f"{MARK} = " + "9" * 100_000 + "\noutput_df = input_df",
    "nul_and_controls": f"{MARK} = 1\0\x07\noutput_df = input_df",
    "coding_line": f"# -*- coding: rot13 -*-\n{MARK} = 1\noutput_df = input_df",
    "form_feeds": "\f" * 100_000 + f"{MARK} = 1\noutput_df = input_df",
    "backslashes": "\\\n" * 100_000 + f"{MARK} = 1\noutput_df = input_df",
    "deep_f_string": f"{MARK} = " + 'f"{' * 149 + "1" + '}"' * 149 + "\noutput_df = input_df",
}

FORMULAS: Mapping[str, str] = {
    "dunder": f"__import__('os').system('{MARK}')",
    "attribute": "[a].__class__.__bases__",
    "python_call": f"eval('{MARK}')",
    "python_lambda": f"(lambda: {MARK})()",
    "polars_call": "pl.read_csv('/etc/passwd')",
    "huge_power": "9**9**9",
    "power_function": "power(9, power(9, power(9, 9)))",
    "huge_number": "9" * 100_000,
    "long_sum": "+".join(["[a]"] * 5_000),
    "very_long_sum": "+".join(["1"] * 100_000),
    "deep_parentheses": "(" * 5_000 + "[a]" + ")" * 5_000,
    "open_parentheses": "(" * 100_000,
    "closing_parentheses": ")" * 100_000,
    "deep_calls": "abs(" * 2_000 + "[a]" + ")" * 2_000,
    "deep_ifs": "if [a] > 1 then " * 1_000 + "1" + " else 2 endif" * 1_000,
    "many_ifs": "if " * 50_000,
    "many_minus": "-" * 20_000 + "[a]",
    "many_nots": "not " * 5_000 + "true",
    "huge_repeat": "repeat('x', 10000000000)",
    "huge_pad": "pad_left('x', 100000000000, 'y')",
    "open_quote": "'" + "x" * M,
    "quotes": "'\"" * 100_000,
    "open_bracket": "[" * 200_000,
    "brackets": "[]" * 100_000,
    "spaces": " " * M + "[a]" + " " * M,
    "comments": "// x\n" * 100_000 + "[a]",
    "slow_pattern": "replace('" + "a" * 100 + "!', '(a+)+$', 'x')",
    "names": "x" * M,
    "commas": "concat(" + "," * 100_000 + ")",
    "operators": "[a]" + " + - * / and or" * 10_000,
    "nul": "[a]\0 + 1",
    "surrounded_by_controls": "\x1b[2J[a]\r\n",
}

QUERIES: Mapping[str, str] = {
    "reads_a_file": "SELECT * FROM read_csv('/etc/passwd')",
    "reads_behind_a_comment": "SELECT * FROM read_csv/* */('/etc/passwd')",
    "scan_of_a_fast_disk": "SELECT * FROM scan_parquet('/dev/zero')",
    "writes": "COPY input_1 TO 'owned'",
    "second_statement": "SELECT 1; DROP TABLE input_1",
    "deep_parentheses": "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    "deep_subqueries": "SELECT * FROM (" * 500 + "SELECT 1" + ")" * 500,
    "deep_functions": "SELECT " + "ABS(" * 2_000 + "a" + ")" * 2_000 + " FROM input_1",
    "long_sum": "SELECT " + "+".join(["a"] * 20_000) + " FROM input_1",
    "long_and": "SELECT * FROM input_1 WHERE " + " AND ".join(["a > 1"] * 10_000),
    "many_nots": "SELECT " + "NOT " * 10_000 + "true",
    "many_minus": "SELECT " + "- " * 10_000 + "1",
    "many_unions": " UNION ALL ".join(["SELECT a FROM input_1"] * 1_000),
    "many_cross_joins": "SELECT 1 FROM input_1" + "".join(f" CROSS JOIN input_1 t{i}" for i in range(200)),
    "recursive_table": "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a FROM t) SELECT * FROM t",
    "huge_number": "SELECT " + "9" * 100_000,
    "open_comment": "SELECT /*" + "/*" * 200_000,
    "open_quote": "SELECT '" + "x" * M,
    "blanks_before": " (" * 200_000 + "SELECT 1",
    "dashes_before": "--\n" * 200_000 + "SELECT 1",
    "reader_words": "SELECT 1 -- " + "read_x " * 200_000,
    "reader_word_and_blanks": "SELECT 1 -- read_x" + " " * 400_000,
    "slow_pattern": "SELECT a FROM input_1 WHERE 'aaaa' ~ '(a+)+$" + "(" * 1_000 + "'",
    "huge_repeat": "SELECT REPEAT('x', 100000000000)",
    "nul": "SELECT 1\0",
}


#: Has no end within the lifetime of a computer, and no length that could be limited.
DOUBLING_QUERY = (
    "WITH t0 AS (SELECT a FROM input_1)"
    + "".join(f", t{i} AS (SELECT a FROM t{i - 1} UNION ALL SELECT a FROM t{i - 1})" for i in range(1, 60))
    + " SELECT * FROM t59"
)


def _text_nodes() -> Iterator[tuple[str, list[Node]]]:
    source = manual(1, {"a": [1, 2]})
    for name, code in CODES.items():
        yield f"code_{name}", [source, node(2, "polars_code", {"polars_code_input": {"polars_code": code}}, 1)]
    for name, text in FORMULAS.items():
        yield f"formula_{name}", [source, formula(2, 1, "b", text)]
    for name, query in QUERIES.items():
        yield f"query_{name}", [source, node(2, "sql_query", {"sql_query_input": {"sql_code": query}}, 1)]


def _reader(path: str, file_type: str, scan_mode: str = "single_file") -> Node:
    return node(1, "read", {"received_file": {"path": path, "file_type": file_type, "scan_mode": scan_mode}})


FILE_TYPES = ("csv", "json", "parquet", "excel", "ipc", "ndjson", "avro", "ipc_stream")


def _reading_nodes(folder: Path) -> Iterator[tuple[str, list[Node]]]:
    """Readers of what must not be opened, or never ends."""
    for special in ("zero", "pipe", "socket", "loop", "folder"):
        for file_type in FILE_TYPES:
            path = "/dev/zero" if special == "zero" else str(folder / special)
            yield f"read_{special}_as_{file_type}", [_reader(path, file_type)]
    for file_type in ("csv", "parquet", "ipc"):
        yield f"read_everything_as_{file_type}", [_reader("/", file_type, "directory")]
        yield f"read_looped_folder_as_{file_type}", [_reader(str(folder / "looped"), file_type, "directory")]
        yield f"read_star_as_{file_type}", [_reader("/**/*/**/*", file_type, "directory")]
    yield "read_root_as_csv", [_reader("/", "csv")]
    yield "read_tilde", [read_csv(1, "~nobody_at_all/x.csv")]
    yield "read_nul", [read_csv(1, "a\0b.csv")]
    yield "read_long_name", [read_csv(1, "x" * 100_000)]
    yield "read_many_folders", [read_csv(1, "../" * 100_000 + "x.csv")]
    yield "read_proc", [read_csv(1, "/proc/self/environ")]
    yield (
        "read_huge_window",
        [
            node(
                1,
                "read",
                {
                    "received_file": {
                        "path": str(folder / "one_line.csv"),
                        "file_type": "csv",
                        "table_settings": {
                            "file_type": "csv",
                            "infer_schema_length": 10**18,
                            "starting_from_line": 10**18,
                        },
                    }
                },
            )
        ],
    )
    yield "read_one_long_line", [read_csv(1, str(folder / "one_line.csv"))]
    yield "read_deep_json", [_reader(str(folder / "deep.json"), "json")]
    yield "read_deep_ndjson", [_reader(str(folder / "deep.json"), "ndjson")]
    yield (
        "list_everything",
        [node(1, "list_files", {"path": "/", "recursive": True, "include_hidden": True, "include_directories": True})],
    )
    yield "list_loop", [node(1, "list_files", {"path": str(folder / "looped"), "recursive": True})]


def _numeric_nodes() -> Iterator[tuple[str, list[Node]]]:
    source = manual(1, {"a": [1, 2]})
    huge = 10**30
    yield "sample_of_huge_size", [source, node(2, "sample", {"sample_size": huge}, 1)]
    yield "sample_of_negative_size", [source, node(2, "sample", {"sample_size": -huge}, 1)]
    yield "sample_of_nan", [source, node(2, "sample", {"sample_size": "NaN"}, 1)]
    record_id = {"output_column_name": "id", "offset": huge}
    yield "record_id_of_huge_offset", [source, node(2, "record_id", {"record_id_input": record_id}, 1)]
    splits = [{"name": str(i), "percentage": 1e-9} for i in range(20_000)]
    yield "split_into_many", [source, node(2, "random_split", {"random_split_input": {"splits": splits}}, 1)]
    yield "manual_input_of_huge_numbers", [manual(1, {"a": [huge, -huge], "b": [10**300, 1]})]
    yield "manual_input_of_many_columns", [manual(1, {f"c{i}": [1] for i in range(20_000)})]
    yield "manual_input_of_a_wide_text", [manual(1, {"a": ["x" * (20 * M)]}, "String")]
    yield "manual_input_of_a_text_like_secrets", [manual(1, {"a": ["://?" + "sig" * M, "://a:" * M]}, "String")]
    yield "manual_input_of_odd_types", [manual(1, {"a": [1]}, "Array(Int64, 1000000000000)")]
    yield "manual_input_of_deep_types", [manual(1, {"a": [1]}, "List(" * 5_000 + "Int64" + ")" * 5_000)]
    yield "manual_input_of_called_types", [manual(1, {"a": [1]}, f"__import__('os').system('{MARK}')")]
    cross = [source, manual(2, {"b": [1]})]
    for i in range(3, 60):
        cross.append(node(i, "union", {"union_input": {}}, i - 1, i - 1) if i > 3 else node(3, "union", {}, 1, 2))
    yield "unions_that_double", cross
    select = [{"old_name": f"c{i}", "new_name": f"c{i + 1}"} for i in range(20_000)]
    yield "select_of_many", [source, node(2, "select", {"select_input": select}, 1)]
    sums = [{"column": "a", "function": "sum", "new_column_name": f"c{i}"} for i in range(50_000)]
    yield (
        "window_functions_of_many",
        [source, node(2, "window_functions", {"window_input": {"window_functions": sums}}, 1)],
    )
    fields = {
        "enabled": True,
        "validation_mode_behavior": "add_missing",
        "fields": [{"name": f"c{i}"} for i in range(50_000)],
    }
    yield "output_fields_of_many", [source, node(2, "sort", {"output_field_config": fields}, 1)]


def _structural_flows() -> Iterator[tuple[str, list[Node]]]:
    count = 10_000
    chain = [manual(1, {"a": [1]}), *(formula(i, i - 1, "a", "[a] + 1") for i in range(2, count + 1))]
    yield "chain_of_ten_thousand", chain
    cycle = [dict(item) for item in chain]
    cycle[0] = formula(1, count, "a", "[a] + 1")
    yield "cycle_of_ten_thousand", cycle
    many = range(1, 2_001)
    yield "star_of_two_thousand", [manual(1, {"a": [1]}), *(formula(i + 1, 1, "a", "[a]") for i in many)]
    union = node(2_001, "union", {"union_input": {}}, *many)
    yield "union_of_two_thousand", [*(manual(i, {"a": [1]}) for i in many), union]
    layers = [manual(i, {"a": [1]}) for i in range(1, 41)]
    for layer in range(1, 13):
        below = range((layer - 1) * 40 + 1, layer * 40 + 1)
        layers += [node(layer * 40 + i, "union", {"union_input": {}}, *below) for i in range(1, 41)]
    yield "layers_all_joined", layers
    yield "two_thousand_sources", [manual(i, {"a": [1]}) for i in many]


def _parameter_flows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Small files whose references stand for long values, many times."""
    long = {"parameters": [{"name": "s", "default_value": "x" * 100_000}]}
    source, text = manual(1, {"a": [1]}), "${s}" * 20_000
    select = {"select_input": [{"old_name": "a", "new_name": text}]}
    yield "parameter_bomb_in_a_name", flow_data([source, node(2, "select", select, 1)], **long)
    yield "parameter_bomb_in_a_formula", flow_data([source, formula(2, 1, "b", text)], **long)
    code = {"polars_code_input": {"polars_code": f"output_df = input_df.rename({{'a': '{text}'}})"}}
    yield "parameter_bomb_in_code", flow_data([source, node(2, "polars_code", code, 1)], **long)
    query = {"sql_query_input": {"sql_code": f"SELECT '{text}'"}}
    yield "parameter_bomb_in_a_query", flow_data([source, node(2, "sql_query", query, 1)], **long)
    many = [{"old_name": f"c{i}", "new_name": f"${{s}}{i}"} for i in range(20_000)]
    yield "parameter_bomb_in_many_names", flow_data([source, node(2, "select", {"select_input": many}, 1)], **long)
    each = [source, *(formula(i, i - 1, "b", "${s}" * 80) for i in range(2, 1_000))]
    yield "parameter_bomb_in_many_nodes", flow_data(each, **long)


def _broken_texts() -> Iterator[tuple[str, bytes]]:
    whole = json.dumps(flow_data([manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a] * 2 + 'é' "), read_csv(3, "x")]))
    content = whole.encode()
    chance = random.Random(20)
    for number in range(20):
        yield f"truncated_{number}.json", content[: chance.randrange(1, len(content) - 1)]
        yield f"truncated_{number}.yaml", content[: chance.randrange(1, len(content) - 1)]
        flipped = bytearray(content)
        for _ in range(3):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        yield f"flipped_{number}.json", bytes(flipped)
        yield f"flipped_{number}.yaml", bytes(flipped)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"):
        yield f"in_{encoding}.json", whole.encode(encoding)
    yield "random_bytes.json", chance.randbytes(M)
    yield "random_bytes.yaml", chance.randbytes(M)
    yield "gzip.json", b"\x1f\x8b\x08" + chance.randbytes(1000)
    yield "nan.json", content.replace(b'"id": 1', b'"id": NaN')
    yield "infinity.json", content.replace(b"1, 2", b"1, -Infinity")
    yield "huge_exponent.json", content.replace(b"1, 2", b"1e999999999, 2")
    yield "negative_zero_id.json", content.replace(b'"id": 1', b'"id": -0.0')


def _special_files(folder: Path) -> Iterator[tuple[str, Callable[[Path], object]]]:
    yield "directory.json", Path.mkdir
    yield "directory.yaml", Path.mkdir
    yield "pipe.json", os.mkfifo
    yield "socket.json", _make_socket
    yield "link_to_itself.json", lambda path: path.symlink_to(path)
    yield "link_to_nothing.yaml", lambda path: path.symlink_to(folder / "nothing")
    yield "link_to_zero.yaml", lambda path: path.symlink_to("/dev/zero")
    yield "link_to_random.json", lambda path: path.symlink_to("/dev/urandom")
    yield "link_to_memory.json", lambda path: path.symlink_to("/proc/self/mem")
    yield "sparse_of_a_terabyte.json", lambda path: _make_sparse(path, 1 << 40)
    yield "sparse_of_300_megabytes.yaml", lambda path: _make_sparse(path, 300 * M)
    yield "sparse_within_the_limit.yaml", lambda path: _make_sparse(path, 31 * M)


def _make_socket(path: Path) -> None:
    """Bound by a short name, for the system allows few characters."""
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def _make_sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _write_sources(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    _make_socket(folder / "socket")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder").mkdir()
    (folder / "looped" / "below").mkdir(parents=True)
    (folder / "looped" / "below" / "again").symlink_to(folder / "looped")
    (folder / "one_line.csv").write_bytes(b"a" * (16 * M))
    (folder / "deep.json").write_bytes(b"[" * M)


def write_hostile_flows(folder: Path) -> list[Path]:
    """Write every class of hostile flow; gives their paths, in a stable order."""
    sources = folder / "sources"
    flows = folder / "flows"
    sources.mkdir()
    flows.mkdir()
    _write_sources(sources)
    for groups in (_text_nodes(), _reading_nodes(sources), _numeric_nodes(), _structural_flows()):
        for name, nodes in groups:
            (flows / f"{name}.json").write_text(json.dumps(flow_data(nodes)), encoding="utf-8")
    for name, data in _parameter_flows():
        (flows / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    for name, content in _broken_texts():
        (flows / name).write_bytes(content)
    for name, make in _special_files(folder):
        make(flows / name)
    return sorted(flows.iterdir())
