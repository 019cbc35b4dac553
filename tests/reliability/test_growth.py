"""The store stays small."""

import os
import time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from flowfile_dagster import FlowfileIOManager, build_definitions, build_gc_schedule, load_flow
from flowfile_dagster.cli.app import main
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual, write_flow

ROWS = list(range(500))


def grow_old(store: Path) -> None:
    """Let two hours go by for everything that was written just now, without changing the order of it."""
    for path in store.rglob("*"):
        when = path.stat().st_mtime
        if path.is_file() and when > time.time() - 3600:
            os.utime(path, (when - 7200, when - 7200))


def data_bytes(store: Path) -> int:
    return sum(path.stat().st_size for path in store.glob("data/*/*.arrow"))


def test_hundred_edits_of_a_node_stay_under_the_byte_cap(tmp_path: Path) -> None:
    store, cap = tmp_path / "store", 100_000
    for edit in range(100):
        nodes = [manual(1, {"a": ROWS}), formula(2, 1, "b", f"[a] * {edit + 2}")]
        assert load_flow(write_flow(tmp_path / "shop.json", nodes)).run(store=store).is_success
        if edit % 20 == 19:
            grow_old(store)
            assert main(["gc", str(store), "--max-bytes", str(cap)]) == 0
            assert 0 < data_bytes(store) <= cap
    files = [path for path in store.rglob("*") if path.is_file()]
    assert len(files) < 60
    assert set(load_flow(tmp_path / "shop.json").run(store=store).status.values()) == {"hit"}


def test_scheduled_job_collects_in_dagster(tmp_path: Path) -> None:
    store = tmp_path / "store"
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    schedule = build_gc_schedule("0 4 * * *", keep_last=1)
    for edit in range(3):
        flow = write_flow(tmp_path / "shop.json", [manual(1, {"a": ROWS}), formula(2, 1, "b", f"[a] * {edit}")])
        flows = build_definitions(
            flow, compiled_folder=tmp_path / "compiled", io_manager=FlowfileIOManager(base_path=str(store))
        )
        definitions = dg.Definitions.merge(flows, dg.Definitions(schedules=[schedule]))
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success
    grow_old(store)
    assert len(list(store.glob("data/*/*.arrow"))) == 4
    assert definitions.resolve_schedule_def("flowfile_gc_schedule").cron_schedule == "0 4 * * *"
    result = definitions.resolve_job_def("flowfile_gc").execute_in_process(instance=instance)
    assert result.success
    assert len(list(store.glob("data/*/*.arrow"))) == 2
    value: Any = definitions.load_asset_value(["shop", "formula_2"], instance=instance, python_type=pl.DataFrame)
    assert value["b"].to_list() == [row * 2 for row in ROWS]
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("bytes removed" in message and "bytes of data stay" in message for message in messages)


@pytest.mark.parametrize("other", ["", "run-2"])
def test_steps_of_a_run_read_what_the_run_itself_published(tmp_path: Path, other: str) -> None:
    store, key = ResultStore(tmp_path / "store"), ("flow", "node")
    store.of_run("run-1").publish(key, Ref("a" * 64, "output-0"))
    store.of_run(other).publish(key, Ref("b" * 64, "output-0"))
    assert store.of_run("run-1").latest(key) == Ref("a" * 64, "output-0", "run-1")
    assert store.of_run("run-3").latest(key) == store.latest(key) == Ref("b" * 64, "output-0", other)
