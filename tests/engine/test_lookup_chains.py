"""Lookups of lookups are joined first in performance mode, and the results stay those of development mode."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster import load_flow
from flowfile_dagster.engine.assembly import assemble
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.resolve import read_graph
from tests.factories import JsonObject, advanced_filter, join, node, write_file, write_flow

TABLES: dict[str, dict[str, list[Any]]] = {
    "lines": {"order": [i % 40 for i in range(400)], "size": list(range(400)), "note": ["x"] * 400},
    "orders": {"order": list(range(50)), "customer": [i % 12 for i in range(50)], "note": ["o"] * 50},
    "customers": {"customer": list(range(1, 11)), "nation": [i % 3 for i in range(10)]},
    "nations": {"nation": [0, 1], "name": ["A", "B"]},
}
TOTALS = {
    "groupby_input": {
        "agg_cols": [
            {"old_name": "name", "agg": "groupby"},
            {"old_name": "size", "agg": "sum"},
            {"old_name": "note_right", "agg": "count"},
        ]
    }
}


def flow_file(folder: Path, how: str, *after: JsonObject) -> Path:
    """Nodes 1 to 4 read the tables, 5 to 7 join them; what comes `after` begins with node 8."""
    for name, columns in TABLES.items():
        pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet")
    reads = [
        node(number, "read", {"received_file": {"path": f"{name}.parquet", "file_type": "parquet"}})
        for number, name in enumerate(TABLES, start=1)
    ]
    joins = [join(5, 1, 2, "order", how), join(6, 5, 3, "customer", how), join(7, 6, 4, "nation", how)]
    return write_flow(folder / "flow.json", [*reads, *joins, *after])


def tables_in_order(path: Path, last: int) -> list[str]:
    """The tables as the plan of a node names them: what is joined to a lookup first stands behind that."""
    graph = read_graph(path)
    members = {item.node_id: item.inputs for item in graph.nodes.values()}
    frame = assemble(members, {}, NodeContext(graph), frozenset())[last]["output-0"]
    lines = [line.strip() for line in frame.explain().splitlines()]
    return [
        "join" if line.startswith("END ") else line.rpartition("/")[2].partition(".")[0]
        for line in lines
        if line.startswith("END ") or "SCAN" in line
    ]


@pytest.mark.parametrize("how", ["inner", "left"])
def test_lookups_of_lookups_are_joined_to_them_first(how: str, tmp_path: Path) -> None:
    path = flow_file(tmp_path, how, node(8, "group_by", TOTALS, 7))
    assert tables_in_order(path, 8) == ["lines", "orders", "customers", "nations", "join", "join", "join"]


def test_joins_stay_in_their_order_where_rows_are_picked_from_the_first_table(tmp_path: Path) -> None:
    path = flow_file(tmp_path, "inner", advanced_filter(8, 7, "[size] > 390"), node(9, "group_by", TOTALS, 8))
    assert tables_in_order(path, 9) == ["lines", "orders", "join", "customers", "join", "nations", "join"]


@pytest.mark.parametrize("engine", ["auto", "in-memory", "streaming"])
@pytest.mark.parametrize("how", ["inner", "left"])
def test_result_is_that_of_the_nodes_one_by_one(how: str, engine: str, tmp_path: Path) -> None:
    after = [
        advanced_filter(8, 7, '[name] != "B" and [nation] < 2'),
        node(9, "group_by", TOTALS, 8),
        write_file(10, 8, tmp_path / "rows.parquet", "parquet"),
    ]
    flow = load_flow(flow_file(tmp_path, how, *after))
    development = flow.run()
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    performance = flow.run("performance", engine=engine)  # type: ignore[arg-type]
    assert development.is_success
    assert performance.is_success
    assert rows.height > 100
    assert_frame_equal(performance.frame(9), development.frame(9), check_row_order=False)
    assert_frame_equal(pl.read_parquet(tmp_path / "rows.parquet"), rows, check_row_order=False)
    assert performance.frame(7).equals(development.frame(7))


def test_failure_to_count_rows_is_told_of_the_node_that_reads_them(tmp_path: Path) -> None:
    path = flow_file(tmp_path, "inner", node(8, "sort", {"sort_input": [{"column": "size"}]}, 7))
    lines = tmp_path / "lines.parquet"
    lines.write_bytes(b"PAR1" + b"\xff" * 60 + lines.read_bytes()[64:])  # the first page; Polars 1.39 counts its rows
    flow = load_flow(path)
    development = {node_id: str(error).partition("\n")[0] for node_id, error in flow.run().errors.items()}
    performance = flow.run("performance").errors
    assert list(development) == [1]
    assert {node_id: str(error).partition("\n")[0] for node_id, error in performance.items()} == development
