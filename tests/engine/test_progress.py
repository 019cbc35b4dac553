from pathlib import Path

import polars as pl
import pyarrow as pa

from flowfile_dagster import load_flow
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.engine.progress import Progress
from flowfile_dagster.store.store import ResultStore
from tests.factories import manual, write_flow


def values_of(table: pl.DataFrame) -> pa.Buffer:
    """The memory in which the values of the only column lie."""
    return table.to_arrow().column(0).chunk(0).buffers()[1]


def test_first_rows_of_a_large_table_do_not_keep_all_of_it_in_memory(tmp_path: Path) -> None:
    graph = load_flow(write_flow(tmp_path / "shop.json", [manual(1, {"a": [1]})])).graph
    progress = Progress(NodeContext(graph), ResultStore(tmp_path / "store"), lambda node: ("shop", str(node.node_id)))
    large = pl.DataFrame({"a": range(100_000)})
    stored = progress.store_table(large.head(10))
    kept = progress.scan(stored).collect(engine="in-memory")
    assert kept.equals(large.head(10))
    all_values = values_of(large)
    assert not all_values.address <= values_of(kept).address < all_values.address + all_values.size
