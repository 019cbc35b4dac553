"""How fast flows run, beside hand-written Polars, hand-written Dagster assets and Flowfile itself.

``make bench`` runs it and writes the tables in README.md. Needs the extra ``bench``. Every repetition is a process of
its own, the programs take turns, and nothing is measured before its results were found right. Set FLOWFILE_BIN to
the `flowfile` command of an environment that has Flowfile, to measure that as well.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tpch.canvas import Canvas
from tpch.flows import FLOWS, steps

if TYPE_CHECKING:
    from tpch.hand_written import Engine, Form

    from flowfile_dagster.flow.graph import ExecutionMode

TABLE = Path(__file__).parent / "README.md"
MARK = "<!-- flows -->"
QUICK_SCALE = 0.01
#: The mode that is compared with hand-written Polars.
MODE = "performance"

ENGINES = ("in-memory", "streaming")
HAND_WRITTEN = tuple(f"polars {engine} separate" for engine in ENGINES)
SEVERAL_OUTPUTS = ("dashboard", "wide", "tiny")
#: In development each of its 1,000 nodes would store a copy of all orders.
NOT_IN_DEVELOPMENT = ("wide",)
#: Beyond this scale the stored results of all nodes would fill the disk, in development as in hand-written assets.
LARGEST_STORED_SCALE = 1.0
#: Only flows with several outputs have these.
TOGETHER = tuple(f"polars {engine} together" for engine in ENGINES)
#: Nothing is known of the files that a flow reads, so their content is hashed.
FIRST_SIGHT = "at first sight"
COLD, WARM = "development cold", "development warm"
OURS, FLOWFILE = "flowfile-dagster run", "flowfile run flow"
DAGSTER_FLOW, DAGSTER_ASSETS = "dagster flow", "dagster assets"
#: Chains of steps; the difference between them is the cost of a step.
DAGSTER_STEPS = {"dagster few steps": 2, "dagster many steps": 12}
#: What takes long and needs no exact ratio is run in every other round.
SLOW = frozenset({COLD, WARM, FIRST_SIGHT, FLOWFILE, DAGSTER_ASSETS})


@dataclass(frozen=True)
class Measured:
    """What one process took. `cpu`: seconds of all its threads, which others on the machine disturb less."""

    seconds: float
    megabytes: float
    cpu: float = math.nan


class MeasurementError(Exception):
    """A measured program failed."""


# --- What a process of its own does: seconds and those of CPU, without imports and without reading the flow file ------


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - start[0], time.process_time() - start[1]


def run_flow(path: Path, mode: ExecutionMode, store: Path) -> tuple[float, float]:
    from flowfile_dagster import load_flow

    flow = load_flow(path)
    start = now()
    run = flow.run(mode=mode, store=store)
    spent = since(start)
    if not run.is_success:
        raise MeasurementError("; ".join(str(error) for error in run.errors.values()))
    return spent


def run_hand_written(name: str, data: Path, out: Path, engine: Engine, form: Form) -> tuple[float, float]:
    from tpch import hand_written

    start = now()
    hand_written.run(name, data, out, engine, form)
    return since(start)


def check(name: str, data: Path, out: Path, expected: Path) -> tuple[float, float]:
    from tpch.check import check_results

    start = now()
    check_results(name, data, out, expected)
    return since(start)


WORK: dict[str, Callable[[list[Any]], tuple[float, float]]] = {
    "flow": lambda given: run_flow(Path(given[0]), given[1], Path(given[2])),
    "polars": lambda given: run_hand_written(given[0], Path(given[1]), Path(given[2]), given[3], given[4]),
    "check": lambda given: check(given[0], *map(Path, given[1:])),
}


# --- Processes -------------------------------------------------------------------------------------------------------


def run_process(command: Sequence[str], environment: dict[str, str]) -> tuple[Measured, str]:
    """Wall time, peak memory of the largest of its processes, and output of a command."""
    os.sync()
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise MeasurementError(f"{' '.join(command)}\n{text[-3000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_maxrss / unit), text


def run_own(work: str, *arguments: object) -> Measured:
    """Let a new process measure itself."""
    return run_telling([sys.executable, __file__, "--work", work, *map(str, arguments)], clean_environment())


def run_telling(command: Sequence[str], environment: dict[str, str]) -> Measured:
    """Run a program whose last line says how many seconds count, and of CPU."""
    whole, text = run_process(command, environment)
    seconds, *cpu = map(float, text.splitlines()[-1].split())
    return Measured(seconds, whole.megabytes, *cpu)


def clean_environment() -> dict[str, str]:
    """Without settings that would change what is measured."""
    unwanted = {"DAGSTER_HOME", "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


# --- The programs that are compared ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """Where things are, and what is measured."""

    data: Path
    folder: Path
    flowfile: str | None
    stores_nodes: bool
    runs_dagster: bool

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def prepare(self) -> None:
        for folder in ("out", "expected", "flows", "home", "dagster/chain/flows"):
            (self.folder / folder).mkdir(parents=True)
        for name, draw in FLOWS.items():
            canvas = Canvas(name, self.data, self.out)
            draw(canvas)
            canvas.save(self.folder / "flows")
            if name == "chain":
                canvas.save(self.folder / "dagster/chain/flows", "Performance")
        for count in DAGSTER_STEPS.values():
            canvas = Canvas("steps", self.data, self.out)
            steps(canvas, count)
            (self.folder / f"dagster/steps-{count}/flows").mkdir(parents=True)
            canvas.save(self.folder / f"dagster/steps-{count}/flows", "Performance")

    def programs(self, name: str) -> list[str]:
        """In the order in which they take turns; `WARM` finds what `COLD` stored."""
        several = TOGETHER if name in SEVERAL_OUTPUTS else ()
        whole = [OURS, *([FLOWFILE] if self.flowfile else [])]
        development = () if name in NOT_IN_DEVELOPMENT or not self.stores_nodes else (COLD, WARM)
        return [MODE, *HAND_WRITTEN, *several, FIRST_SIGHT, *whole, *development]

    def measure(self, name: str, program: str) -> Measured:
        flow = self.folder / "flows" / f"{name}.json"
        if program.startswith("polars "):
            _, engine, form = program.split()
            return run_own("polars", name, self.data, self.out, engine, form)
        if program == OURS:
            command = str(Path(sys.executable).with_name("flowfile-dagster"))
            return run_process([command, "run", str(flow), "--mode", MODE], clean_environment())[0]
        if program == FLOWFILE:
            environment = {**clean_environment(), "HOME": str(self.folder / "home")}
            return run_process([str(self.flowfile), "run", "flow", str(flow)], environment)[0]
        store = self.folder / "stores" / program.removesuffix(" cold").removesuffix(" warm")
        if program in (COLD, FIRST_SIGHT):
            shutil.rmtree(store, ignore_errors=True)
        elif program == MODE:
            for results in ("data", "nodes", "refs"):
                for path in (store / results).rglob("*"):
                    if path.is_file():  # a store in use has its folders
                        path.unlink()
        return run_own("flow", flow, MODE if program in (MODE, FIRST_SIGHT) else "development", store)

    def read_sources(self) -> None:
        """Have the system keep the tables in memory, whatever was measured before."""
        for path in self.data.iterdir():
            with path.open("rb", buffering=0) as stream:
                while stream.read(1 << 20):
                    pass

    def check(self, name: str, program: str) -> None:
        """Run a program once and compare what it wrote."""
        if program != WARM:
            for path in self.out.iterdir():
                path.unlink()
        self.measure(name, program)
        run_own("check", name, self.data, self.out, self.folder / "expected")

    def measure_dagster(self, program: str) -> Measured:
        count = DAGSTER_STEPS.get(program)
        folder = self.folder / "dagster" / ("chain" if count is None else f"steps-{count}")
        for name in ("compiled", "storage", "history", "schedules", "assets"):
            shutil.rmtree(folder / name, ignore_errors=True)
        modules = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
        variables = {"DAGSTER_HOME": str(folder), "BENCH_FOLDER": str(folder), "BENCH_DATA": str(self.data)}
        job = "hand_written_job" if program == DAGSTER_ASSETS else "flow_job"
        command = [sys.executable, "-m", "tpch.dagster_run", job, str(folder)]
        return run_telling(command, {**clean_environment(), **variables, "PYTHONPATH": modules})


# --- The tables ------------------------------------------------------------------------------------------------------


class Results:
    """All repetitions by flow and program."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Measured]] = defaultdict(list)

    def add(self, name: str, program: str, measured: Measured) -> None:
        self._found[name, program].append(measured)
        print(f"{name:<16} {program:<28} {measured.seconds:8.3f} s {measured.megabytes:8.0f} MB", flush=True)

    def has(self, name: str, program: str) -> bool:
        return (name, program) in self._found

    @property
    def rounds(self) -> int:
        return max(map(len, self._found.values()))

    def seconds(self, name: str, program: str) -> float:
        return statistics.median(measured.seconds for measured in self._found[name, program])

    def cpu(self, name: str, program: str) -> float:
        return statistics.median(measured.cpu for measured in self._found[name, program])

    def megabytes(self, name: str, program: str) -> float:
        return statistics.median(measured.megabytes for measured in self._found[name, program])

    def best_hand_written(self, name: str) -> str:
        return min(self.hand_written(name), key=lambda program: self.seconds(name, program))

    def hand_written(self, name: str) -> list[str]:
        return [program for program in (*HAND_WRITTEN, *TOGETHER) if self.has(name, program)]


def engine_table(results: Results, names: Iterable[str]) -> list[str]:
    lines = [
        f"| flow | {MODE} | Polars by hand | ratio | in form | ratio of CPU "
        f"| {FIRST_SIGHT} | {COLD} | warm | MB: {MODE} | by hand |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        hand = results.best_hand_written(name)
        ours, by_hand, first = (results.seconds(name, program) for program in (MODE, hand, FIRST_SIGHT))
        cold, warm = (
            f"{results.seconds(name, program):.3f} s" if results.has(name, program) else "" for program in (COLD, WARM)
        )
        memory = [results.megabytes(name, program) for program in (MODE, hand)]
        cpu = results.cpu(name, MODE) / min(results.cpu(name, program) for program in results.hand_written(name))
        lines.append(
            f"| {name} | {ours:.3f} s | {by_hand:.3f} s | {ours / by_hand:.2f} "
            f"| {hand.removeprefix('polars ')} | {cpu:.2f} "
            f"| {first:.3f} s | {cold} | {warm} | {memory[0]:.0f} | {memory[1]:.0f} |"
        )
    return lines


def process_table(results: Results, names: Iterable[str]) -> list[str]:
    lines = [
        f"| flow | `{OURS}` | `{FLOWFILE}` | ratio | MB: ours | Flowfile's |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        ours, memory = results.seconds(name, OURS), results.megabytes(name, OURS)
        if results.has(name, FLOWFILE):
            theirs, their_memory = results.seconds(name, FLOWFILE), results.megabytes(name, FLOWFILE)
            compared = f"{theirs:.2f} s | {ours / theirs:.2f} | {memory:.0f} | {their_memory:.0f}"
        else:
            compared = f"not there, or not right | | {memory:.0f} | "
        lines.append(f"| {name} | {ours:.2f} s | {compared} |")
    return lines


def dagster_table(results: Results) -> list[str]:
    """Seconds of whole runs under Dagster."""
    flow, assets = (results.seconds("chain", program) for program in (DAGSTER_FLOW, DAGSTER_ASSETS))
    (few, less), (many, more) = ((DAGSTER_STEPS[name], results.seconds("chain", name)) for name in DAGSTER_STEPS)
    step = (more - less) / (many - few)
    return [
        "| under Dagster, whole runs | | MB of the largest process |",
        "| --- | ---: | ---: |",
        f"| the 20 nodes of `chain` in performance mode, `flowfile_executor` | {flow:.1f} s "
        f"| {results.megabytes('chain', DAGSTER_FLOW):.0f} |",
        f"| the same as 20 hand-written assets, parquet files, multiprocess executor | {assets:.1f} s "
        f"| {results.megabytes('chain', DAGSTER_ASSETS):.0f} |",
        f"| faster by the factor | {assets / flow:.1f} | |",
        f"| a chain of {few} steps that do next to nothing, `flowfile_executor` | {less:.1f} s | |",
        f"| each further step of such a chain | {step:.2f} s | |",
    ]


def write_tables(tables: Sequence[Sequence[str]], scale: float, rounds: int) -> None:
    import polars as pl

    about = f"TPC-H at scale factor {scale:g}, {os.cpu_count()} cores, Python {platform.python_version()}, "
    about += (
        f"Polars {pl.__version__}; medians of {rounds}, of what is slow {(rounds + 1) // 2}, the programs taking turns."
    )
    blocks = ["\n".join(table) for table in tables]
    before, _, rest = TABLE.read_text().partition(MARK)
    after = rest.partition(MARK)[2]
    TABLE.write_text("\n\n".join([before + MARK, about, *blocks, MARK]) + after)


# --- All of it -------------------------------------------------------------------------------------------------------


def check_all(bench: Bench, name: str) -> list[str]:
    """The programs that can be measured: Flowfile may fail, everything else must be right."""
    programs = bench.programs(name)
    for program in list(programs):
        try:
            bench.check(name, program)
        except MeasurementError as error:
            if program != FLOWFILE:
                raise
            programs.remove(program)
            print(f"{name}: {FLOWFILE} fails: {str(error).splitlines()[-1]}", flush=True)
    print(f"{name}: the results are right", flush=True)
    return programs


def measure_all(bench: Bench, names: Sequence[str], repeats: int, deadline: float) -> Results:
    """Rounds in which all take turns; none is begun that would not end before the deadline, but one always is."""
    results = Results()
    programs = {name: check_all(bench, name) for name in names}
    dagster = [DAGSTER_FLOW, DAGSTER_ASSETS, *DAGSTER_STEPS] if "chain" in names and bench.runs_dagster else []
    took = 0.0
    for number in range(repeats):
        start = time.monotonic()
        if number and start + took > deadline:
            print(f"no time for more than {number} rounds", flush=True)
            break
        for name in names:
            for program in programs[name]:
                if program not in SLOW or number % 2 == 0:
                    bench.read_sources()
                    results.add(name, program, bench.measure(name, program))
        for program in dagster:
            if program not in SLOW or number % 2 == 0:
                results.add("chain", program, bench.measure_dagster(program))
        took = max(took, time.monotonic() - start)
    return results


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="once each, at a small scale, without Dagster and without writing the tables",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H's scale factor")
    parser.add_argument("--data", type=Path, help="the folder of the tables; made if it is not there")
    parser.add_argument("--flows", nargs="+", choices=FLOWS, default=list(FLOWS), help="only these; writes no tables")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=12, help="begin no further round that would take longer")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    if options.work:
        print(*WORK[options.work[0]](options.work[1:]))
        return
    deadline = time.monotonic() + options.minutes * 60
    scale = QUICK_SCALE if options.quick else options.scale
    data = options.data or Path(tempfile.gettempdir()) / "flowfile-bench-data" / f"scale-{scale:g}"
    generator = str(Path(__file__).with_name("tpch_data.py"))
    subprocess.run([sys.executable, generator, str(data), "--scale", f"{scale:g}"], check=True)
    with tempfile.TemporaryDirectory(prefix="flowfile-bench-") as folder:
        stores_nodes = scale <= LARGEST_STORED_SCALE
        runs_dagster = stores_nodes and not options.quick
        bench = Bench(data.resolve(), Path(folder), os.environ.get("FLOWFILE_BIN"), stores_nodes, runs_dagster)
        bench.prepare()
        results = measure_all(bench, options.flows, 1 if options.quick else options.repeats, deadline)
    tables = [engine_table(results, options.flows), process_table(results, options.flows)]
    if results.has("chain", DAGSTER_FLOW):
        tables.append(dagster_table(results))
    for table in tables:
        print("", *table, sep="\n")
    if not options.quick and list(options.flows) == list(FLOWS):
        write_tables(tables, scale, results.rounds)


if __name__ == "__main__":
    main()
