"""What nodes may ask of the engine."""

import os
import time
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster.engine import context as context_module
from flowfile_dagster.engine.collect import Engine, collect
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.store.fingerprints import FileMemory
from tests.factories import manual, write_flow

ROWS = pl.DataFrame({"a": [3, 1, 2]})


@pytest.mark.parametrize(
    ("engine", "expected"), [("streaming", ["streaming"]), ("in-memory", ["in-memory", "streaming"])]
)
def test_rows_of_a_file_are_computed_on_the_chosen_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, expected: list[Engine]
) -> None:
    used: list[Engine] = []

    def note(frame: pl.LazyFrame, on: Engine = "in-memory") -> pl.DataFrame:
        used.append(on)
        return collect(frame, on)

    monkeypatch.setattr(context_module, "collect", note)
    graph = read_graph(write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]})]))
    path = tmp_path / "rows.parquet"
    context = NodeContext(graph, engine=engine)
    assert context.sink(ROWS.lazy(), lambda rows: rows.sink_parquet(path, lazy=True)) == 3
    assert used == expected
    assert pl.read_parquet(path).equals(ROWS)


def test_file_is_looked_into_again_only_for_other_content_or_another_question(tmp_path: Path) -> None:
    graph = read_graph(write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]})]))
    path = tmp_path / "rows.csv"
    found: list[pl.Schema] = []

    def find() -> pl.Schema:
        found.append(pl.Schema({"a": pl.Datetime("us"), "n": pl.Int64 if len(found) < 2 else pl.String}))
        return found[-1]

    def ask(question: str) -> pl.Schema:
        return NodeContext(graph, found_schemas=FileMemory(tmp_path / "memory")).recall_schema(path, question, find)

    def write(text: str, age: int) -> None:
        path.write_text(text)
        os.utime(path, (time.time() - age,) * 2)

    write("one", 10)
    assert [ask("strict") for _ in range(3)] == found * 3
    assert [ask("lossy"), ask("strict"), ask("lossy")] == [found[1], found[0], found[1]]
    write("two", 9)
    assert ask("strict") == found[2] != found[0]
    assert len(found) == 3
