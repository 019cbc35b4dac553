"""What storing and finding results costs, against Polars' own `sink_ipc` of the same frame, interleaved.

``python benchmarks/store.py`` prints a table. CPU seconds are of the whole process.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

from flowfile_dagster.store.store import ResultStore

#: By number of rows.
REPEATS = {1_000: 400, 10_000: 200, 100_000: 100, 1_000_000: 15, 5_000_000: 15}
QUICK = {1_000: 40, 100_000: 10}
_TOO_LARGE_TO_LEAVE = 50_000_000
#: Where the store puts a new file: what creating one costs on ext4 depends on the folder, by up to half a millisecond.
FOLDER = "data"
HASH = "a" * 64
CONSUMER = """
import sys, polars as pl
from flowfile_dagster.store.store import ResultStore
def memory(kind):
    return int(next(line for line in open("/proc/self/status") if line.startswith(kind)).split()[1]) / 1024
pl.LazyFrame({"a": [1]}).select(pl.col("a").sum()).collect(engine="in-memory")
store, before, own = ResultStore(sys.argv[1]), memory("VmHWM"), memory("RssAnon")
frame = store.scan(store.find("a" * 64).outputs["output-0"])
frame.select(pl.col("i0").sum(), pl.col("f0").mean()).collect(engine="in-memory")
print(f"peak +{memory('VmHWM') - before:.0f} MB, of its own +{memory('RssAnon') - own:.0f} MB")
"""


def build_frame(rows: int) -> pl.DataFrame:
    """Six columns of integers, two of floats, one of text: 400 MB at five million rows."""
    hashed = pl.int_range(rows).hash
    integers = {f"i{number}": (hashed(number) % 10**9).cast(pl.Int64) for number in range(6)}
    floats = {f"f{number}": hashed(number) / 1e19 for number in range(2)}
    return pl.select(**integers, **floats).with_columns(text=pl.col("i0").cast(pl.String))


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    before, started = _cpu(), time.perf_counter()
    work()
    return time.perf_counter() - started, _cpu() - before


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="write only small frames, a few times")
    sizes = QUICK if parser.parse_args().quick else REPEATS
    print(f"Polars {pl.__version__}, Python {sys.version.split()[0]}, interleaved")
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(folder)
        for number in range(2_000):
            store.write(pl.DataFrame({"number": [number]}))  # a store in use has its folders
        for rows, repeats in sizes.items():
            _compare_writing(store, Path(folder), build_frame(rows), repeats)
    _measure_reading(build_frame(5_000_000))


def _compare_writing(store: ResultStore, folder: Path, frame: pl.DataFrame, repeats: int) -> None:
    order = random.Random(repeats)
    taken: dict[str, list[tuple[float, float]]] = {"sink_ipc": [], "store": []}
    size = store.write(frame).bytes
    for repeat in range(repeats):
        for way in order.sample(sorted(taken), len(taken)):
            # Only where there is no room to leave them: a new file costs ext4 ten times as much after many are removed.
            for old in folder.rglob("*.arrow") if size > _TOO_LARGE_TO_LEAVE else ():
                old.unlink()
            table = frame.with_columns(pl.col("i0") + repeat + 1, pl.col("i1") + len(way))
            work = partial(table.lazy().sink_ipc, folder / FOLDER / f"{size}-{repeat}.arrow")
            taken[way].append(measure(work if way == "sink_ipc" else partial(store.write, table)))
    for name, index in (("wall", 0), ("CPU", 1)):
        values = {way: [pair[index] for pair in pairs] for way, pairs in taken.items()}
        medians = {way: statistics.median(of_way) for way, of_way in values.items()}
        least = {way: min(of_way) for way, of_way in values.items()}
        print(
            f"write {size / 1e6:.1f} MB, {name}: sink_ipc {medians['sink_ipc']:.4f} s, store {medians['store']:.4f} s, "
            f"ratio of medians {medians['store'] / medians['sink_ipc']:.2f}, "
            f"of minima {least['store'] / max(least['sink_ipc'], 1e-9):.2f}"
        )


def _measure_reading(frame: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(folder)
        store.record([HASH], {"output-0": store.write(frame)})
        found = [measure(lambda: ResultStore(folder).find(HASH))[0] for _ in range(100)]
        for path in Path(folder).glob("verified/*/*.json"):
            path.unlink()
        first = measure(lambda: ResultStore(folder).find(HASH))[0]
        peak = subprocess.run([sys.executable, "-c", CONSUMER, folder], capture_output=True, text=True, check=True)
        print(f"hit on 400 MB: median {statistics.median(found) * 1e3:.2f} ms, worst {max(found) * 1e3:.2f} ms")
        print(f"first hit on a store copied from elsewhere: {first * 1e3:.0f} ms")
        print(f"lazy consumer of two columns of 400 MB: {peak.stdout.strip()}")


if __name__ == "__main__":
    main()
