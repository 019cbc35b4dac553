"""What segments of a bundle share runs once, and a failure hits only its own segment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.nodes import find_node_type
from tests.factories import JsonObject, advanced_filter, formula, manual, node, write_file, write_flow

ROWS = manual(1, {"a": [1, 1, 2], "b": [1, 2, 3]})
UNIQUE = node(2, "unique", {"unique_input": {"columns": ["a", "b"]}}, 1)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time that the rows of a `unique` node are computed."""
    counted: list[int] = []
    kind: Any = type(find_node_type("unique"))
    build = kind.build

    def count(table: pl.DataFrame) -> pl.DataFrame:
        counted.append(table.height)
        return table

    def counting(self: Any, settings: Any, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        frame: pl.LazyFrame = build(self, settings, frames, context)
        return frame.map_batches(count, schema=frame.collect_schema())

    monkeypatch.setattr(kind, "build", counting)
    return counted


def group(node_id: int, source: int, column: str) -> JsonObject:
    columns = [{"old_name": column, "agg": "groupby"}, {"old_name": "b", "agg": "count", "new_name": "n"}]
    return node(node_id, "group_by", {"groupby_input": {"agg_cols": columns}}, source)


@pytest.mark.parametrize("engine", ["auto", "streaming", "in-memory"])
def test_shared_node_runs_once_for_files_and_stored_results(tmp_path: Path, runs: list[int], engine: Engine) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.csv"]
    nodes = [
        ROWS,
        UNIQUE,
        group(3, 2, "a"),
        write_file(4, 3, files[0], "parquet"),
        write_file(5, 2, files[1]),
        group(6, 2, "b"),
    ]
    run = load_flow(write_flow(tmp_path / "flow.json", nodes)).run("performance", engine=engine)
    assert run.is_success
    assert runs == [3]
    assert pl.read_parquet(files[0]).sort("a").to_dict(as_series=False) == {"a": [1, 2], "n": [2, 1]}
    assert pl.read_csv(files[1]).height == 3
    assert run.frame(6).height == 3


def test_shared_node_runs_once_where_decimals_come_out_of_its_readers(tmp_path: Path, runs: list[int]) -> None:
    """To know the type of a quotient, a plan without rows is run: it must not take the place of the real one."""
    prices = pl.DataFrame({"a": [1, 1, 2], "b": [1, 2, 3]}).with_columns(pl.col("b").cast(pl.Decimal(15, 2)))
    prices.write_parquet(tmp_path / "prices.parquet")
    source = node(1, "read", {"received_file": {"path": str(tmp_path / "prices.parquet"), "file_type": "parquet"}})
    readers = [formula(3, 2, "c", "[b] / [b]"), formula(4, 2, "c", "[b] * [b]"), formula(5, 2, "c", "[a]")]
    run = load_flow(write_flow(tmp_path / "flow.json", [source, UNIQUE, *readers])).run("performance")
    assert run.is_success
    assert [rows for rows in runs if rows] == [3]


def test_shared_node_runs_once_where_a_reader_collects_something_else_while_it_is_built(
    tmp_path: Path, runs: list[int]
) -> None:
    settings = {"dynamic_rename_input": {"rename_mode": "formula", "formula": 'concat([column_name], "_x")'}}
    readers = [node(3, "dynamic_rename", settings, 2), group(4, 2, "a")]
    run = load_flow(write_flow(tmp_path / "flow.json", [ROWS, UNIQUE, *readers])).run("performance")
    assert run.frame(3).columns == ["a_x", "b_x"]
    assert runs == [3]


@pytest.mark.parametrize("write_mode", ["append", "create"])
def test_writers_that_lock_a_folder_do_not_wait_for_each_other(tmp_path: Path, write_mode: str) -> None:
    writers = [write_file(number, 2, tmp_path / f"{number}.csv", write_mode=write_mode) for number in (3, 4)]
    run = load_flow(write_flow(tmp_path / "flow.json", [ROWS, UNIQUE, *writers])).run("performance")
    assert run.is_success
    assert [pl.read_csv(tmp_path / f"{number}.csv").height for number in (3, 4)] == [3, 3]


@pytest.mark.parametrize("engine", ["auto", "streaming", "in-memory"])
def test_files_that_stream_from_one_source_are_what_each_would_be_alone(tmp_path: Path, engine: Engine) -> None:
    pl.DataFrame({"a": [1, 1, 2], "b": [1, 2, 3]}).write_parquet(tmp_path / "rows.parquet")
    nodes = [
        node(1, "read", {"received_file": {"path": str(tmp_path / "rows.parquet"), "file_type": "parquet"}}),
        formula(2, 1, "c", "[a] * 10"),
        write_file(3, 2, tmp_path / "all.csv"),
        advanced_filter(4, 2, "[b] > 1"),
        write_file(5, 4, tmp_path / "some.parquet", "parquet"),
        group(6, 2, "a"),
        write_file(7, 6, tmp_path / "few.csv"),
        formula(8, 2, "d", 'to_integer("x") + [a]'),
        write_file(9, 8, tmp_path / "failed.csv"),
    ]
    run = load_flow(write_flow(tmp_path / "flow.json", nodes)).run("performance", engine=engine)
    assert list(run.errors) == [8]
    assert pl.read_csv(tmp_path / "all.csv").to_dict(as_series=False) == {
        "a": [1, 1, 2],
        "b": [1, 2, 3],
        "c": [10, 10, 20],
    }
    assert pl.read_parquet(tmp_path / "some.parquet").to_dict(as_series=False) == {
        "a": [1, 2],
        "b": [2, 3],
        "c": [10, 20],
    }
    assert pl.read_csv(tmp_path / "few.csv").sort("a").to_dict(as_series=False) == {"a": [1, 2], "n": [2, 1]}
    assert not (tmp_path / "failed.csv").exists()


def test_second_run_finds_everything_and_a_lost_file_is_written_alone(tmp_path: Path, runs: list[int]) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    nodes = [
        ROWS,
        UNIQUE,
        write_file(3, 2, files[0], "parquet"),
        group(4, 2, "a"),
        write_file(5, 4, files[1], "parquet"),
    ]
    flow = load_flow(write_flow(tmp_path / "flow.json", nodes))
    flow.run("performance", store=tmp_path / "store")
    assert set(flow.run("performance", store=tmp_path / "store").status.values()) == {"hit"}
    files[1].unlink()
    again = flow.run("performance", store=tmp_path / "store")
    assert (again.status[3], again.status[5]) == ("hit", "computed")
    assert files[1].exists()


@pytest.mark.parametrize("text", ["[nothing]", 'to_integer("x") + [a]'])
def test_failure_in_one_segment_leaves_the_others_their_results(tmp_path: Path, text: str) -> None:
    target = tmp_path / "a.parquet"
    nodes = [ROWS, UNIQUE, formula(3, 2, "c", text), write_file(4, 2, target, "parquet"), group(5, 2, "a")]
    run = load_flow(write_flow(tmp_path / "flow.json", nodes)).run("performance")
    assert list(run.errors) == [3]
    assert str(run.errors[3]).startswith("flow / 3 / formula: ")
    assert pl.read_parquet(target).height == 3
    assert run.frame(5).height == 2


def test_failing_node_is_looked_for_once_for_all_segments(tmp_path: Path, runs: list[int]) -> None:
    bad = node(3, "formula", {"functions": [{"field": {"name": "c", "data_type": "Int64"}, "function": "[t]"}]}, 2)
    rows = manual(1, {"a": [1, 2], "b": [1, 2], "t": ["1", "x"]}, "Int64", "Int64", "String")
    readers = [write_file(number, 3, tmp_path / f"{number}.csv") for number in range(4, 8)]
    run = load_flow(write_flow(tmp_path / "flow.json", [rows, UNIQUE, bad, *readers])).run("performance")
    assert list(run.errors) == [3]
    assert len(runs) == 1 + len(readers) + 1, "together, each by itself, and the search"


def test_failure_in_the_shared_node_is_told_once(tmp_path: Path) -> None:
    nodes = [ROWS, formula(2, 1, "c", "[nothing]"), node(3, "unique", {"unique_input": {"columns": None}}, 2)]
    run = load_flow(write_flow(tmp_path / "flow.json", [*nodes, group(4, 3, "a"), group(5, 3, "b")])).run("performance")
    assert list(run.errors) == [2]
    assert {run.status[node_id] for node_id in (3, 4, 5)} == {"skipped"}


def test_failed_file_of_a_bundle_leaves_nothing_behind(tmp_path: Path) -> None:
    failing = [manual(1, {"a": ["1", "x"] * 10}, "String"), formula(2, 1, "b", "to_integer([a])")]
    healthy = formula(4, 1, "c", "length([a])")
    path = write_flow(tmp_path / "flow.json", [*failing, write_file(3, 2, tmp_path / "x.arrow", "ipc"), healthy])
    flow = load_flow(path)
    for _ in range(60):  # Polars opens a file too late in one of fifteen runs
        assert list(flow.run("performance").errors) == [2]
    assert list(tmp_path.iterdir()) == [path]
