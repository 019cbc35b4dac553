"""Every hostile file is loaded in bounded time and memory, runs nothing, writes nothing, and is told in one line."""

from __future__ import annotations

import ast
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from flowfile_dagster.compile.cache import CompileCache, FlowRequest
from tests.factories import manual, node, write_flow
from tests.hostile.hostile_flows import DOUBLING_QUERY, write_hostile_flows
from tests.hostile.probe import MARK

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
#: Seconds without a word, on a busy machine, after which a load counts as endless.
PATIENCE = 60
#: What each may take of processor time: 2 s on a quiet machine.
MAX_SECONDS = 4.0
MAX_MEGABYTES = 500
#: Nothing is wrong with these but their size: the time is that of so many nodes, or of so much text.
LARGE = {"chain_of_ten_thousand.json"}
#: These load: what is hostile in them could only happen in a run, or is no harm at all.
LOADED = {
    *("code_annotation", "code_backslashes", "code_coding_line", "code_default_argument", "code_endless_loop"),
    *("code_form_feeds", "code_huge_power", "code_huge_repeat", "code_huge_shift", "code_huge_tuple"),
    *("code_deep_f_string", "code_python_function", "formula_huge_pad", "formula_huge_repeat"),
    *(
        "formula_power_function",
        "formula_slow_pattern",
        "list_loop",
        "manual_input_of_a_text_like_secrets",
        "manual_input_of_a_wide_text",
        "manual_input_of_called_types",
    ),
    *("manual_input_of_deep_types", "manual_input_of_huge_numbers", "manual_input_of_many_columns"),
    *("query_dashes_before", "query_many_cross_joins", "query_reader_word_and_blanks", "query_reader_words"),
    *("query_slow_pattern", "sample_of_huge_size", "select_of_many", "split_into_many"),
    *("chain_of_ten_thousand", "star_of_two_thousand", "two_thousand_sources", "union_of_two_thousand"),
    *(
        "unions_that_double",
        "layers_all_joined",
        "list_everything",
        "window_functions_of_many",
        "output_fields_of_many",
    ),
}
#: Damage at random may leave a flow whole.
RANDOM = ("flipped_",)

Report = dict[str, Any]


def probe(paths: Sequence[Path], folder: Path) -> Iterator[Report]:
    """Load every file in two ways; one that kills its process, or has no end, is reported and left behind."""
    todo = list(paths)
    while todo:
        asked = folder / "asked"
        asked.write_text("".join(f"{json.dumps(str(path))}\n" for path in todo))
        done = 0
        for line in _lines([sys.executable, str(HERE / "probe.py"), str(folder)], asked):
            done += 1
            yield json.loads(line)
        if done < 2 * len(todo):
            yield {"path": str(todo[done // 2]), "way": "none: it killed its process, or had no end"}
        todo = todo[done // 2 + 1 :]


def _lines(command: Sequence[str], asked: Path) -> Iterator[str]:
    """What a process prints, until its end or a long silence."""
    environment = {**os.environ, "TMPDIR": str(asked.parent), "POLARS_MAX_THREADS": "2"}
    with (
        asked.open() as questions,
        subprocess.Popen(
            command,
            stdin=questions,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=asked.parent,
            env=environment,
        ) as process,
    ):
        assert process.stdout
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process.stdout, lines))
        reader.start()
        try:
            while line := lines.get(timeout=PATIENCE):
                yield line
        except queue.Empty:
            pass
        process.kill()
        reader.join()


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def reports(hostile_folder: Path) -> list[Report]:
    """What came of every file: those kept here, and those written for the occasion."""
    kept = [path for name in ("files", "texts") for path in sorted((HERE / name).iterdir())]
    written = write_hostile_flows(hostile_folder)
    before = _listing(hostile_folder)
    own = hostile_folder / "own"
    own.mkdir()
    found = list(probe([*kept, *written], own))
    assert _listing(hostile_folder, without=own) == before, "loading wrote something"
    return found


def _listing(folder: Path, without: Path | None = None) -> set[str]:
    return {str(path) for path in folder.rglob("*") if without is None or without not in (path, *path.parents)}


def test_hostile_files_are_many(reports: list[Report]) -> None:
    assert len({report["path"] for report in reports}) > 400
    assert {report["way"] for report in reports} == {"predict", "compile"}, "a file killed its process, or had no end"


def test_hostile_file_never_stops_its_process(reports: list[Report]) -> None:
    assert not [report for report in reports if "TRACEBACK" in report.get("told", "it died")]


def test_hostile_file_runs_no_code_and_reaches_nothing(reports: list[Report]) -> None:
    assert not [(report["path"], report["seen"]) for report in reports if report["seen"]]


def test_hostile_file_is_bounded_in_time_and_memory(reports: list[Report]) -> None:
    beyond = [
        (report["path"], report["way"], report["seconds"], report["megabytes"])
        for report in reports
        if report["megabytes"] > MAX_MEGABYTES
        or report["seconds"] > (20 if Path(report["path"]).name in LARGE else MAX_SECONDS)
    ]
    assert not beyond


def test_hostile_file_is_told_in_one_bounded_line(reports: list[Report]) -> None:
    for report in reports:
        first = report["told"].partition("\n")[0]
        path = Path(report["path"])
        assert len(first) < 3_000, report
        assert "\x1b" not in first
        if first and report["way"] == "predict":
            assert path.stem in first or path.name in first, report


def test_hostile_file_that_loads_is_one_of_those_that_may(reports: list[Report], hostile_folder: Path) -> None:
    flows = hostile_folder / "flows"
    silent = {
        Path(report["path"]).stem for report in reports if not report["told"] and flows in Path(report["path"]).parents
    }
    assert {name for name in silent if not name.startswith(RANDOM)} <= LOADED


def test_watch_sees_what_it_looks_for(tmp_path: Path) -> None:
    script = f"""
import os, sys, socket, subprocess
from pathlib import Path
from tests.hostile.probe import Watch
watch = Watch(Path("/nowhere"))
with watch.on() as seen:
    exec(compile("{MARK} = 1", "x", "exec"))
    open("owned", "w").close()
    os.remove("owned")
    subprocess.run(["true"])
    socket.socket().bind(("127.0.0.1", 0))
print([word for word in ("code of the flow", "open 'owned'", "os.remove", "subprocess.Popen", "socket.bind")
       if any(entry.startswith(word) for entry in seen)])
"""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert len(ast.literal_eval(done.stdout)) == 5, done.stdout


def test_flow_without_an_end_is_given_up(tmp_path: Path) -> None:
    settings = {"sql_query_input": {"sql_code": DOUBLING_QUERY}}
    path = write_flow(tmp_path / "doubling.json", [manual(1, {"a": [1]}), node(2, "sql_query", settings, 1)])
    request = CompileCache(tmp_path)._worker_request(FlowRequest(path), "key")
    script = "from flowfile_dagster.compile.worker import main; main(max_seconds=3)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps({**request, "content": ""}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert not list(tmp_path.rglob("key*"))
