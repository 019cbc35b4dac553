"""A node that fails at its last row, again and again: Polars' own sink leaves a readable file of the first rows there.

``python -m tests.reliability.failing_nodes --repeats 1000`` prints how often something was found that must not be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import polars as pl

from flowfile_dagster import Flow, load_flow
from tests.factories import node, write_file, write_flow

MODES, ENGINES = ("development", "performance"), ("in-memory", "streaming")


def build_late_failure(folder: Path) -> Flow:
    """A reader (1), a cast that fails at the last of 120,001 rows (2), and a writer below it (3)."""
    data = folder / "in.parquet"
    pl.DataFrame({"a": [*map(str, range(120_000)), "last"]}).write_parquet(data)
    code = "output_df = input_df.with_columns(b=pl.col('a').cast(pl.Int64))"
    nodes = [
        node(1, "read", {"received_file": {"path": str(data), "file_type": "parquet"}}),
        node(2, "polars_code", {"polars_code_input": {"polars_code": code}}, 1),
        write_file(3, 2, folder / "out.parquet", "parquet"),
    ]
    return load_flow(write_flow(folder / "late.json", nodes))


def find_traces(folder: Path, repeats: int) -> Iterator[str]:
    """Run the flow in every mode on every engine, in turn; yields what was left that looks like a result."""
    flow, store = build_late_failure(folder), folder / "store"
    for mode, engine in islice((pair for _ in range(repeats) for pair in product(MODES, ENGINES)), repeats):
        run = flow.run(mode, store=store, engine=engine)  # type: ignore[arg-type]
        if run.status[2] != "failed" or run.status[3] in ("computed", "hit"):
            yield f"{mode}, {engine}: {run.status}"
        if (folder / "out.parquet").exists():
            yield f"{mode}, {engine}: the writer's file is there"
        yield from map(str, store.rglob("*.tmp"))
    yield from (str(path) for path in store.glob("data/*/*.arrow") if "b" in pl.read_ipc_schema(path))


def main() -> int:
    """Repeat, count, fail if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        traces = list(find_traces(Path(folder), options.repeats))
    print(f"Polars {pl.__version__}: {options.repeats} failures left {len(traces)} traces", *traces[:10], sep="\n  ")
    return 1 if traces else 0


if __name__ == "__main__":
    sys.exit(main())
