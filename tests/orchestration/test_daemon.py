"""Dagster's own daemon: backfills, a trigger, an automation condition, and a run that waits in the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual, read_csv, write_flow
from tests.orchestration.server import Server, serve_location

pytestmark = [pytest.mark.server, pytest.mark.slow]

CODE = """
import dagster as dg
from flowfile_dagster import *
overrides = {{
    "days": FlowConfig(partitions=TimePartitions(type="daily", start="2026-01-01", end="2026-01-04", parameter="key")),
    "lands": FlowConfig(partitions=StaticPartitions(keys=["DE", "FR"], parameter="key"), max_partitions_per_run=1),
    "automatic": FlowConfig(automation="on_change"),
}}
watch = TriggerConfig(name="watch", files=[{data!r}], flows=["watching"], status="running")
often = ScheduleConfig(name="often", every="1m", flows=["held"])
defs = dg.Definitions.merge(
    build_definitions({flows!r}, overrides=overrides, triggers=[watch], schedules=[often]),
    dg.Definitions(executor=dg.in_process_executor),
)
"""
#: Runs start at once, but for those that carry a tag: these stay in the queue.
QUEUE = """
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
    tag_concurrency_limits: [{key: hold, limit: 0}]
"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
START_SENSOR = """
mutation($name: String!) { startSensor(sensorSelector: {sensorName: $name, repositoryName: "__repository__",
  repositoryLocationName: "location"}) { __typename ... on PythonError { message } } }
"""
TICKS = """
query($name: String!) { sensorOrError(sensorSelector: {sensorName: $name, repositoryName: "__repository__",
  repositoryLocationName: "location"}) { ... on Sensor { sensorState { ticks(limit: 20) { status skipReason } } } } }
"""
RUNS = """
{ runsOrError { ... on Runs { results {
  runId status tags { key value } assetMaterializations { assetKey { path } partition } } } } }
"""
PARTITIONS = {"days": ["2026-01-01", "2026-01-02", "2026-01-03"], "lands": ["DE", "FR"]}
AUTOMATION = "default_automation_condition_sensor"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "in.csv").write_text("a\n1\n")
    flows = folder / "flows"
    flows.mkdir()
    key = [{"name": "key", "type": "string", "default_value": ""}]
    for name in ("days", "lands"):
        write_flow(flows / f"{name}.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "${key}")], parameters=key)
    for name in ("watching", "automatic"):
        write_flow(flows / f"{name}.json", [read_csv(1, folder / "in.csv"), formula(2, 1, "b", "[a] + 1")])
    write_flow(flows / "held.json", [manual(1, {"a": [1]})])
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    code = CODE.format(flows=str(folder / "flows"), data=str(folder / "in.csv"))
    with serve_location(folder, code, daemon=True, coordinator=QUEUE) as served:
        held = served.launch([["held", "manual_input_1"]], hold="yes")
        await_value(lambda: status_of(served, held) == "QUEUED", "the run that waits")
        assert served.wait(served.launch([["automatic", "read_1"], ["automatic", "formula_2"]]))[0] == "SUCCESS"
        for name in ("often", AUTOMATION):
            answer = served.ask(START_SENSOR, name=name)["startSensor"]
            assert answer["__typename"] == "Sensor", answer
        yield served


@pytest.fixture(scope="module")
def backfills(server: Server) -> dict[str, str]:
    """Backfills of whole flows, begun before anything else is waited for: the daemon looks every 30 seconds."""
    return {flow: backfill(server, flow, keys) for flow, keys in PARTITIONS.items()}


def await_value(look: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """What `look` gives as soon as that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"{what} did not come within {seconds} s")


def status_of(server: Server, run_id: str) -> str:
    return next(str(run["status"]) for run in all_runs(server) if run["runId"] == run_id)


def all_runs(server: Server) -> list[dict[str, Any]]:
    return list(server.ask(RUNS)["runsOrError"]["results"])


def await_runs(server: Server, tag: str, value: str, count: int = 1) -> list[dict[str, Any]]:
    """The runs with a tag, oldest first, as soon as there are so many and all have succeeded."""

    def look() -> list[dict[str, Any]] | None:
        tagged = [run for run in all_runs(server) if {"key": tag, "value": value} in run["tags"]][::-1]
        assert len(tagged) <= count
        assert "FAILURE" not in {run["status"] for run in tagged}
        return tagged if [run["status"] for run in tagged] == ["SUCCESS"] * count else None

    return list(await_value(look, f"{count} runs with {tag}={value}"))


def made(run: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [("/".join(item["assetKey"]["path"]), item["partition"]) for item in run["assetMaterializations"]]


def await_tick(server: Server, sensor: str) -> dict[str, Any]:
    """The latest tick of a sensor, as soon as there is one that is over."""

    def look() -> dict[str, Any] | None:
        ticks = server.ask(TICKS, name=sensor)["sensorOrError"]["sensorState"]["ticks"]
        return next((tick for tick in ticks if tick["status"] != "STARTED"), None)

    return dict(await_value(look, f"a tick of {sensor}"))


def backfill(server: Server, flow: str, partitions: list[str]) -> str:
    keys = [{"path": [flow, name]} for name in ("manual_input_1", "formula_2")]
    params = {"assetSelection": keys, "partitionNames": partitions}
    answer = server.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def stored(folder: Path, flow: str, partition: str) -> list[str]:
    store = ResultStore(folder / "dagster-home" / "storage" / "flowfile")
    ref = store.latest((flow, "formula_2", f"@{partition}"))
    assert ref is not None
    manifest = store.find(ref.node_hash)
    assert manifest is not None
    return store.scan(manifest.outputs[ref.handle]).collect()["b"].to_list()


def test_run_that_waits_in_the_queue_keeps_the_next_from_being_launched(server: Server) -> None:
    (held,) = [run for run in all_runs(server) if run["status"] == "QUEUED"]
    first = await_tick(server, "often")
    assert (first["status"], first["skipReason"]) == ("SKIPPED", f"run {held['runId']} of the same flow goes on")


@pytest.mark.usefixtures("backfills")
def test_changed_file_launches_what_watches_it_and_what_automation_keeps_fresh(server: Server, folder: Path) -> None:
    for name in ("watch", AUTOMATION):
        await_tick(server, name)
    (folder / "in.csv").write_text("a\n2\n")
    (source,) = server.sources()
    assert server.wait(server.launch([source]))[0] == "SUCCESS"
    for name, flow in (("watch", "watching"), (AUTOMATION, "automatic")):
        (run,) = await_runs(server, "dagster/sensor_name", name)
        assert made(run) == [(f"{flow}/read_1", None), (f"{flow}/formula_2", None)]


def test_backfill_is_one_run_or_one_for_each_partition_and_stores_each_result(
    server: Server, folder: Path, backfills: dict[str, str]
) -> None:
    (run,) = await_runs(server, "dagster/backfill", backfills["days"])
    names = ("days/manual_input_1", "days/formula_2")
    assert made(run) == [(name, day) for day in PARTITIONS["days"] for name in names]
    runs = await_runs(server, "dagster/backfill", backfills["lands"], 2)
    assert [{partition for _, partition in made(run)} for run in runs] == [{"DE"}, {"FR"}]
    for flow, keys in PARTITIONS.items():
        assert [stored(folder, flow, key) for key in keys] == [[key] for key in keys]
