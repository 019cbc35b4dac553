"""Who wants to know is told which node went wrong, why, and in which run."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flowfile_dagster import (
    AlertConfig,
    FlowAlert,
    FlowConfig,
    NodeConfig,
    RowCount,
    StaticPartitions,
    flowfile_alert_sensor,
)
from flowfile_dagster.orchestration.project.launch_config import AlertKind
from tests.factories import formula, manual, read_csv
from tests.orchestration.project import Project

BAD_COLUMN = formula(2, 1, "b", "[nope]")
CAUSE = "functions[0] (column 'b'), formula '[nope]': column 'nope' is not in the input. Existing columns: 'a'"


class Listener:
    """An alert sensor, as the daemon asks it."""

    def __init__(self, project: Project, sensor: dg.SensorDefinition) -> None:
        self._instance = project.instance
        self._sensor = sensor
        self._cursor: str | None = None

    def tick(self) -> None:
        data = self._sensor.evaluate_tick(dg.build_sensor_context(self._instance, self._cursor))
        self._cursor = data.cursor


@pytest.fixture
def told() -> list[FlowAlert]:
    return []


@pytest.fixture
def listener(project: Project, told: list[FlowAlert]) -> Listener:
    return Listener(project, flowfile_alert_sensor(told.append, base_url="http://dagster:3000/"))


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()
        thread.join()


def test_failed_node_is_told_once_with_its_cause_and_run(
    project: Project, listener: Listener, told: list[FlowAlert]
) -> None:
    listener.tick()
    project.write([manual(1, {"a": [1]}), BAD_COLUMN])
    run_id = project.run().run_id
    listener.tick()
    listener.tick()
    assert told == [FlowAlert("failure", "shop", "2 / formula", CAUSE, run_id, f"http://dagster:3000/runs/{run_id}")]
    assert told[0].text == f"shop / 2 / formula failed: {CAUSE}\nhttp://dagster:3000/runs/{run_id}"


def test_every_failed_node_of_a_run_is_told(
    project: Project, listener: Listener, told: list[FlowAlert], tmp_path: Path
) -> None:
    listener.tick()
    project.write([manual(1, {"a": [1]}), BAD_COLUMN, read_csv(3, tmp_path / "gone.csv")])
    project.run()
    listener.tick()
    assert {alert.node for alert in told} == {"2 / formula", "3 / read"}


def test_node_that_fails_in_many_partitions_is_told_once_with_one_of_them(
    project: Project, listener: Listener, told: list[FlowAlert], tmp_path: Path
) -> None:
    listener.tick()
    nodes = [read_csv(1, tmp_path / "${key}.csv"), formula(2, 1, "b", "[a]"), read_csv(3, tmp_path / "other.csv")]
    project.write(nodes, parameters=[{"name": "key", "default_value": ""}])
    keys = StaticPartitions(keys=["DE", "FR", "IT"], parameter="key")
    job = project.definitions(overrides={"shop": FlowConfig(partitions=keys)}).resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": "DE", "dagster/asset_partition_range_end": "IT"}
    assert not job.execute_in_process(instance=project.instance, tags=tags, raise_on_error=False).success
    listener.tick()
    assert [alert.node for alert in told] == ["1 / read", "3 / read"]
    assert all(alert.cause.endswith("(partition DE) (and 2 more)") for alert in told)


def test_node_that_fails_in_the_run_of_one_partition_is_told_with_it(
    project: Project, listener: Listener, told: list[FlowAlert], tmp_path: Path
) -> None:
    listener.tick()
    project.write([read_csv(1, tmp_path / "${key}.csv")], parameters=[{"name": "key", "default_value": ""}])
    keys = StaticPartitions(keys=["DE", "FR"], parameter="key")
    job = project.definitions(overrides={"shop": FlowConfig(partitions=keys)}).resolve_implicit_global_asset_job_def()
    assert not job.execute_in_process(instance=project.instance, partition_key="FR", raise_on_error=False).success
    listener.tick()
    assert [alert.partition for alert in told] == ["FR"]
    assert told[0].text.startswith("shop / 1 / read (partition FR) failed: ")


def test_what_failed_before_and_what_succeeds_is_not_told(
    project: Project, listener: Listener, told: list[FlowAlert]
) -> None:
    project.write([manual(1, {"a": [1]}), BAD_COLUMN])
    project.run()
    listener.tick()
    project.write([manual(1, {"a": [1]})])
    project.run()
    listener.tick()
    assert told == []


def test_failed_check_of_a_successful_run_is_told(project: Project, told: list[FlowAlert]) -> None:
    @dg.asset_check(asset=["shop", "formula_2"])
    def is_positive() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="3 rows are negative")

    @dg.asset(key=["shop", "formula_2"])
    def formula_2() -> None: ...

    listener = Listener(project, flowfile_alert_sensor(told.append, kinds=["check"]))
    listener.tick()
    result = dg.materialize([formula_2, is_positive], instance=project.instance)
    listener.tick()
    assert told == [FlowAlert("check", "shop", "formula_2", "is_positive: 3 rows are negative", result.run_id)]


@pytest.mark.parametrize(
    ("kinds", "kind"), [(["failure", "check"], "check"), (["check"], "check"), (["failure"], "failure")]
)
def test_blocking_check_that_fails_is_told_once(project: Project, kinds: list[AlertKind], kind: AlertKind) -> None:
    told: list[FlowAlert] = []
    listener = Listener(project, flowfile_alert_sensor(told.append, kinds=kinds))
    listener.tick()
    project.write([manual(1, {"a": [1]}), BAD_COLUMN, formula(3, 1, "b", "[a]")])
    blocked = NodeConfig(checks=[RowCount(min=2, blocking=True)])
    checked = replace(project, options={"overrides": {"shop": FlowConfig(nodes={"formula_3": blocked})}})
    assert not checked.run().is_success
    listener.tick()
    of_check = [alert for alert in told if "row_count" in alert.cause]
    assert [alert.kind for alert in of_check] == [kind]
    assert ("2 / formula" in {alert.node for alert in told}) == ("failure" in kinds)


def test_hook_that_fails_is_tried_again(project: Project) -> None:
    is_down = True
    told: list[str] = []

    def hook(alert: FlowAlert) -> None:
        if is_down:
            raise ConnectionError("chat is down")
        told.append(alert.cause)

    listener = Listener(project, flowfile_alert_sensor(hook))
    listener.tick()
    project.write([manual(1, {"a": [1]}), BAD_COLUMN])
    project.run()
    with pytest.raises(ConnectionError):
        listener.tick()
    is_down = False
    listener.tick()
    assert told == [CAUSE]


def test_webhook_gets_the_alert_as_json(project: Project, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    address, posted = webhook
    project.write([manual(1, {"a": [1]}), BAD_COLUMN])
    definitions = project.definitions(alerts=[AlertConfig(webhook=address)])
    listener = Listener(project, definitions.resolve_sensor_def("flowfile_alerts"))
    listener.tick()
    run_id = project.run().run_id
    listener.tick()
    assert posted == [
        {
            "text": f"shop / 2 / formula failed: {CAUSE}",
            "kind": "failure",
            "flow": "shop",
            "node": "2 / formula",
            "cause": CAUSE,
            "run_id": run_id,
            "run_url": None,
            "partition": None,
        }
    ]
