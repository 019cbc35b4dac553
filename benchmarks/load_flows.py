"""What loading, predicting and running flows costs. ``make bench`` runs it and writes the table in README.md.

Every repetition is a process of its own, so that nothing is warm but what the row says. Imports are not counted:
they are the same for one flow and for two hundred, and have a row of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FLOWS = 200
TABLE = Path(__file__).parent / "README.md"
MARK = "<!-- table -->"
JsonObject = dict[str, Any]


# --- The flows -------------------------------------------------------------------------------------------------------


def node(node_id: int, kind: str, settings: JsonObject, *inputs: int, right: int | None = None) -> JsonObject:
    return {"id": node_id, "type": kind, "input_ids": list(inputs), "right_input_id": right, "setting_input": settings}


def formula(node_id: int, source: int, column: str, text: str) -> JsonObject:
    return node(node_id, "formula", {"functions": [{"field": {"name": column}, "function": text}]}, source)


def group(node_id: int, source: int, key: str) -> JsonObject:
    columns = [{"old_name": key, "agg": "groupby"}, {"old_name": "total", "agg": "sum", "new_name": "total"}]
    return node(node_id, "group_by", {"groupby_input": {"agg_cols": columns}}, source)


def sort(node_id: int, source: int, column: str) -> JsonObject:
    return node(node_id, "sort", {"sort_input": [{"column": column, "how": "desc"}]}, source)


def join(node_id: int, left: int, right: int) -> JsonObject:
    settings = {"join_mapping": [{"left_col": "item", "right_col": "item"}], "how": "left"}
    selects: JsonObject = {"left_select": {"select": []}, "right_select": {"select": []}}
    return node(node_id, "join", {"join_input": {**settings, **selects}}, left, right=right)


def read(node_id: int, path: Path) -> JsonObject:
    return node(node_id, "read", {"received_file": {"path": str(path), "file_type": "csv"}})


def constant(node_id: int) -> JsonObject:
    data = {"columns": [{"name": "total", "data_type": "Int64"}], "data": [[1, 2, 3]]}
    return node(node_id, "manual_input", {"raw_data_format": data})


def typical(number: int, folder: Path) -> list[JsonObject]:
    """15 nodes as an analyst would draw them; no two flows are alike."""
    condition = {"filter_input": {"mode": "advanced", "advanced_filter": f"[total] > {number}"}}
    target = {"name": f"{number}.csv", "directory": str(folder), "file_type": "csv"}
    return [
        read(1, folder / "lines.csv"),
        read(2, folder / "items.csv"),
        formula(3, 1, "total", f"[count] * [price] + {number}"),
        node(4, "filter", condition, 3),
        join(5, 4, 2),
        formula(6, 5, "label", 'concat([item], "-", [kind])'),
        node(7, "select", {"select_input": [{"old_name": "price", "keep": False}], "keep_missing": True}, 6),
        group(8, 7, "kind"),
        sort(9, 8, "total"),
        group(10, 7, "item"),
        sort(11, 10, "total"),
        node(12, "record_id", {"record_id_input": {"output_column_name": "place"}}, 11),
        node(13, "sample", {"sample_size": 10}, 12),
        node(14, "unique", {"unique_input": {"columns": ["label"], "strategy": "any"}}, 7),
        node(15, "output", {"output_settings": target}, 9),
    ]


def chain(length: int) -> list[JsonObject]:
    return [constant(1), *(formula(index, index - 1, "total", f"[total] + {index}") for index in range(2, length + 1))]


def save(path: Path, nodes: list[JsonObject]) -> None:
    content = {"flowfile_version": "0.23.3", "flowfile_id": 1, "flowfile_name": path.stem, "flowfile_settings": {}}
    text = json.dumps({**content, "nodes": nodes}, indent=2)
    if path.suffix == ".yaml":
        import yaml

        text = yaml.safe_dump(json.loads(text), sort_keys=False)
    path.write_text(text)


def save_flows(folder: Path, count: int) -> None:
    """Half of them JSON, half YAML."""
    (folder / "lines.csv").write_text("item,count,price\n" + "".join(f"i{n % 50},{n},{n}.5\n" for n in range(1000)))
    (folder / "items.csv").write_text("item,kind\n" + "".join(f"i{n},k{n % 5}\n" for n in range(50)))
    flows = folder / "flows"
    flows.mkdir()
    for number in range(count):
        save(flows / f"flow_{number}.{('json', 'yaml')[number % 2]}", typical(number, folder))


# --- What a process of its own measures: seconds by name -----------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_cache(folder: Path) -> dict[str, float]:
    from flowfile_dagster.compile.cache import CompileCache, FlowRequest

    cache = CompileCache(folder / "compiled")
    requests = [FlowRequest(path) for path in sorted((folder / "flows").iterdir())]
    return {"load": seconds(lambda: cache.load(requests))}


def measure_definitions(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}

    def imports() -> None:
        import dagster as dg  # noqa: F401

        from flowfile_dagster.orchestration import definitions  # noqa: F401

    found["import"] = seconds(imports)
    from flowfile_dagster import build_definitions

    flows, compiled = folder / "flows", folder / "compiled"
    found["load"] = seconds(lambda: build_definitions(flows, mode="development", compiled_folder=compiled))
    return found


def measure_prediction(folder: Path) -> dict[str, float]:
    from flowfile_dagster import load_flow

    (path,) = (folder / "flows").iterdir()
    start = time.perf_counter()
    flow = load_flow(path)
    loaded = time.perf_counter()
    schemas = flow.schemas()
    found = {"load": loaded - start, "predict": time.perf_counter() - loaded}
    assert all(schema is not None for schema in schemas.values())
    return found


def measure_run(folder: Path) -> dict[str, float]:
    """In process, on an instance with SQLite as `dagster dev` has; first all computed, then all found again."""
    import warnings

    warnings.simplefilter("ignore")
    import dagster as dg

    from flowfile_dagster import build_definitions

    os.environ["DAGSTER_HOME"] = str(folder)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    defs = build_definitions(folder / "flows", mode="development", compiled_folder=folder / "compiled")
    job = defs.resolve_implicit_global_asset_job_def()
    config = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}

    def run() -> None:
        assert job.execute_in_process(instance=instance, run_config=config).success

    with dg.DagsterInstance.get() as instance:
        return {"computed": seconds(run), "found": seconds(run)}


MEASUREMENTS: Mapping[str, Callable[[Path], dict[str, float]]] = {
    function.__name__: function for function in (measure_cache, measure_definitions, measure_prediction, measure_run)
}


def in_own_process(measurement: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", measurement.__name__, "--folder", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


# --- The table -------------------------------------------------------------------------------------------------------


class Bench:
    """Repeats measurements and keeps their medians."""

    def __init__(self, folder: Path, repeats: int) -> None:
        self._folder = folder
        self._repeats = repeats
        self.rows: list[tuple[str, str, str]] = []

    def row(self, what: str, result: str, target: str = "") -> None:
        self.rows.append((what, result, target))
        print(f"{what:<62} {result:>12}   {target}", flush=True)

    def loading(self, count: int) -> None:
        folder = self._folder / "many"
        folder.mkdir()
        save_flows(folder, count)
        for measurement, name in ((measure_cache, "compiled flows"), (measure_definitions, "`build_definitions`")):
            cold = self._median(measurement, folder, is_cold=True)
            warm = self._median(measurement, folder)
            self.row(f"{name}: {count} flows of 15 nodes, cold", f"{cold['load']:.2f} s", "< 5 s")
            self.row(f"{name}: the same, warm", f"{warm['load']:.2f} s", "< 0.5 s")
        self.row("importing Dagster and this package", f"{warm['import']:.2f} s")

    def prediction(self, lengths: tuple[int, ...]) -> None:
        for length in lengths:
            folder = self._chain(f"chain-{length}", length)
            found = self._median(measure_prediction, folder)
            total = found["load"] + found["predict"]
            per_node = f"linear; this is {total / length * 1000:.2f} ms a node"
            self.row(f"reading and predicting a chain of {length:,} nodes", f"{total:.2f} s", per_node)

    def running(self, length: int) -> None:
        short, long = self._chain("run-1", 2), self._chain("run-many", length)
        one, many = (self._median(measure_run, folder, is_cold=True) for folder in (short, long))
        for key, what in (("computed", "computed and stored"), ("found", "found in the store")):
            each = (many[key] - one[key]) / (length - 2) * 1000
            self.row(f"a node of a development run under Dagster, {what}", f"{each:.0f} ms", "< 100 ms")

    def _chain(self, name: str, length: int) -> Path:
        folder = self._folder / name
        (folder / "flows").mkdir(parents=True)
        save(folder / "flows" / "chain.json", chain(length))
        return folder

    def _median(
        self, measurement: Callable[[Path], dict[str, float]], folder: Path, *, is_cold: bool = False
    ) -> dict[str, float]:
        found = []
        for _ in range(self._repeats):
            if is_cold:
                for item in ("compiled", "storage", "history", "schedules"):
                    shutil.rmtree(folder / item, ignore_errors=True)
            found.append(in_own_process(measurement, folder))
        return {name: statistics.median(each[name] for each in found) for name in found[0]}


def write_table(rows: list[tuple[str, str, str]]) -> None:
    import dagster
    import polars as pl

    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    versions = f"Dagster {dagster.__version__}, Polars {pl.__version__}"
    lines = [f"{machine}, {versions}; medians of 5.", "", "| what | measured | wanted |", "| --- | ---: | --- |"]
    lines += [f"| {what} | {result} | {target} |" for what, result, target in rows]
    before, _, rest = TABLE.read_text().partition(MARK)
    after = rest.partition(MARK)[2]
    TABLE.write_text("\n".join([before + MARK, "", *lines, "", MARK]) + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once each, smaller, and without writing the table")
    parser.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASUREMENTS[options.measure](options.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="flowfile-bench-") as folder:
        bench = Bench(Path(folder), 1 if options.quick else 5)
        bench.loading(40 if options.quick else FLOWS)
        bench.prediction((1_000,) if options.quick else (1_000, 10_000))
        bench.running(20 if options.quick else 100)
    if not options.quick:
        write_table(bench.rows)


if __name__ == "__main__":
    main()
