"""What nodes may ask of the engine."""

from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster.engine import context as context_module
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.resolve import read_graph
from tests.factories import manual, write_flow

ROWS = pl.DataFrame({"a": [3, 1, 2]})


@pytest.mark.parametrize(
    ("engine", "expected"), [("streaming", ["streaming"]), ("in-memory", ["in-memory", "streaming"])]
)
def test_rows_of_a_file_are_computed_on_the_chosen_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, expected: list[Engine]
) -> None:
    used: list[Engine] = []
    collect = context_module.collect

    def note(frame: pl.LazyFrame, on: Engine = "in-memory") -> pl.DataFrame:
        used.append(on)
        return collect(frame, on)

    monkeypatch.setattr(context_module, "collect", note)
    graph = read_graph(write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]})]))
    path = tmp_path / "rows.parquet"
    NodeContext(graph, engine=engine).sink(ROWS.lazy(), lambda rows: rows.sink_parquet(path, lazy=True))
    assert used == expected
    assert pl.read_parquet(path).equals(ROWS)
