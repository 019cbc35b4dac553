"""Flows run by the clock, never two of one flow at once, and a dead run blocks none."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from flowfile_dagster import ConfigError, FlowConfig, ScheduleConfig, TriggerConfig
from tests.factories import formula, manual, read_csv
from tests.orchestration.project import Project
from tests.orchestration.test_observation import observe

NODES = [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")]
NIGHTLY = {"name": "nightly", "cron": "0 3 * * *"}


def schedule(project: Project, **config: object) -> tuple[dg.ScheduleDefinition, dg.Definitions]:
    given = ScheduleConfig.model_validate({**NIGHTLY, **config})
    definitions = project.definitions(schedules=[given])
    return definitions.resolve_schedule_def("nightly"), definitions


def tick(project: Project, **config: object) -> tuple[list[dg.RunRequest], str | None]:
    """What one tick of a cron schedule gives: requests, or why none."""
    return tick_of(project, schedule(project, **config)[1])


def tick_of(project: Project, definitions: dg.Definitions) -> tuple[list[dg.RunRequest], str | None]:
    with dg.build_schedule_context(
        project.instance,
        scheduled_execution_time=datetime(2026, 1, 1, 3, tzinfo=timezone.utc),
        repository_def=definitions.get_repository_def(),
    ) as context:
        data = definitions.resolve_schedule_def("nightly").evaluate_tick(context)
    return list(data.run_requests or ()), data.skip_message


def selected(project: Project, **config: object) -> set[str]:
    _, definitions = schedule(project, **config)
    repository = definitions.get_repository_def()
    job = repository.get_job(repository.get_schedule_def("nightly").job_name)
    return {key.to_user_string() for key in job.asset_layer.executable_asset_keys}


def leave_run(project: Project, keys: Sequence[str], status: dg.DagsterRunStatus) -> str:
    """A run record as a process leaves it that was killed."""
    definitions = project.definitions()
    job = definitions.resolve_implicit_global_asset_job_def()
    wanted = [dg.AssetKey.from_user_string(key) for key in keys]
    run = project.instance.create_run_for_job(job, asset_selection=frozenset(wanted), status=status)
    return run.run_id


def test_schedule_runs_the_flows_that_it_names_or_all(project: Project) -> None:
    project.write(NODES, "shop")
    project.write(NODES, "bank")
    assert selected(project, flows=["shop"]) == {"shop/manual_input_1", "shop/formula_2"}
    assert len(selected(project)) == 4


def test_schedule_runs_any_selection_of_nodes(project: Project) -> None:
    project.write(NODES, "shop")
    project.write(NODES, "bank")
    assert selected(project, select='key:"*/formula_2"') == {"shop/formula_2", "bank/formula_2"}
    assert selected(project, select='key:"*/formula_2"', flows=["bank"]) == {"bank/formula_2"}


def test_time_zone_and_status_are_the_schedule_s(project: Project) -> None:
    project.write(NODES)
    found, _ = schedule(project, timezone="Europe/Berlin", status="running")
    assert found.execution_timezone == "Europe/Berlin"
    assert found.default_status is dg.DefaultScheduleStatus.RUNNING


PARAMETERS = [
    {"name": "region", "type": "string", "default_value": "US"},
    {"name": "least", "type": "integer", "default_value": "1"},
    {"name": "day", "type": "string", "default_value": ""},
]


def test_parameters_and_tags_go_into_the_request(project: Project) -> None:
    project.write(NODES, parameters=PARAMETERS)
    ((request,), _) = tick(project, parameters={"shop": {"region": "EU", "least": "5"}}, tags={"team": "sales"})
    assert request.run_config == {"resources": {"flow__shop": {"config": {"parameters": {"region": "EU", "least": 5}}}}}
    assert request.tags["team"] == "sales"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"regio": "EU", "region": "EU"}, "the flow has no parameter 'regio'; parameters: region, least"),
        ({"region": "EU", "least": "many"}, "parameter 'least': must be an integer"),
        ({"region": "EU", "day": "x"}, "the flow has no parameter 'day'"),
        ({"region": "EU", "least": ""}, "parameter 'least' cannot be blank; give it a value, or leave it out"),
        ({}, "parameter 'region' is required, so give it a value"),
    ],
)
@pytest.mark.parametrize("kind", ["schedules", "triggers"])
def test_parameters_that_do_not_fit_are_a_load_error(
    project: Project, kind: str, given: dict[str, str], cause: str
) -> None:
    project.write(NODES, parameters=PARAMETERS)
    daily = {"type": "daily", "start": "2025-12-01", "parameter": "day"}
    overrides = {"shop": FlowConfig.model_validate({"partitions": daily, "required_parameters": ["region"]})}
    launch = {"name": "nightly", "parameters": {"shop": given}}
    launches = [
        ScheduleConfig.model_validate({**NIGHTLY, **launch})
        if kind == "schedules"
        else TriggerConfig.model_validate({"files": ["*.csv"], **launch})
    ]
    with pytest.raises(ConfigError, match=rf"'shop': {kind}\.nightly\.parameters: {cause}"):
        project.definitions(overrides=overrides, **{kind: launches})


@pytest.mark.parametrize(
    "launched", [{"automation": "eager"}, {"partitions": {"type": "files", "pattern": "*.csv", "parameter": "day"}}]
)
def test_required_parameters_that_nobody_gives_are_a_load_error(project: Project, launched: dict[str, Any]) -> None:
    project.write(NODES, parameters=PARAMETERS)
    overrides = {"shop": FlowConfig.model_validate({"required_parameters": ["region"], **launched})}
    with pytest.raises(ConfigError, match="runs that automation or a new file launches give no parameters"):
        project.definitions(overrides=overrides)


def test_parameters_of_a_schedule_are_those_of_its_runs(project: Project) -> None:
    declared = [{"name": "region", "type": "string", "default_value": "US"}]
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "'${region}'")], parameters=declared)
    config = {"flows": ["shop"], "parameters": {"shop": {"region": "EU"}}}
    ((request,), _) = tick(project, **config)
    _, definitions = schedule(project, **config)
    repository = definitions.get_repository_def()
    job = repository.get_job(repository.get_schedule_def("nightly").job_name)
    result = job.execute_in_process(request.run_config, instance=project.instance)
    (event,) = [item for item in result.get_asset_materialization_events() if item.asset_key.path[-1] == "formula_2"]
    assert event.materialization.metadata["flowfile/parameters"].value == {"region": "EU"}


def test_schedule_of_a_daily_flow_runs_the_day_that_is_over(project: Project) -> None:
    declared = [{"name": "day", "type": "string", "default_value": ""}]
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "'${day}'")], parameters=declared)
    daily = {"type": "daily", "start": "2025-12-01", "parameter": "day"}
    overrides = {"shop": FlowConfig.model_validate({"partitions": daily})}
    definitions = project.definitions(schedules=[ScheduleConfig(**NIGHTLY)], overrides=overrides)
    ((request,), _) = tick_of(project, definitions)
    assert request.partition_key == "2025-12-31"


def test_selection_that_cannot_be_read_is_a_load_error_that_names_its_schedule(project: Project) -> None:
    project.write(NODES, parameters=PARAMETERS)
    with pytest.raises(ConfigError, match=r"schedules\.nightly\.select: Invalid selection string: key:\("):
        project.definitions(schedules=[ScheduleConfig(**{**NIGHTLY, "select": "key:("})])


@pytest.mark.parametrize("kind", ["schedules", "triggers"])
def test_flows_with_different_partitions_in_one_launch_are_a_load_error(project: Project, kind: str) -> None:
    overrides: dict[str, FlowConfig] = {}
    for name, length in (("days", "daily"), ("weeks", "weekly")):
        project.write([manual(1, {"a": [1]})], name, parameters=[{"name": "day"}])
        partitions = {"type": length, "start": "2025-12-01", "parameter": "day"}
        overrides[name] = FlowConfig.model_validate({"partitions": partitions})
    all_flows = ScheduleConfig(**NIGHTLY) if kind == "schedules" else TriggerConfig(name="nightly", files=["*.csv"])
    with pytest.raises(ConfigError, match=rf"{kind}\.nightly\.flows: 'days' and 'weeks' are partitioned in different"):
        project.definitions(overrides=overrides, **{kind: [all_flows]})
    of_days = all_flows.model_copy(update={"flows": ["days"]})
    dg.Definitions.validate_loadable(project.definitions(overrides=overrides, **{kind: [of_days]}))


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_tick_is_skipped_while_another_run_of_the_flow_goes_on(project: Project, status: str) -> None:
    project.write(NODES)
    run_id = leave_run(project, ["shop/manual_input_1"], dg.DagsterRunStatus(status))
    assert tick(project, select='key:"shop/formula_2"') == ([], f"run {run_id} of the same flow goes on")
    assert len(tick(project, skip_if_running=False)[0]) == 1


def test_run_of_another_flow_blocks_nothing(project: Project) -> None:
    project.write(NODES, "shop")
    project.write(NODES, "bank")
    leave_run(project, ["bank/formula_2"], dg.DagsterRunStatus.STARTED)
    assert len(tick(project, flows=["shop"])[0]) == 1


HANGING_RUN = """
import time
import dagster as dg

@dg.asset(key=["shop", "formula_2"])
def hang():
    time.sleep(600)

dg.materialize([hang], instance=dg.DagsterInstance.get(), tags={".dagster/grpc_info": "{}"})
"""


def test_run_blocks_nothing_as_soon_as_its_process_is_gone(project: Project) -> None:
    project.write(NODES)
    environment = {**os.environ, "DAGSTER_HOME": project.instance.root_directory}
    with subprocess.Popen([sys.executable, "-c", HANGING_RUN], env=environment) as process:
        try:
            while not project.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                assert process.poll() is None
                time.sleep(0.1)
            (run,) = project.instance.get_runs()
            assert tick(project) == ([], f"run {run.run_id} of the same flow goes on")
        finally:
            process.kill()
    assert project.instance.get_runs()[0].status is dg.DagsterRunStatus.STARTED
    assert len(tick(project)[0]) == 1


def test_run_whose_process_cannot_be_seen_blocks_until_it_is_too_old(project: Project) -> None:
    project.write(NODES)
    leave_run(project, ["shop/formula_2"], dg.DagsterRunStatus.STARTED)
    time.sleep(1.1)
    assert tick(project, stale_after="60s")[0] == []
    assert len(tick(project, stale_after="1s")[0]) == 1


def requested(project: Project, **config: object) -> set[str]:
    requests, _ = tick(project, **config)
    return {key.path[-1] for request in requests for key in request.asset_selection or ()}


def test_only_changed_launches_what_has_changed_and_all_below(project: Project, tmp_path: Path) -> None:
    data = tmp_path / "in.csv"
    data.write_text("a\n1\n")
    below = formula(4, 3, "d", "[c]")
    project.write([read_csv(1, data), *NODES[1:], formula(3, 1, "c", "[a]"), below])
    assert requested(project, only_changed=True) == {"read_1", "formula_2", "formula_3", "formula_4"}
    project.run()
    assert tick(project, only_changed=True) == ([], "nothing has changed")
    project.write([read_csv(1, data), *NODES[1:], formula(3, 1, "c", "[a] + 1"), below])
    assert requested(project, only_changed=True) == {"formula_3", "formula_4"}
    project.run()
    data.write_text("a\n2\n")
    observe(project)
    assert requested(project, only_changed=True) == {"read_1", "formula_2", "formula_3", "formula_4"}


def test_only_changed_looks_at_the_partition_that_it_would_launch(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "'${day}'")], parameters=[PARAMETERS[2]])
    daily = {"type": "daily", "start": "2025-12-29", "end": "2026-01-01", "parameter": "day"}
    overrides = {"shop": FlowConfig.model_validate({"partitions": daily})}
    config = ScheduleConfig.model_validate({**NIGHTLY, "only_changed": True})
    definitions = project.definitions(overrides=overrides, schedules=[config])
    job = definitions.resolve_implicit_global_asset_job_def()
    for materialized, expected in (("2025-12-30", ["2025-12-31"]), ("2025-12-31", [])):
        assert job.execute_in_process(instance=project.instance, partition_key=materialized).success
        requests, _ = tick_of(project, definitions)
        assert [request.partition_key for request in requests] == expected


class Interval:
    """An interval's sensor, asked at given times."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self._project = project
        self._monkeypatch = monkeypatch
        config = ScheduleConfig(name="often", every="15m", flows=["shop"])
        self._definitions = project.definitions(schedules=[config])
        self._cursor: str | None = None

    def is_launched_at(self, minute: float) -> bool:
        self._monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0 + minute * 60)
        context = dg.build_sensor_context(
            self._project.instance, self._cursor, repository_def=self._definitions.get_repository_def()
        )
        data = self._definitions.resolve_sensor_def("often").evaluate_tick(context)
        self._cursor = data.cursor
        return bool(data.run_requests)


def test_interval_starts_at_once_and_counts_from_start_to_start(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(NODES)
    interval = Interval(project, monkeypatch)
    assert [minute for minute in (0, 1, 14.9, 15.2, 30, 30.3, 90, 91) if interval.is_launched_at(minute)] == [
        0,
        15.2,
        30.3,
        90,
    ]


def test_interval_that_is_due_while_the_flow_runs_starts_when_it_has_ended(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(NODES)
    run_id = leave_run(project, ["shop/formula_2"], dg.DagsterRunStatus.STARTED)
    interval = Interval(project, monkeypatch)
    assert not interval.is_launched_at(0)
    run = project.instance.get_run_by_id(run_id)
    assert run is not None
    project.instance.report_run_canceled(run)
    assert interval.is_launched_at(1)


def test_flow_that_there_is_not_is_a_load_error(project: Project) -> None:
    project.write(NODES)
    with pytest.raises(ConfigError, match=r"schedules\.nightly\.flows: there is no flow 'shops'; flows: shop"):
        schedule(project, flows=["shops"])


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        ({}, "give either cron or every"),
        ({"cron": "0 3 * * *", "every": "1h"}, "give either cron or every"),
        ({"every": "30s"}, "must be at least 60s"),
        ({"every": "soon"}, "'soon' is no time span; write a number and s, m, h, d or w"),
        ({"every": "1h", "timezone": "UTC"}, "timezone belongs to cron"),
    ],
)
def test_schedule_without_one_clear_rhythm_is_refused(config: dict[str, str], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        ScheduleConfig.model_validate({"name": "nightly", **config})


def test_trigger_that_watches_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="give files or assets to watch"):
        TriggerConfig(name="changed")
