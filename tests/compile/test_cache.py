"""Compiled flows: when they are taken from the folder, and when they are compiled anew. Real workers, real files."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import FlowFileError, StoreError, load_flow
from flowfile_dagster.compile.cache import CompileCache, FlowRequest
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow
from flowfile_dagster.compile.worker import compile_request
from tests.factories import JsonObject, formula, manual, node, read_csv, write_flow

STOPPED = "the flow compiler stopped at it or took too long, or it changed meanwhile; reload the definitions"

PIVOT: JsonObject = {
    "pivot_input": {"index_columns": ["a"], "pivot_column": "b", "value_col": "c", "aggregations": ["sum"]}
}
DEADLY = """
import os
from flowfile_dagster.contract.node_type import NodeType, Ports
from flowfile_dagster.contract.settings import NodeSettings
class Deadly(NodeType[NodeSettings]):
    type, Settings, ports = "deadly", NodeSettings, Ports(0, 0)
    def predict(self, settings, inputs, context):
        print("last words", flush=True)
        return os._exit(9) if "DEADLY" in os.environ else {"output-0": None}
"""


class Counting(CompileCache):
    """Counts the workers that it starts."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.workers = 0

    def _start_worker(self, *given: Any) -> Any:
        self.workers += 1
        return super()._start_worker(*given)


Load = Callable[..., tuple[list[CompiledFlow | BrokenFlow], int]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(*paths: Path, **options: Any) -> tuple[list[CompiledFlow | BrokenFlow], int]:
        cache = Counting(tmp_path / "compiled", tmp_path / "store")
        return [entry.flow for entry in cache.load([FlowRequest(path, **options) for path in paths])], cache.workers

    return load


def schema_of(flow: CompiledFlow | BrokenFlow, node_id: int) -> Any:
    assert isinstance(flow, CompiledFlow)
    (schema,) = (entry.schemas["output-0"] for entry in flow.nodes if entry.node_id == node_id)
    return schema


def aged(path: Path, text: str, *, seconds: float = 60) -> Path:
    path.write_text(text)
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)
    return path


def test_folder_that_cannot_be_written_is_named_and_no_flow_is_blamed(load: Load, tmp_path: Path) -> None:
    (tmp_path / "compiled").write_text("no folder")
    path = write_flow(tmp_path / "a.json", [manual(1, {"a": [1]})])
    with pytest.raises(
        StoreError, match=f"^{tmp_path}/compiled/.*: a compiled flow cannot be written: Not a directory"
    ):
        load(path)


def test_second_load_starts_no_worker_and_gives_the_same(load: Load, tmp_path: Path) -> None:
    paths = [write_flow(tmp_path / f"{name}.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "1")]) for name in "ab"]
    first, workers = load(*paths)
    assert workers == 1
    assert load(*paths) == (first, 0)


def test_edited_flow_is_compiled_alone(load: Load, tmp_path: Path) -> None:
    paths = [write_flow(tmp_path / f"{name}.json", [manual(1, {"a": [1]})]) for name in "ab"]
    load(*paths)
    write_flow(paths[0], [manual(1, {"b": [1]})])
    flows, workers = load(*paths)
    assert workers == 1
    assert [schema_of(flow, 1)[0][0] for flow in flows] == ["b", "a"]


def test_parameters_and_root_are_part_of_what_is_compiled(load: Load, tmp_path: Path) -> None:
    path = write_flow(tmp_path / "a.json", [manual(1, {"a": [1]})], parameters=[{"name": "p"}])
    assert [load(path, **options)[1] for options in ({}, {"parameters": {"p": "x"}}, {"root": tmp_path}, {})] == [
        1,
        1,
        1,
        0,
    ]


def test_changed_header_of_a_source_is_noticed_and_a_missing_source_may_come(load: Load, tmp_path: Path) -> None:
    data, gone = aged(tmp_path / "in.csv", "a\n1\n"), tmp_path / "gone.csv"
    path = write_flow(tmp_path / "f.json", [read_csv(1, data), read_csv(2, gone)])
    (flow,), _ = load(path)
    assert (list(map(tuple, schema_of(flow, 1))), schema_of(flow, 2)) == ([("a", "Int64")], None)
    assert load(path)[1] == 0
    aged(data, "b\nx\n")
    (flow,), workers = load(path)
    assert workers == 1
    assert [tuple(column) for column in schema_of(flow, 1)] == [("b", "String")]
    aged(gone, "c\n1\n")
    (flow,), workers = load(path)
    assert workers == 1
    assert [tuple(column) for column in schema_of(flow, 2)] == [("c", "Int64")]


@pytest.mark.parametrize("pattern", ["parts", "parts/*.csv"])
def test_file_that_appears_in_a_folder_source_is_noticed(load: Load, tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "data" / "parts"
    folder.parent.mkdir()
    received = {"path": str(tmp_path / "data" / pattern), "file_type": "csv", "scan_mode": "directory"}
    path = write_flow(tmp_path / "f.json", [node(1, "read", {"received_file": received})])
    (flow,), _ = load(path)
    assert schema_of(flow, 1) is None
    assert load(path)[1] == 0
    folder.mkdir()
    aged(folder / "one.csv", "a\n1\n")
    (flow,), workers = load(path)
    assert (workers, len(schema_of(flow, 1))) == (1, 1)
    aged(folder / "two.csv", "a\n1\n")
    assert load(path)[1] == 1
    assert load(path)[1] == 0


def test_stored_result_makes_an_opaque_node_and_what_is_below_it_known(load: Load, tmp_path: Path) -> None:
    source = manual(1, {"a": [1], "b": ["x"], "c": [2]}, "Int64", "String", "Int64")
    path = write_flow(tmp_path / "f.json", [source, node(2, "pivot", PIVOT, 1), formula(3, 2, "d", "[x]")])
    (flow,), _ = load(path)
    assert schema_of(flow, 2) is schema_of(flow, 3) is None
    load_flow(path).run(store=tmp_path / "store", targets=[2])
    (flow,), workers = load(path)
    assert workers == 1
    assert [name for name, _ in schema_of(flow, 3)] == ["a", "x", "d"]
    assert load(path)[1] == 0


def test_stored_result_over_a_file_counts_from_the_first_run_on(load: Load, tmp_path: Path) -> None:
    data = aged(tmp_path / "in.csv", "a,b,c\n1,x,2\n")
    path = write_flow(tmp_path / "f.json", [read_csv(1, data), node(2, "pivot", PIVOT, 1)])
    (flow,), _ = load(path)
    assert schema_of(flow, 2) is None
    assert load(path)[1] == 0
    load_flow(path).run(store=tmp_path / "store")
    (flow,), _ = load(path)
    assert [name for name, _ in schema_of(flow, 2)] == ["a", "x"]
    assert load(path)[1] == 0


def test_broken_flows_are_kept_too_and_say_why(load: Load, tmp_path: Path) -> None:
    broken, folder = tmp_path / "broken.json", tmp_path / "folder.json"
    broken.write_text("{")
    folder.mkdir()
    good = write_flow(tmp_path / "good.json", [manual(1, {"a": [1]})])
    flows, _ = load(broken, good, folder)
    assert [type(flow) for flow in flows] == [BrokenFlow, CompiledFlow, BrokenFlow]
    assert isinstance(flows[0], BrokenFlow)
    assert flows[0].error.startswith(f"{broken}: line 1: ")
    assert load(broken, good, folder)[1] == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1}', '{"format": 1, "is_broken": false}'])
def test_garbage_in_the_cache_is_compiled_over(load: Load, tmp_path: Path, content: str) -> None:
    path = write_flow(tmp_path / "a.json", [manual(1, {"a": [1]})])
    first, _ = load(path)
    for file in (tmp_path / "compiled").rglob("*.json"):
        if not file.name.endswith(".flow.json"):
            file.write_text(content)
    assert load(path) == (first, 1)


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs a node type whose prediction ends the process as soon as DEADLY is set."""
    info = tmp_path / "package" / "deadly-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "package" / "deadly.py").write_text(DEADLY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowfile_dagster.nodes]\ndeadly = deadly:Deadly\n")
    monkeypatch.setenv("PYTHONPATH", str(info.parent))


@pytest.mark.usefixtures("deadly")
def test_worker_that_dies_at_a_flow_leaves_the_others(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEADLY", "1")
    kinds = [node(1, "deadly", {}), manual(1, {"a": [1]}), node(1, "deadly", {}), manual(1, {"b": [1]})]
    paths = [write_flow(tmp_path / f"{index}.json", [entry]) for index, entry in enumerate(kinds)]
    flows, workers = load(*paths)
    assert workers == 3
    assert [flow.error if isinstance(flow, BrokenFlow) else schema_of(flow, 1)[0][0] for flow in flows] == [
        f"{paths[0]}: {STOPPED}", "a", f"{paths[2]}: {STOPPED}", "b",
    ]  # fmt: skip


@pytest.mark.usefixtures("deadly")
def test_death_at_an_outdated_flow_costs_neither_it_nor_the_next_one_the_truth(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = aged(tmp_path / "in.csv", "a\n1\n")
    first = write_flow(tmp_path / "first.json", [read_csv(1, data), node(2, "deadly", {})])
    assert isinstance(load(first)[0][0], CompiledFlow)
    aged(data, "b\n1\n")
    monkeypatch.setenv("DEADLY", "1")
    flows, _ = load(first, write_flow(tmp_path / "second.json", [manual(1, {"a": [1]})]))
    assert [type(flow) for flow in flows] == [BrokenFlow, CompiledFlow]


def test_text_of_a_flow_is_kept_as_it_was_compiled(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "a.json", [manual(1, {"a": [1]})])
    cache = CompileCache(tmp_path / "compiled")
    (entry,) = cache.load([FlowRequest(path)])
    write_flow(path, [manual(2, {"b": [1]})])
    assert [item["id"] for item in cache.read_text(entry.key, path).data["nodes"]] == [1]
    with pytest.raises(FlowFileError, match=r"its compiled form is gone from .*; reload the definitions"):
        cache.read_text("0" * 64, path)


def test_text_of_a_flow_is_for_its_owner_only(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]})])
    CompileCache(tmp_path / "compiled").load([FlowRequest(path)])
    (copy,) = (tmp_path / "compiled").rglob("*.flow.json")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_flow_that_changes_before_the_worker_reads_it_is_not_kept_under_the_old_content(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]})])
    old = path.read_text()
    cache = CompileCache(tmp_path / "compiled")
    request = cache._worker_request(FlowRequest(path), str(cache._key(FlowRequest(path))))
    write_flow(path, [manual(1, {"zzz": [1]})])
    compile_request(request)
    path.write_text(old)
    (entry,) = cache.load([FlowRequest(path)])
    assert isinstance(entry.flow, CompiledFlow)
    assert [list(column) for column in entry.flow.nodes[0].schemas["output-0"]] == [["a", "Int64"]]
