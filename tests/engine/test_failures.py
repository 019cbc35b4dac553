"""Every failure begins with flow / node id / type / reference: cause, and names what there is."""

import pickle
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_file, write_flow

SOURCE = manual(1, {"a": [1, 2], "t": ["x", "7"]}, "Int64", "String")
OTHER = manual(2, {"a": ["x"], "z": [1]}, "String", "Int64")


MUST_HAVE_B: JsonObject = {
    "sort_input": [],
    "output_field_config": {
        "enabled": True, "validation_mode_behavior": "raise_on_missing", "fields": [{"name": "b"}],
    },
}  # fmt: skip
FAILING: list[tuple[JsonObject, str]] = [
    (node(3, "sort", {"sort_input": [{"column": "b"}]}, 1), "sort: sort_input: column 'b' is not in the input"),
    (formula(3, 1, "n", "[b] + 1"), r"formula: .*formula '\[b\] \+ 1': .*'b'.*'a', 't'"),
    (formula(3, 1, "n", "[a] +* 1"), r"formula: .*formula '\[a\] \+\* 1': "),
    (formula(3, 1, "n", 'to_integer("x") + [a]', node_reference="late"), "formula / late: .*x"),
    (advanced_filter(3, 1, "[b] > 1"), "filter: .*'b'"),
    (advanced_filter(3, 1, "[a] + 1"), "filter: .*(true or false|[Bb]oolean)"),
    (node(3, "record_id", {"record_id_input": {"output_column_name": "a"}}, 1), "record_id: .*'a'"),
    (join(3, 1, 2, "b"), "join: .*column 'b' is not in the input"),
    (join(3, 1, 2, "a"), "join: .*'a'.*(Int64|type)"),
    (read_csv(3, "/nowhere/in.csv"), "read: .*/nowhere/in.csv"),
    (write_file(3, 1, Path("/nowhere/out.csv")), "output: .*folder /nowhere does not exist"),
    (node(3, "sort", MUST_HAVE_B, 1), "sort: output_field_config.fields: the result has no column 'b'; it"),
    (node(3, "group_by", {"groupby_input": {"agg_cols": [{"old_name": "b", "agg": "sum"}]}}, 1), "group_by: .*'b'"),
    (node(3, "unique", {"unique_input": {"columns": ["b"]}}, 1), "unique: .*column 'b' is not in the input"),
    (node(3, "sort", None, 1), "sort: setting_input: the node has not been configured in Flowfile"),
    (node(3, "sort", {"sort_input": [{}]}, 1), r"sort: setting_input.sort_input\[0\].column: is required"),
    (node(3, "sort", {"sort_input": []}), "sort: input_ids: the node needs 1 input, has 0"),
    (node(3, "teleport", {}, 1), "teleport: node type 'teleport' is not known"),
    (node(3, "kafka_source", {}), "kafka_source: nodes of type 'kafka_source' cannot run yet"),
    (node(3, "gate", {"gate_input": {"parameter": "q"}}, 1), "gate: .*: the flow has no parameter 'q'"),
    (
        node(3, "polars_code", {"polars_code_input": {"polars_code": "output_df = input_df.select('b')"}}, 1),
        "polars_code: .*b",
    ),
    (node(3, "sql_query", {"sql_query_input": {"sql_code": "select b from input_1"}}, 1), "sql_query: .*b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "expected"), FAILING, ids=[f"{i}-{entry['type']}" for i, (entry, _) in enumerate(FAILING)]
)
def test_first_line_says_where_and_why_and_other_branches_run(tmp_path: Path, entry: JsonObject, expected: str) -> None:
    nodes = [SOURCE, OTHER, entry, formula(4, 3, "after", "1"), formula(5, 1, "beside", "[a]")]
    run = load_flow(write_flow(tmp_path / "sales.json", nodes)).run()
    assert run.status == {**run.status, 1: "computed", 2: "computed", 3: "failed", 4: "skipped", 5: "computed"}
    assert list(run.errors) == [3]
    with pytest.raises(type(run.errors[3]), match=f"^sales / 3 / {expected}") as caught:
        run.frame(3)
    first = str(caught.value).partition("\n")[0]
    assert len(first) < 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def first_lines(path: Path, mode: ExecutionMode) -> dict[int, str]:
    errors = load_flow(path).run(mode).errors
    return {node_id: str(error).partition("\n")[0] for node_id, error in errors.items()}


@pytest.mark.parametrize("entry", [entry for entry, _ in FAILING], ids=[entry["type"] for entry, _ in FAILING])
def test_failure_inside_a_fused_segment_is_told_as_in_development(tmp_path: Path, entry: JsonObject) -> None:
    before = formula(6, 1, "t", "[t]")
    wired = {**entry, "input_ids": [6 if source == 1 else source for source in entry.get("input_ids") or []]}
    path = write_flow(tmp_path / "sales.json", [SOURCE, OTHER, before, wired, formula(4, 3, "after", "1")])
    told = first_lines(path, "development")
    assert list(told) == [3]
    assert first_lines(path, "performance") == told


@pytest.mark.parametrize("column", ["^x$", "^.*$"])
def test_column_that_became_a_pattern_of_names_is_told_as_in_development(tmp_path: Path, column: str) -> None:
    there: JsonObject = {"select_input": [{"old_name": "a", "new_name": column}]}
    back: JsonObject = {"select_input": [{"old_name": column, "new_name": "a"}]}
    path = write_flow(tmp_path / "sales.json", [SOURCE, node(2, "select", there, 1), node(3, "select", back, 2)])
    told = first_lines(path, "development")
    assert list(told) == [3]
    assert first_lines(path, "performance") == told


LATE_ROW = 300_000


def strict_cast(node_id: int, column: str = "text") -> JsonObject:
    entry = {"field": {"name": "number", "data_type": "Int64"}, "function": f"[{column}]"}
    return node(node_id, "formula", {"functions": [entry]}, node_id - 1)


@pytest.mark.parametrize(
    "entry",
    [
        strict_cast(3),
        advanced_filter(3, 2, "to_integer([text]) > 0"),
        node(3, "select", {"select_input": [{"old_name": "text", "new_name": "t"}]}, 2),
    ],
    ids=["strict cast", "cast in a condition", "a later node"],
)
def test_bad_value_in_a_late_row_is_told_as_in_development(tmp_path: Path, entry: JsonObject) -> None:
    texts = ["1"] * (LATE_ROW - 1) + ["x"] + ["1"] * 1000
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "late.parquet")
    later = strict_cast(4, "t" if entry["type"] == "select" else "text")
    received = {"path": str(tmp_path / "late.parquet"), "file_type": "parquet"}
    nodes = [node(1, "read", {"received_file": received}), formula(2, 1, "one", "1"), entry, later]
    path = write_flow(tmp_path / "sales.json", nodes)
    told = first_lines(path, "development")
    assert list(told) == [4 if entry["type"] == "select" else 3]
    assert first_lines(path, "performance") == told


def test_several_bad_values_give_one_first_line_whichever_polars_meets_first(tmp_path: Path) -> None:
    texts = [f"x{number}" for number in range(100_000)]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "bad.parquet")
    received = {"path": str(tmp_path / "bad.parquet"), "file_type": "parquet"}
    nodes = [node(1, "read", {"received_file": received}), node(2, "sort", {"sort_input": [{"column": "text"}]}, 1)]
    path = write_flow(tmp_path / "sales.json", [*nodes, strict_cast(3)])
    told = {3: "sales / 3 / formula: conversion from `str` to `i64` failed in column 'text'"}
    assert first_lines(path, "development") == told
    for engine in ("in-memory", "streaming"):
        errors = load_flow(path).run("performance", engine=engine).errors
        assert {node_id: str(error).partition("\n")[0] for node_id, error in errors.items()} == told
        assert '["x' in str(errors[3])


@pytest.mark.parametrize("engine", ["auto", "in-memory", "streaming"])
def test_bad_values_in_several_pieces_of_a_table_are_told_as_in_development(tmp_path: Path, engine: Engine) -> None:
    settings: JsonObject = {"unpivot_input": {"index_columns": ["id"], "value_columns": ["a", "b"]}}
    wide = manual(1, {"id": [1], "a": ["x"], "b": ["y"]}, "Int64", "String", "String")
    path = write_flow(tmp_path / "sales.json", [wide, node(2, "unpivot", settings, 1), strict_cast(3, "value")])
    development = [load_flow(path).run(store=tmp_path / "store").errors[3] for _ in range(2)]
    fused = load_flow(path).run("performance", engine=engine).errors[3]
    first, *others = (str(error).partition("\n")[0] for error in (fused, *development))
    assert others == [first, first]


def test_failure_that_stopped_a_query_stands_below_one_of_a_value_that_nothing_needs(tmp_path: Path) -> None:
    drop: JsonObject = {"select_input": [{"old_name": "number", "keep": False}]}
    nodes = [manual(1, {"text": ["x"]}, "String"), strict_cast(2), node(3, "select", drop, 2)]
    path = write_flow(tmp_path / "sales.json", [*nodes, write_file(4, 3, tmp_path / "away" / "out.csv")])
    told = str(load_flow(path).run("performance").errors[2])
    assert told.partition("\n")[0] == first_lines(path, "development")[2]
    assert f"sales / 4 / output: output_settings.directory: the folder {tmp_path / 'away'} does not exist" in told


def test_panic_of_polars_is_told_alike_each_time(tmp_path: Path) -> None:
    code = {"polars_code_input": {"polars_code": "input_df.select(pl.lit(b'x').alias('raw'))"}}
    sink = write_file(3, 2, tmp_path / "out.ndjson", "ndjson")
    path = write_flow(tmp_path / "sales.json", [manual(1, {"a": [1]}), node(2, "polars_code", code, 1), sink])
    told = first_lines(path, "development")
    assert told == {3: "sales / 3 / output: not yet implemented: Writing BinaryView to JSON"}
    assert first_lines(path, "performance") == told
