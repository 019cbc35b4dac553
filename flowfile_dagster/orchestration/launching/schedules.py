"""Schedules: cron expressions are Dagster's own, time spans are sensors that count from start to start."""

from __future__ import annotations

import time
from datetime import timedelta

import dagster as dg

from flowfile_dagster.durations import parse_duration
from flowfile_dagster.orchestration.launching.target import FlowAssets, LaunchTarget, build_target
from flowfile_dagster.orchestration.project.launch_config import ScheduleConfig


def build_schedule(config: ScheduleConfig, assets: FlowAssets) -> dg.ScheduleDefinition | dg.SensorDefinition:
    """The schedule, or the sensor where a time span is given.

    Raises:
        ConfigError: it names a flow or parameter that there is not, or a value does not fit.
    """
    target = build_target(config, assets, f"schedules.{config.name}")
    if config.every is not None:
        return _interval_sensor(config, target, parse_duration(config.every))

    def launch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return target.request(context.instance, context.repository_def, context.scheduled_execution_time)

    return dg.ScheduleDefinition(
        name=config.name,
        cron_schedule=config.cron,
        execution_timezone=config.timezone,
        target=target.selection,
        execution_fn=launch,
        default_status=dg.DefaultScheduleStatus(config.status.upper()),
    )


def _interval_sensor(config: ScheduleConfig, target: LaunchTarget, every: timedelta) -> dg.SensorDefinition:
    """A new one is due at once. What is due stays due while the flow runs, and then starts once."""

    def launch_if_due(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = time.time()
        due = float(context.cursor) + every.total_seconds() if context.cursor else now
        if now < due:
            return dg.SkipReason(f"due in {due - now:.0f} s")
        request = target.request(context.instance, context.repository_def)
        if isinstance(request, dg.RunRequest):
            context.update_cursor(str(now))
        return request

    return target.sensor(launch_if_due, f"every {config.every}, from start to start")
