"""How much memory a flow takes whose nodes all stream: ``python memory.py --gigabytes 10``.

``make bench-memory`` runs it. The input is made by writing one parquet table of random rows many times over into a
folder; the flow reads the folder, filters, computes and writes two parquet files, in a process of its own. What counts
is the peak of all memory that the processes of the run hold at the same time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tpch.canvas import Canvas

WANTED = 1500
TILE_ROWS = 2_000_000
#: Seconds between two looks at the memory.
INTERVAL = 0.05


def make_input(folder: Path, gigabytes: float) -> tuple[int, int]:
    """Fill the folder with files of one table, which does not shrink; gives the number of files and of bytes."""
    import polars as pl

    rows = pl.select(
        order=pl.int_range(TILE_ROWS),
        customer=pl.int_range(TILE_ROWS).shuffle(1) % 100_000,
        amount=pl.int_range(TILE_ROWS).shuffle(2) * 1.01,
        tax=pl.int_range(TILE_ROWS).shuffle(3) / TILE_ROWS,
        label=pl.format("order number {} of the many", pl.int_range(TILE_ROWS).shuffle(4)),
    )
    first = folder / "part-00000.parquet"
    rows.write_parquet(first, compression="uncompressed")
    size = first.stat().st_size
    count = max(1, round(gigabytes * 1e9 / size))
    for number in range(1, count):
        os.link(first, folder / f"part-{number:05}.parquet")
    return count, count * size


def draw(folder: Path, source: Path) -> Path:
    """A flow of nodes that work row by row."""
    flow = Canvas("memory", source, folder)
    node = flow.read_folder(source)
    node = flow.filter(node, "[amount] > 100000")
    node = flow.formula(node, "gross", "round([amount] * (1 + [tax]), 2)")
    node = flow.filter(node, 'contains([label], "7")')
    node = flow.formula(node, "size", 'if [gross] > 1000000 then "large" else "small" endif')
    flow.write(flow.keep(node, "order", "customer", "gross", "size", "label"), "memory")
    flow.write(flow.filter_basic(node, "size", "equals", "large"), "large")
    return flow.save(folder, "Performance")


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds of a command, and the peak in MB of what it and its children hold at once.

    Raises:
        RuntimeError: the command fails.
    """
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        peak = max(peak, sum(resident_bytes(pid) for pid in (process.pid, *descendants(process.pid))))
        time.sleep(INTERVAL)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - start, peak / 1e6


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def resident_bytes(pid: int) -> int:
    """What a process holds in memory, pages of mapped files included; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--folder", type=Path, help="where the input is made; default: the folder for temporary files")
    options = parser.parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("the memory of processes is read from /proc, which this system does not have")
    with tempfile.TemporaryDirectory(prefix="flowfile-memory-", dir=options.folder) as text:
        folder, source = Path(text), Path(text) / "input"
        source.mkdir()
        count, size = make_input(source, options.gigabytes)
        command = str(Path(sys.executable).with_name("flowfile-dagster"))
        seconds, peak = measure([command, "run", str(draw(folder, source)), "--store", str(folder / "store")])
    print(
        f"{size / 1e9:.1f} GB in {count} files: {seconds:.0f} s, at most {peak:.0f} MB (wanted: less than {WANTED} MB)"
    )
    return 0 if peak < WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
