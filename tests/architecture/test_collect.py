"""Plans are run in one place only, and never while flows or definitions load."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "flowfile_dagster"
RUNNING = {"collect", "collect_async", "collect_all", "sink_csv", "sink_ipc", "sink_ndjson", "sink_parquet", "fetch"}

#: Names of the threads that Polars starts when it plans or runs something.
STARTED_BY_A_PLAN = ("polars-0", "polars-1", "tokio", "async-exec")

#: Loads definitions while every way of running a Polars plan fails, and lists the threads that Polars started.
LOADING = """
import json, os, sys
import polars as pl
def refuse(*args, **kwargs):
    raise AssertionError("a plan was run while loading")
for name in ("collect", "collect_async", "collect_schema", "profile", "sink_ipc", "sink_parquet", "sink_csv"):
    setattr(pl.LazyFrame, name, refuse)
pl.collect_all = refuse
from flowfile_dagster import build_definitions
definitions = build_definitions(sys.argv[1], compiled_folder=sys.argv[2])
specs = {spec.key.to_user_string(): sorted(spec.metadata) for spec in definitions.resolve_all_asset_specs()}
threads = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(json.dumps({"specs": specs, "threads": threads}))
"""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_plans_are_run_only_by_the_engine(path: Path) -> None:
    if path == PACKAGE / "engine" / "collect.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNNING:
            owner = ast.unparse(node.func.value).lower()
            is_context = "context" in owner or owner in ("self", "super()", "self.rendezvous")
            is_lazy = any(keyword.arg == "lazy" for keyword in node.keywords)
            writes_what_is_there = owner == "table.lazy()"
            assert is_context or is_lazy or writes_what_is_there, f"line {node.lineno}: {ast.unparse(node)[:80]}"


def test_loading_definitions_runs_no_plan_and_starts_no_polars_thread(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADING, str(ROOT / "flows"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = json.loads(result.stdout.splitlines()[-1])
    assert len(loaded["specs"]) > 30
    assert any("dagster/column_schema" in metadata for metadata in loaded["specs"].values())
    started = [name for name in loaded["threads"] if name.startswith(STARTED_BY_A_PLAN)]
    assert not started


def test_importing_the_package_is_cheap() -> None:
    script = "import sys, flowfile_dagster; print(sorted(set(sys.modules) & {'polars', 'dagster', 'pyarrow'}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_flowfile_itself_is_never_imported() -> None:
    script = "import sys; from flowfile_dagster import build_definitions, load_flow; print(sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "flowfile_dagster.api" in result.stdout
    assert "'flowfile'" not in result.stdout
    assert "fastapi" not in result.stdout


def test_what_a_fork_server_imports_starts_no_polars_thread() -> None:
    code = (
        "import flowfile_dagster.preload, json, pathlib;"
        "print(json.dumps([path.read_text().strip() for path in pathlib.Path('/proc/self/task').glob('*/comm')]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    threads = json.loads(result.stdout.splitlines()[-1])
    assert not [name for name in threads if name.startswith(STARTED_BY_A_PLAN)]


def test_fork_server_imports_what_every_step_of_dagster_needs() -> None:
    code = (
        "import flowfile_dagster.preload, json, sys; before = set(sys.modules);"
        "import dagster as dg; instance = dg.DagsterInstance.local_temp();"
        "dg.materialize([dg.asset(name='a')(lambda: 1)], instance=instance);"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    late = [name for name in json.loads(result.stdout.splitlines()[-1]) if not name.endswith("in_process")]
    assert not [name for name in late if name.startswith(("dagster", "sqlalchemy", "alembic", "upath", "fsspec"))]
